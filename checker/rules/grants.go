package rules

import (
	"time"

	"elenchus/results/history"
)

// obligation is a lease that a node has granted, or may have granted before it restarted: until the end it takes part
// in no other ballot.
type obligation struct {
	line   int
	boot   string
	ballot Ballot
	wall   bool // the lease is on wall clocks
	until  history.Moment
	ends   time.Duration // the same on the common axis, if the node is placed
	slack  time.Duration // of ends
}

// wallClock is what nodes call leases that are on wall clocks.
const wallClock = "wall"

// obligation is the one of a line; nil when the line names no end.
func (a *account) obligation(i int, b Ballot) *obligation {
	o := &a.node.Observations[i]
	if o.Until.IsZero() {
		return nil
	}
	g := &obligation{line: i, boot: o.Boot, ballot: b, wall: o.Lease == wallClock, until: o.Until}
	if a.node.placed() {
		g.ends, g.slack = a.node.Until[i], a.node.Slack[i]
	}
	return g
}

func (a *account) grants(i int, b Ballot) {
	a.check.result.Grants++
	next, last := a.obligation(i, b), a.granted
	if next != nil && last != nil && last.boot == next.boot && last.ballot == b && next.before(last) {
		a.shortens(i, b, last, next)
		return // what was granted for longer stays granted
	}
	a.granted = next
}

// before reports whether a grant of the same life ends before another.
func (g *obligation) before(other *obligation) bool {
	if g.wall {
		return g.until.Wall.Before(other.until.Wall)
	}
	return g.until.Mono < other.until.Mono
}

// owed is how long an obligation certainly lasts yet at a line of the node.
func (a *account) owed(g *obligation, i int) time.Duration {
	o := &a.node.Observations[i]
	switch {
	case g.boot == o.Boot && g.wall:
		return g.until.Wall.Sub(o.Wall)
	case g.boot == o.Boot:
		return g.until.Mono - o.Mono
	case g.wall || !a.node.placed():
		return 0
	}
	return g.ends - g.slack - a.node.When[i] - a.node.Slack[i]
}

// dishonours is the violation of a node that takes part in a ballot although it owes the lease of a lower one. What it
// still says in lower ballots is from before the grant.
func (a *account) dishonours(i int, b Ballot, does string) (Violation, bool) {
	if g := a.granted; g != nil && g.ballot.Less(b) {
		if left := a.owed(g, i); left > 0 {
			restarted := ""
			if g.boot != a.life.boot {
				restarted = ", was restarted,"
			}
			return a.violation(GrantHonoured, i, b, "%s %s ballot %v%s; it had granted the lease of ballot %v%s%s and owes it "+
				"for another %s", a.node.Name, does, b, a.when(i), g.ballot, a.when(g.line), restarted, milliseconds(left)), true
		}
	}
	if g := a.silence; g != nil && g.ballot.Less(b) {
		if left := a.owed(g, i); left > 0 {
			return a.violation(GrantHonoured, i, b, "%s %s ballot %v%s; since its start%s it does not know whether it had "+
				"granted the lease of ballot %v, and waits for another %s", a.node.Name, does, b, a.when(i), a.when(g.line),
				g.ballot, milliseconds(left)), true
		}
	}
	return Violation{}, false
}

// settle decides whether the node was asked for the promise that it may not give, or learned that the ballot was used:
// a value that was chosen in it, or a snapshot, is then told of in the same step.
func (a *account) settle(i int) {
	p := a.promise
	if p == nil {
		return
	}
	raised, o := &a.node.Observations[p.line], &a.node.Observations[i]
	if o.Boot != raised.Boot { // the rest of the step may be missing
		a.promise = nil
		return
	}
	if o.Mono != raised.Mono || !o.Wall.Equal(raised.Wall) || o.Kind == history.ObservedPromised {
		a.check.violated(p.broken)
		a.promise = nil
		return
	}
	if o.Kind == history.ObservedChosen || o.Kind == history.ObservedSnapshotInstalled {
		if b, ok := ParseBallot(o.Ballot); ok && b == p.ballot {
			a.promise = nil
		}
	}
}
