package checker

import (
	"cmp"
	"slices"
	"time"

	"elenchus/checker/rules"
	"elenchus/results/history"
	"elenchus/results/verdict"
)

// reign is a time in which a node believed to lead: from its election in a ballot until it noticed that it had been
// deposed, or until the last sign of life of that incarnation.
type reign struct {
	node     string // as the harness calls it
	self     string // as the node calls itself
	ballot   rules.Ballot
	from, to time.Duration
	over     bool // it was deposed then, or its process ended; else that is the last line that it wrote as a leader
}

// parseBallot reads the ballot of an observation or of an answer, as in "7.n2". It is false if there is none.
func parseBallot(text string) (rules.Ballot, bool) {
	b, ok := rules.ParseBallot(text)
	return b, ok && !b.IsZero()
}

// countEvents counts what the nodes say happened to them.
func countEvents(nodes []NodeObservations, c *verdict.Coverage) {
	counters := map[string]*int{
		history.ObservedElected:           &c.Leaders,
		history.ObservedLeaseLost:         &c.LeaseExpiries,
		history.ObservedLeaseForsaken:     &c.LeasesForsaken,
		history.ObservedCaughtUp:          &c.CatchUps,
		history.ObservedSnapshotInstalled: &c.SnapshotsInstalled,
	}
	for _, n := range nodes {
		for _, o := range n.Log.Observations {
			if counter := counters[o.Kind]; counter != nil {
				*counter++
			}
		}
	}
}

// deposedReads counts the reads that were attempted at deposed leaders.
//
// A leader of ballot b is *deposed* from the moment at which another node is elected in a ballot above b, whether it
// knows it or not, until it notices: it observes that it no longer leads, or its incarnation makes its last
// observation. A read is attempted at it when a client that is pinned to this node invokes it within that time, and it
// counts as answered only when the node answered it by itself, from a state that no ballot above b has had a part in:
// what lease reads must never do, and reads by quorum or through the log cannot. When the node learns of its successor
// before the client's patience ends, it forwards what it has: such a read has an answer, but by another.
//
// Elections are observed when a candidate has its majority of promises, before anybody can have acknowledged anything
// in its ballot; so a read that is answered in the first moments of its leader's being deposed need not be stale. In
// which cases it is, linearizability decides, and not this count.
type deposedReads struct {
	known  bool // the observations of every node can be placed on the axis of the history
	counts verdict.DeposedReads
	byNode map[string][]deposed
}

// deposed is a time in which the leader of a reign was deposed and did not know it.
type deposed struct {
	reign
	since  time.Duration
	by     rules.Ballot
	latest time.Duration // until when this time or one before it in the list lasted
}

func newDeposedReads(nodes []NodeObservations, way string) *deposedReads {
	d := &deposedReads{known: len(nodes) > 0, byNode: make(map[string][]deposed)}
	d.counts.Way = way
	var reigns []reign
	for _, n := range nodes {
		if len(n.When) != len(n.Log.Observations) {
			d.known = false
			return d
		}
		reigns = append(reigns, reignsOf(n)...)
	}
	for _, r := range reigns {
		if from, by, ok := deposition(r, reigns); ok && from < r.to {
			d.counts.Terms++
			d.byNode[r.node] = append(d.byNode[r.node], deposed{reign: r, since: from, by: by})
		}
	}
	for _, list := range d.byNode {
		slices.SortStableFunc(list, func(a, b deposed) int { return cmp.Compare(a.since, b.since) })
		var latest time.Duration
		for i := range list {
			latest = max(latest, list[i].to)
			list[i].latest = latest
		}
	}
	return d
}

// Observe implements Watcher.
func (d *deposedReads) Observe(op *history.Operation) {
	if op.Op.Func != history.Read {
		return
	}
	list := d.byNode[op.Node]
	after, _ := slices.BinarySearchFunc(list, op.Call+1, func(t deposed, at time.Duration) int {
		return cmp.Compare(t.since, at)
	})
	for i := after - 1; i >= 0 && op.Call < list[i].latest; i-- {
		if op.Call < list[i].to {
			countDeposed(&d.counts, op, list[i].reign, list[i].by)
		}
	}
}

// finish is nil when it cannot be known when the nodes observed what they did.
func (d *deposedReads) finish() *verdict.DeposedReads {
	if !d.known {
		return nil
	}
	return &d.counts
}

// reignsOf finds the times in which a node believed to lead.
func reignsOf(n NodeObservations) []reign {
	var out []reign
	leading, boot := false, ""
	for i, o := range n.Log.Observations {
		if o.Boot != boot {
			leading, boot = false, o.Boot
		}
		b, ok := parseBallot(o.Ballot)
		switch {
		case o.Kind == history.ObservedElected && ok:
			out = append(out, reign{node: n.Node, self: o.Node, ballot: b, from: n.When[i], to: n.When[i]})
			leading = true
		case leading:
			out[len(out)-1].to = n.When[i]
			out[len(out)-1].over = o.Kind == history.ObservedDeposed || o.Kind == history.ObservedEnded
			leading = !out[len(out)-1].over
		}
	}
	return out
}

// deposition is when the first node was elected in a ballot above that of r, after r was, and in which ballot.
func deposition(r reign, reigns []reign) (at time.Duration, by rules.Ballot, ok bool) {
	for _, s := range reigns {
		if s.node != r.node && r.ballot.Less(s.ballot) && (!ok || s.from < at) {
			at, by, ok = max(s.from, r.from), s.ballot, true
		}
	}
	return at, by, ok
}

// countDeposed counts a read that was invoked at the leader of r while it was deposed in favour of by.
func countDeposed(d *verdict.DeposedReads, op *history.Operation, r reign, by rules.Ballot) {
	d.Attempted++
	switch op.Outcome {
	case history.Fail:
		d.Refused++
		return
	case history.OK:
	default:
		d.Unknown++
		return
	}
	own := op.By.Leader == r.self
	// The witness has the ballot of the last command in the state that was read. It may be missing.
	if b, ok := parseBallot(op.By.Ballot); ok {
		own = own && b.Less(by)
	} else {
		own = own && op.Return <= r.to
	}
	if own {
		d.Answered++
	} else {
		d.Forwarded++
	}
}
