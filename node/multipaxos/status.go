package multipaxos

import (
	"elenchus/node/clock"
	"elenchus/node/protocol"
)

// Status implements [protocol.Machine].
func (m *Machine) Status(now clock.Reading) protocol.Status {
	heard := m.heard
	if m.role == protocol.RoleLeader {
		heard = now.Mono
	}
	lease := protocol.LeaseStatus{Mode: m.opts.Lease.String()}
	if at := m.opts.leaseClock(now); m.opts.Lease != LeaseNone {
		if h := &m.holding; m.role == protocol.RoleLeader && h.some {
			lease.Held, lease.HeldUntil = at < h.until, h.until
		}
		if m.grant.until > at {
			lease.Granted, lease.GrantedUntil, lease.Silent = m.grant.ballot, m.grant.until, m.grant.silent
		}
	}
	return protocol.Status{
		Self:      m.opts.Self,
		Role:      m.role,
		Leader:    m.leader,
		Ballot:    m.ballot,
		Promised:  m.promised,
		Committed: m.committed,
		Applied:   m.committed, // a slot is applied in the step that makes it part of the committed prefix
		LastSlot:  m.log.last,

		FirstSlot:     m.log.first,
		Snapshot:      m.snapshots.durable,
		SnapshotBytes: m.snapshots.durableBytes,

		Sessions:  m.store.Sessions(),
		Keys:      m.store.Keys(),
		Hash:      m.store.Hash(),
		Pending:   len(m.requests.live),
		HeardFrom: heard,
		Lease:     lease,
	}
}
