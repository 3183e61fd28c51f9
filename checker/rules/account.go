package rules

import (
	"fmt"
	"slices"
	"time"

	"elenchus/results/history"
)

// account reads what one node says of itself, life by life, and holds it to the rules about one node.
type account struct {
	check *check
	node  *Node

	life    life
	led     map[Ballot]string // ballots that it led, and in which incarnation
	durable Ballot            // the highest ballot that its disk is known to have promised
	promise *promise          // one whose reason is not known yet
	granted *obligation       // of the last lease that it granted, also in an earlier life
	silence *obligation       // of this life
	wipes   []time.Duration   // when somebody emptied its disk
	lost    []history.Loss    // yet to come

	lives    int    // how many it has had, with this one
	previous string // the incarnation before this one; empty in the first
	wiped    bool   // its disk may have been emptied before this life

	left  Ballot            // the ballot that it last told others it takes part in
	used  map[Ballot]string // ballots that it asked promises of, and in which incarnation
	votes []span            // what it told others that it accepted, and must find on its disk
	gap   bool              // lines of this life are missing
	index int               // its place among the members of the cluster; negative if it has none
}

// life is one incarnation.
type life struct {
	boot     string
	self     uint64      // the node's number
	promised Ballot      // the highest ballot that it has promised
	used     Ballot      // the highest that it has campaigned in
	traced   bool        // it writes down the messages that leave it
	stopped  bool        // it ended in good order
	known    uint64      // the last slot that it knows to be chosen, and all before
	snapshot uint64      // the last slot of the snapshots that it got from others: votes up to there are not stored
	asking   ask         // the lease that it asked for last, as long as it leads
	held     *obligation // the lease that it held last, until it gave that up

	leads Ballot            // the ballot that it leads; zero if it leads none
	above map[uint64]Ballot // slots that it took for chosen in higher ballots than the one that it led
}

// promise is a raised promise that breaks a rule, unless it turns out that the node learned of the ballot.
type promise struct {
	line   int
	ballot Ballot
	broken Violation
}

func newAccount(c *check, n *Node) *account {
	return &account{check: c, node: n, led: make(map[Ballot]string), used: make(map[Ballot]string), lost: n.Lost,
		wipes: c.in.Wiped[n.Name]}
}

func (a *account) read() {
	a.check.result.Lines += len(a.node.Observations)
	for i := range a.node.Observations {
		o := &a.node.Observations[i]
		lost := len(a.lost)
		for ; len(a.lost) > 0 && a.lost[0].Before <= i; a.lost = a.lost[1:] {
			a.granted, a.silence, a.promise = nil, nil, nil // what was lost may have ended or explained them
			a.check.leases.unknown(a.node, i-1)
		}
		a.settle(i)
		if i == 0 || o.Boot != a.life.boot {
			a.begin(i)
		}
		a.gap = a.gap || len(a.lost) < lost
		if b, ok := ParseBallot(o.Ballot); ok {
			a.line(i, o, b)
		}
	}
	if last := len(a.node.Observations) - 1; last >= 0 {
		a.ends(last, len(a.lost) > 0)
	}
}

// begin is the beginning of another life.
func (a *account) begin(i int) {
	o := &a.node.Observations[i]
	if i > 0 {
		a.ends(i-1, false)
		a.check.leases.died(a.node, i)
	}
	a.check.result.Incarnations++
	a.lives++
	self, _ := ParseBallot("0." + o.Node)
	a.previous, a.wiped = a.life.boot, a.wipedBefore(i)
	a.life, a.promise, a.silence, a.gap = life{boot: o.Boot, self: self.Node}, nil, nil, false
	a.check.cluster.begins(a, i)
	if a.wiped {
		a.durable, a.left, a.granted, a.votes = Ballot{}, Ballot{}, nil, nil
		clear(a.led)
		clear(a.used)
	}
}

// ends is the end of a life, or of the account, behind a line. Cut says that lines are known to be missing there.
func (a *account) ends(last int, cut bool) {
	a.check.cluster.ends(a, last)
	if cut || a.node.Partial {
		a.check.leases.unknown(a.node, last)
	}
}

// wipedBefore reports whether the disk may have been emptied between the last line of one life and the first of the
// next, which is line i.
func (a *account) wipedBefore(i int) bool {
	n := a.node
	return slices.ContainsFunc(a.wipes, func(at time.Duration) bool {
		return !n.placed() || at <= n.When[i]+n.Slack[i] && (i == 0 || at >= n.When[i-1]-n.Slack[i-1])
	})
}

func (a *account) line(i int, o *history.Observation, b Ballot) {
	switch o.Kind {
	case history.ObservedRecovered:
		a.recovered(i, b)
		a.votes = slices.DeleteFunc(a.votes, func(v span) bool { return v.last <= o.Slot }) // these it knows to be chosen
	case history.ObservedPromised:
		a.promised(i, b)
	case history.ObservedCampaign:
		a.campaigns(i, b)
	case history.ObservedElected:
		a.elected(i, b)
	case history.ObservedLeaseGranted:
		a.grants(i, b)
	case history.ObservedLeaseSilence:
		a.silence = a.obligation(i, b)
		a.check.cluster.silenced(a, i, b)
	case history.ObservedLeaseFreed:
		if a.granted != nil && a.granted.ballot == b {
			a.granted = nil
		}
	case history.ObservedEnded:
		a.check.leases.died(a.node, i)
	case history.ObservedStopped:
		a.life.stopped = true
	case history.ObservedTraced:
		a.life.traced = true
	case history.ObservedChosen:
		a.learns(o.Slot, b)
		a.check.cluster.chosen(a, i, b, 0)
	case history.ObservedSnapshotInstalled:
		a.life.known, a.life.snapshot = max(a.life.known, o.Slot), max(a.life.snapshot, o.Slot)
	case history.ObservedSnapshotRestored:
		a.life.known = max(a.life.known, o.Slot)
	case history.ObservedApplied:
		a.life.known = max(a.life.known, o.Slot)
		a.learns(o.Slot, b)
		if o.Value != 0 {
			a.check.cluster.value(a, i, o.Slot, b, o.Value, false)
			a.check.cluster.chosen(a, i, b, o.Value)
		}
		a.check.cluster.state(a, i, b)
	case history.ObservedLeaseAsked:
		a.life.asking = a.check.cluster.asks(o)
	case history.ObservedLeaseHeld, history.ObservedLeaseRenewed:
		a.life.held = a.obligation(i, b)
		a.check.leases.held(a.node, i, b)
		a.check.cluster.held(a, i, b)
	case history.ObservedServed:
		a.served(i)
	case history.ObservedLeaseForsaken, history.ObservedDeposed:
		a.life.held, a.life.asking = nil, ask{}
		a.check.leases.given(a.node, i, b)
		a.life.leads = Ballot{}
	default:
		if o.Sent != nil {
			a.sent(i, o, b)
		}
	}
}

// violated reports that a line breaks a rule.
func (a *account) violated(rule string, i int, b Ballot, format string, args ...any) {
	a.check.violated(a.violation(rule, i, b, format, args...))
}

func (a *account) violation(rule string, i int, b Ballot, format string, args ...any) Violation {
	v := Violation{Rule: rule, Node: a.node.Name, Ballot: b, Account: fmt.Sprintf(format, args...)}
	if a.node.placed() {
		v.At, v.Placed = a.node.When[i], true
	}
	return v
}

// when is the instant of a line, for the end of a sentence.
func (a *account) when(i int) string {
	if !a.node.placed() {
		return ""
	}
	return " at " + seconds(a.node.When[i])
}

// recovered checks that a restarted node knows what it has promised.
func (a *account) recovered(i int, b Ballot) {
	if b.Less(a.durable) {
		a.violated(Recovery, i, b, "%s starts%s with the promise of ballot %v, and its disk had that of %v before",
			a.node.Name, a.when(i), b, a.durable)
	}
	a.durable, a.life.promised = b, b
	a.check.cluster.recovered(a, b)
	if a.granted != nil && a.granted.ballot != b {
		// It had promised a higher ballot in between, which proves the lease to be over; or the grant never left, because it
		// waits for the promise of its ballot.
		a.granted = nil
	}
}

// promised checks that promises rise.
func (a *account) promised(i int, b Ballot) {
	if !a.life.promised.Less(b) {
		a.violated(PromiseMonotone, i, b, "%s promises ballot %v%s, after a promise of %v", a.node.Name, b, a.when(i),
			a.life.promised)
	}
	a.life.promised = b
	if b == a.life.used {
		return // it promises its own ballot by campaigning
	}
	if broken, ok := a.dishonours(i, b, "promises"); ok {
		a.promise = &promise{line: i, ballot: b, broken: broken}
	}
}

// campaigns checks that a node campaigns in a ballot of its own that nobody can have used.
func (a *account) campaigns(i int, b Ballot) {
	switch above := slices.MaxFunc([]Ballot{a.life.promised, a.life.used}, Ballot.Compare); {
	case b.Node != a.life.self:
		a.violated(BallotOwner, i, b, "%s campaigns in ballot %v%s, which is another node's", a.node.Name, b, a.when(i))
	case !above.Less(b):
		a.violated(BallotOwner, i, b, "%s campaigns in ballot %v%s, after it promised or used %v", a.node.Name, b, a.when(i),
			above)
	}
	a.life.used = b
	if broken, ok := a.dishonours(i, b, "campaigns in"); ok {
		a.check.violated(broken)
	}
}

// elected checks that a ballot is led in one life of one node.
func (a *account) elected(i int, b Ballot) {
	a.check.result.Elections++
	boot, before := a.led[b]
	switch {
	case b.Node != a.life.self:
		a.violated(BallotOwner, i, b, "%s leads ballot %v%s, which is another node's", a.node.Name, b, a.when(i))
	case before && boot != a.life.boot:
		a.violated(BallotOwner, i, b, "%s leads ballot %v%s, which it led in its incarnation %s already", a.node.Name, b,
			a.when(i), boot)
	}
	a.led[b] = a.life.boot
	a.life.leads, a.life.above = b, nil
	if a.durable.Less(b) {
		a.durable = b // it leads only once its own promise is on its disk
	}
	a.check.leases.elected(a.node, i, b)
	a.check.cluster.elected(a, i, b)
}

// learns takes note of a slot that a leader takes for chosen in a higher ballot than its own. It has then accepted the
// value in that ballot, unless it had before. A correct leader steps down first.
func (a *account) learns(slot uint64, b Ballot) {
	if a.life.leads.IsZero() || !a.life.leads.Less(b) {
		return
	}
	if a.life.above == nil {
		a.life.above = make(map[uint64]Ballot)
	}
	a.life.above[slot] = b
}
