package rules

import (
	"math/bits"
)

// allowed is the rule that carries Paxos (P2c of Paxos Made Simple, §2.2): in some majority that promised the ballot of
// a proposal, the proposer included, either nobody had accepted anything in the slot, or the value was accepted in a
// ballot, by anybody, that none of theirs exceeds.
//
// What the proposer itself had accepted is known only as far as it said so. It may have accepted more, in particular a
// proposal of its own that a crash kept from leaving, which excuses it. So does whatever a node may have promised of
// which lines are missing.
func (c *cluster) allowed(s *slotState, p *proposal, slot uint64, size, quorum int) bool {
	b := c.ballots[p.ballot]
	if b == nil || b.elected == nil || !c.whole(p.ballot.Node) {
		return true // which other rules tell of, or nothing is known
	}
	accepted, promised := c.reported(b, p, slot)
	if own := c.own(s, p); !own.IsZero() {
		accepted = append(accepted, own)
	}
	promised += c.silent(size, 0)
	if promised-len(accepted) >= quorum {
		return true // free in a majority
	}
	atMost := func(x Ballot) bool {
		higher := 0
		for _, y := range accepted {
			if x.Less(y) {
				higher++
			}
		}
		return promised-higher >= quorum
	}
	for i := range s.proposals {
		x := &s.proposals[i]
		if x.ballot.Less(p.ballot) && (!x.known || x.value == p.value) &&
			(atMost(x.ballot) || bits.OnesCount16(c.acceptors(x, moment{})) >= quorum) {
			return true
		}
	}
	for _, u := range c.members[c.member(p.ballot.Node)].used {
		if u.boot != p.proposed.boot && u.ballot.Less(p.ballot) && atMost(u.ballot) {
			return true
		}
	}
	return false
}

// reported are the ballots in which others had accepted something in a slot, as their complete promises say, and how
// many promises there are, that of the proposer included.
func (c *cluster) reported(b *ballotState, p *proposal, slot uint64) (accepted []Ballot, promised int) {
	promised = 1
	for i := range c.members {
		r := &b.reports[i]
		if c.members[i].number == p.ballot.Node || !r.complete() || r.committed >= slot {
			continue
		}
		promised++
		if e, ok := r.entries[slot]; ok {
			accepted = append(accepted, e.ballot)
		}
	}
	return accepted, promised
}

// own is the highest ballot below that of a proposal in which the proposer said that it had accepted the slot.
func (c *cluster) own(s *slotState, p *proposal) (highest Ballot) {
	me := c.bit(p.ballot.Node)
	for i := range s.proposals {
		x := &s.proposals[i]
		if x.accepted&me != 0 && x.ballot.Less(p.ballot) && highest.Less(x.ballot) {
			highest = x.ballot
		}
	}
	return highest
}
