package rules

import (
	"elenchus/results/history"
)

// slotsMax bounds the slots of one message: a node proposes at most as many at a time as its window has.
const slotsMax = 1 << 16

// span is a run of slots that a node said it had accepted in one ballot.
type span struct {
	first, last uint64
	ballot      Ballot
}

// sent is told of a message that leaves the node.
func (a *account) sent(i int, o *history.Observation, b Ballot) {
	a.check.result.Messages++
	switch o.Kind {
	case history.ObservedSentPrepare:
		a.prepares(i, b)
	case history.ObservedSentPromise:
		a.binds(i, b, "promises")
		a.complete(i, o, b)
		a.check.cluster.promised(a, i, b)
	case history.ObservedSentAccept:
		a.proposes(i, o, b)
	case history.ObservedSentAccepted:
		if a.binds(i, b, "accepts in") {
			a.takesBack(i, o, b)
		}
		a.accepts(o, b)
		a.check.cluster.accepted(a, i, b)
	case history.ObservedSentAsk:
		a.check.cluster.asked(a, o, b)
	case history.ObservedSentGrant:
		a.raise(b) // what grants leases must survive a crash
		a.check.cluster.granted(a, i, b)
	}
}

// prepares checks that a ballot is the node's own, and of this life.
func (a *account) prepares(i int, b Ballot) {
	boot, before := a.used[b]
	switch {
	case b.Node != a.life.self:
		a.violated(BallotOwner, i, b, "%s asks for promises of ballot %v%s, which is another node's", a.node.Name, b,
			a.when(i))
	case before && boot != a.life.boot:
		a.violated(BallotOwner, i, b, "%s asks for promises of ballot %v%s, which it used in its incarnation %s already",
			a.node.Name, b, a.when(i), boot)
	}
	a.used[b] = a.life.boot
	if a.index >= 0 && !before {
		m := &a.check.cluster.members[a.index]
		m.used = append(m.used, usedBallot{b, a.life.boot})
	}
}

// binds checks a message that leaves the node and binds it to a ballot, and reports whether it is below the one before.
func (a *account) binds(i int, b Ballot, does string) (fell bool) {
	if fell = b.Less(a.left); fell {
		a.violated(PromiseMonotone, i, b, "%s %s ballot %v%s, after it had told others that it takes part in %v", a.node.Name,
			does, b, a.when(i), a.left)
	}
	a.left = b
	a.raise(b)
	if broken, ok := a.dishonours(i, b, does); ok && !a.onWallClock() {
		a.check.violated(broken)
	}
	return fell
}

// raise takes note of a ballot that the node's disk must have promised.
func (a *account) raise(b Ballot) {
	if a.durable.Less(b) {
		a.durable = b
	}
}

// takesBack checks that a vote is not in a lower ballot than one in which the node had accepted the slot.
func (a *account) takesBack(i int, o *history.Observation, b Ballot) {
	for _, v := range a.votes {
		if b.Less(v.ballot) && v.first <= o.Slot && o.First <= v.last {
			w := a.violation(AcceptedMonotone, i, b, "%s accepts slot %d in ballot %v%s, and had said that it accepted it in %v",
				a.node.Name, max(v.first, o.First), b, a.when(i), v.ballot)
			w.Slot = max(v.first, o.First)
			a.check.violated(w)
			return
		}
	}
}

// accepts remembers what the node has said it accepted. Votes in slots that a snapshot of another node covers decide
// nothing and are not stored. They are forgotten in a crash that comes before that snapshot is on the disk.
func (a *account) accepts(o *history.Observation, b Ballot) {
	first := max(o.First, a.life.snapshot+1)
	if o.Slot < first || o.Slot-o.First >= slotsMax || a.gap { // a snapshot may be in the gap
		return
	}
	a.remember(span{first, o.Slot, b})
}

// remember adds slots that the node must have on its disk as accepted in a ballot or in a higher one.
func (a *account) remember(v span) {
	if n := len(a.votes) - 1; n >= 0 {
		last := &a.votes[n]
		if last.ballot == v.ballot && v.first <= last.last+1 && v.first >= last.first {
			last.last = max(last.last, v.last)
			return
		}
	}
	a.votes = append(a.votes, v)
}

// complete checks that a page of a promise reports everything that the node had said it accepted, unless it says that
// the slot is chosen. What the page reports is said from then on.
func (a *account) complete(i int, o *history.Observation, b Ballot) {
	a.reportsAll(i, o, b)
	for _, e := range o.Sent.Entries {
		if in, ok := ParseBallot(e.Ballot); ok {
			a.remember(span{e.Slot, e.Slot, in})
		}
	}
}

func (a *account) reportsAll(i int, o *history.Observation, b Ballot) {
	from := max(o.First, o.Sent.Committed+1)
	var reported map[uint64]Ballot // made when it is needed
	for _, v := range a.votes {
		if !v.ballot.Less(b) {
			continue // it may have been accepted after the promise was made
		}
		for slot := max(v.first, from); slot <= min(v.last, o.Slot); slot++ {
			if reported == nil {
				reported = entriesOf(o)
			}
			if got, ok := reported[slot]; !ok || got.Less(v.ballot) {
				a.incomplete(i, b, slot, v.ballot, got)
				return
			}
		}
	}
}

func (a *account) incomplete(i int, b Ballot, slot uint64, accepted, reported Ballot) {
	says := "nothing"
	if !reported.IsZero() {
		says = "ballot " + reported.String()
	}
	v := a.violation(PromiseComplete, i, b, "%s promises ballot %v%s and reports %s of slot %d, which it had said it "+
		"accepted in ballot %v", a.node.Name, b, a.when(i), says, slot, accepted)
	v.Slot = slot
	a.check.violated(v)
}

func entriesOf(o *history.Observation) map[uint64]Ballot {
	out := make(map[uint64]Ballot, len(o.Sent.Entries))
	for _, e := range o.Sent.Entries {
		if b, ok := ParseBallot(e.Ballot); ok {
			out[e.Slot] = b
		}
	}
	return out
}

// proposes checks that a node proposes only in a ballot in which it was elected. A node accepts what it proposes in the
// same step, so that a proposal may neither be below its promise nor below what it has accepted.
func (a *account) proposes(i int, o *history.Observation, b Ballot) {
	if boot, ok := a.led[b]; (!ok || boot != a.life.boot) && !a.gap {
		v := a.violation(Election, i, b, "%s proposes in ballot %v%s, in which it was not elected", a.node.Name, b, a.when(i))
		v.Slot = o.First
		a.check.violated(v)
	}
	if b.Less(a.life.promised) {
		a.violated(PromiseMonotone, i, b, "%s proposes, and so accepts, in ballot %v%s, after a promise of %v", a.node.Name,
			b, a.when(i), a.life.promised)
	}
	for k, value := range o.Sent.Values {
		slot := o.First + uint64(k)
		if in := a.life.above[slot]; b.Less(in) {
			v := a.violation(AcceptedMonotone, i, b, "%s proposes in slot %d, and so accepts it, in ballot %v%s, and had it as "+
				"chosen in ballot %v", a.node.Name, slot, b, a.when(i), in)
			v.Slot = slot
			a.check.violated(v)
		}
		a.check.cluster.value(a, i, slot, b, value, true)
	}
}
