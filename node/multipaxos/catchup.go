package multipaxos

import (
	"elenchus/node/protocol"
)

// catchup is the fetching of chosen entries that this node missed: one bounded chunk at a time, from any peer that has
// it (002 §4.3.5).
type catchup struct {
	outstanding bool
	peer        int // index of the member asked last
}

// requestCatchup asks for the next chunk if a peer is known to be ahead. A leader never asks: what it does not know to
// be chosen it proposes.
func (m *Machine) requestCatchup() {
	if m.catchup.outstanding || m.role == protocol.RoleLeader {
		return
	}
	peer := m.aheadOfUs()
	if peer < 0 {
		m.cancel(TimerCatchup)
		return
	}
	m.catchup = catchup{outstanding: true, peer: peer}
	first := m.committed + 1
	m.send(protocol.Message{
		Kind: protocol.MsgCatchup, To: m.members.ids[peer], First: first,
		Last: min(m.known[peer], m.committed+protocol.Slot(m.opts.CatchupChunk)),
	}, 0)
	m.after(TimerCatchup, m.opts.RetryInterval)
}

// aheadOfUs returns the next member, in turn, that knows more to be chosen than this node, or -1. Turns keep a silent
// peer from being asked for ever.
func (m *Machine) aheadOfUs() int {
	n := len(m.members.ids)
	for i := 1; i <= n; i++ {
		peer := (m.catchup.peer + i) % n
		if peer != m.members.self && m.known[peer] > m.committed {
			return peer
		}
	}
	return -1
}

// onCatchup answers with what is chosen of the slots asked for, as much as fits into a chunk.
func (m *Machine) onCatchup(msg *protocol.Message) {
	first, last := msg.First, min(msg.Last, m.committed)
	if first == 0 || first > last {
		return
	}
	entries, _ := m.log.collect(first, last, m.opts.CatchupChunk, m.opts.CatchupBytes)
	m.send(protocol.Message{Kind: protocol.MsgChosen, To: msg.From, Entries: entries}, 0)
}

// onChosen learns what a peer knows to be chosen.
func (m *Machine) onChosen(msg *protocol.Message) {
	before, last := m.committed, protocol.Slot(0)
	for _, e := range msg.Entries {
		if e.Slot == 0 || e.Slot > msg.Committed {
			continue // the sender does not know this one to be chosen
		}
		m.learn(e)
		if m.halted != nil {
			return
		}
		last = max(last, e.Slot)
	}
	m.advance() // and maybe beyond last, over what waited for it
	if m.committed > before {
		m.observe(protocol.Observation{
			Kind: protocol.ObservedCaughtUp, First: before + 1, Slot: min(last, m.committed), Peer: msg.From,
		})
		m.catchup.outstanding = false
	}
}
