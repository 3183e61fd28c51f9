package rules

import (
	"time"
)

// Bounds are what leases rest on.
type Bounds struct {
	Drift  float64       // by how much faster one clock may run than another, as a fraction: leases on monotonic clocks
	Offset time.Duration // by how much two wall clocks may differ: leases on these
}

// rounding is what is lost where a bound is written as a decimal fraction.
const rounding = time.Microsecond

// ask is a lease that was asked for, on the leader's clock for leases.
type ask struct {
	since, until int64
	wall         bool
}

// honoured is how long a granter must honour what was asked for: its own clock may be faster than the leader's.
func (b Bounds) honoured(term time.Duration) time.Duration {
	return term + time.Duration(float64(term)*b.Drift) - rounding
}

// silence is how long a restarted granter must honour what it may have granted for a term. With wall clocks the
// leader's may have been ahead when it asked and behind when it looks whether the lease is over, and the granter's
// likewise; each of the four errors is at most half of the offset that is allowed.
func (b Bounds) silence(term time.Duration, wall bool) time.Duration {
	if wall {
		return term + 2*b.Offset
	}
	return b.honoured(term)
}

// judgeGrants checks that what was granted in a ballot outlasts what was asked for.
func (c *cluster) judgeGrants(b Ballot, bounds *Bounds) {
	s := c.ballots[b]
	for i := range s.grants {
		for _, g := range s.grants[i] {
			asked, known := s.asks[g.seq]
			if !known || g.until == 0 || g.wall != asked.wall {
				continue
			}
			lasts, must := time.Duration(g.until-g.since), bounds.honoured(time.Duration(asked.until-asked.since))
			if g.wall {
				lasts, must = time.Duration(g.until), time.Duration(asked.until)+bounds.Offset
			}
			if lasts < must {
				a := g.account
				a.violated(LeaseMargin, g.line, b, "%s grants the lease of ballot %v%s until %s before it is over by "+
					"every clock that keeps to its bounds", a.node.Name, b, a.when(g.line), milliseconds(must-lasts))
			}
		}
	}
}

// silenced is told of a node that started silent, because it may have granted a lease before.
func (c *cluster) silenced(a *account, i int, b Ballot) {
	if o := &a.node.Observations[i]; !o.Since.IsZero() && !o.Until.IsZero() {
		c.silences = append(c.silences, silence{a.claim(i), b, o.Until.Mono - o.Since.Mono, o.Lease == wallClock})
	}
}

// silence is a time in which a restarted node takes part in no ballot but one.
type silence struct {
	claim
	ballot Ballot
	lasts  time.Duration
	wall   bool
}

// judgeSilences checks that restarted nodes were silent for as long as a lease can last that they may have granted. All
// nodes ask for the same term.
func (c *cluster) judgeSilences(bounds *Bounds) {
	if c.term == 0 {
		return // nobody has asked for a lease
	}
	for _, s := range c.silences {
		if must := bounds.silence(c.term, s.wall); s.lasts < must {
			a := s.account
			a.violated(LeaseMargin, s.line, s.ballot, "%s starts%s and is silent for %s, and what it may have granted "+
				"before can last for %s more", a.node.Name, a.when(s.line), milliseconds(s.lasts), milliseconds(must-s.lasts))
		}
	}
}

// shortens reports that a node cuts short what it has granted in the same life: the leader may count on it.
func (a *account) shortens(i int, b Ballot, last, next *obligation) {
	by := last.until.Mono - next.until.Mono
	if next.wall {
		by = last.until.Wall.Sub(next.until.Wall)
	}
	a.violated(LeaseMargin, i, b, "%s cuts short%s what it granted%s, by %s", a.node.Name, a.when(i), a.when(last.line),
		milliseconds(by))
}
