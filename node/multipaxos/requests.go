package multipaxos

import (
	"container/heap"
	"time"

	"elenchus/node/protocol"
	"elenchus/node/register"
)

// requests are those that wait for an answer: this node's own clients', and at a leader those that were forwarded.
type requests struct {
	live      map[requestKey]*pending
	deadlines deadlines
	queue     queue // neither proposed nor forwarded: they have had no effect
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
	stateExecuted // applied; the lease was not valid then
)

// pending is one request.
type pending struct {
	key      requestKey
	command  register.Command
	deadline time.Duration
	state    requestState
	done     bool            // answered; whoever still holds it drops it
	leader   protocol.NodeID // stateForwarded: to whom
	index    protocol.Slot   // stateReading: what must be applied first
	heap     int             // position among the deadlines
}

func (p *pending) remote() bool { return p.key.from != 0 }

func (r *requests) init() {
	r.live = make(map[requestKey]*pending)
	r.deadlines = make(deadlines, 0, slabItems)
	r.queue.items = make([]*pending, 0, slabItems)
}

// onRequest takes a request of one of this node's own clients.
func (m *Machine) onRequest(req protocol.Request) {
	m.admit(m.requests.memory.put(pending{
		key: requestKey{id: req.ID}, command: req.Command, deadline: req.Deadline,
	}))
}

// admit checks a request, takes it in and brings it on its way.
func (m *Machine) admit(p *pending) {
	if m.requests.live[p.key] != nil {
		return // a forward that the network repeated
	}
	p.heap = -1
	if p.command.Op == register.OpRead {
		// A read changes nothing and needs no session; in the log it must not look like a repeat of a change.
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

// confirms reports whether reads are answered from the state of a leader that makes sure it is one.
func (m *Machine) confirms() bool { return m.opts.Reads == ReadsQuorum || m.opts.Reads == ReadsLease }

// queueReads moves the quorum and lease reads that waited for a leader to the reads of this one.
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

// answer gives the result of a command that was executed, or of a read.
func (m *Machine) answer(p *pending, result register.Result, slot protocol.Slot, ballot protocol.Ballot) {
	if p == nil || p.done {
		return
	}
	reply := protocol.Reply{Result: result, Slot: slot, Ballot: ballot, Leader: m.opts.Self}
	switch result.Code {
	case register.CodeOK, register.CodeMismatch:
		reply.Outcome = protocol.OutcomeOK
	case register.CodeStale:
		// It was not executed now, but an earlier copy of it may have been.
		reply.Outcome, reply.Reason = protocol.OutcomeUnknown, result.Code.String()
	default:
		reply.Outcome, reply.Reason = protocol.OutcomeFail, result.Code.String()
	}
	m.finish(p, reply)
}

// giveUp ends a request that got no answer. One that changes nothing has failed whatever happened to it; a change has
// failed only if it never left the queue.
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

// finish answers a request, once, and forgets it.
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

// expire ends the requests whose deadline has come.
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

// abandonQueue tells those who forwarded a request to a leader that was deposed before it came to it. This node's own
// requests keep waiting, for the next leader.
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

// queue is a first-in, first-out list of requests. Answered ones are skipped.
type queue struct {
	items []*pending
	head  int
}

func (q *queue) push(p *pending) { q.items = append(q.items, p) }

// pop returns the oldest request that is not answered, or nil.
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

// shrink drops the answered ones if there are more than limit in all.
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

// deadlines is a heap of the live requests, the most urgent first.
type deadlines []*pending

func (d deadlines) Len() int { return len(d) }

// Less breaks ties by identity, so that equal deadlines are met in the same order in every run.
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

// Push and Pop are for container/heap.
func (d *deadlines) Push(x any) {
	p := x.(*pending)
	p.heap = len(*d)
	*d = append(*d, p)
}

// Pop removes the last element.
func (d *deadlines) Pop() any {
	last := len(*d) - 1
	p := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	p.heap = -1
	return p
}
