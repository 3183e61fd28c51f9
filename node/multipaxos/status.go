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
	return protocol.Status{
		Self:      m.opts.Self,
		Role:      m.role,
		Leader:    m.leader,
		Ballot:    m.ballot,
		Promised:  m.promised,
		Committed: m.committed,
		Applied:   m.committed, // a slot is applied in the step that makes it part of the committed prefix
		LastSlot:  m.log.last,
		Sessions:  m.store.Sessions(),
		Keys:      m.store.Keys(),
		Hash:      m.store.Hash(),
		Pending:   len(m.requests.live),
		HeardFrom: heard,
	}
}
