package multipaxos

import (
	"fmt"
	"time"

	"elenchus/node/protocol"
)

// snapshots tracks this node's encoded snapshots, its own or received from a peer.
//
// The current snapshot covers everything dropped from the log in memory, and the durable one everything dropped from
// the log on disk. They differ while the driver is writing; in that time nothing on disk may depend on the snapshot
// that is not yet durable.
type snapshots struct {
	current *heldSnapshot // the newest, durable or not; sent to lagging peers
	lent    *heldSnapshot // an older one that a peer is still fetching
	asked   *heldSnapshot // the one the driver was asked to write and has not yet reported

	durable      protocol.Slot // the last slot covered by the snapshot on disk
	durableBytes int

	ahead bool          // the snapshot on disk was ahead of the log's committed prefix at start
	since protocol.Slot // the slot at which the current snapshot interval began
	bytes int           // bytes of entries recorded in the current interval
}

// heldSnapshot is a snapshot with its checksum and the time of its last use.
type heldSnapshot struct {
	*protocol.Snapshot
	checksum uint32
	fetched  time.Duration // when a chunk of it was last requested; zero if never
}

// snapshotSlotMax is beyond what any log reaches, and leaves room for slots after it. A snapshot of a later slot can
// only come from a defect.
const snapshotSlotMax = protocol.SlotLast / 2

// lendPatience is how long an older snapshot is kept for a peer that is fetching it but silent, in retry intervals. It
// is longer than such a peer waits before it asks again.
const lendPatience = 2 * patienceMax

// restore initializes the machine from the snapshot on disk, if there is one.
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

// resting reports whether the snapshot on disk covers everything that the log in memory lacks. While a peer's snapshot
// is being written it does not, and the log on disk must neither be replaced nor record a committed prefix: it has gaps
// that only the new snapshot fills.
func (m *Machine) resting() bool { return m.log.first-1 <= m.snapshots.durable }

// requestSnapshot asks the driver to write a snapshot: the current one if it came from a peer and is not yet durable,
// or else a new one if one is due. At most one is being written at a time.
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

// takeSnapshot makes a snapshot of the current state. It returns false if the state is too large.
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

// replaceSnapshot makes next the current snapshot. Its predecessor is kept while a peer is fetching it; otherwise a
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

// onSnapshotted records that the requested snapshot is durable and drops the entries it covers from the log.
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

// compactRecovered performs a compaction that a crash prevented, if the log on disk holds more than it should. This is
// required if the log has entries that the snapshot covers but that are not known to be chosen: otherwise a later
// commit record, which covers everything before it, would wrongly declare them chosen. See [newLog].
func (m *Machine) compactRecovered() {
	if slot := m.snapshots.durable; slot > 0 && (m.snapshots.ahead || m.keptFrom(slot) > m.log.first) {
		m.compact()
	}
}

// compact drops the entries that no peer is expected to ask for, and gives the driver the remaining log. The snapshot
// must be durable.
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

// keptFrom returns the first slot to keep in the log when compacting behind a snapshot of slot. It keeps up to
// SnapshotKeep chosen entries, of at most half of SnapshotBytes.
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
