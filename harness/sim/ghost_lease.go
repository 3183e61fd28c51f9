package sim

import (
	"math/bits"
	"time"

	"elenchus/node/multipaxos"
	"elenchus/node/protocol"
)

// leaseGhost is what is known of all leases at one true time.
type leaseGhost struct {
	elected  protocol.Ballot // the highest ballot that a majority has promised to its candidate
	believes [nodesMax]belief
	grants   [nodesMax]grantGhost          // that have left their node
	made     map[grantKey]grantGhost       // including those that wait for the disk
	freed    [nodesMax]protocol.Ballot     // nothing is owed in this ballot or below, even if a grant leaves later
	fastest  int64                         // rate of any clock in the run
	asking   [nodesMax]int64               // until when the node's latest ask would have the lease last
	asked    map[protocol.Ballot]int64     // the latest that any ask would
	asks     map[ask]int64                 // the same as asking, by the heartbeat that asked
	granted  map[protocol.Ballot]*[9]int64 // the most that each member's grants allow, as they left it
}

type ask struct {
	ballot protocol.Ballot
	seq    uint64
}

// grantKey identifies a grant by the heartbeat that it answers.
type grantKey struct {
	node int
	ask  ask
}

// belief is a lease that a node believes to hold.
type belief struct {
	ballot protocol.Ballot
	until  int64 // on the node's own clock for leases
}

// grantGhost is until when a granter is bound: in true time, with the worst clocks allowed.
type grantGhost struct {
	ballot protocol.Ballot
	until  time.Duration
}

func (l *leaseGhost) reset(p *Plan) {
	if l.asked == nil {
		l.asked, l.asks = make(map[protocol.Ballot]int64), make(map[ask]int64)
		l.granted, l.made = make(map[protocol.Ballot]*[9]int64), make(map[grantKey]grantGhost)
	}
	clear(l.made)
	clear(l.asked)
	clear(l.asks)
	clear(l.granted)
	*l = leaseGhost{asked: l.asked, asks: l.asks, granted: l.granted, made: l.made}
	_, l.fastest = p.rates()
}

// leaseClock returns the time of the node's clock for leases.
func (w *World) leaseClock(n *node) int64 {
	if w.plan.Node.Lease == multipaxos.LeaseWall {
		return n.clock.wallAt(w.now)
	}
	return int64(n.clock.monoAt(w.now))
}

// observedLease is told what a node reports about leases, and what it is about to send.
func (g *ghost) observedLease(n *node, o *protocol.Observation, sends []protocol.Send) {
	l := &g.lease
	switch o.Kind {
	case protocol.ObservedLeaseAsked:
		l.asking[n.index] = o.Until
		l.asked[o.Ballot] = max(l.asked[o.Ballot], o.Until) // a wall clock may have been set back meanwhile
	case protocol.ObservedLeaseGranted:
		owed := grantGhost{o.Ballot, g.owedUntil(n, o.Until)}
		for i := range sends {
			if m := &sends[i].Message; m.Kind == protocol.MsgHeartbeatAck && m.Ballot == o.Ballot {
				l.made[grantKey{n.index, ask{m.Ballot, m.Seq}}] = owed
			}
		}
	case protocol.ObservedLeaseFreed:
		l.grants[n.index], l.freed[n.index] = grantGhost{}, o.Ballot
	case protocol.ObservedLeaseHeld, protocol.ObservedLeaseRenewed:
		g.w.stats.Leases++
		l.believes[n.index] = belief{o.Ballot, o.Until}
		g.checkBasis(n, o)
		g.checkLeases()
	case protocol.ObservedLeaseLost:
		g.w.stats.LeasesLost++
		l.believes[n.index] = belief{}
	case protocol.ObservedLeaseForsaken:
		l.believes[n.index] = belief{}
	}
}

// owedUntil returns the true time until which a granter must honor a grant that ends at the given time of its own
// clock. In rate mode that is when the fastest clock of the run would show it. In wall mode it is when no clock within
// the bounds still shows a time before the expiry: the grant lasts MaxOffset longer than that, and a clock is at most
// half of MaxOffset behind.
func (g *ghost) owedUntil(n *node, until int64) time.Duration {
	if o := &g.w.plan.Node; o.Lease == multipaxos.LeaseWall {
		return time.Duration(until - wallEpoch - int64(o.MaxOffset) + int64(o.MaxOffset/2))
	}
	return g.w.now + g.fastest(until-int64(n.clock.monoAt(g.w.now)))
}

// fastest returns the shortest true time that a span of the granter's clock can take: that of the fastest clock rate
// in the run.
func (g *ghost) fastest(span int64) time.Duration {
	if span <= 0 {
		return 0
	}
	high, low := bits.Mul64(uint64(span), ppb)
	quotient, _ := bits.Div64(high, low, uint64(ppb+g.lease.fastest))
	return time.Duration(quotient)
}

// checkLeases checks all nodes at one true time: while one believes that its lease is valid, no other does, nothing
// was chosen in a higher ballot, and no higher ballot was elected. It is called whenever one of these may change.
func (g *ghost) checkLeases() {
	w, l := g.w, &g.lease
	if w.plan.Node.Lease == multipaxos.LeaseNone || w.violation != nil {
		return
	}
	believer := -1
	for i := range w.n {
		b, n := &l.believes[i], &w.nodes[i]
		if b.until == 0 || !n.up || w.leaseClock(n) >= b.until {
			continue
		}
		message := ""
		switch {
		case believer >= 0:
			message = "two leases: " + w.nodes[believer].id().String() + " believes in that of " +
				l.believes[believer].ballot.String() + " at the same moment"
		case b.ballot.Less(g.highest):
			message = "a value was chosen in " + g.highest.String() + " against the node's lease"
		case b.ballot.Less(l.elected):
			message = l.elected.String() + " was elected against the node's lease"
		}
		if message != "" {
			g.violated(Violation{Invariant: invariantLease, Node: i + 1, Ballot: b.ballot, Message: message})
			return
		}
		believer = i
	}
}

// honours checks that a granter keeps its promise, also across restarts: while it owes a lease, it sends no promise
// of a higher ballot and no acceptance in one.
func (g *ghost) honours(n *node, msg *protocol.Message) {
	owed := &g.lease.grants[n.index]
	if g.w.now < owed.until && owed.ballot.Less(msg.Ballot) {
		g.violated(Violation{
			Invariant: invariantGrant, Node: n.index + 1, Ballot: msg.Ballot,
			Message: "the node sends " + msg.Kind.String() + ", and owes a lease of " + owed.ballot.String() + " for another " +
				(owed.until - g.w.now).String(),
		})
	}
}

// noteLease records the asks and the grants that leave a node.
func (g *ghost) noteLease(n *node, msg *protocol.Message) {
	l := &g.lease
	switch msg.Lease {
	case protocol.LeaseAsk, protocol.LeaseExtend:
		l.asks[ask{msg.Ballot, msg.Seq}] = l.asking[n.index]
	case protocol.LeaseGranted, protocol.LeaseExtended:
		at := ask{msg.Ballot, msg.Seq}
		if owed, ok := l.made[grantKey{n.index, at}]; ok && l.freed[n.index].Less(msg.Ballot) {
			if before := &l.grants[n.index]; before.ballot == owed.ballot {
				owed.until = max(owed.until, before.until) // a longer earlier promise remains valid
			}
			l.grants[n.index] = owed // only a grant that has left its node binds it
		}
		members := l.granted[msg.Ballot]
		if members == nil {
			members = new([9]int64)
			l.granted[msg.Ballot] = members
		}
		members[n.index] = max(members[n.index], l.asks[at])
	}
}

// checkBasis checks that a lease rests on what a majority, the leader included, was asked for and has granted.
func (g *ghost) checkBasis(n *node, o *protocol.Observation) {
	count := 1
	if members := g.lease.granted[o.Ballot]; members != nil {
		for i := range g.w.n {
			if i != n.index && members[i] >= o.Until {
				count++
			}
		}
	}
	if count < g.quorum || o.Until > g.lease.asked[o.Ballot] {
		g.violated(Violation{
			Invariant: invariantBasis, Node: n.index + 1, Ballot: o.Ballot,
			Message: "the node holds a lease that " + decimal(uint64(count)) + " nodes have granted for so long",
		})
	}
}

// driftBound is ε of the rate mode in parts per billion, defaults filled in.
func driftBound(o *multipaxos.Options) int64 {
	switch o.DriftBound {
	case 0:
		return multipaxos.DriftUnit / 100
	case multipaxos.DriftNone:
		return 0
	}
	return o.DriftBound
}
