package multipaxos

import (
	"container/heap"
	"time"

	"elenchus/node/protocol"
	"elenchus/node/register"
)

// requests holds the unanswered requests: those of this node's own clients and, at a leader, forwarded ones.
type requests struct {
	live      map[requestKey]*pending
	deadlines deadlines
	queue     queue // neither proposed nor forwarded, so without effect so far
	memory    slab[pending]
}

// requestKey identifies a request across the cluster; from is zero for this node's own clients.
type requestKey struct {
	from        protocol.NodeID
	incarnation uint64
	id          protocol.RequestID
}

type requestState uint8

const (
	stateQueued requestState = iota
	stateForwarded
	stateProposed
	stateReading
	stateExecuted // applied while the lease was not valid
)

// pending is one unanswered request.
type pending struct {
	key      requestKey
	command  register.Command
	deadline time.Duration
	state    requestState
	done     bool            // answered; lists that still hold it skip or drop it
	leader   protocol.NodeID // stateForwarded: the leader it was forwarded to
	index    protocol.Slot   // stateReading: the slot that must be applied first
	heap     int             // index in deadlines; -1 if not in the heap
}

func (p *pending) remote() bool { return p.key.from != 0 }

func (r *requests) init() {
	r.live = make(map[requestKey]*pending)
	r.deadlines = make(deadlines, 0, slabItems)
	r.queue.items = make([]*pending, 0, slabItems)
}

// onRequest handles a request from one of this node's own clients.
func (m *Machine) onRequest(req protocol.Request) {
	m.admit(m.requests.memory.put(pending{
		key: requestKey{id: req.ID}, command: req.Command, deadline: req.Deadline,
	}))
}

// admit validates a request, registers it and queues or serves it.
func (m *Machine) admit(p *pending) {
	if m.requests.live[p.key] != nil {
		return // a forward duplicated by the network
	}
	p.heap = -1
	if p.command.Op == register.OpRead {
		// A read changes nothing and needs no session. In the log it must not look like a repeat of a mutation.
		p.command.Client, p.command.Seq = 0, 0
	}
	err := p.command.Check()
	switch {
	case err != nil:
		m.finish(p, protocol.Reply{Outcome: protocol.OutcomeFail, Reason: "invalid command: " + err.Error()})
		return
	case p.deadline <= m.now:
		m.finish(p, protocol.Reply{Outcome: protocol.OutcomeFail, Reason: "deadline has passed"})
		return
	case len(m.requests.live) >= m.opts.PendingMax:
		m.finish(p, protocol.Reply{Outcome: protocol.OutcomeFail, Reason: "overloaded: too many requests in flight"})
		return
	}
	m.requests.live[p.key] = p
	heap.Push(&m.requests.deadlines, p)
	if t := &m.timers[TimerDeadline]; t.due == 0 || p.deadline < t.due {
		m.at(TimerDeadline, p.deadline)
	}
	read := p.command.Op == register.OpRead
	switch {
	case read && m.opts.Reads == ReadsLocal:
		m.serve(p)
	case read && m.confirms() && m.role == protocol.RoleLeader:
		m.addRead(p)
	default:
		m.requests.queue.push(p)
	}
}

// confirms reports whether reads are served from the leader's state after it confirms that it still leads.
func (m *Machine) confirms() bool { return m.opts.Reads == ReadsQuorum || m.opts.Reads == ReadsLease }

// queueReads moves queued quorum and lease reads to the new leader's read lists.
func (m *Machine) queueReads() {
	if !m.confirms() {
		return
	}
	var rest queue
	for p := m.requests.queue.pop(); p != nil; p = m.requests.queue.pop() {
		if p.command.Op == register.OpRead {
			m.addRead(p)
		} else {
			rest.push(p)
		}
	}
	m.requests.queue = rest
}

// answer replies with the result of an executed command or a read.
func (m *Machine) answer(p *pending, result register.Result, slot protocol.Slot, ballot protocol.Ballot) {
	if p == nil || p.done {
		return
	}
	reply := protocol.Reply{Result: result, Slot: slot, Ballot: ballot, Leader: m.opts.Self}
	switch result.Code {
	case register.CodeOK, register.CodeMismatch:
		reply.Outcome = protocol.OutcomeOK
	case register.CodeStale:
		// Not executed now, but an earlier copy may have been.
		reply.Outcome, reply.Reason = protocol.OutcomeUnknown, result.Code.String()
	default:
		reply.Outcome, reply.Reason = protocol.OutcomeFail, result.Code.String()
	}
	m.finish(p, reply)
}

// giveUp ends a request without a result. A read has failed whatever happened to it; a mutation has failed only if it
// never left the queue, and is unknown otherwise.
func (m *Machine) giveUp(p *pending, reason string) {
	if p.done {
		return
	}
	reply := protocol.Reply{Outcome: protocol.OutcomeFail, Reason: reason}
	if p.command.Op.Mutates() && p.state != stateQueued {
		reply.Outcome = protocol.OutcomeUnknown
	}
	m.finish(p, reply)
}

// finish sends the only reply to a request and removes the request.
func (m *Machine) finish(p *pending, reply protocol.Reply) {
	p.done = true
	if p.heap >= 0 {
		heap.Remove(&m.requests.deadlines, p.heap)
		delete(m.requests.live, p.key)
	}
	if p.remote() {
		m.replyForward(p, reply)
		return
	}
	reply.ID = p.key.id
	m.fx.Replies = append(m.fx.Replies, reply)
}

// expire ends the requests whose deadline has passed.
func (m *Machine) expire() {
	d := &m.requests.deadlines
	for len(*d) > 0 && (*d)[0].deadline <= m.now {
		m.giveUp((*d)[0], m.whyLate((*d)[0]))
	}
	if len(*d) > 0 {
		m.at(TimerDeadline, (*d)[0].deadline)
	}
	limit := 2*len(m.requests.live) + 64
	m.requests.queue.shrink(limit)
	m.dropLateReads(limit)
	m.dropLateExecuted(limit)
}

func (m *Machine) whyLate(p *pending) string {
	switch p.state {
	case stateForwarded:
		return "no answer from the leader " + p.leader.String()
	case stateProposed:
		return "not chosen in time"
	case stateExecuted:
		return "executed, but the lease was not renewed in time"
	case stateReading:
		if m.opts.Reads == ReadsLease {
			return "no valid lease in time"
		}
		return "leadership not confirmed in time"
	}
	if m.leader == 0 {
		return "no leader"
	}
	return "not proposed in time"
}

// abandonQueue fails the forwarded requests in a deposed leader's queue, telling their senders. This node's own
// requests keep waiting for the next leader.
func (m *Machine) abandonQueue(reason string) {
	var own queue
	for p := m.requests.queue.pop(); p != nil; p = m.requests.queue.pop() {
		if p.remote() {
			m.giveUp(p, "lost leadership: "+reason)
		} else {
			own.push(p)
		}
	}
	m.requests.queue = own
}

// queue is a FIFO of requests. Answered requests are skipped.
type queue struct {
	items []*pending
	head  int
}

func (q *queue) push(p *pending) { q.items = append(q.items, p) }

// pop returns the oldest unanswered request, or nil.
func (q *queue) pop() *pending {
	for q.head < len(q.items) {
		p := q.items[q.head]
		q.items[q.head] = nil
		q.head++
		if !p.done {
			return p
		}
	}
	q.items, q.head = q.items[:0], 0
	return nil
}

// shrink drops answered requests if the queue holds more than limit.
func (q *queue) shrink(limit int) {
	if len(q.items)-q.head > limit {
		q.items, q.head = dropDone(q.items[q.head:], limit), 0
	}
}

func dropDone(list []*pending, limit int) []*pending {
	if len(list) <= limit {
		return list
	}
	kept := list[:0]
	for _, p := range list {
		if !p.done {
			kept = append(kept, p)
		}
	}
	clear(list[len(kept):])
	return kept
}

// deadlines is a min-heap of the live requests by deadline.
type deadlines []*pending

func (d deadlines) Len() int { return len(d) }

// Less breaks ties by request identity, so that equal deadlines expire in the same order in every run.
func (d deadlines) Less(i, j int) bool {
	a, b := d[i], d[j]
	switch {
	case a.deadline != b.deadline:
		return a.deadline < b.deadline
	case a.key.from != b.key.from:
		return a.key.from < b.key.from
	}
	return a.key.id < b.key.id
}

func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].heap, d[j].heap = i, j
}

// Push implements [heap.Interface].
func (d *deadlines) Push(x any) {
	p := x.(*pending)
	p.heap = len(*d)
	*d = append(*d, p)
}

// Pop implements [heap.Interface].
func (d *deadlines) Pop() any {
	last := len(*d) - 1
	p := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	p.heap = -1
	return p
}
