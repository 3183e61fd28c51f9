package multipaxos

import (
	"time"

	"elenchus/node/protocol"
)

// catchup is the state of fetching missed slots: one bounded chunk at a time, from any peer that has it (002 §4.3.5). A
// chunk holds chosen entries or, if the peer has dropped those, a piece of a snapshot.
type catchup struct {
	outstanding bool
	peer        int       // index of the member asked last
	transfer    *transfer // the snapshot being fetched; nil if none is

	// patience is how long to wait for an answer. It doubles with every timeout until nothing is missing any more: on a
	// slow link every superfluous request brings a superfluous chunk, which delays the next one.
	patience time.Duration
}

// patienceMax is the upper bound of catchup.patience, in retry intervals.
const patienceMax = 16

// requestCatchup asks for the next chunk if a peer is known to be ahead. A leader never asks, since it proposes in
// every slot that it does not know to be chosen.
func (m *Machine) requestCatchup() {
	if m.catchup.outstanding || m.role == protocol.RoleLeader {
		return
	}
	if t := m.catchup.transfer; t != nil && t.Slot <= m.committed {
		m.catchup.transfer = nil
	}
	t := m.catchup.transfer
	peer := m.catchup.peer
	if t == nil || t.misses >= missesMax {
		peer = m.aheadOfUs()
	}
	if peer < 0 {
		m.cancel(TimerCatchup)
		m.catchup.patience = m.opts.RetryInterval
		return
	}
	m.catchup.outstanding, m.catchup.peer = true, peer
	m.after(TimerCatchup, m.catchup.patience)
	if t != nil {
		m.requestChunk(t, peer)
		return
	}
	first := m.committed + 1
	m.send(protocol.Message{
		Kind: protocol.MsgCatchup, To: m.members.ids[peer], First: first,
		Last: min(m.known[peer], m.committed+protocol.Slot(m.opts.CatchupChunk)),
	}, 0)
}

func (m *Machine) onCatchupTimer() {
	m.catchup.outstanding = false
	m.catchup.patience = min(2*m.catchup.patience, patienceMax*m.opts.RetryInterval)
	if m.catchup.transfer != nil {
		m.catchup.transfer.misses++
	}
}

// aheadOfUs returns the next member, in round-robin order, that knows more slots to be chosen than this node, or -1.
// Taking turns avoids asking a silent peer for ever.
func (m *Machine) aheadOfUs() int {
	peer := m.catchup.peer
	for range m.members.ids {
		if peer++; peer == len(m.members.ids) {
			peer = 0
		}
		if peer != m.members.self && m.known[peer] > m.committed {
			return peer
		}
	}
	return -1
}

// onCatchup answers with the chosen entries of the requested slots, up to one chunk, or with the start of a snapshot if
// the first of them has been dropped.
func (m *Machine) onCatchup(msg *protocol.Message) {
	first, last := msg.First, min(msg.Last, m.committed)
	if first == 0 || first > last {
		return
	}
	if first < m.log.first {
		m.sendChunk(msg.From, m.snapshots.current, 0)
		return
	}
	entries, _ := m.log.collect(first, last, m.opts.CatchupChunk, m.opts.CatchupBytes)
	m.send(protocol.Message{Kind: protocol.MsgChosen, To: msg.From, Entries: entries}, 0)
}

// onChosen learns entries that a peer knows to be chosen.
func (m *Machine) onChosen(msg *protocol.Message) {
	before, last := m.committed, protocol.Slot(0)
	for _, e := range msg.Entries {
		if e.Slot == 0 || e.Slot > msg.Committed {
			continue // the sender does not know this slot to be chosen
		}
		m.learn(e)
		if m.halted != nil {
			return
		}
		last = max(last, e.Slot)
	}
	m.advance() // possibly beyond last, over entries that were waiting for it
	if m.committed > before {
		m.observe(protocol.Observation{
			Kind: protocol.ObservedCaughtUp, First: before + 1, Slot: min(last, m.committed), Peer: msg.From,
		})
		if from, _ := m.members.index(msg.From); m.catchup.outstanding && from == m.catchup.peer {
			m.catchup.transfer = nil // that peer has the entries, so no snapshot is needed
		}
		m.catchup.outstanding = false
	}
}
