package sim

import (
	"elenchus/node/protocol"
)

// ballotGhost is what happened in one ballot.
type ballotGhost struct {
	node, life int  // the node and its incarnation that use it
	elected    bool // a majority promised it
	reports    [nodesMax]report
}

// report is what one node has reported in its promise of a ballot: the pages that have left it.
type report struct {
	some      bool
	covered   protocol.Slot // everything up to here was reported; SlotLast when complete
	committed protocol.Slot
	entries   []protocol.Entry // one for each slot
}

func (r *report) add(e protocol.Entry) {
	for i := range r.entries {
		if r.entries[i].Slot == e.Slot {
			r.entries[i] = e
			return
		}
	}
	r.entries = append(r.entries, e)
}

func (r *report) entry(slot protocol.Slot) *protocol.Entry {
	for i := range r.entries {
		if r.entries[i].Slot == slot {
			return &r.entries[i]
		}
	}
	return nil
}

// ballot returns what is known of a ballot, creating it if need be.
func (g *ghost) ballot(b protocol.Ballot) *ballotGhost {
	found := g.ballots[b]
	if found != nil {
		return found
	}
	if n := len(g.spare); n > 0 {
		found = g.spare[n-1]
		g.spare = g.spare[:n-1]
		for i := range found.reports {
			entries := found.reports[i].entries
			clear(entries)
			found.reports[i] = report{entries: entries[:0]}
		}
		*found = ballotGhost{reports: found.reports}
	} else {
		found = new(ballotGhost)
	}
	g.ballots[b] = found
	return found
}

// sent is told of every message that leaves a node.
func (g *ghost) sent(n *node, msg *protocol.Message) {
	me := &g.nodes[n.index]
	switch msg.Kind {
	case protocol.MsgPrepare:
		g.uses(n, msg.Ballot)
	case protocol.MsgPromise:
		g.promises(n, me, msg)
		g.report(n, msg)
	case protocol.MsgAccepted:
		g.promises(n, me, msg)
		g.accepts(n, me, msg)
	case protocol.MsgAccept:
		for i := range msg.Entries {
			g.proposed(n, &msg.Entries[i])
		}
	case protocol.MsgHeartbeatAck:
		if me.onDisk.Less(msg.Ballot) { // a message that confirms reads or grants leases must be true after a crash, too
			g.notOnDisk(n, msg)
		}
		g.noteLease(n, msg)
	case protocol.MsgHeartbeat:
		g.noteLease(n, msg)
	}
}

// uses checks that a ballot is used by one incarnation of one node.
func (g *ghost) uses(n *node, ballot protocol.Ballot) {
	b := g.ballot(ballot)
	switch {
	case ballot.Node != n.id():
		g.violated(Violation{
			Invariant: invariantOwner, Node: n.index + 1, Ballot: ballot, Message: "the node uses another's ballot",
		})
	case b.node == 0:
		b.node, b.life = n.index+1, int(n.life)
	case b.life != int(n.life):
		g.violated(Violation{
			Invariant: invariantOwner, Node: n.index + 1, Ballot: ballot,
			Message: "an earlier incarnation of the node has used this ballot",
		})
	}
}

// promises checks that what a node promises is on its disk, and that its promises never fall.
func (g *ghost) promises(n *node, me *nodeGhost, msg *protocol.Message) {
	switch {
	case me.onDisk.Less(msg.Ballot):
		g.notOnDisk(n, msg)
	case msg.Ballot.Less(me.promised):
		g.violated(Violation{
			Invariant: invariantMonotone, Node: n.index + 1, Ballot: msg.Ballot,
			Message: "the node sends " + msg.Kind.String() + " after a promise of " + me.promised.String(),
		})
	}
	me.promised = msg.Ballot
	g.honours(n, msg)
}

// notOnDisk reports a message in a ballot whose promise is not on the sender's disk.
func (g *ghost) notOnDisk(n *node, msg *protocol.Message) {
	g.violated(Violation{
		Invariant: invariantDurable, Node: n.index + 1, Ballot: msg.Ballot,
		Message: "the node sends " + msg.Kind.String() + ", and its disk has promised " + ballotText(g.nodes[n.index].onDisk),
	})
}

// accepts checks that what a node says it has accepted is on its disk.
func (g *ghost) accepts(n *node, me *nodeGhost, msg *protocol.Message) {
	for slot := msg.First; slot <= msg.Last && slot <= slotsMax; slot++ {
		if slot < me.first {
			continue // a value is chosen there, so the vote decides nothing
		}
		if slot == 0 || int(slot) > len(me.accepted) || me.accepted[slot-1].Less(msg.Ballot) {
			g.violated(Violation{
				Invariant: invariantDurable, Node: n.index + 1, Slot: slot, Ballot: msg.Ballot,
				Message: "the node says that it has accepted the slot, and its disk has not",
			})
			return
		}
	}
}

func ballotText(b protocol.Ballot) string {
	if b.IsZero() {
		return "nothing"
	}
	return b.String()
}

func (g *ghost) report(n *node, msg *protocol.Message) {
	r := &g.ballot(msg.Ballot).reports[n.index]
	if !r.some {
		r.some, r.covered = true, msg.First-1
	}
	if msg.First <= r.covered+1 || r.covered == protocol.SlotLast {
		r.covered = max(r.covered, msg.Last)
	}
	r.committed = max(r.committed, msg.Committed)
	for _, e := range msg.Entries {
		r.add(e)
	}
}

// complete checks that a page of a promise leaves out nothing that the node's disk has accepted. It is checked when
// the page is made: what the node learns while the page waits for the disk is in no promise, and need not be.
func (g *ghost) complete(n *node, msg *protocol.Message) {
	me := &g.nodes[n.index]
	last := min(msg.Last, protocol.Slot(len(me.accepted)))
	next := 0
	for slot := max(msg.First, msg.Committed+1); slot <= last; slot++ {
		for next < len(msg.Entries) && msg.Entries[next].Slot < slot {
			next++
		}
		b := me.accepted[slot-1]
		if b.IsZero() || next < len(msg.Entries) && msg.Entries[next].Slot == slot && !msg.Entries[next].Ballot.Less(b) {
			continue
		}
		g.violated(Violation{
			Invariant: invariantComplete, Node: n.index + 1, Slot: slot, Ballot: msg.Ballot,
			Message: "the node's promise leaves out what it accepted in " + b.String(),
		})
		return
	}
}

// elected checks that a majority, the candidate included, has promised the ballot.
func (g *ghost) elected(n *node, o *protocol.Observation) {
	g.w.stats.Elections++
	if g.nodes[n.index].onDisk.Less(o.Ballot) {
		g.violated(Violation{
			Invariant: invariantDurable, Node: n.index + 1, Ballot: o.Ballot,
			Message: "the node is elected, and its own disk has promised " + g.nodes[n.index].onDisk.String(),
		})
		return
	}
	g.uses(n, o.Ballot)
	b := g.ballot(o.Ballot)
	count := 1
	for i := range g.w.n {
		if i != n.index && b.reports[i].some && b.reports[i].covered == protocol.SlotLast {
			count++
		}
	}
	if count < g.quorum && !g.first(o.Ballot) {
		g.violated(Violation{
			Invariant: invariantElection, Node: n.index + 1, Ballot: o.Ballot,
			Message: "the node is elected with " + decimal(uint64(count)) + " promises",
		})
		return
	}
	b.elected = true
	if g.lease.elected.Less(o.Ballot) {
		g.lease.elected = o.Ballot
	}
	g.checkLeases()
}

// first reports whether the ballot is the one with which a cluster may start, to which nobody need promise anything:
// there is none below it.
func (g *ghost) first(b protocol.Ballot) bool {
	return g.w.plan.Node.FirstBallotShortcut && b == protocol.Ballot{Node: 1}
}

// proposed checks the central rule of Paxos (P2c, Lamport 2001): among some majority that promised exactly this
// ballot, the proposer included, either nobody had accepted anything in the slot, or the value was accepted in a
// ballot, by any node, that none of theirs exceeds. It is checked when the Accept first leaves its node, and not only
// when a violation has led to a second chosen value.
func (g *ghost) proposed(n *node, e *protocol.Entry) {
	s, p := g.note(n.index+1, e)
	if s == nil || p.safe {
		return
	}
	p.safe = true
	if s.chosen && s.value == p.value {
		return
	}
	b := g.ballots[e.Ballot]
	if b == nil || !b.elected {
		g.violated(Violation{
			Invariant: invariantElection, Node: n.index + 1, Slot: e.Slot, Ballot: e.Ballot,
			Message: "the node proposes a value in a ballot in which it was not elected",
		})
		return
	}
	if s.first.ballot == e.Ballot && len(s.more) == 0 || g.first(e.Ballot) {
		return // nobody has ever seen the slot in another ballot, or there is none below
	}
	if !g.allowed(n, b, s, p) {
		g.violated(Violation{
			Invariant: invariantSafeValue, Node: n.index + 1, Slot: e.Slot, Ballot: e.Ballot,
			Message: "what its majority has reported does not allow the node to propose " + describeBatch(e.Batch),
		})
	}
}

// allowed evaluates the rule, see proposed.
func (g *ghost) allowed(n *node, b *ballotGhost, s *slotGhost, p *proposal) bool {
	var accepted, others []reportedValue
	promised := 1
	slot := g.position(s)
	if me := &g.nodes[n.index]; int(slot) <= len(me.accepted) && me.accepted[slot-1].Less(p.ballot) {
		if own := me.accepted[slot-1]; !own.IsZero() {
			accepted = append(accepted, reportedValue{own, s.proposal(own).value})
		}
	} else if own := s.below(n.index, p.ballot); own != nil {
		accepted = append(accepted, reportedValue{own.ballot, own.value})
	}
	for i := range g.w.n {
		r := &b.reports[i]
		if i == n.index || !r.some {
			continue
		}
		e := r.entry(slot)
		complete := r.covered == protocol.SlotLast && r.committed < slot
		if complete {
			promised++
		}
		if e == nil {
			continue
		}
		v := reportedValue{e.Ballot, fingerprint(e.Batch)}
		if complete {
			accepted = append(accepted, v)
		} else {
			others = append(others, v)
		}
	}
	if promised-len(accepted) >= g.quorum {
		return true // a majority had accepted nothing
	}
	for _, x := range append(others, accepted...) {
		higher := 0
		for _, y := range accepted {
			if x.ballot.Less(y.ballot) {
				higher++
			}
		}
		if x.value == p.value && promised-higher >= g.quorum {
			return true
		}
	}
	return false
}

type reportedValue struct {
	ballot protocol.Ballot
	value  uint64
}

// position is the slot's number.
func (g *ghost) position(s *slotGhost) protocol.Slot {
	for i := len(g.slots) - 1; i >= 0; i-- {
		if &g.slots[i] == s {
			return protocol.Slot(i + 1)
		}
	}
	return 0
}

// below returns the proposal with the highest ballot below the given one that is on the node's disk, or nil.
func (s *slotGhost) below(node int, limit protocol.Ballot) *proposal {
	var best *proposal
	look := func(p *proposal) {
		if p.durable>>node&1 == 1 && p.ballot.Less(limit) && (best == nil || best.ballot.Less(p.ballot)) {
			best = p
		}
	}
	look(&s.first)
	for i := range s.more {
		look(&s.more[i])
	}
	return best
}
