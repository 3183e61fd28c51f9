package multipaxos

import (
	"slices"
	"time"

	"elenchus/node/protocol"
	"elenchus/node/register"
)

// leading is the state of phase 2.
type leading struct {
	next     protocol.Slot        // the next slot to propose in
	adopted  [][]register.Command // values that must be proposed from slot next on, before anything new
	barrier  protocol.Slot        // the last adopted slot; once it is applied, everything chosen in earlier ballots is too
	inflight []proposal           // slots committed+1 … next-1
	unsynced protocol.Slot        // the first slot whose acceptance by this node is not yet durable

	contact   contact
	announced protocol.Slot // the committed prefix as of the last broadcast
	beat      uint64        // Seq of the last heartbeat
}

// proposing is the slab memory for proposals. It outlives a single leadership.
type proposing struct {
	entries slab[protocol.Entry]
	batches slab[register.Command]
	waiters slab[*pending]
}

// proposal is a proposed slot that is not yet in the committed prefix.
type proposal struct {
	slot    protocol.Slot
	seq     protocol.WriteSeq // the record of this node's own acceptance
	votes   nodeSet
	sent    time.Duration
	resent  bool       // sent more than once
	waiters []*pending // requests waiting for the commands of the batch, in order; empty for adopted values
}

// propose fills the window with new proposals (002 §6.1). An Accept waits for no write, so that the followers' disks
// work in parallel with this node's own; the leader counts its own vote only once it is durable.
func (m *Machine) propose() {
	if m.role != protocol.RoleLeader || m.halted != nil {
		return
	}
	memory := &m.proposing.entries
	entries, bytes := memory.open(), 0
	for m.leading.next <= m.committed+protocol.Slot(m.opts.Window) {
		batch, waiters, ok := m.nextBatch()
		if !ok {
			break
		}
		e := m.proposeNext(batch, waiters)
		entries = append(entries, e)
		bytes += e.Size()
		if len(entries) == protocol.EntriesMax || bytes >= m.opts.CatchupBytes {
			m.sendAccept(memory.close(entries))
			entries, bytes = memory.open(), 0
		}
	}
	if len(entries) > 0 {
		m.sendAccept(memory.close(entries))
	}
}

// nextBatch returns the commands for the next slot: adopted values first, then queued requests.
func (m *Machine) nextBatch() (batch []register.Command, waiters []*pending, ok bool) {
	if len(m.leading.adopted) > 0 {
		batch = m.leading.adopted[0]
		m.leading.adopted = m.leading.adopted[1:]
		return batch, nil, true
	}
	memory, bytes := &m.proposing, 0
	batch, waiters = memory.batches.open(), memory.waiters.open()
	for len(batch) < m.opts.BatchMax && bytes < m.opts.BatchBytes {
		p := m.requests.queue.pop()
		if p == nil {
			break
		}
		p.state = stateProposed
		batch = append(batch, p.command)
		waiters = append(waiters, p)
		bytes += protocol.CommandSize(p.command)
	}
	return memory.batches.close(batch), memory.waiters.close(waiters), len(batch) > 0
}

func (m *Machine) proposeNext(batch []register.Command, waiters []*pending) protocol.Entry {
	e := protocol.Entry{Slot: m.leading.next, Ballot: m.ballot, Batch: batch}
	m.leading.next++
	seq := m.record(protocol.Record{Kind: protocol.RecordAccept, Entry: e})
	m.log.put(e)
	m.leading.inflight = append(m.leading.inflight, proposal{slot: e.Slot, seq: seq, sent: m.now, waiters: waiters})
	m.ensure(TimerRetry, m.opts.RetryInterval)
	return e
}

func (m *Machine) sendAccept(entries []protocol.Entry) {
	m.broadcast(protocol.Message{Kind: protocol.MsgAccept, Ballot: m.ballot, Entries: entries}, 0)
	m.leading.announced = m.committed
}

// onAccepted counts a follower's votes for exactly this ballot, once per member and slot.
func (m *Machine) onAccepted(msg *protocol.Message, from int) {
	if m.role != protocol.RoleLeader || msg.Ballot != m.ballot || len(m.leading.inflight) == 0 {
		return
	}
	inflight := m.leading.inflight
	low := inflight[0].slot
	first, last := max(msg.First, low), min(msg.Last, inflight[len(inflight)-1].slot)
	for slot := first; slot <= last; slot++ {
		m.vote(&inflight[slot-low], from)
	}
	m.advance()
}

// countOwnVotes counts this node's own acceptances once they are durable.
func (m *Machine) countOwnVotes() {
	l := &m.leading
	if len(l.inflight) == 0 {
		return
	}
	low := l.inflight[0].slot
	l.unsynced = max(l.unsynced, low)
	for ; l.unsynced < l.next && l.inflight[l.unsynced-low].seq <= m.durable; l.unsynced++ {
		m.vote(&l.inflight[l.unsynced-low], m.members.self)
	}
	m.advance()
}

func (m *Machine) vote(p *proposal, member int) {
	m.learnRetry(p, member)
	p.votes = p.votes.with(member)
	if p.votes.len() >= m.members.quorum {
		m.markChosen(m.log.get(p.slot))
	}
}

// takeWaiters removes the proposal of a slot that is about to be applied and returns the requests waiting for its
// commands.
func (m *Machine) takeWaiters(slot protocol.Slot) []*pending {
	l := &m.leading
	if m.role != protocol.RoleLeader {
		return nil
	}
	if len(l.inflight) == 0 {
		// An earlier leader's commit notice covers this slot, so its adopted value need not be proposed any more.
		l.next = slot + 1
		l.adopted = l.adopted[min(1, len(l.adopted)):]
		return nil
	}
	waiters := l.inflight[0].waiters
	l.inflight = slices.Delete(l.inflight, 0, 1)
	return waiters
}

func (m *Machine) onRetryTimer() {
	switch m.role {
	case protocol.RoleCandidate:
		m.resendPrepares()
	case protocol.RoleLeader:
		m.resendAccepts()
	}
}

// resendAccepts repeats overdue proposals to the members that have not accepted them. It resends this node's own
// accepted entries, since the value of a ballot and slot never changes.
func (m *Machine) resendAccepts() {
	l := &m.leading
	due, bytes := 0, 0
	for due < len(l.inflight) && due < protocol.EntriesMax && bytes < m.opts.CatchupBytes {
		p := &l.inflight[due]
		if p.sent+m.retry.patience > m.now {
			break
		}
		bytes += m.log.get(p.slot).Size()
		p.sent, p.resent = m.now, true
		due++
	}
	for i, id := range m.members.ids {
		if i != m.members.self {
			m.resendTo(i, id, l.inflight[:due])
		}
	}
	switch {
	case due > 0:
		m.repeated()
	case len(l.inflight) > 0:
		m.at(TimerRetry, l.inflight[0].sent+m.retry.patience)
	}
}

// resendTo resends to one member those proposals that it has not accepted and that are not yet chosen, one message per
// run of consecutive slots.
func (m *Machine) resendTo(member int, id protocol.NodeID, due []proposal) {
	memory := &m.proposing.entries
	run := memory.open()
	flush := func() {
		if len(run) > 0 {
			m.send(protocol.Message{Kind: protocol.MsgAccept, To: id, Ballot: m.ballot, Entries: memory.close(run)}, 0)
			run = memory.open()
		}
	}
	for i := range due {
		e := m.log.get(due[i].slot)
		if due[i].votes.has(member) || e.chosen {
			flush()
			continue
		}
		run = append(run, e.Entry)
	}
	flush()
}

func (m *Machine) onHeartbeatTimer() {
	if m.checkContact() {
		return
	}
	if m.opts.Lease == LeaseNone {
		m.heartbeat()
	} else {
		m.askLease()
	}
	m.after(TimerHeartbeat, m.heartbeatEvery())
}

func (m *Machine) heartbeatEvery() time.Duration {
	if m.opts.Lease == LeaseNone {
		return m.opts.HeartbeatInterval
	}
	return m.opts.LeaseRenew
}

// heartbeat tells all peers that the leader is alive and asks them to answer.
func (m *Machine) heartbeat() {
	m.leading.beat++
	m.leading.announced = m.committed
	m.broadcast(protocol.Message{Kind: protocol.MsgHeartbeat, Ballot: m.ballot, Seq: m.leading.beat}, 0)
}

// announceCommit broadcasts a new committed prefix at once when no slot is in flight; otherwise it rides on the next
// Accept or heartbeat.
func (m *Machine) announceCommit() {
	l := &m.leading
	if m.role != protocol.RoleLeader || l.announced == m.committed || len(l.inflight) > 0 {
		return
	}
	l.announced = m.committed
	m.broadcast(protocol.Message{Kind: protocol.MsgHeartbeat, Ballot: m.ballot}, 0)
}

// abandonProposals answers the requests whose slots this node can no longer see chosen. The next leader may still get
// their commands chosen, so the outcome of a mutation is unknown.
func (m *Machine) abandonProposals(reason string) {
	inflight := m.leading.inflight
	m.leading = leading{}
	for i := range inflight {
		for _, p := range inflight[i].waiters {
			m.giveUp(p, "lost leadership after proposing: "+reason)
		}
	}
}
