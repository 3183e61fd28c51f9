package rules

import (
	"math/bits"
	"time"

	"elenchus/results/history"
)

// grant is a lease that a node granted in answer to a heartbeat.
type grant struct {
	claim
	seq          uint64
	since, until int64 // on the granter's clock for leases; zero if nobody says
	wall         bool  // that is its wall clock
}

// holding is a lease that a leader takes for its own.
type holding struct {
	claim
	until int64 // on the leader's clock for leases
}

// onLease is a moment on the clock of the lease that a line is about, as a number; zero if there is none.
func onLease(o *history.Observation, m history.Moment) int64 {
	switch {
	case m.IsZero():
		return 0
	case o.Lease == wallClock:
		return m.Wall.UnixNano()
	}
	return int64(m.Mono)
}

// asks takes note of a lease that a leader asks for.
func (c *cluster) asks(o *history.Observation) ask {
	a := ask{onLease(o, o.Since), onLease(o, o.Until), o.Lease == wallClock}
	if term := time.Duration(a.until - a.since); a.until != 0 && a.since != 0 && (c.term == 0 || term < c.term) {
		c.term = term
	}
	return a
}

// asked is told of a heartbeat that asks for a lease.
func (c *cluster) asked(a *account, o *history.Observation, b Ballot) {
	if a.life.asking.until != 0 {
		c.ballot(b).asks[o.Sent.Seq] = a.life.asking
	}
}

func (c *cluster) granted(a *account, i int, b Ballot) {
	if a.index >= 0 {
		s := c.ballot(b)
		g := grant{claim: a.claim(i), seq: a.node.Observations[i].Sent.Seq}
		if own := a.granted; own != nil && own.boot == a.life.boot && own.ballot == b {
			o := &a.node.Observations[own.line]
			g.since, g.until, g.wall = onLease(o, o.Since), onLease(o, o.Until), own.wall
		}
		s.grants[a.index] = append(s.grants[a.index], g)
	}
}

func (c *cluster) held(a *account, i int, b Ballot) {
	o := &a.node.Observations[i]
	if until := onLease(o, o.Until); until != 0 {
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
				most[i] = max(most[i], s.asks[list[read[i]].seq].until)
			}
			if most[i] >= h.until {
				set |= 1 << i
			}
		}
		if bits.OnesCount16(set)+c.silent(size, set, 0) < quorum {
			a := h.account
			a.violated(LeaseBasis, h.line, b, "%s believes%s in its lease of ballot %v, and of %d nodes only %s had granted it "+
				"for so long", a.node.Name, a.when(h.line), b, size, c.names(set))
		}
	}
}
