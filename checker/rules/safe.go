package rules

import (
	"math/bits"
	"slices"
)

// allowed is the rule that carries Paxos (P2c of Paxos Made Simple, §2.2): in some majority that promised the ballot of
// a proposal, the proposer included, either nobody had accepted anything in the slot, or the value was accepted in a
// ballot, by anybody, that none of theirs exceeds.
//
// What the proposer itself had accepted is known only as far as it said so. It may have accepted more before a crash:
// see hidden. So does whatever a node may have promised of which lines are missing.
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
		if x.ballot.Less(p.ballot) && (x.known == nil || x.value == p.value) &&
			(atMost(x.ballot) || c.mayBeChosen(x, slot, size, quorum)) {
			return true
		}
	}
	return slices.ContainsFunc(c.hidden(s, p, slot), atMost)
}

// mayBeChosen reports whether a majority may have accepted a proposal.
func (c *cluster) mayBeChosen(x *proposal, slot uint64, size, quorum int) bool {
	set := c.acceptors(x, moment{})
	return bits.OnesCount16(set)+c.unheard(x, moment{}, slot, size, set) >= quorum
}

// hidden are the ballots below that of a proposal in which its value may have been proposed and accepted by the
// proposer, although no line says so: the line of the earlier proposal is missing because whoever made it was cut off,
// and that of the vote because the proposer was.
func (c *cluster) hidden(s *slotState, p *proposal, slot uint64) (ballots []Ballot) {
	me := &c.members[c.member(p.ballot.Node)]
	for i := range c.members {
		m := &c.members[i]
		for _, u := range m.used {
			x := s.find(u.ballot)
			switch {
			case !u.ballot.Less(p.ballot), x != nil && x.known != nil && x.value != p.value:
			case !m.partial && !slices.ContainsFunc(m.ends, func(e ending) bool {
				return e.boot == u.boot && e.slot(slot) && e.last.by(p.proposed.when)
			}):
			case slices.ContainsFunc(me.ends, func(e ending) bool {
				return e.life < p.proposed.life && e.vote(slot, u.ballot)
			}):
				ballots = append(ballots, u.ballot)
			}
		}
	}
	return ballots
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
