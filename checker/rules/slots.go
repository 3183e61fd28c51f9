package rules

import (
	"math/bits"
	"slices"

	"elenchus/results/history"
)

// slotState is what nodes say of one slot.
type slotState struct {
	proposals []proposal
	claims    []chosen

	state   history.Digest // of whoever applied it first; zero if nobody says
	applied *account
}

// proposal is what was proposed in one ballot.
type proposal struct {
	ballot   Ballot
	value    history.Digest
	known    *claim // where the value was read first; nil if it is not known
	proposed *proposer
	accepted uint16   // the members that said they accepted it
	when     []moment // of each of them, by member
}

// proposer is where a proposal was made.
type proposer struct {
	claim
	life int // which of the node's lives, from 1
}

// chosen says that somebody takes a slot for chosen: the first who did for this ballot.
type chosen struct {
	claim
	ballot Ballot
	value  history.Digest // zero if it is known only by the ballot
}

func (c *cluster) slot(number uint64) *slotState {
	s := c.slots[number]
	if s == nil {
		s = new(slotState)
		c.slots[number] = s
	}
	return s
}

func (s *slotState) find(b Ballot) *proposal {
	for i := range s.proposals {
		if s.proposals[i].ballot == b {
			return &s.proposals[i]
		}
	}
	return nil
}

func (s *slotState) proposal(b Ballot) *proposal {
	if p := s.find(b); p != nil {
		return p
	}
	s.proposals = append(s.proposals, proposal{ballot: b})
	return &s.proposals[len(s.proposals)-1]
}

// value is told of the value of a slot in a ballot, and compares it with what was seen there before.
func (c *cluster) value(a *account, i int, slot uint64, b Ballot, value history.Digest, proposed bool) {
	p := c.slot(slot).proposal(b)
	if proposed && p.proposed == nil {
		p.proposed = &proposer{a.claim(i), a.lives}
	}
	if p.known == nil {
		here := a.claim(i)
		p.value, p.known = value, &here
		return
	}
	if p.value != value {
		v := a.violation(OneValue, i, b, "%s has value %x for slot %d of ballot %v%s, and somebody has %x", a.node.Name,
			uint64(value), slot, b, a.when(i), uint64(p.value))
		v.Slot = slot
		a.check.violated(v)
	}
}

// state is told of the state in which a node is after it has applied a slot.
func (c *cluster) state(a *account, i int, b Ballot) {
	o := &a.node.Observations[i]
	if o.State == 0 {
		return
	}
	s := c.slot(o.Slot)
	if s.state == 0 {
		s.state, s.applied = o.State, a
		return
	}
	if s.state != o.State {
		v := a.violation(StateHash, i, b, "after slot %d the state of %s is %x%s, and that of %s was %x", o.Slot, a.node.Name,
			uint64(o.State), a.when(i), s.applied.node.Name, uint64(s.state))
		v.Slot = o.Slot
		a.check.violated(v)
	}
}

// accepted is told that a node accepted slots.
func (c *cluster) accepted(a *account, i int, b Ballot) {
	o := &a.node.Observations[i]
	if a.index < 0 || o.Slot < o.First || o.Slot-o.First >= slotsMax {
		return
	}
	for slot := o.First; slot <= o.Slot; slot++ {
		p := c.slot(slot).proposal(b)
		if p.accepted>>a.index&1 == 1 {
			continue
		}
		p.accepted |= 1 << a.index
		for len(p.when) <= a.index {
			p.when = append(p.when, moment{})
		}
		p.when[a.index] = a.moment(i)
	}
}

// chosen is told that a node takes a slot for chosen, by the value if it is not zero.
func (c *cluster) chosen(a *account, i int, b Ballot, value history.Digest) {
	s, here := c.slot(a.node.Observations[i].Slot), a.claim(i)
	for k := range s.claims {
		if f := &s.claims[k]; f.ballot == b {
			if f.value == 0 {
				f.value = value
			}
			if here.when.known && (!f.when.known || here.when.at < f.when.at) {
				f.claim = here
			}
			return
		}
	}
	s.claims = append(s.claims, chosen{here, b, value})
}

// acceptors are the members that had accepted a proposal by then. Who proposes it accepts it without telling anybody.
func (c *cluster) acceptors(p *proposal, by moment) uint16 {
	set := c.bit(p.ballot.Node)
	for i := range p.when {
		if p.accepted>>i&1 == 1 && p.when[i].by(by) {
			set |= 1 << i
		}
	}
	return set
}

// unheard is how many members besides those in the set may have accepted a proposal by then without a line that says
// so: a node was cut off before it could write the line, and the proposal was made before it started again.
func (c *cluster) unheard(p *proposal, by moment, slot uint64, size int, heard uint16) int {
	began := moment{} // when the proposal was made, if that is known
	if p.proposed != nil && c.whole(p.ballot.Node) {
		began = p.proposed.when
	}
	return c.besides(size, heard, func(m *member) bool {
		return m.partial || slices.ContainsFunc(m.ends, func(e ending) bool {
			return e.vote(slot, p.ballot) && e.last.by(by) && began.by(e.again)
		})
	})
}

// chosenUnheard is how many members may have accepted a value in some ballot up to that of a claim, of which nobody
// says anything. Whoever promised that ballot and reported nothing of the slot had not.
func (c *cluster) chosenUnheard(f *chosen, slot uint64, size int) int {
	b := c.ballots[f.ballot]
	return c.besides(size, 0, func(m *member) bool {
		if m.partial {
			return true
		}
		if r := b.report(c.member(m.number)); r != nil && r.complete() && r.committed < slot {
			return false
		}
		return slices.ContainsFunc(m.ends, func(e ending) bool {
			return e.slot(slot) && !f.ballot.Less(e.left) && e.last.by(f.when)
		})
	})
}

func (c *cluster) judgeSlot(number uint64, size, quorum int) {
	s := c.slots[number]
	for i := range s.claims {
		c.judgeChosen(s, &s.claims[i], number, size, quorum)
	}
	if len(s.proposals) < 2 {
		return // nobody has ever seen the slot in another ballot
	}
	c.judgeAgreement(s, number, quorum)
	for i := range s.proposals {
		p := &s.proposals[i]
		if p.proposed != nil && p.known != nil && p.ballot.Round > 0 && !c.allowed(s, p, number, size, quorum) {
			a := p.proposed.account
			v := a.violation(SafeValue, p.proposed.line, p.ballot, "%s proposes value %x for slot %d%s, and what the "+
				"promises of ballot %v report does not allow it", a.node.Name, uint64(p.value), number,
				a.when(p.proposed.line), p.ballot)
			v.Slot = number
			a.check.violated(v)
		}
	}
}

// judgeChosen checks that a majority had accepted the value of a slot in one ballot, whichever, when a node took it for
// chosen.
func (c *cluster) judgeChosen(s *slotState, f *chosen, number uint64, size, quorum int) {
	value := f.value
	if p := s.find(f.ballot); value == 0 && p != nil && p.known != nil {
		value = p.value
	}
	if value == 0 {
		return // nobody says what it is
	}
	var best uint16
	for i := range s.proposals {
		p := &s.proposals[i]
		if p.known != nil && p.value != value {
			continue
		}
		set := c.acceptors(p, f.when)
		if bits.OnesCount16(set)+c.unheard(p, f.when, number, size, set) >= quorum {
			return
		}
		if bits.OnesCount16(set) > bits.OnesCount16(best) {
			best = set
		}
	}
	if c.chosenUnheard(f, number, size) >= quorum {
		return
	}
	a := f.account
	v := a.violation(ChosenJustified, f.line, f.ballot, "%s takes slot %d for chosen in ballot %v%s, and of %d nodes "+
		"only %s had accepted its value in one ballot by then", a.node.Name, number, f.ballot, a.when(f.line), size,
		c.names(best))
	v.Slot = number
	a.check.violated(v)
}

// judgeAgreement checks that no two values of a slot have a majority. Who proposed them does not count: its own
// acceptance may have been lost in a crash.
func (c *cluster) judgeAgreement(s *slotState, number uint64, quorum int) {
	var first *proposal
	for i := range s.proposals {
		p := &s.proposals[i]
		if p.known == nil || bits.OnesCount16(p.accepted) < quorum {
			continue
		}
		if first == nil {
			first = p
		}
		if first.value == p.value {
			continue
		}
		here := p.known
		if p.proposed != nil {
			here = &p.proposed.claim
		}
		v := here.account.violation(Agreement, here.line, p.ballot, "%s accepted value %x for slot %d in ballot %v, and %s "+
			"value %x in ballot %v", c.names(first.accepted), uint64(first.value), number, first.ballot, c.names(p.accepted),
			uint64(p.value), p.ballot)
		v.Slot = number
		here.account.check.violated(v)
	}
}
