package sim

import (
	"strings"
	"time"

	"elenchus/node/protocol"
)

// node is one host: its clocks, its disk, and the process on it if there is one.
type node struct {
	index int
	clock nodeClock
	disk  disk

	up      bool
	life    uint32 // the number of incarnations so far
	machine protocol.Machine
	steps   uint64 // the number of steps of this incarnation

	// Why the process does not run or is paused. Faults that can overlap are counted.
	pauses    int16
	suspended int16
	powerless int16 // without power: it cannot be started before the power is back
	retired   bool  // its disk is lost: it is never started again
	killed    string

	moves   []clockMove // the clock faults in effect
	backlog []event     // events that have not been delivered because the process is paused
	timers  [timersMax]timer
	asked   []uint32 // the places of the requests that reached this incarnation, by their numbers

	written     protocol.WriteSeq // records handed over in this incarnation
	onDisk      protocol.WriteSeq // of these, those that are durable …
	durable     protocol.WriteSeq // … and those that the process knows to be
	heldSends   []heldSend
	heldReplies []heldReply
}

// timersMax is how many timers a machine may have.
const timersMax = 16

// timer is one of a machine's timers. When it is set anew, the event of the old setting stays in the queue, and its
// gen shows that it is obsolete.
type timer struct {
	at  time.Duration // on the node's monotonic clock; zero when it is not set
	gen uint32
}

type heldSend struct {
	after   protocol.WriteSeq
	message protocol.Message
}

type heldReply struct {
	after protocol.WriteSeq
	reply protocol.Reply
}

func (n *node) id() protocol.NodeID { return protocol.NodeID(n.index + 1) }

// still reports whether the process is paused.
func (n *node) still() bool { return n.pauses > 0 || n.suspended > 0 }

// reset prepares the node for another run.
func (n *node) reset(index int, c Clock) {
	disk := n.disk
	disk.reset()
	*n = node{
		index: index, clock: nodeClock{rate: c.Rate, offset: c.Offset}, disk: disk,
		moves: n.moves[:0], backlog: n.backlog[:0], asked: n.asked[:0],
		heldSends: n.heldSends[:0], heldReplies: n.heldReplies[:0],
	}
}

// boot starts a process on the node, if it can be started.
func (w *World) boot(n *node) {
	if n.up || n.retired || n.powerless > 0 {
		return
	}
	recovered, err := w.recover(n)
	if err != nil {
		w.refused(n, err)
		return
	}
	n.life++
	n.up, n.killed = true, ""
	n.steps, n.written, n.onDisk, n.durable = 0, 0, 0, 0
	n.timers = [timersMax]timer{}
	n.asked = n.asked[:0]
	n.clock.restart(w.now)
	if n.suspended > 0 {
		n.clock.freeze(w.now)
	}
	opts := w.plan.options(n.index, w.rng.at(forMachine, uint64(n.index), uint64(n.life)))
	n.machine, err = w.newMachine(opts, recovered)
	if err != nil {
		n.up = false
		w.violated(Violation{
			Invariant: invariantStart, Node: n.index + 1, Message: err.Error(),
		})
		return
	}
	w.reconnect(n)
	w.ghost.booted(n)
	w.trace.started(w.now, n)
	if w.cued&onStarted != 0 {
		w.cue(onStarted, n)
	}
	if n.life > 1 {
		w.stats.Restarts++
	}
	w.step(n, &protocol.Input{Kind: protocol.InputStart})
}

// refused handles a process that does not start because of its disk.
func (w *World) refused(n *node, err error) {
	w.stats.Refused++
	n.killed = err.Error()
	if n.disk.rotten {
		n.retired = true // an operator would have to replace the node, and the simulator has none
		return
	}
	if n.disk.full > 0 || n.disk.errors > 0 {
		w.restartLater(n)
		return
	}
	w.violated(Violation{
		Invariant: invariantStart, Node: n.index + 1, Message: "the node refuses its own log: " + err.Error(),
	})
}

// reconnect has a node that starts connect to the others, which takes a moment.
func (w *World) reconnect(n *node) {
	for other := range w.n {
		if other == n.index {
			continue
		}
		for _, l := range [2]*link{w.link(n.index, other), w.link(other, n.index)} {
			wait := within(w.rng.at(forReconnect, uint64(n.index)<<32|uint64(n.life), uint64(other)), 0,
				w.net.Reconnect)
			l.downUntil = max(l.downUntil, w.now+wait)
		}
	}
}

// crash ends the process on a node. Unwritten data is lost; a write in progress is durable in part, or not.
func (w *World) crash(n *node, why string) {
	if !n.up {
		return
	}
	w.stats.Crashes++
	n.up, n.machine, n.killed = false, nil, why
	n.pauses, n.backlog = 0, w.dropBacklog(n)
	n.heldSends, n.heldReplies = n.heldSends[:0], n.heldReplies[:0]
	w.crashDisk(n)
	for other := range w.n {
		if other == n.index {
			continue
		}
		w.link(other, n.index).breakUp(w.now, 0)
		cutoff := within(w.rng.at(forCutoff, uint64(n.index)<<32|uint64(n.life), uint64(other)), 0,
			w.net.Delay+w.net.Jitter)
		w.link(n.index, other).breakUp(w.now+cutoff, 0)
	}
	w.ghost.crashed(n)
	w.trace.crashed(w.now, n, why)
	w.hangUp(n)
}

// dropBacklog discards the undelivered events of a process that was paused when it ended.
func (w *World) dropBacklog(n *node) []event {
	for i := range n.backlog {
		if e := &n.backlog[i]; e.kind == eventMessage {
			w.messages.free(uint32(e.arg))
		}
	}
	return n.backlog[:0]
}

// die ends a process that stops by itself. It is started again after a while.
func (w *World) die(n *node, why string) {
	w.crash(n, why)
	w.restartLater(n)
}

func (w *World) restartLater(n *node) {
	p := &w.plan.Process
	delay := within(w.rng.at(forRestart, uint64(n.index)<<32|uint64(n.life), w.stats.Refused), p.RestartMin, p.RestartMax)
	w.events.push(event{at: w.now + max(delay, time.Millisecond), kind: eventRestart, node: uint8(n.index), gen: n.life})
}

// goOn resumes a process if nothing pauses it any more, and has it receive the events of the meantime.
func (w *World) goOn(n *node) {
	if !n.up || n.still() {
		return
	}
	backlog := n.backlog
	n.backlog = nil
	var last [nodesMax]time.Duration
	for i := range backlog {
		e := backlog[i]
		// Sockets, disk and timers are served by different threads: the events that have piled up arrive in any
		// order, mixed with new ones, except that a stream keeps its order.
		e.at = w.now + within(w.rng.at(forResume, uint64(n.index)<<32|uint64(n.life), uint64(w.now)+uint64(i)), 0,
			resumeSpread)
		if e.kind == eventMessage && !w.net.Datagram {
			e.at = max(e.at, last[e.sub]+1)
			last[e.sub] = e.at
			l := w.link(int(e.sub), n.index)
			l.last = max(l.last, e.at)
		}
		if e.kind == eventRequest {
			w.requests[e.arg].there = false // it is on its way again
		}
		w.events.push(e)
	}
	n.backlog = backlog[:0]
	w.trace.resumed(w.now, n)
}

// resumeSpread is the longest time in which a process receives the events of a pause.
const resumeSpread = 2 * time.Millisecond

// fire handles a machine's timer that is due.
func (w *World) fire(n *node, e *event) {
	id := e.sub
	t := &n.timers[id]
	if !n.up || t.gen != e.gen || t.at == 0 {
		return
	}
	if n.still() {
		n.backlog = append(n.backlog, *e)
		return
	}
	t.at = 0
	w.step(n, &protocol.Input{Kind: protocol.InputTimer, Timer: protocol.TimerID(id)})
}

// setTimer sets a timer as the machine asks.
func (w *World) setTimer(n *node, set protocol.TimerSet) {
	if int(set.ID) >= timersMax {
		w.violated(Violation{
			Invariant: invariantContract, Node: n.index + 1, Message: "the machine sets a timer of an absurd number",
		})
		return
	}
	t := &n.timers[set.ID]
	w.timerGen++
	t.at, t.gen = set.At, w.timerGen
	if set.At != 0 && !n.clock.frozen {
		w.armTimer(n, set.ID)
	}
}

func (w *World) armTimer(n *node, id protocol.TimerID) {
	t := &n.timers[id]
	w.events.push(event{
		at: n.clock.until(w.now, t.at), kind: eventTimer, node: uint8(n.index), sub: uint16(id), gen: t.gen,
	})
}

// remapTimers computes anew when timers are due, because the rate of their clock has changed.
func (w *World) remapTimers(n *node) {
	if !n.up {
		return
	}
	for id := range n.timers {
		t := &n.timers[id]
		if t.at == 0 {
			continue
		}
		w.timerGen++
		t.gen = w.timerGen
		if !n.clock.frozen {
			w.armTimer(n, protocol.TimerID(id))
		}
	}
}

// step passes an input to a machine, and carries out its effects.
func (w *World) step(n *node, in *protocol.Input) {
	w.stats.Steps++
	n.steps++
	w.stepping = n
	reading := n.clock.reading(w.now)
	effects := n.machine.Step(reading, *in)
	w.stepping = nil
	w.execute(n, &effects)
}

// execute carries out the effects of a step, in the order of the contract of protocol.Effects. The observers come
// first: they are told what a node reports of itself before they check what leaves it.
func (w *World) execute(n *node, fx *protocol.Effects) {
	w.ghost.observed(n, fx)
	if fx.Halt != nil {
		w.violated(Violation{
			Invariant: invariantHalt, Node: n.index + 1,
			Message: strings.TrimPrefix(fx.Halt.Error(), n.id().String()+" stops: "),
		})
		return
	}
	if w.violation != nil {
		return
	}
	left := w.crashPoint(n, fx)
	if len(fx.Records) > 0 || fx.Snapshot != nil || fx.Compaction != nil {
		w.write(n, fx)
		if !n.up { // the disk is full
			return
		}
	}
	for _, t := range fx.Timers {
		w.setTimer(n, t)
	}
	for i := range fx.Sends {
		if left--; left == 0 {
			w.die(n, "crashed between two effects")
			return
		}
		s := &fx.Sends[i]
		if s.Message.Kind == protocol.MsgPromise {
			w.ghost.complete(n, &s.Message)
		}
		if s.After <= n.durable {
			w.send(n, &s.Message)
		} else if w.dependable(n, s.After) {
			n.heldSends = append(n.heldSends, heldSend{s.After, s.Message})
		}
	}
	for i := range fx.Replies {
		if left--; left == 0 {
			w.die(n, "crashed between two effects")
			return
		}
		r := &fx.Replies[i]
		if r.After <= n.durable {
			w.reply(n, r)
		} else if w.dependable(n, r.After) {
			n.heldReplies = append(n.heldReplies, heldReply{r.After, *r})
		}
	}
}

// dependable checks that the records that an effect waits for were ever written.
func (w *World) dependable(n *node, after protocol.WriteSeq) bool {
	if after <= n.written {
		return true
	}
	w.violated(Violation{
		Invariant: invariantContract, Node: n.index + 1, Message: "an effect waits for a record that was never written",
	})
	return false
}

// crashPoint draws whether the process dies in the middle of a step: before which of its effects, counted from 1;
// zero means that it does not.
func (w *World) crashPoint(n *node, fx *protocol.Effects) int {
	ppm := w.plan.Process.CrashPPM
	if ppm == 0 || w.calm || len(fx.Sends)+len(fx.Replies) == 0 {
		return 0
	}
	life := uint64(n.index)<<32 | uint64(n.life)
	if !chance(w.rng.at(forCrash, life, n.steps), ppm) {
		return 0
	}
	return 1 + int(below(w.rng.at(forCrashPoint, life, n.steps), uint64(len(fx.Sends)+len(fx.Replies))))
}

func (w *World) send(n *node, msg *protocol.Message) {
	w.ghost.sent(n, msg)
	if w.cued&(onPromised|onAccepted) != 0 {
		w.sentCue(n, msg)
	}
	w.transmit(n.index, msg)
}

// released performs the effects that waited for records which are now known to be durable.
func (w *World) released(n *node) {
	sends := n.heldSends
	kept := 0
	for i := range sends {
		if sends[i].after <= n.durable {
			w.send(n, &sends[i].message)
		} else {
			if kept != i {
				sends[kept] = sends[i]
			}
			kept++
		}
	}
	n.heldSends = sends[:kept]
	replies := n.heldReplies
	kept = 0
	for i := range replies {
		if replies[i].after <= n.durable {
			w.reply(n, &replies[i].reply)
		} else {
			if kept != i {
				replies[kept] = replies[i]
			}
			kept++
		}
	}
	n.heldReplies = replies[:kept]
}
