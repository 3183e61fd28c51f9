package multipaxos

import (
	"fmt"
	"slices"

	"elenchus/node/protocol"
)

// takesPart reports whether this node may do what the owner of a ballot asks for: it has promised nothing higher, and
// no lease bars the ballot. Otherwise it says why not.
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

// onPrepare promises the ballot if it is not below what was promised before, and reports what was accepted (003 III,
// 004 "Prepare phase"). A repeated Prepare, or one that asks for a later page, gets its answer from the same promise.
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
		// Its phase 1 makes progress, so it deserves time. A mere repeat shows none: the sender may be deaf.
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
	// What is reported must be as durable as the promise: a report that a crash can take back was never true.
	m.send(page, m.written)
}

// onAccept accepts the entries unless a higher ballot was promised.
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
	if raised && m.written == before { // else a record of an entry implies the promise of its ballot
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
	// Slot numbers beyond any window could only come from a defect, and would make ranges of slots long.
	return first > 0 && msg.Entries[len(msg.Entries)-1].Slot-1 < msg.Committed+WindowMax
}

// accept stores one entry whose ballot is not below the promise. It reports false if the node had to stop.
//
// What a snapshot holds is accepted without being stored: a value is chosen there, so that the vote decides nothing,
// and no promise of this node will fail to say so.
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
			return true // a repeat; or chosen, and learned from a later ballot
		}
	}
	m.record(protocol.Record{Kind: protocol.RecordAccept, Entry: e})
	m.log.put(e)
	return true
}

// onHeartbeat follows the leader. The answer means that this node has promised nothing above the ballot, which is what
// confirms a quorum read.
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

// follow notes a sign of life of the leader of a ballot that is not below the promise, and its commit notice.
func (m *Machine) follow(msg *protocol.Message) {
	m.ballot, m.leader, m.heard = msg.Ballot, msg.From, m.now
	m.losses, m.poll = 0, poll{}
	m.after(TimerElection, m.stretched(m.opts.ElectionTimeout))
	m.takeNotice(msg.Ballot, msg.Committed)
}

// raisePromise raises the promise to b, if it is higher, and ends what this node was doing in a lower ballot. The
// caller records it.
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
