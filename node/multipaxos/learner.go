package multipaxos

import (
	"slices"

	"elenchus/node/protocol"
)

// notice is the latest commit notice: every slot up to committed is chosen. It carries no values, so it applies to a
// slot only if this node accepted that slot in the same ballot.
type notice struct {
	ballot    protocol.Ballot
	committed protocol.Slot
}

func (m *Machine) takeNotice(b protocol.Ballot, committed protocol.Slot) {
	if m.notice.ballot != b {
		m.notice = notice{ballot: b}
	}
	m.notice.committed = max(m.notice.committed, committed)
	m.advance()
}

// advance extends the committed prefix over every slot known to be chosen, applying the slots in order.
func (m *Machine) advance() {
	for m.halted == nil {
		e := m.log.get(m.committed + 1)
		if e == nil {
			return
		}
		if !e.chosen {
			if e.Slot > m.notice.committed || e.Ballot != m.notice.ballot {
				return
			}
			m.markChosen(e)
		}
		m.committed, m.appliedIn = e.Slot, e.Ballot
		m.apply(e)
	}
}

func (m *Machine) markChosen(e *logEntry) {
	if e.chosen {
		return
	}
	e.chosen = true
	m.observe(protocol.Observation{Kind: protocol.ObservedChosen, Slot: e.Slot, Ballot: e.Ballot})
}

// apply executes a slot and acknowledges the requests waiting for it.
func (m *Machine) apply(e *logEntry) {
	waiters := m.takeWaiters(e.Slot)
	for i := range e.Batch {
		result := m.store.Apply(e.Batch[i])
		if i < len(waiters) {
			m.acknowledge(waiters[i], result, e.Slot, e.Ballot)
		}
	}
	m.observe(protocol.Observation{
		Kind: protocol.ObservedApplied, Slot: e.Slot, Ballot: e.Ballot, Batch: e.Batch,
		Hash: m.store.Hash(),
	})
	if m.role == protocol.RoleLeader && e.Slot >= m.leading.barrier {
		m.losses = 0 // this leadership is making progress
	}
}

// learn stores an entry that a peer knows to be chosen. Its ballot is not below the one in which the value was chosen
// (see the package comment), so any conflicting entry that this node accepted in the slot has a lower ballot.
//
// learn may raise the promise even though a lease bars the ballot: that the ballot was elected proves that the lease is
// over. This node still honours its grant.
func (m *Machine) learn(e protocol.Entry) {
	m.noteBallot(e.Ballot)
	if e.Slot < m.log.first {
		return // covered by the snapshot
	}
	if old := m.log.get(e.Slot); old != nil && (old.chosen || !old.Ballot.Less(e.Ballot)) {
		if !slices.Equal(old.Batch, e.Batch) {
			m.halt("slot %d holds another value (ballot %v) than the chosen one (ballot %v)",
				e.Slot, old.Ballot, e.Ballot)
			return
		}
		m.markChosen(old)
		return
	}
	m.raisePromise(e.Ballot, "learned that a higher ballot was used")
	m.record(protocol.Record{Kind: protocol.RecordAccept, Entry: e})
	m.promisedSeq = max(m.promisedSeq, m.written)
	m.log.put(e)
	m.markChosen(m.log.get(e.Slot))
}

// recordCommit records the committed prefix. The record only saves work after a restart, so nothing waits for it.
func (m *Machine) recordCommit() {
	m.cancel(TimerCommit)
	if m.committed > m.committedRec && m.resting() {
		m.committedRec = m.committed
		m.record(protocol.Record{Kind: protocol.RecordCommit, Slot: m.committed})
	}
}
