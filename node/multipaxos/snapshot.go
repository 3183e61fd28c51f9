package multipaxos

import (
	"fmt"
	"time"

	"elenchus/node/protocol"
)

// snapshots are what this node holds of states as bytes, its own or a peer's.
//
// What the log in memory no longer has is in current, and what the log on disk will no longer have is in the durable
// one. The two differ while the driver is writing. That is the moment to be careful with: nothing on disk may rest on a
// snapshot that is not durable.
type snapshots struct {
	current *heldSnapshot // the newest, durable or not; laggards are sent this one
	lent    *heldSnapshot // an older one, while somebody fetches it
	asked   *heldSnapshot // what the driver was asked for and has not reported

	durable      protocol.Slot // the last slot that the snapshot on disk covers
	durableBytes int

	ahead bool          // of what the log on disk knew to be chosen when the node started
	since protocol.Slot // slots up to here do not count towards the next snapshot
	bytes int           // nor do entries that were recorded before these bytes
}

// heldSnapshot is a snapshot with what is known about it.
type heldSnapshot struct {
	*protocol.Snapshot
	checksum uint32
	fetched  time.Duration // when a piece of it was last asked for; zero is never
}

// snapshotSlotMax is beyond what any log reaches, and leaves room for slots behind it. A snapshot of a later slot comes
// from a defect.
const snapshotSlotMax = protocol.SlotLast / 2

// lendPatience is for how many retry intervals an older snapshot is held for somebody who fetches it and is silent: for
// longer than the other waits before it asks again.
const lendPatience = 2 * patienceMax

// restore starts from the snapshot on disk.
func (m *Machine) restore(rec protocol.Recovered) error {
	s := rec.Snapshot
	if s == nil {
		return nil
	}
	if s.Slot == 0 || s.Slot > snapshotSlotMax {
		return fmt.Errorf("restore snapshot: it is of slot %d", s.Slot)
	}
	if err := m.store.Restore(s.State); err != nil {
		return fmt.Errorf("restore snapshot of slot %d: %w", s.Slot, err)
	}
	m.committed, m.appliedIn = s.Slot, s.Ballot
	m.committedRec = max(m.committedRec, s.Slot)
	m.noteBallot(s.Ballot)
	m.snapshots.current = &heldSnapshot{Snapshot: s, checksum: s.Checksum()}
	m.snapshots.durable, m.snapshots.durableBytes = s.Slot, len(s.State)
	m.snapshots.since, m.snapshots.ahead = s.Slot, rec.Committed < s.Slot
	return nil
}

// resting reports whether the snapshot on disk holds all that the log in memory does not. While it does not, because a
// peer's snapshot is being written, the log on disk must neither be replaced nor speak of a committed prefix: it has
// holes that only the new snapshot fills.
func (m *Machine) resting() bool { return m.log.first-1 <= m.snapshots.durable }

// requestSnapshot asks the driver to write what is not yet durable: a snapshot that came from a peer, or one that is
// due. One is written at a time.
func (m *Machine) requestSnapshot() {
	s := &m.snapshots
	if m.halted != nil || s.asked != nil {
		return
	}
	if s.current == nil || s.current.Slot == s.durable {
		if !m.snapshotDue() || !m.takeSnapshot() {
			return
		}
	}
	s.asked = s.current
	m.fx.Snapshot = s.asked.Snapshot
}

func (m *Machine) snapshotDue() bool {
	applied := m.committed - m.snapshots.since
	return m.opts.SnapshotEntries > 0 && applied >= protocol.Slot(m.opts.SnapshotEntries) ||
		m.opts.SnapshotBytes > 0 && applied > 0 && m.snapshots.bytes >= m.opts.SnapshotBytes
}

// takeSnapshot makes a snapshot of the state as it is now. It reports false if that is too large.
func (m *Machine) takeSnapshot() bool {
	m.snapshots.since, m.snapshots.bytes = m.committed, 0
	taken := &protocol.Snapshot{Slot: m.committed, Ballot: m.appliedIn, State: m.store.Snapshot()}
	if len(taken.State) > protocol.SnapshotBytesMax {
		m.observe(protocol.Observation{
			Kind: protocol.ObservedSnapshotRefused, Slot: taken.Slot, Ballot: taken.Ballot,
			Reason: fmt.Sprintf("the state has %d bytes, more than %d", len(taken.State), protocol.SnapshotBytesMax),
		})
		return false
	}
	m.replaceSnapshot(&heldSnapshot{Snapshot: taken, checksum: taken.Checksum()})
	return true
}

// replaceSnapshot makes a snapshot the current one. Its predecessor is held on to if somebody is fetching it: else a
// node that takes snapshots faster than a peer can fetch one would never let it finish.
func (m *Machine) replaceSnapshot(next *heldSnapshot) {
	s := &m.snapshots
	inUse := func(h *heldSnapshot) bool {
		return h != nil && h.fetched != 0 && m.now-h.fetched <= lendPatience*m.opts.RetryInterval
	}
	if !inUse(s.lent) {
		s.lent = nil
		if inUse(s.current) {
			s.lent = s.current
		}
	}
	s.current = next
}

// onSnapshotted takes note that the snapshot which the driver was asked for is durable, and drops from the log what it
// holds.
func (m *Machine) onSnapshotted(slot protocol.Slot) {
	s := &m.snapshots
	if s.asked == nil || slot != s.asked.Slot {
		return
	}
	written := s.asked
	s.asked, s.durable, s.durableBytes = nil, written.Slot, len(written.State)
	if m.resting() {
		m.compact()
	}
	m.observe(protocol.Observation{
		Kind: protocol.ObservedSnapshotTaken, Slot: written.Slot, Ballot: written.Ballot, First: m.log.first,
	})
}

// compactRecovered does what a crash has prevented, if the log on disk holds more than it should. It must, if the log
// has entries that the snapshot covers and that are not known to be chosen: were the log to go on, and say one day that
// everything up to some slot is chosen, it would say so of these too. See [newLog].
func (m *Machine) compactRecovered() {
	if slot := m.snapshots.durable; slot > 0 && (m.snapshots.ahead || m.keptFrom(slot) > m.log.first) {
		m.compact()
	}
}

// compact drops the entries that nobody is expected to ask for any more, and hands the driver what remains. The
// snapshot is durable.
func (m *Machine) compact() {
	m.log.forget(m.keptFrom(m.snapshots.durable))
	records := append(make([]protocol.Record, 0, slabItems),
		protocol.Record{Kind: protocol.RecordRound, Ballot: m.highest},
		protocol.Record{Kind: protocol.RecordPromise, Ballot: m.promised})
	for e := range m.log.all {
		records = append(records, protocol.Record{Kind: protocol.RecordAccept, Entry: *e})
	}
	records = append(records, protocol.Record{Kind: protocol.RecordCommit, Slot: m.committed})
	m.committedRec = m.committed
	m.fx.Compaction = &protocol.Compaction{Slot: m.snapshots.durable, Records: records}
}

// keptFrom is the first slot to keep behind a snapshot: as many chosen entries as the options say, and no more bytes of
// them than half of what makes a snapshot due.
func (m *Machine) keptFrom(slot protocol.Slot) protocol.Slot {
	first, bytes := slot+1, 0
	for first > m.log.first && slot+1-first < protocol.Slot(m.opts.SnapshotKeep) {
		bytes += m.log.get(first - 1).Size()
		if m.opts.SnapshotBytes > 0 && bytes > m.opts.SnapshotBytes/2 {
			break
		}
		first--
	}
	return first
}
