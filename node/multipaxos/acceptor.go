package multipaxos

import (
	"fmt"
	"slices"

	"elenchus/node/protocol"
)

// takesPart reports whether this node may act on a message of the proposer of msg.Ballot: it has promised nothing
// higher and no lease bars the ballot. Otherwise it tells the sender why not.
func (m *Machine) takesPart(msg *protocol.Message) bool {
	switch {
	case msg.Ballot.Node != msg.From:
		return false
	case msg.Ballot.Less(m.promised):
		m.nack(msg)
		return false
	case m.bars(msg.Ballot):
		m.refuse(msg)
		return false
	}
	return true
}

// onPrepare promises the ballot unless a higher one was promised, and reports the accepted entries (003 III, 004
// "Prepare phase"). A repeated Prepare, or a request for a later page, is answered from the same promise.
func (m *Machine) onPrepare(msg *protocol.Message) {
	if !m.takesPart(msg) {
		return
	}
	if m.promised.Less(msg.Ballot) {
		m.raisePromise(msg.Ballot, fmt.Sprintf("promised %v", msg.Ballot))
		m.promisedSeq = m.record(protocol.Record{Kind: protocol.RecordPromise, Ballot: msg.Ballot})
		m.leader, m.ballot, m.progress = 0, msg.Ballot, 0
	}
	first := msg.First
	if first == 0 {
		first = msg.Committed + 1
	}
	if msg.Seq >= m.progress {
		// The sender's phase 1 is making progress, so give it time. A repeated Seq shows none: the sender may not be
		// receiving anything.
		m.progress, m.poll = msg.Seq+1, poll{}
		m.after(TimerElection, m.stretched(m.opts.ElectionTimeout))
	}
	page := protocol.Message{
		Kind: protocol.MsgPromise, To: msg.From, Ballot: msg.Ballot, First: first, Last: protocol.SlotLast,
	}
	if start := max(first, m.committed+1); start <= m.log.last {
		var last protocol.Slot
		page.Entries, last = m.log.collect(start, m.log.last, m.opts.CatchupChunk, m.opts.CatchupBytes)
		if last < m.log.last {
			page.Last = last
		}
	}
	// Reported entries must be durable as well as the promise: after a crash they must not disappear.
	m.send(page, m.written)
}

// onAccept accepts the entries unless a higher ballot was promised or a lease bars this one.
func (m *Machine) onAccept(msg *protocol.Message) {
	if !wellFormedAccept(msg) || !m.takesPart(msg) {
		return
	}
	raised, before := m.promised.Less(msg.Ballot), m.written
	if raised {
		m.raisePromise(msg.Ballot, fmt.Sprintf("accepted in %v", msg.Ballot))
	}
	for _, e := range msg.Entries {
		if !m.accept(e) {
			return
		}
	}
	if raised && m.written == before { // otherwise an accept record implies the promise
		m.record(protocol.Record{Kind: protocol.RecordPromise, Ballot: msg.Ballot})
	}
	m.promisedSeq = max(m.promisedSeq, m.written)
	m.follow(msg)
	m.send(protocol.Message{
		Kind: protocol.MsgAccepted, To: msg.From, Ballot: msg.Ballot,
		First: msg.Entries[0].Slot, Last: msg.Entries[len(msg.Entries)-1].Slot,
	}, m.written)
}

func wellFormedAccept(msg *protocol.Message) bool {
	if len(msg.Entries) == 0 {
		return false
	}
	first := msg.Entries[0].Slot
	for i, e := range msg.Entries {
		if e.Ballot != msg.Ballot || e.Slot != first+protocol.Slot(i) {
			return false
		}
	}
	// Slot numbers beyond any window can only come from a defect, and would make slot ranges very long.
	return first > 0 && msg.Entries[len(msg.Entries)-1].Slot-1 < msg.Committed+WindowMax
}

// accept stores one entry whose ballot is not below the promise. It returns false if the node halted.
//
// An entry covered by the snapshot is accepted without being stored. A value is already chosen there, so the vote
// decides nothing, and every later promise of this node says that the slot is chosen.
func (m *Machine) accept(e protocol.Entry) bool {
	if e.Slot < m.log.first {
		return true
	}
	if old := m.log.get(e.Slot); old != nil {
		same := slices.Equal(old.Batch, e.Batch)
		switch {
		case old.chosen && !same:
			m.halt("slot %d has a chosen value of ballot %v, and ballot %v proposes another",
				e.Slot, old.Ballot, e.Ballot)
			return false
		case old.Ballot == e.Ballot && !same:
			m.halt("slot %d got two values in ballot %v", e.Slot, e.Ballot)
			return false
		case !old.Ballot.Less(e.Ballot):
			return true // a duplicate, or chosen and learned with a later ballot
		}
	}
	m.record(protocol.Record{Kind: protocol.RecordAccept, Entry: e})
	m.log.put(e)
	return true
}

// onHeartbeat follows the leader. The answer confirms that this node has promised nothing above the ballot, which is
// what a quorum read needs.
func (m *Machine) onHeartbeat(msg *protocol.Message) {
	if !m.takesPart(msg) {
		return
	}
	if m.promised.Less(msg.Ballot) {
		m.raisePromise(msg.Ballot, fmt.Sprintf("%v leads", msg.Ballot))
		m.promisedSeq = m.record(protocol.Record{Kind: protocol.RecordPromise, Ballot: msg.Ballot})
	}
	m.follow(msg)
	if msg.Seq != 0 {
		ack := protocol.Message{Kind: protocol.MsgHeartbeatAck, To: msg.From, Ballot: msg.Ballot, Seq: msg.Seq}
		m.grantLease(msg, &ack)
		m.send(ack, m.promisedSeq)
	}
}

// follow records contact with the leader of a ballot that is not below the promise, and handles its commit notice.
func (m *Machine) follow(msg *protocol.Message) {
	m.ballot, m.leader, m.heard = msg.Ballot, msg.From, m.now
	m.losses, m.poll = 0, poll{}
	m.after(TimerElection, m.stretched(m.opts.ElectionTimeout))
	m.takeNotice(msg.Ballot, msg.Committed)
}

// raisePromise raises the promise to b if b is higher, and steps down if this node was leading or campaigning in a
// lower ballot. The caller must record the promise.
func (m *Machine) raisePromise(b protocol.Ballot, reason string) {
	if !m.promised.Less(b) {
		return
	}
	m.promised, m.poll = b, poll{}
	m.noteBallot(b)
	m.observe(protocol.Observation{Kind: protocol.ObservedBallot, Ballot: b})
	if m.role != protocol.RoleFollower && b != m.ballot {
		m.stepDown(reason)
	}
}

func (m *Machine) nack(msg *protocol.Message) {
	m.send(protocol.Message{
		Kind: protocol.MsgNack, To: msg.From, Ballot: msg.Ballot, Promised: m.promised,
	}, 0)
}
