package multipaxos

import (
	"fmt"
	"time"

	"elenchus/node/protocol"
)

// grant is this node's obligation as a granter: until the deadline it takes part in no ballot but this one. It promises
// no other ballot, accepts and grants nothing in any other, and does not campaign. The zero grant is no obligation.
type grant struct {
	ballot protocol.Ballot
	until  int64 // on the lease clock
	silent bool  // after a restart, which forgot the grants; only ballot can have been granted
}

// leaseNow returns this step's reading of the lease clock.
func (m *Machine) leaseNow() int64 { return m.opts.leaseClock(m.clock) }

func (m *Machine) honours() bool { return !m.grant.ballot.IsZero() && m.leaseNow() < m.grant.until }

// bars reports whether a lease keeps this node from taking part in the ballot.
func (m *Machine) bars(b protocol.Ballot) bool { return m.honours() && b != m.grant.ballot }

// recallGrant starts the silent period of a restarted granter, which has forgotten its grants.
//
// Only the promised ballot can have a lease. A grant is sent only after the promise of its ballot is durable, and while
// the grant is honoured the promise rises only by learning of a ballot that proves the lease to be over. So a node that
// has promised nothing has granted nothing, and a new cluster need not wait.
func (m *Machine) recallGrant() {
	if m.opts.Lease == LeaseNone || m.promised.IsZero() {
		return
	}
	m.grant = grant{ballot: m.promised, until: m.opts.silentUntil(m.leaseNow()), silent: true}
	m.observeLease(protocol.Observation{
		Kind: protocol.ObservedLeaseSilence, Ballot: m.grant.ballot, Since: m.leaseNow(), Until: m.grant.until,
	})
}

// refuse answers a message of a ballot that a lease bars with MsgLeaderAlive (000, "recovery").
func (m *Machine) refuse(msg *protocol.Message) {
	m.observeRefusal(msg, m.whyBarred())
	m.send(protocol.Message{
		Kind: protocol.MsgLeaderAlive, To: msg.From, Ballot: msg.Ballot, Promised: m.grant.ballot,
	}, 0)
	if msg.Kind != protocol.MsgPrepare && m.role == protocol.RoleFollower {
		// Only an elected leader sends these. This node may not follow it yet, but should not campaign against it.
		m.after(TimerElection, m.stretched(m.opts.ElectionTimeout))
	}
}

// whyBarred returns why this node refuses all ballots but one.
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

// grantLease answers the lease request in a heartbeat, whose ballot is the one this node has promised. The term is
// counted from this step's clock reading.
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

// oblige makes this node honour the lease of a ballot. It never shortens an earlier grant of the same ballot: the
// leader may rely on it, and wall clocks can go back.
func (m *Machine) oblige(b protocol.Ballot, until int64) {
	if m.grant.ballot == b && !m.grant.silent {
		until = max(until, m.grant.until)
	}
	m.grant = grant{ballot: b, until: until}
}

// onForsake releases this node's grant. The leader never again uses a lease of that ballot, so a late or repeated
// MsgForsake does no harm.
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

// owed returns how long this node must not campaign. The result is at most one term, because in wall mode the clock may
// be set meanwhile and has to be checked again.
func (m *Machine) owed() time.Duration {
	if !m.honours() {
		return 0
	}
	return min(time.Duration(m.grant.until-m.leaseNow()), m.opts.LeaseTerm)
}

// onLeaderAlive makes a candidate step down, because the sender honours a lease.
func (m *Machine) onLeaderAlive(msg *protocol.Message) {
	m.noteBallot(msg.Promised)
	if m.role == protocol.RoleCandidate && msg.Ballot == m.ballot {
		m.stepDown(fmt.Sprintf("%v says that the leader %v is alive", msg.From, msg.Promised.Node))
	}
}
