package rules

import (
	"math/bits"

	"elenchus/results/history"
)

// grant is a lease that a node granted in answer to a heartbeat.
type grant struct {
	seq  uint64
	when moment
}

// holding is a lease that a leader takes for its own.
type holding struct {
	claim
	until int64 // on the leader's clock for leases
}

// leaseEnd is the end of a term on the clock of the lease, as a number; zero if there is none.
func leaseEnd(o *history.Observation) int64 {
	switch {
	case o.Until.IsZero():
		return 0
	case o.Lease == wallClock:
		return o.Until.Wall.UnixNano()
	}
	return int64(o.Until.Mono)
}

// asked is told of a heartbeat that asks for a lease.
func (c *cluster) asked(a *account, o *history.Observation, b Ballot) {
	if a.life.asking != 0 {
		c.ballot(b).asks[o.Sent.Seq] = a.life.asking
	}
}

func (c *cluster) granted(a *account, i int, b Ballot) {
	if a.index >= 0 {
		s := c.ballot(b)
		s.grants[a.index] = append(s.grants[a.index], grant{a.node.Observations[i].Sent.Seq, a.moment(i)})
	}
}

func (c *cluster) held(a *account, i int, b Ballot) {
	if until := leaseEnd(&a.node.Observations[i]); until != 0 {
		s := c.ballot(b)
		s.holds = append(s.holds, holding{a.claim(i), until})
	}
}

// judgeLeases checks that a lease rests on what a majority, the leader included, was asked for and has granted.
func (c *cluster) judgeLeases(b Ballot, size, quorum int) {
	s := c.ballots[b]
	if len(s.holds) == 0 || !c.whole(b.Node) {
		return
	}
	var read [membersMax]int // grants that were made by now
	var most [membersMax]int64
	for _, h := range s.holds {
		set := c.bit(b.Node)
		for i := range c.members {
			list := s.grants[i]
			for ; read[i] < len(list) && list[read[i]].when.by(h.when); read[i]++ {
				most[i] = max(most[i], s.asks[list[read[i]].seq])
			}
			if most[i] >= h.until {
				set |= 1 << i
			}
		}
		if bits.OnesCount16(set)+c.silent(size, set) < quorum {
			a := h.account
			a.violated(LeaseBasis, h.line, b, "%s believes%s in its lease of ballot %v, and of %d nodes only %s had granted it "+
				"for so long", a.node.Name, a.when(h.line), b, size, c.names(set))
		}
	}
}
