package multipaxos

import (
	"cmp"
	"slices"

	"elenchus/node/protocol"
	"elenchus/node/register"
)

// asksMax is the number of asks remembered. Answers to earlier ones are ignored.
const asksMax = 256

// holding is the leader's side of its lease.
type holding struct {
	asks    []ask // in ascending order of seq
	members [protocol.NodesMax]granted
	until   int64 // expiry on the lease clock; valid if some is true
	some    bool  // a majority has granted
	shown   bool  // the last observation reported the lease as held

	executed []executed
}

// ask is a heartbeat that requested the lease.
type ask struct {
	seq uint64
	at  int64 // the lease clock reading in the step that sent it
}

// granted is what one member has granted in this ballot.
type granted struct {
	remembers bool  // it has granted, and has not reported forgetting it
	some      bool  // at is valid
	at        int64 // clock reading of the latest ask that it granted
}

// executed is an executed command whose acknowledgement waits for a valid lease.
type executed struct {
	request *pending
	result  register.Result
	slot    protocol.Slot
	ballot  protocol.Ballot
}

// holdsLease reports whether this node leads and its lease is valid at this step's clock reading. It relies on no timer
// or cached flag, so a node that was stopped for an hour gets the right answer.
func (m *Machine) holdsLease() bool {
	return m.role == protocol.RoleLeader && m.holding.some && m.leaseNow() < m.holding.until
}

// askLease sends the leader's heartbeat when leases are on, asking every member to grant or extend the lease.
func (m *Machine) askLease() {
	m.leading.beat++
	m.leading.announced = m.committed
	h, now := &m.holding, m.leaseNow()
	if len(h.asks) == asksMax {
		h.asks = slices.Delete(h.asks, 0, asksMax/2)
	}
	h.asks = append(h.asks, ask{m.leading.beat, now})
	msg := protocol.Message{
		Kind: protocol.MsgHeartbeat, Ballot: m.ballot, Seq: m.leading.beat, Term: int64(m.opts.LeaseTerm),
	}
	if m.opts.Lease == LeaseWall {
		msg.Expiry = now + msg.Term
	}
	m.observeLease(protocol.Observation{
		Kind: protocol.ObservedLeaseAsked, Ballot: m.ballot, Since: now, Until: now + msg.Term,
	})
	for i, id := range m.members.ids {
		if i == m.members.self {
			continue
		}
		msg.To, msg.Lease = id, protocol.LeaseAsk
		if h.members[i].remembers {
			msg.Lease = protocol.LeaseExtend
		}
		m.send(msg, 0)
	}
	m.countGrants()
}

// onLeaseAnswer handles the answer to an ask of this ballot.
func (m *Machine) onLeaseAnswer(msg *protocol.Message, from int) {
	member := &m.holding.members[from]
	switch msg.Lease {
	case protocol.LeaseForgotten:
		// It honours what it granted before its restart by staying silent, so its earlier grant still counts.
		member.remembers = false
	case protocol.LeaseGranted, protocol.LeaseExtended:
		i, ok := slices.BinarySearchFunc(m.holding.asks, msg.Seq, func(a ask, seq uint64) int {
			return cmp.Compare(a.seq, seq)
		})
		if !ok {
			return
		}
		at := m.holding.asks[i].at
		if !member.some || member.at < at {
			member.some, member.at = true, at
		}
		member.remembers = true
		m.countGrants()
	}
}

// countGrants extends the lease to T after the latest ask such that a majority has granted it or a later one. The
// leader counts as one of its granters.
func (m *Machine) countGrants() {
	m.noticeLoss()
	h := &m.holding
	var list [protocol.NodesMax]int64
	n := 0
	for i := range m.members.ids {
		if member := &h.members[i]; member.some {
			list[n] = member.at
			n++
		}
	}
	at := h.asks[len(h.asks)-1].at // in a cluster of one
	if others := m.members.quorum - 1; others > 0 {
		if n < others {
			return
		}
		slices.Sort(list[:n])
		at = list[n-others]
	}
	until := at + int64(m.opts.LeaseTerm)
	if h.some && until <= h.until {
		return
	}
	h.some, h.until = true, until
	if own, reason := m.opts.honourUntil(at, int64(m.opts.LeaseTerm), m.ownExpiry(until)); reason == "" {
		m.oblige(m.ballot, own)
	}
	if !m.holdsLease() {
		return
	}
	kind := protocol.ObservedLeaseHeld
	if h.shown {
		kind = protocol.ObservedLeaseRenewed
	}
	h.shown = true
	m.observeHeld(kind, "")
}

// observeHeld emits an observation about this leader's lease.
func (m *Machine) observeHeld(kind protocol.ObservationKind, reason string) {
	m.observeLease(protocol.Observation{
		Kind: kind, Ballot: m.ballot, Since: m.holding.until - int64(m.opts.LeaseTerm), Until: m.holding.until,
		Reason: reason,
	})
}

// observeLease emits a lease observation, adding the lease mode that tells which clock its deadlines are on.
func (m *Machine) observeLease(o protocol.Observation) {
	o.Lease = m.opts.Lease.String()
	m.observe(o)
}

func (m *Machine) ownExpiry(until int64) int64 {
	if m.opts.Lease == LeaseWall {
		return until
	}
	return 0
}

// noticeLoss emits an observation when the lease has expired. It has no effect on the protocol.
func (m *Machine) noticeLoss() {
	if h := &m.holding; h.shown && !m.holdsLease() {
		h.shown = false
		m.observeHeld(protocol.ObservedLeaseLost, "")
	}
}

// dropLease ends the lease of a leader that steps down, for good, and releases its granters.
func (m *Machine) dropLease(reason string) {
	h := m.holding
	if m.opts.Lease != LeaseNone && h.some {
		m.observeHeld(protocol.ObservedLeaseForsaken, reason)
	}
	m.holding = holding{}
	if m.opts.Lease == LeaseNone {
		return
	}
	if m.grant.ballot == m.ballot {
		m.grant = grant{}
	}
	m.broadcast(protocol.Message{Kind: protocol.MsgForsake, Ballot: m.ballot}, 0)
	for _, x := range h.executed {
		m.giveUp(x.request, "lost leadership before its lease was valid again: "+reason)
	}
}

// forsake gives up leadership at the request of an operator, or of the driver before an orderly shutdown. The others
// get time to elect one of themselves.
func (m *Machine) forsake() {
	if m.role == protocol.RoleLeader {
		m.giveWay("asked to give up leading")
	}
}

// acknowledge answers an executed command, now or in a later step, when the lease is valid (002 §4.3.2).
func (m *Machine) acknowledge(p *pending, result register.Result, slot protocol.Slot, ballot protocol.Ballot) {
	if p == nil || p.done {
		return
	}
	if m.opts.Lease == LeaseNone || m.holdsLease() {
		m.answer(p, result, slot, ballot)
		return
	}
	p.state = stateExecuted
	m.holding.executed = append(m.holding.executed, executed{p, result, slot, ballot})
}

// acknowledgeExecuted answers the commands that waited for a valid lease.
func (m *Machine) acknowledgeExecuted() {
	h := &m.holding
	if len(h.executed) == 0 || !m.holdsLease() {
		return
	}
	for _, x := range h.executed {
		m.answer(x.request, x.result, x.slot, x.ballot)
	}
	clear(h.executed)
	h.executed = h.executed[:0]
}

// dropLateExecuted removes commands whose deadline has passed, if more than limit are held.
func (m *Machine) dropLateExecuted(limit int) {
	if len(m.holding.executed) > limit {
		m.holding.executed = slices.DeleteFunc(m.holding.executed, func(x executed) bool { return x.request.done })
	}
}
