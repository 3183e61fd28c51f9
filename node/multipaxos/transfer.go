package multipaxos

import (
	"fmt"
	"slices"

	"elenchus/node/protocol"
)

// transfer is a partially fetched snapshot, needed because the peers no longer have the entries. The pieces may come
// from different peers, since equal slot and checksum imply equal bytes.
type transfer struct {
	protocol.Snapshot
	checksum uint32
	total    uint64
	misses   int // requests that timed out since the last piece
}

// missesMax is how many requests may time out before another peer is asked for the next piece, and before an older
// snapshot may replace a newer one. A single lost message should cause neither.
const missesMax = 3

func (t *transfer) is(msg *protocol.Message) bool {
	return t.Slot == msg.Last && t.checksum == msg.Chunk.Checksum && t.total == msg.Chunk.Total
}

// requestChunk asks for the next piece.
func (m *Machine) requestChunk(t *transfer, peer int) {
	m.send(protocol.Message{
		Kind: protocol.MsgFetch, To: m.members.ids[peer], First: m.committed + 1, Last: t.Slot,
		Chunk: protocol.Chunk{Offset: uint64(len(t.State)), Checksum: t.checksum},
	}, 0)
}

// onFetch answers with the requested piece or, if this node does not have that snapshot, as to a Catchup.
func (m *Machine) onFetch(msg *protocol.Message) {
	for _, s := range []*heldSnapshot{m.snapshots.current, m.snapshots.lent} {
		if s != nil && s.Slot == msg.Last && s.checksum == msg.Chunk.Checksum {
			m.sendChunk(msg.From, s, msg.Chunk.Offset)
			return
		}
	}
	m.onCatchup(msg)
}

// sendChunk sends the piece of a snapshot that begins at offset. The snapshot need not be durable here, because
// everything it covers is chosen.
func (m *Machine) sendChunk(to protocol.NodeID, s *heldSnapshot, offset uint64) {
	total := uint64(len(s.State))
	if offset >= total {
		return
	}
	s.fetched = m.now
	end := min(offset+uint64(m.opts.SnapshotChunk), total)
	m.send(protocol.Message{
		Kind: protocol.MsgSnapshot, To: to, Ballot: s.Ballot, Last: s.Slot,
		Chunk: protocol.Chunk{Offset: offset, Total: total, Checksum: s.checksum, Data: s.State[offset:end:end]},
	}, 0)
	if end == total {
		m.observe(protocol.Observation{
			Kind: protocol.ObservedSnapshotSent, Slot: s.Slot, Ballot: s.Ballot, Peer: to,
		})
	}
}

// onSnapshot handles a piece of a snapshot and installs the snapshot once it is complete. A leader ignores it, since it
// proposes in every slot that it does not know to be chosen.
func (m *Machine) onSnapshot(msg *protocol.Message, from int) {
	c := &msg.Chunk
	n := uint64(len(c.Data))
	if m.role == protocol.RoleLeader || msg.Last <= m.committed || msg.Last > min(msg.Committed, snapshotSlotMax) ||
		n == 0 || c.Total > protocol.SnapshotBytesMax || c.Offset > c.Total || n > c.Total-c.Offset {
		return
	}
	if m.catchup.transfer == nil || !m.catchup.transfer.is(msg) {
		if !m.beginTransfer(msg, from) {
			return
		}
	}
	t := m.catchup.transfer
	if c.Offset != uint64(len(t.State)) {
		return // duplicate or out of order
	}
	if have := len(t.State) + len(c.Data); have > cap(t.State) {
		t.State = slices.Grow(t.State, min(2*have, int(t.total))-len(t.State))
	}
	t.State = append(t.State, c.Data...)
	t.misses = 0
	m.catchup.peer, m.catchup.outstanding = from, false
	if uint64(len(t.State)) == t.total {
		m.catchup.transfer = nil
		if !m.install(t, msg.From) {
			// Pause before the next fetch, in case that snapshot is unusable too.
			m.catchup.outstanding = true
			m.ensure(TimerCatchup, m.catchup.patience)
		}
	}
}

// beginTransfer decides whether the first piece of a snapshot replaces a transfer in progress. It does if the peer that
// was asked has nothing else: the peer replaced its snapshot by a newer one, or the peers that have the wanted one are
// silent. Unsolicited or late messages replace nothing.
func (m *Machine) beginTransfer(msg *protocol.Message, from int) bool {
	if msg.Chunk.Offset != 0 {
		return false
	}
	if t := m.catchup.transfer; t != nil && t.Slot > m.committed {
		asked := m.catchup.outstanding && m.catchup.peer == from
		if !asked || msg.Last <= t.Slot && t.misses < missesMax {
			return false
		}
	}
	m.catchup.transfer = &transfer{
		Snapshot: protocol.Snapshot{Slot: msg.Last, Ballot: msg.Ballot},
		checksum: msg.Chunk.Checksum, total: msg.Chunk.Total,
	}
	return true
}

// install replaces the state by that of a received snapshot, or returns false if the snapshot is unusable. Everything
// it covers is chosen, so it may be used before it is durable: a crash takes this node back to what it knew before, and
// everything its old log then reports it has accepted. See [Machine.resting] for what must not happen until then.
//
// Like learn, install may raise the promise even though a lease bars the ballot.
func (m *Machine) install(t *transfer, from protocol.NodeID) bool {
	refuse := func(reason string) bool {
		m.observe(protocol.Observation{
			Kind: protocol.ObservedSnapshotRefused, Slot: t.Slot, Ballot: t.Ballot, Peer: from, Reason: reason,
		})
		return false
	}
	received := &heldSnapshot{Snapshot: &t.Snapshot, checksum: t.Checksum()}
	if received.checksum != t.checksum {
		return refuse(fmt.Sprintf("its checksum is %08x, announced was %08x", received.checksum, t.checksum))
	}
	if err := m.store.Restore(t.State); err != nil {
		return refuse(err.Error())
	}
	if m.promised.Less(t.Ballot) {
		m.raisePromise(t.Ballot, "learned that a higher ballot was used")
		m.promisedSeq = m.record(protocol.Record{Kind: protocol.RecordPromise, Ballot: t.Ballot})
	}
	m.observe(protocol.Observation{
		Kind: protocol.ObservedSnapshotInstalled, First: m.committed + 1, Slot: t.Slot, Ballot: t.Ballot, Peer: from,
	})
	m.committed, m.appliedIn = t.Slot, t.Ballot
	m.log.forget(t.Slot + 1)
	m.replaceSnapshot(received)
	m.snapshots.since, m.snapshots.bytes = t.Slot, 0
	m.advance() // over entries that were waiting for it
	return true
}
