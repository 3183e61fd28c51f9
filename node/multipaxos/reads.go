package multipaxos

import (
	"elenchus/node/protocol"
)

// reading is the state of a leader's quorum reads. A round is a heartbeat sent after the reads arrived. A majority of
// answers to it or to a later one proves that no higher ballot had a majority of promises when the reads arrived, so
// nothing had been chosen by then that this leader does not know. Many reads share a round, and one round runs at a
// time.
type reading struct {
	waiting   []*pending // reads that arrived since the round started
	round     []*pending // reads covered by the round
	beat      uint64     // Seq of the round's heartbeat; zero when none runs
	confirmed []*pending // reads waiting only for their slot to be applied; under a lease, all reads

	acked [protocol.NodesMax]uint64 // the highest heartbeat of this ballot answered by each member
}

// addRead adds a read at the leader. The read must see everything committed now and everything that may have been
// chosen before this leader's ballot, so a new leader serves no read before it has applied its barrier.
func (m *Machine) addRead(p *pending) {
	p.state = stateReading
	p.index = max(m.committed, m.leading.barrier)
	if m.opts.Reads == ReadsLease {
		m.reading.confirmed = append(m.reading.confirmed, p)
		return
	}
	m.reading.waiting = append(m.reading.waiting, p)
}

// onHeartbeatAck counts an answer to a heartbeat of the ballot that this node leads. A member that grants a lease of a
// ballot this node no longer leads is sent MsgForsake, since nobody uses that lease (002 §4.3.3): this node stepped
// down, or restarted and remembers no lease.
func (m *Machine) onHeartbeatAck(msg *protocol.Message, from int) {
	switch {
	case m.role == protocol.RoleLeader && msg.Ballot == m.ballot:
		m.reading.acked[from] = max(m.reading.acked[from], msg.Seq)
		m.onLeaseAnswer(msg, from)
	case msg.Ballot.Node == m.opts.Self && (msg.Ballot != m.ballot || m.role == protocol.RoleFollower) &&
		(msg.Lease == protocol.LeaseGranted || msg.Lease == protocol.LeaseExtended):
		m.send(protocol.Message{Kind: protocol.MsgForsake, To: msg.From, Ballot: msg.Ballot}, 0)
	}
}

// confirmReads ends the running round if a majority has answered, starts one if reads are waiting, and serves the reads
// that are ready.
func (m *Machine) confirmReads() {
	if m.role != protocol.RoleLeader || m.halted != nil {
		return
	}
	r := &m.reading
	m.endRound()
	if r.beat == 0 && len(r.waiting) > 0 {
		m.heartbeat()
		r.beat = m.leading.beat
		r.round, r.waiting = r.waiting, r.round[:0]
		m.endRound() // a cluster of one
	}
	m.serveReads()
}

func (m *Machine) endRound() {
	r := &m.reading
	if r.beat == 0 {
		return
	}
	answers := 1 // this node has promised nothing above its ballot, or it would have stepped down
	for i := range m.members.ids {
		if i != m.members.self && r.acked[i] >= r.beat {
			answers++
		}
	}
	if answers >= m.members.quorum {
		r.confirmed = append(r.confirmed, r.round...)
		clear(r.round)
		r.round, r.beat = r.round[:0], 0
	}
}

// dropLateReads removes reads whose deadline has passed. A round left without reads ends: its heartbeat may have been
// lost, and the next read should not have to wait for the periodic one.
func (m *Machine) dropLateReads(limit int) {
	r := &m.reading
	r.waiting = dropDone(r.waiting, limit)
	if r.round = dropDone(r.round, 0); len(r.round) == 0 {
		r.beat = 0
	}
	r.confirmed = dropDone(r.confirmed, limit)
}

// serveReads answers the reads whose slot is applied. Under a lease, the lease must be valid at this step's clock
// reading: no client has been told by then of anything that this leader has not applied. The instant of that reading
// lies between the arrival of the request and its answer, and is the linearization point of the read. A delay of the
// answer after it does not matter.
func (m *Machine) serveReads() {
	if m.opts.Reads == ReadsLease && !m.holdsLease() {
		return
	}
	kept := m.reading.confirmed[:0]
	for _, p := range m.reading.confirmed {
		switch {
		case p.done:
		case p.index <= m.committed:
			m.serve(p)
		default:
			kept = append(kept, p)
		}
	}
	clear(m.reading.confirmed[len(kept):])
	m.reading.confirmed = kept
}

// serve answers a read from this replica's state.
func (m *Machine) serve(p *pending) {
	m.observe(protocol.Observation{Kind: protocol.ObservedServed, Slot: m.committed, Ballot: m.appliedIn})
	m.answer(p, m.store.Read(p.command.Key), m.committed, m.appliedIn)
}

// abandonReads returns the reads of a deposed leader to the queue, and fails forwarded ones.
func (m *Machine) abandonReads(reason string) {
	r := m.reading
	m.reading = reading{}
	for _, list := range [][]*pending{r.confirmed, r.round, r.waiting} {
		for _, p := range list {
			if p.done {
				continue
			}
			p.state = stateQueued
			if p.remote() {
				m.giveUp(p, "lost leadership: "+reason)
			} else {
				m.requests.queue.push(p)
			}
		}
	}
}
