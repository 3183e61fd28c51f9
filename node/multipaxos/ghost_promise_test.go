package multipaxos

import (
	"elenchus/node/protocol"
)

// reports is what each member has promised to say about its past, by ballot: the pages of its promise that have left.
type reports map[protocol.Ballot]map[protocol.NodeID]*report

type report struct {
	covered   protocol.Slot // everything up to here was reported; SlotLast when complete
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

// safe checks an Accept against the rule that carries Paxos (P2c): among some majority that promised exactly this
// ballot, the proposer included, either nobody had accepted anything in the slot, or the value was accepted in a ballot
// (by anybody) that none of theirs exceeds. It is checked when the Accept first leaves, not when a violation has led to
// a second chosen value.
func (g *ghost) safe(from protocol.NodeID, e protocol.Entry) {
	at := ballotSlot{e.Ballot, e.Slot}
	value := batchText(e.Batch)
	if g.checked[at] || g.chosen[e.Slot] == value {
		return
	}
	g.checked[at] = true
	if e.Ballot == (protocol.Ballot{Node: 1}) {
		return // there is no ballot below, in which any of them could have accepted something
	}
	var accepted []protocol.Entry // by members whose promise is complete; the rest of them had accepted nothing
	var others []protocol.Entry   // reported in promises that are not
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
