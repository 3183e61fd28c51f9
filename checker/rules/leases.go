package rules

import (
	"time"
)

// leases are the leases that nodes believed to hold, and the elections that could break them.
type leases struct {
	holds     []hold
	elections []election
}

// hold is a node's belief in the lease of a ballot.
type hold struct {
	node        *Node
	ballot      Ballot
	from, until time.Duration
	slack       time.Duration
	term        time.Duration
	over        bool // it was given up
}

type election struct {
	node      *Node
	ballot    Ballot
	at, slack time.Duration
}

// held is told of a lease that a node holds or has renewed.
func (l *leases) held(n *Node, i int, b Ballot) {
	o := &n.Observations[i]
	if !n.placed() || o.Until.IsZero() {
		return
	}
	term := o.Until.Mono - o.Since.Mono
	if last := len(l.holds) - 1; last >= 0 {
		h := &l.holds[last]
		if h.node == n && h.ballot == b && !h.over && n.When[i] <= h.until {
			if n.Until[i] > h.until {
				h.until, h.slack = n.Until[i], max(h.slack, n.Slack[i])
			}
			return
		}
	}
	l.holds = append(l.holds, hold{node: n, ballot: b, from: n.When[i], until: n.Until[i], slack: n.Slack[i], term: term})
}

// died is told that a process is gone by the time of a line.
func (l *leases) died(n *Node, i int) {
	if last := len(l.holds) - 1; last >= 0 && n.placed() && l.holds[last].node == n {
		h := &l.holds[last]
		h.over, h.until = true, min(h.until, n.When[i])
	}
}

// unknown is told that lines are missing after one: they may have said that the lease was given up.
func (l *leases) unknown(n *Node, i int) {
	if i >= 0 {
		l.died(n, i)
	}
}

// given is told that a node gave up the lease of a ballot.
func (l *leases) given(n *Node, i int, b Ballot) {
	if last := len(l.holds) - 1; last >= 0 && n.placed() {
		if h := &l.holds[last]; h.node == n && h.ballot == b {
			h.over = true
			h.until = min(h.until, n.When[i])
		}
	}
}

func (l *leases) elected(n *Node, i int, b Ballot) {
	if n.placed() {
		l.elections = append(l.elections, election{n, b, n.When[i], n.Slack[i]})
	}
}

// judge looks for elections of others in higher ballots while a lease was held.
func (l *leases) judge(c *check) {
	for i := range l.holds {
		h := &l.holds[i]
		for _, death := range c.in.Deaths[h.node.Name] {
			if death >= h.from {
				h.until = min(h.until, death)
			}
		}
		for k := range l.elections {
			e := &l.elections[k]
			if e.node == h.node || !h.ballot.Less(e.ballot) {
				continue
			}
			overlap := h.until - max(e.at, h.from) - h.slack - e.slack
			if overlap <= 0 {
				continue
			}
			if c.in.Excess != nil {
				overlap -= c.in.Excess(min(h.from, e.at)-h.term, h.until, h.term)
			}
			if overlap > 0 {
				l.broken(c, h, e)
			}
		}
	}
}

func (l *leases) broken(c *check, h *hold, e *election) {
	c.violated(Violation{
		Rule: LeaseExclusive, Node: h.node.Name, Ballot: h.ballot, At: max(e.at, h.from), Placed: true,
		Account: h.node.Name + " believes in its lease of ballot " + h.ballot.String() + " from " + seconds(h.from) + " to " +
			seconds(h.until) + " by its own clock, and " + e.node.Name + " is elected in ballot " + e.ballot.String() + " at " +
			seconds(e.at),
	})
}

// served checks that a node that reads under leases held one when it served a read, by its own clock. The lease is
// looked at as it was last extended: that its end was noticed does not matter, because wall clocks can go back. A lease
// that is extended while its clock shows it to be over has no line, so that on a wall clock it may last for as long as
// the leader has asked for.
func (a *account) served(i int) {
	if !a.check.in.LeaseReads || a.gap {
		return
	}
	o, h := &a.node.Observations[i], a.life.held
	b, _ := ParseBallot(o.Ballot)
	switch asked := &a.life.asking; {
	case asked.wall && o.Wall.UnixNano() < asked.until:
	case h == nil:
		a.violated(LeaseRead, i, b, "%s serves a read%s and holds no lease", a.node.Name, a.when(i))
	case a.owed(h, i) <= 0:
		a.violated(LeaseRead, i, h.ballot, "%s serves a read%s, and the lease of ballot %v, which it last extended%s, had "+
			"been over for %s by its own clock", a.node.Name, a.when(i), h.ballot, a.when(h.line),
			milliseconds(-a.owed(h, i)))
	}
}
