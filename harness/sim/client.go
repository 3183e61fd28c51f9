package sim

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"elenchus/node/multipaxos"
	"elenchus/node/protocol"
	"elenchus/node/register"
	"elenchus/results/history"
	"elenchus/workloads"
)

// client executes one operation at a time, always at its own node.
type client struct {
	index   int // among all clients
	worker  int // of the workload; -1 for clients of the final reads
	node    int
	process int // a new one after every unknown outcome
	session register.ClientID
	seq     uint64
	nth     uint64 // number of operations so far, over all processes

	fails int // failures in a row

	busy     bool
	op       int // the index of the operation in the history
	command  register.Command
	told     protocol.Slot // the last slot that any client had been told of when the operation was invoked
	call     uint64        // the number of the request in progress
	attempt  int
	answered bool // the answer is on its way to the client
	reply    protocol.Reply
	deadline time.Duration
	armed    bool // there is an event for a deadline, that of this operation or of an earlier one

	script []int // what is left of the plan's script, as indices

	// Fields of clients of the final reads.
	wrote   bool
	repeats []history.Op // requests that it still has to repeat
	reads   int          // the number of keys that it has read
	done    bool
}

// request is a request that is on its way to a node, or has arrived there. It may outlast the time that its client
// waits.
type request struct {
	command register.Command
	told    protocol.Slot
	client  int
	call    uint64
	node    int
	id      protocol.RequestID // by which the node's incarnation knows it; zero before it arrives
	used    bool
	there   bool          // it has reached the node's host
	due     time.Duration // when the machine must have answered, on the node's monotonic clock
}

// clientBits is how many bits of a request's number identify the client.
const clientBits = 8

// After a definite failure, a client pauses in addition to its usual think time: a node that is down refuses at once,
// and its clients must not cause most of the events of a run. The pause doubles with every failure in a row.
const (
	failPause    = 5 * time.Millisecond
	failPauseMax = 160 * time.Millisecond
)

// addClient makes a client of the node.
func (w *World) addClient(worker, node int) *client {
	w.clients = append(w.clients, client{index: len(w.clients), worker: worker, node: node})
	c := &w.clients[len(w.clients)-1]
	w.newProcess(c)
	return c
}

// newProcess gives the client a process id and a session that were never used before.
func (w *World) newProcess(c *client) {
	c.process = w.processes
	w.processes++
	c.session, c.seq = register.ClientID(w.workload.Session(c.process)), 0
}

// think schedules the client's next operation after a pause and its think time.
func (w *World) think(c *client, pause time.Duration) {
	l := &w.plan.Load
	pause += within(w.rng.at(forThink, uint64(c.index), c.nth), l.ThinkMin, l.ThinkMax)
	w.events.push(event{at: w.now + pause, kind: eventThink, arg: uint64(c.index)})
}

// thought begins a client's next operation, after its think time.
func (w *World) thought(c *client) {
	if c.busy || c.done {
		return
	}
	if c.worker < 0 {
		w.finalStep(c)
		return
	}
	if w.now >= w.length {
		return
	}
	var op history.Op
	if w.plan.Load.Script != nil {
		if len(c.script) == 0 {
			return
		}
		next := &w.plan.Load.Script[c.script[0]]
		if next.At > w.now {
			w.events.push(event{at: next.At, kind: eventThink, arg: uint64(c.index)})
			return
		}
		c.script = c.script[1:]
		op = next.Op
		if next.Nth != 0 {
			c.nth = next.Nth - 1
		}
	} else {
		op = w.generator.Next(c.worker)
	}
	w.invoke(c, history.PhaseMain, op)
}

// invoke begins an operation.
func (w *World) invoke(c *client, phase history.Phase, op history.Op) {
	c.busy, c.told, c.attempt = true, w.told, 0
	c.nth++
	c.seq++
	c.command = w.command(c, op)
	c.op = len(w.ops)
	w.historySeq++
	w.ops = append(w.ops, history.Operation{
		ID: c.op, Process: c.process, Node: w.names[c.node], Phase: phase, Op: op, Outcome: history.Unknown,
		Reason: history.ReasonNoCompletion, Call: w.now, CallSeq: w.historySeq - 1, ReturnSeq: -1,
	})
	w.extras = append(w.extras, extra{client: c.index, nth: c.nth})
	w.tell(&w.ops[c.op], false)
	w.trace.invoked(w.now, c, op)
	w.ask(c, c.node)
}

// command converts the operation to a command of package register.
func (w *World) command(c *client, op history.Op) register.Command {
	cmd := register.Command{Client: c.session, Seq: c.seq, Key: op.Key}
	if r := op.Request; !r.IsZero() {
		cmd.Client, cmd.Seq = register.ClientID(r.Client), r.Seq
	}
	switch op.Func {
	case history.Read:
		cmd.Op = register.OpRead
		return cmd
	case history.Write:
		cmd.Op = register.OpWrite
	case history.Append:
		cmd.Op = register.OpAppend
	case history.CAS:
		cmd.Op = register.OpCAS
		if op.Expect == nil {
			cmd.ExpectAbsent = true
		} else {
			cmd.Expect = w.text(*op.Expect)
		}
	}
	cmd.Value = w.text(op.Value)
	return cmd
}

// text formats a value as nodes store it. Values are small numbers, so their texts are cached for all runs with as
// many digits.
func (w *World) text(v int64) string {
	digits := w.plan.Load.Digits
	if v < 0 || v >= textsMax {
		return fmt.Sprintf("%0*d", digits, v)
	}
	if w.digits != digits {
		w.texts, w.digits = w.texts[:0], digits
	}
	for int64(len(w.texts)) <= v {
		text := strconv.Itoa(len(w.texts))
		w.texts = append(w.texts, strings.Repeat("0", max(0, digits-len(text)))+text)
	}
	return w.texts[v]
}

const textsMax = 1 << 16

// number is the inverse of text.
func number(s string) (int64, bool) {
	if len(s) == 0 || len(s) > 9 {
		v, err := strconv.ParseInt(s, 10, 64)
		return v, err == nil
	}
	v := int64(0)
	for i := 0; i < len(s); i++ {
		d := s[i] - '0'
		if d > 9 {
			return 0, false
		}
		v = v*10 + int64(d)
	}
	return v, true
}

// ask sends the client's command to a node.
func (w *World) ask(c *client, node int) {
	w.calls++
	c.call = w.calls<<clientBits | uint64(c.index)
	c.attempt++
	c.answered = false
	slot := w.takeRequest()
	w.requests[slot] = request{
		command: c.command, told: c.told, client: c.index, call: c.call, node: node, used: true,
	}
	delay := within(w.rng.at(forClientDelay, uint64(c.index)<<8|uint64(c.attempt), c.nth), 0, w.plan.Load.Delay)
	w.events.push(event{at: w.now + delay, kind: eventRequest, node: uint8(node), arg: uint64(slot)})
	c.deadline = w.now + w.plan.Load.Patience
	if !c.armed {
		c.armed = true
		w.events.push(event{at: c.deadline, kind: eventTimeout, arg: uint64(c.index)})
	}
}

func (w *World) takeRequest() uint32 {
	if n := len(w.idleRequests); n > 0 {
		slot := w.idleRequests[n-1]
		w.idleRequests = w.idleRequests[:n-1]
		return slot
	}
	w.requests = append(w.requests, request{})
	return uint32(len(w.requests) - 1)
}

// requested handles the arrival of a request at its node.
func (w *World) requested(n *node, e *event) {
	slot := uint32(e.arg)
	r := &w.requests[slot]
	w.trace.asked(w.now, n, r)
	switch {
	case !n.up:
		w.answer(r, protocol.Reply{Outcome: protocol.OutcomeFail, Reason: "connection refused"})
		w.freeRequest(slot)
		return
	case n.still():
		r.there = true
		n.backlog = append(n.backlog, *e)
		return
	}
	r.there = true
	// Request numbers begin anew with every incarnation, as the contract allows. A machine that takes an answer to a
	// request of its previous incarnation for one of its own is found out by this.
	n.asked = append(n.asked, slot)
	r.id = protocol.RequestID(len(n.asked))
	patience := w.plan.Load.Patience * nodeShare / 100
	r.due = n.clock.monoAt(w.now) + patience
	w.step(n, &protocol.Input{Kind: protocol.InputRequest, Request: protocol.Request{
		ID: r.id, Command: r.command, Deadline: r.due,
	}})
}

// nodeShare is the percentage of the client's time limit that the node is given, as in package paxosclient.
const nodeShare = 85

func (w *World) freeRequest(slot uint32) {
	w.requests[slot].used = false
	w.idleRequests = append(w.idleRequests, slot)
}

// reply handles an answer that leaves a node.
func (w *World) reply(n *node, r *protocol.Reply) {
	var asked *request
	if r.ID > 0 && uint64(r.ID) <= uint64(len(n.asked)) {
		asked = &w.requests[n.asked[r.ID-1]]
	}
	if asked == nil || !asked.used || asked.id != r.ID || asked.node != n.index {
		w.violated(Violation{
			Invariant: invariantAnswer, Node: n.index + 1, Message: "the node answers a request that nobody waits for",
		})
		return
	}
	w.hash = mix(w.hash, asked.call<<8^uint64(r.Outcome)<<4^uint64(r.Slot)<<40)
	fine := w.violation == nil
	w.judge(n, asked, r)
	w.trace.replied(w.now, n, asked, r)
	w.answer(asked, *r)
	if fine && w.violation != nil {
		w.deliver(asked)
	}
	w.freeRequest(n.asked[r.ID-1])
}

// deliver has an answer that broke a rule, and so ends the run, arrive at once: the history then shows the answer
// that the client was about to get.
func (w *World) deliver(asked *request) {
	c := &w.clients[asked.client]
	if !c.busy || c.call != asked.call {
		return // it has stopped waiting
	}
	w.violation.Answer = &Answer{Operation: c.op, Before: w.overlooked(c)}
	w.gotAnswer(&event{arg: c.call})
}

// overlooked considers the operations that were acknowledged before the client asked, and whose slots are after the
// one from which its answer was computed. It returns the latest update of the register among them; if there is none,
// the latest of them; else -1.
func (w *World) overlooked(c *client) int {
	found, updates := -1, false
	for i := range w.ops {
		op := &w.ops[i]
		if op.Outcome != history.OK || op.ReturnSeq > w.ops[c.op].CallSeq || w.extras[i].slot <= c.reply.Slot {
			continue
		}
		update := op.Op.Key == c.command.Key && op.Op.Func.Mutates()
		if found < 0 || update && !updates || update == updates && op.ReturnSeq > w.ops[found].ReturnSeq {
			found, updates = i, update
		}
	}
	return found
}

// judge compares an answer with what the observers know.
func (w *World) judge(n *node, asked *request, r *protocol.Reply) {
	read := !asked.command.Op.Mutates()
	switch {
	case r.Outcome == protocol.OutcomeOK && read:
		reads := w.plan.Node.Reads
		w.ghost.served(n, asked, r, reads == multipaxos.ReadsLog, reads == multipaxos.ReadsLocal)
	case r.Outcome == protocol.OutcomeOK:
		w.ghost.acknowledged(n, asked, r)
		if w.cued&onAcknowledged != 0 {
			w.cue(onAcknowledged, n)
		}
	}
}

// answer sends an answer to the client, if it still waits for one.
func (w *World) answer(r *request, reply protocol.Reply) {
	c := &w.clients[r.client]
	if !c.busy || c.call != r.call || c.answered {
		return
	}
	c.answered, c.reply = true, reply
	delay := within(w.rng.at(forAnswerDelay, uint64(c.index)<<8|uint64(c.attempt), c.nth), 0, w.plan.Load.Delay)
	w.events.push(event{at: w.now + delay, kind: eventAnswer, arg: c.call})
}

// hangUp closes the connections of a process that is gone.
func (w *World) hangUp(n *node) {
	for slot := range w.requests {
		r := &w.requests[slot]
		if !r.used || !r.there || r.node != n.index {
			continue // or it is still on its way, and arrives at the next process or at none
		}
		w.answer(r, protocol.Reply{Outcome: protocol.OutcomeUnknown, Reason: "connection closed"})
		w.freeRequest(uint32(slot))
	}
}

// answerGrace is how much later than its deadline a request may be answered: the timer may fire late.
const answerGrace = 100 * time.Millisecond

// checkAnswered checks that no machine has kept a request beyond its deadline.
func (w *World) checkAnswered() {
	for i := range w.requests {
		r := &w.requests[i]
		n := &w.nodes[r.node]
		if r.used && r.there && r.due != 0 && n.up && !n.still() && r.due+answerGrace < n.clock.monoAt(w.now) {
			w.violated(Violation{
				Invariant: invariantAnswer, Node: n.index + 1,
				Message: "the node does not answer " + describeCommand(&r.command) + ", whose deadline has passed",
			})
		}
	}
}

// gotAnswer is a client that hears from its node.
func (w *World) gotAnswer(e *event) {
	c := &w.clients[e.arg&(1<<clientBits-1)]
	if !c.busy || c.call != e.arg {
		return
	}
	r := &c.reply
	unchecked := w.plan.Node.Reads == multipaxos.ReadsLocal && c.command.Op == register.OpRead
	if r.Outcome == protocol.OutcomeOK && !unchecked {
		w.told = max(w.told, r.Slot)
	}
	switch r.Outcome {
	case protocol.OutcomeOK:
		w.complete(c, history.OK, w.result(c), "")
	case protocol.OutcomeFail:
		if c.attempt > 1 {
			w.unsure(c, r.Reason)
			return
		}
		w.complete(c, history.Fail, history.Result{}, r.Reason)
	default:
		w.unsure(c, r.Reason)
	}
}

// timedOut handles the end of a client's waiting, unless it got an answer meanwhile.
func (w *World) timedOut(c *client) {
	c.armed = false
	switch {
	case !c.busy:
	case w.now < c.deadline:
		c.armed = true
		w.events.push(event{at: c.deadline, kind: eventTimeout, arg: uint64(c.index)})
	default:
		w.unsure(c, "timed out")
	}
}

// unsure handles an update that may have been executed: the client retries it, or gives it up.
func (w *World) unsure(c *client, reason string) {
	l := &w.plan.Load
	id := uint64(c.index)<<8 | uint64(c.attempt)
	if c.command.Op.Mutates() && c.attempt <= l.RetriesMax && w.now < w.length &&
		chance(w.rng.at(forRetry, id, c.nth), l.RetryPPM) {
		w.stats.Retries++
		node := c.node
		if draw := w.rng.at(forRetryNode, id, c.nth); draw&1 == 1 {
			node = int(below(draw, uint64(w.n)))
		}
		w.ask(c, node)
		return
	}
	w.complete(c, history.Unknown, history.Result{}, reason)
}

// result converts what an operation returned to the form of histories.
func (w *World) result(c *client) history.Result {
	r := &c.reply.Result
	var out history.Result
	switch c.command.Op {
	case register.OpWrite:
		return out
	case register.OpCAS:
		if out.Matched = r.Code == register.CodeOK; out.Matched {
			return out
		}
	}
	if len(r.Values) == 0 {
		return out
	}
	values := w.ints.take(len(r.Values))
	for i, s := range r.Values {
		v, ok := number(s)
		if !ok {
			w.violated(Violation{
				Invariant: invariantResult, Node: c.node + 1, Slot: c.reply.Slot, Key: c.command.Key,
				Message: "the node answers with " + strconv.Quote(s) + ", which nobody wrote",
			})
			return out
		}
		values[i] = v
	}
	out.Values = values
	return out
}

// tell passes the invocation or the completion of an operation to the listener.
func (w *World) tell(op *history.Operation, completed bool) {
	if w.opts.Each == nil || w.calm {
		return
	}
	e := history.Event{Seq: op.CallSeq, Time: op.Call, Type: history.Invoke, Process: op.Process, Node: op.Node,
		Phase: op.Phase, Op: op.Op}
	if completed {
		e.Seq, e.Time, e.Type = op.ReturnSeq, op.Return, op.Outcome
		e.Result, e.Reason = op.Result, op.Reason
	}
	w.stopped = !w.opts.Each(&e) || w.stopped
}

// complete ends an operation.
func (w *World) complete(c *client, outcome history.Type, result history.Result, reason string) {
	op := &w.ops[c.op]
	op.Outcome, op.Result, op.Reason = outcome, result, reason
	op.Return, op.ReturnSeq = w.now, w.historySeq
	w.historySeq++
	x := &w.extras[c.op]
	if c.answered {
		x.slot, x.ballot, x.leader = c.reply.Slot, c.reply.Ballot, c.reply.Leader
	}
	c.busy = false
	w.tell(op, true)
	w.trace.completed(w.now, c, op)
	pause := time.Duration(0)
	switch outcome {
	case history.OK:
		w.stats.OK++
		c.fails = 0
		if op.Op.Func == history.Read {
			w.stats.Reads++
		}
	case history.Fail:
		w.stats.Failed++
		if op.Op.Func.Mutates() && op.Op.Request.IsZero() { // other attempts at the same request may still be executed
			w.ghost.model.tellFailed(&c.command, c.node+1)
		}
		pause = min(failPause<<min(c.fails, 8), failPauseMax)
		c.fails++
	default:
		w.stats.Unknown++
		w.newProcess(c)
	}
	if c.worker < 0 {
		w.finalAnswer(c, op)
		return
	}
	if w.plan.Load.Script == nil {
		w.generator.Observe(c.worker, op.Op, workloads.Answer{Type: outcome, Result: result, Reason: reason})
	}
	w.think(c, pause)
}
