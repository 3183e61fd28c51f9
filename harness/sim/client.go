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

// client does one thing at a time, at its own node.
type client struct {
	index   int // among all clients
	worker  int // of the workload; -1 for those that read in the end
	node    int
	process int // a new one after every unknown outcome
	session register.ClientID
	seq     uint64
	nth     uint64 // operations so far, over all processes

	fails int // in a row

	busy     bool
	op       int // the operation's place in the history
	command  register.Command
	told     protocol.Slot // the last slot that anybody had been told about when it was invoked
	call     uint64        // the request that is under way
	attempt  int
	answered bool // the answer is on its way
	reply    protocol.Reply
	deadline time.Duration
	armed    bool // there is an event for a deadline, this one or an earlier one

	script []int // what is left of the plan's script, by place

	// Of a client that reads in the end.
	wrote   bool
	repeats []history.Op // requests that it has yet to send once more
	reads   int          // the keys that it has read
	done    bool
}

// request is one request on its way to a node, or there. It outlives its client's patience.
type request struct {
	command register.Command
	told    protocol.Slot
	client  int
	call    uint64
	node    int
	id      protocol.RequestID // what the node's incarnation calls it; zero before it is there
	used    bool
	there   bool          // it has reached the node's host
	due     time.Duration // when the machine must have answered, on its monotonic clock
}

// clientBits is how many bits of a call's number say which client it is.
const clientBits = 8

// A client rests after a definite failure, besides thinking: a node that is down refuses at once, and its client must
// not do most of what happens in a run. The pause doubles with every failure in a row.
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

// newProcess gives the client a name and a session that nobody has had before.
func (w *World) newProcess(c *client) {
	c.process = w.processes
	w.processes++
	c.session, c.seq = register.ClientID(w.workload.Session(c.process)), 0
}

// think lets a client do its next thing after a while.
func (w *World) think(c *client, pause time.Duration) {
	l := &w.plan.Load
	pause += within(w.rng.at(forThink, uint64(c.index), c.nth), l.ThinkMin, l.ThinkMax)
	w.events.push(event{at: w.now + pause, kind: eventThink, arg: uint64(c.index)})
}

// thought is a client that has thought of something.
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

// command is the operation as nodes know it.
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

// text is a value as nodes know it. Values are small numbers, so their texts are kept for all runs of as many digits.
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

// number is what text has made of a value.
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

// requested is a request that has reached its node.
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
	// Numbers begin anew with every incarnation, as the contract allows: who takes an answer to an earlier one's request
	// for its own will be found out.
	n.asked = append(n.asked, slot)
	r.id = protocol.RequestID(len(n.asked))
	patience := w.plan.Load.Patience * nodeShare / 100
	r.due = n.clock.monoAt(w.now) + patience
	w.step(n, &protocol.Input{Kind: protocol.InputRequest, Request: protocol.Request{
		ID: r.id, Command: r.command, Deadline: r.due,
	}})
}

// nodeShare is the part of a client's patience that the node is given, in percent, as in package paxosclient.
const nodeShare = 85

func (w *World) freeRequest(slot uint32) {
	w.requests[slot].used = false
	w.idleRequests = append(w.idleRequests, slot)
}

// reply is an answer that leaves a node.
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

// deliver has an answer that broke a rule, and so ends the run, arrive at once: the history then shows what the client
// is about to see.
func (w *World) deliver(asked *request) {
	c := &w.clients[asked.client]
	if !c.busy || c.call != asked.call {
		return // it has lost its patience
	}
	w.violation.Answer = &Answer{Operation: c.op, Before: w.overlooked(c)}
	w.gotAnswer(&event{arg: c.call})
}

// overlooked is the latest update of the register that was acknowledged before the client asked, and whose slot lies
// behind the one that it was answered from; else whatever somebody had been told from there. It is -1 if there is none.
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

// judge holds an answer to what is known to be true.
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

// answer sends an answer to the client, if it still waits for it.
func (w *World) answer(r *request, reply protocol.Reply) {
	c := &w.clients[r.client]
	if !c.busy || c.call != r.call || c.answered {
		return
	}
	c.answered, c.reply = true, reply
	delay := within(w.rng.at(forAnswerDelay, uint64(c.index)<<8|uint64(c.attempt), c.nth), 0, w.plan.Load.Delay)
	w.events.push(event{at: w.now + delay, kind: eventAnswer, arg: c.call})
}

// hangUp ends the connections of a process that is gone.
func (w *World) hangUp(n *node) {
	for slot := range w.requests {
		r := &w.requests[slot]
		if !r.used || !r.there || r.node != n.index {
			continue // or it is still on its way, and finds another process, or none
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

// timedOut is a client that may have lost its patience.
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

// unsure is a client whose update may have been executed. It asks again, or leaves it at that.
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

// result is what an operation saw, in the terms of histories.
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

// tell tells whoever listens that an operation was invoked, or completed.
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
		if op.Op.Func.Mutates() && op.Op.Request.IsZero() { // other attempts at a request may well be executed
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
