package multipaxos

import (
	"elenchus/node/protocol"
)

// reports is what each member has reported in its promises, by ballot: the promise pages that have been sent.
type reports map[protocol.Ballot]map[protocol.NodeID]*report

type report struct {
	covered   protocol.Slot // everything up to this slot was reported; SlotLast when complete
	committed protocol.Slot
	entries   map[protocol.Slot]protocol.Entry
}

func (r reports) add(msg *protocol.Message) {
	if r[msg.Ballot] == nil {
		r[msg.Ballot] = make(map[protocol.NodeID]*report)
	}
	p := r[msg.Ballot][msg.From]
	if p == nil {
		p = &report{covered: msg.First - 1, entries: make(map[protocol.Slot]protocol.Entry)}
		r[msg.Ballot][msg.From] = p
	}
	if msg.First <= p.covered+1 || p.covered == protocol.SlotLast {
		p.covered = max(p.covered, msg.Last)
	}
	p.committed = max(p.committed, msg.Committed)
	for _, e := range msg.Entries {
		p.entries[e.Slot] = e
	}
}

// safe checks an Accept against the central rule of Paxos (P2c): there must be a majority that promised exactly this
// ballot, including the proposer, of which either no member had accepted anything in the slot, or none had accepted in
// a higher ballot than one in which the value was accepted by some node. The check happens when the Accept is first
// sent, not only once a violation has led to a second chosen value.
func (g *ghost) safe(from protocol.NodeID, e protocol.Entry) {
	at := ballotSlot{e.Ballot, e.Slot}
	value := batchText(e.Batch)
	if g.checked[at] || g.chosen[e.Slot] == value {
		return
	}
	g.checked[at] = true
	if e.Ballot == (protocol.Ballot{Node: 1}) {
		return // there is no lower ballot in which anything could have been accepted
	}
	var accepted []protocol.Entry // by members with a complete promise; the other complete promises report nothing
	var others []protocol.Entry   // reported in incomplete promises
	promised := 1
	if own, ok := g.disks[from][e.Slot]; ok {
		accepted = append(accepted, own)
	}
	for _, p := range g.reports[e.Ballot] {
		reported, ok := p.entries[e.Slot]
		complete := p.covered == protocol.SlotLast && p.committed < e.Slot
		if complete {
			promised++
		}
		switch {
		case ok && complete:
			accepted = append(accepted, reported)
		case ok:
			others = append(others, reported)
		}
	}
	quorum := protocol.Majority(g.nodes)
	if promised-len(accepted) >= quorum {
		return // free in a majority
	}
	for _, x := range append(others, accepted...) {
		higher := 0
		for _, y := range accepted {
			if x.Ballot.Less(y.Ballot) {
				higher++
			}
		}
		if batchText(x.Batch) == value && promised-higher >= quorum {
			return
		}
	}
	g.violated("%v proposes %q in slot %d of ballot %v, which %d promises that report %d entries do not allow: %v",
		from, value, e.Slot, e.Ballot, promised, len(accepted), accepted)
}
