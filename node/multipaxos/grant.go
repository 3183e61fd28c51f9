package multipaxos

import (
	"fmt"
	"time"

	"elenchus/node/protocol"
)

// grant is what this node owes as a granter: before until it takes part in no ballot but this one. It promises no
// other, accepts and grants nothing in another, and does not campaign. The zero grant owes nothing.
type grant struct {
	ballot protocol.Ballot
	until  int64 // on the lease clock
	silent bool  // a restart forgot what was granted; ballot is the only one it can have been
}

// leaseNow is the reading of this step's clock that leases are on.
func (m *Machine) leaseNow() int64 { return m.opts.leaseClock(m.clock) }

func (m *Machine) honours() bool { return !m.grant.ballot.IsZero() && m.leaseNow() < m.grant.until }

// bars reports whether a lease keeps this node from taking part in the ballot.
func (m *Machine) bars(b protocol.Ballot) bool { return m.honours() && b != m.grant.ballot }

// recallGrant begins the silence of a restarted granter, which has forgotten what it granted.
//
// Only the ballot it has promised can have a lease: a grant leaves after the promise of its ballot is durable, and
// while it is honoured the promise does not rise, but by learning of a ballot that proves the lease to be over. So a
// node that has promised nothing has granted nothing, and a cluster that starts for the first time need not wait.
func (m *Machine) recallGrant() {
	if m.opts.Lease == LeaseNone || m.promised.IsZero() {
		return
	}
	m.grant = grant{ballot: m.promised, until: m.opts.silentUntil(m.leaseNow()), silent: true}
	m.observeLease(protocol.Observation{
		Kind: protocol.ObservedLeaseSilence, Ballot: m.grant.ballot, Since: m.leaseNow(), Until: m.grant.until,
	})
}

// refuse answers a message of a ballot that a lease bars: the leader is alive (000, "recovery").
func (m *Machine) refuse(msg *protocol.Message) {
	m.observeRefusal(msg, m.whyBarred())
	m.send(protocol.Message{
		Kind: protocol.MsgLeaderAlive, To: msg.From, Ballot: msg.Ballot, Promised: m.grant.ballot,
	}, 0)
	if msg.Kind != protocol.MsgPrepare && m.role == protocol.RoleFollower {
		// Only who was elected sends these. It is too early to follow, but not to leave it in peace.
		m.after(TimerElection, m.stretched(m.opts.ElectionTimeout))
	}
}

// whyBarred says why no ballot but one gets anything from this node.
func (m *Machine) whyBarred() string {
	if m.grant.silent {
		return fmt.Sprintf("may have granted a lease of %v before its restart", m.grant.ballot)
	}
	return fmt.Sprintf("honours the lease of %v", m.grant.ballot)
}

func (m *Machine) observeRefusal(msg *protocol.Message, reason string) {
	m.observeLease(protocol.Observation{
		Kind: protocol.ObservedLeaseRefused, Ballot: msg.Ballot, Peer: msg.From, Until: m.grant.until, Reason: reason,
	})
}

// grantLease answers what a heartbeat asks about the lease of its ballot, which is the one this node has promised. The
// term is counted from this step's reading of the clock.
func (m *Machine) grantLease(msg *protocol.Message, ack *protocol.Message) {
	if msg.Lease != protocol.LeaseAsk && msg.Lease != protocol.LeaseExtend {
		return
	}
	extend := msg.Lease == protocol.LeaseExtend
	remembers := m.grant.ballot == msg.Ballot && !m.grant.silent
	until, reason := m.opts.honourUntil(m.leaseNow(), msg.Term, msg.Expiry)
	switch {
	case reason != "":
		ack.Lease = protocol.LeaseRefused
	case extend && !remembers:
		ack.Lease, reason = protocol.LeaseForgotten, "remembers no lease of this ballot"
	case m.honours() && !remembers:
		ack.Lease, reason = protocol.LeaseRefused, "restarted within the term of a lease it may have granted"
	}
	if reason != "" {
		ack.Reason = reason
		m.observeRefusal(msg, reason)
		return
	}
	ack.Lease = protocol.LeaseGranted
	if extend {
		ack.Lease = protocol.LeaseExtended
	}
	m.oblige(msg.Ballot, until)
	m.observeLease(protocol.Observation{
		Kind: protocol.ObservedLeaseGranted, Ballot: msg.Ballot, Peer: msg.From, Since: m.leaseNow(),
		Until: m.grant.until,
	})
}

// oblige makes this node honour the lease of a ballot. An earlier grant of it is never cut short: its leader may count
// on it, and wall clocks can go back.
func (m *Machine) oblige(b protocol.Ballot, until int64) {
	if m.grant.ballot == b && !m.grant.silent {
		until = max(until, m.grant.until)
	}
	m.grant = grant{ballot: b, until: until}
}

// onForsake frees this node of its grant. The leader never uses a lease of that ballot again, so a forsaking that comes
// late or twice frees of nothing that matters.
func (m *Machine) onForsake(msg *protocol.Message) {
	if msg.Ballot.Node != msg.From || msg.Ballot != m.grant.ballot || m.grant.silent {
		return
	}
	m.observeLease(protocol.Observation{
		Kind: protocol.ObservedLeaseFreed, Ballot: msg.Ballot, Peer: msg.From, Until: m.grant.until,
	})
	m.grant = grant{}
	if m.role == protocol.RoleFollower && m.ballot == msg.Ballot {
		m.leader = 0
		m.after(TimerElection, m.stretched(m.opts.BackoffMin))
	}
}

// owed is for how long this node must not campaign. In wall mode the clock may be set meanwhile, so it asks again after
// a term at the latest.
func (m *Machine) owed() time.Duration {
	if !m.honours() {
		return 0
	}
	return min(time.Duration(m.grant.until-m.leaseNow()), m.opts.LeaseTerm)
}

// onLeaderAlive makes a candidate wait: somebody honours a lease.
func (m *Machine) onLeaderAlive(msg *protocol.Message) {
	m.noteBallot(msg.Promised)
	if m.role == protocol.RoleCandidate && msg.Ballot == m.ballot {
		m.stepDown(fmt.Sprintf("%v says that the leader %v is alive", msg.From, msg.Promised.Node))
	}
}
