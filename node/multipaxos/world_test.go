package multipaxos

import (
	"container/heap"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"elenchus/node/protocol"
	"elenchus/node/register"
	"elenchus/node/wire"
)

// world is a small simulation of hosts, a network that loses, duplicates, delays and reorders, disks that take time and
// lose unsynced writes, partitions, crashes, pauses and clients. Everything follows from one seed.
type world struct {
	seed   uint64
	rng    *rand.Rand
	knobs  knobs
	hosts  []*host
	life   []int // incarnations started, by host
	cut    [protocol.NodesMax][protocol.NodesMax]bool
	calm   bool // no more faults
	now    time.Duration
	order  uint64
	events events
	ghost  *ghost

	clients []*client
	nextID  register.ClientID
	calls   map[callKey]*call
	lastReq []protocol.RequestID // by host; numbers restart in every incarnation
	told    protocol.Slot        // the last slot that any client was told of
	stats   stats
	trace   uint64

	leases   leaseWatch
	failures []register.Command // mutations reported as failed and requested only once

	paused  [protocol.NodesMax]bool
	missed  [protocol.NodesMax][]func() // events that a paused host has yet to process
	archive [][]byte                    // a sample of all messages sent, for replay at any time
}

// archiveMax is the capacity of the archive. When it is full, new messages occasionally replace old ones.
const archiveMax = 300

// knobs are the parameters of a world.
type knobs struct {
	nodes       int
	opts        Options
	loss, dup   float64
	delay, slow time.Duration // usual and occasional delay of a message
	disk        time.Duration
	faultEvery  time.Duration
	end         time.Duration
	clocks      clockKnobs
	late        time.Duration // when the initial leader is started
}

type stats struct {
	steps, ok, failed, unknown, reads, stale, elections, crashes, caughtUp, retried int
	leases, lost, forsaken, silences, pauses, isolated, replays, firstBallots       int
	snapshots, installed, restored, sent                                            int
}

type event struct {
	at    time.Duration
	order uint64
	do    func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].order < e[j].order
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := len(*e) - 1
	x := (*e)[last]
	*e = (*e)[:last]
	return x
}

// client issues one request at a time, to a node of its choice.
type client struct {
	id   register.ClientID
	seq  uint64
	home int

	reader bool // only reads, and only from its home node
	once   bool // it makes no further requests
}

type callKey struct {
	host, life int
	id         protocol.RequestID
}

type call struct {
	client  *client
	command register.Command
	told    protocol.Slot
	retry   bool
}

func newWorld(seed uint64, k knobs) *world {
	w := &world{
		seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), knobs: k, ghost: newGhost(k.nodes, k.opts),
		calls: make(map[callKey]*call), life: make([]int, k.nodes), lastReq: make([]protocol.RequestID, k.nodes),
		leases: newLeaseWatch(k.nodes),
	}
	ids := make([]protocol.NodeID, k.nodes)
	for i := range ids {
		ids[i] = protocol.NodeID(i + 1)
	}
	for i := range ids {
		opts := k.opts
		opts.Self, opts.Members = ids[i], ids
		w.hosts = append(w.hosts, &host{opts: opts, clock: w.drawClock()})
	}
	for i := range ids {
		if i > 0 || k.late == 0 {
			w.boot(i)
		} else {
			w.later(k.late, func() { w.boot(i) })
		}
	}
	for i := range 4 {
		w.nextID++
		c := &client{id: w.nextID, home: i % k.nodes}
		w.clients = append(w.clients, c)
		w.later(w.between(0, 300*time.Millisecond), func() { w.call(c) })
	}
	w.pinReaders()
	w.later(k.faultEvery, w.fault)
	return w
}

func (w *world) later(d time.Duration, do func()) {
	w.order++
	heap.Push(&w.events, event{w.now + d, w.order, do})
}

func (w *world) between(low, high time.Duration) time.Duration {
	return low + time.Duration(w.rng.Int64N(int64(high-low)+1))
}

func (w *world) chance(p float64) bool { return w.rng.Float64() < p }

// run processes events until the given time, the first violation, or until done returns true.
func (w *world) run(until time.Duration, done func() bool) {
	for len(w.events) > 0 && w.events[0].at <= until && w.ghost.violation == nil {
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.do()
		if done != nil && done() {
			return
		}
	}
}

func (w *world) incarnation(i int) string { return fmt.Sprintf("n%d/%d", i+1, w.life[i]) }

func (w *world) boot(i int) {
	if w.hosts[i].up() {
		return
	}
	w.life[i]++
	w.lastReq[i] = 0
	w.hosts[i].opts.Seed = w.rng.Uint64()
	out, err := w.hosts[i].boot(w.now)
	if err != nil {
		w.ghost.violated("%s cannot start: %v", w.incarnation(i), err)
		return
	}
	w.ghost.booted(w.incarnation(i), w.hosts[i].machine)
	w.consume(i, out)
}

func (w *world) crash(i int) {
	h := w.hosts[i]
	if !h.up() {
		return
	}
	w.stats.crashes++
	w.paused[i], w.missed[i] = false, nil
	kept := w.rng.IntN(len(h.unsynced) + 1)
	for _, r := range h.unsynced[:kept] {
		w.ghost.synced(h.opts.Self, r)
	}
	h.crash(survival{records: kept, rotated: w.chance(0.5), snapshot: w.chance(0.5)})
}

// pause stops a host for a while, as SIGSTOP does. The world continues without the host noticing.
func (w *world) pause(i int, d time.Duration) {
	if !w.hosts[i].up() || w.paused[i] {
		return
	}
	w.stats.pauses++
	w.paused[i] = true
	life := w.life[i]
	w.later(d, func() {
		if w.life[i] != life {
			return
		}
		for range 3 {
			w.probe(i) // requests waiting for the node may be newer than anything it remembers
		}
		w.resume(i)
	})
}

// probe sends a host a read of a register that clients may have read elsewhere.
func (w *world) probe(i int) {
	command := register.Command{Op: register.OpRead, Key: worldKeys[w.rng.IntN(len(worldKeys))]}
	w.ask(&call{client: &client{once: true}, command: command}, i)
}

// resume delivers what a paused host has missed: in any order, since sockets, disk and timers are served by different
// goroutines, and mixed with current events.
func (w *world) resume(i int) {
	missed := w.missed[i]
	w.paused[i], w.missed[i] = false, nil
	for _, do := range missed {
		w.later(w.between(0, 2*time.Millisecond), do)
	}
}

// step gives a host an input if it is still in the incarnation for which the input was meant.
func (w *world) step(i, life int, in protocol.Input) {
	h := w.hosts[i]
	if !h.up() || w.life[i] != life {
		return
	}
	if w.paused[i] {
		w.missed[i] = append(w.missed[i], func() { w.step(i, life, in) })
		return
	}
	w.stats.steps++
	w.consume(i, h.step(w.now, in))
}

func (w *world) consume(i int, out outcome) {
	h, life := w.hosts[i], w.life[i]
	if out.halt != nil {
		w.ghost.violated("halt: %v", out.halt)
		return
	}
	for _, o := range out.observations {
		w.ghost.observed(w.incarnation(i), o, h.onDisk)
		switch o.Kind {
		case protocol.ObservedElected:
			w.stats.elections++
			if o.Ballot.Round == 0 {
				w.stats.firstBallots++
			}
		case protocol.ObservedCaughtUp:
			w.stats.caughtUp++
		case protocol.ObservedSnapshotTaken:
			w.stats.snapshots++
		case protocol.ObservedSnapshotInstalled:
			w.stats.installed++
		case protocol.ObservedSnapshotRestored:
			w.stats.restored++
		case protocol.ObservedSnapshotSent:
			w.stats.sent++
		case protocol.ObservedSnapshotRefused:
			w.ghost.violated("%s refuses a snapshot: %s", w.incarnation(i), o.Reason)
		}
		w.observeLease(i, o)
	}
	if h.broken != nil {
		w.ghost.violated("%w", h.broken)
	}
	if l := &h.machine.leading; h.machine.role == protocol.RoleLeader &&
		l.next != h.machine.committed+1+protocol.Slot(len(l.inflight)) {
		w.ghost.violated("%s has %d slots in flight between its committed %d and next %d",
			w.incarnation(i), len(l.inflight), h.machine.committed, l.next)
	}
	st := h.machine.Status(h.reading(w.now))
	w.ghost.hash(st.Applied, st.Hash, w.incarnation(i))
	for j := range out.sends {
		w.ghost.sent(w.incarnation(i), &out.sends[j], h.onDisk)
		w.checkGrant(i, &out.sends[j])
		w.noteLease(i, &out.sends[j])
		w.transmit(out.sends[j])
	}
	for _, r := range out.replies {
		if w.knobs.opts.Lease != LeaseNone && w.chance(0.03) {
			// The node is stopped between reading its clock and sending the answer.
			w.later(w.between(0, 2*w.knobs.opts.LeaseTerm), func() { w.reply(i, life, r) })
			continue
		}
		w.reply(i, life, r)
	}
	w.schedule(i, life)
	w.checkLeases()
}

// schedule schedules the events that the host waits for: its disk and its timers.
func (w *world) schedule(i, life int) {
	h := w.hosts[i]
	if seq := h.written(); (seq > h.durable || len(h.rotations) > 0) && !h.syncing {
		if seq > h.durable && w.chance(0.3) { // a sync need not cover all that is waiting
			seq = h.durable + 1 + protocol.WriteSeq(w.rng.Uint64N(uint64(seq-h.durable)))
		}
		h.syncing = true
		w.later(w.between(0, w.knobs.disk), func() { w.synced(i, life, seq) })
	}
	if h.writing != nil && !h.saving {
		h.saving = true
		w.later(w.between(0, 5*w.knobs.disk), func() { w.saved(i, life) })
	}
	for id := range h.timers {
		at := h.timers[id]
		if at == 0 || h.scheduled[id] == at {
			continue
		}
		h.scheduled[id] = at
		w.later(h.clock.until(w.now, at), func() {
			if h.up() && w.life[i] == life && h.timers[id] == at {
				h.timers[id], h.scheduled[id] = 0, 0
				w.step(i, life, protocol.Input{Kind: protocol.InputTimer, Timer: protocol.TimerID(id)})
			}
		})
	}
}

func (w *world) synced(i, life int, seq protocol.WriteSeq) {
	h := w.hosts[i]
	if !h.up() || w.life[i] != life {
		return
	}
	if w.paused[i] {
		w.missed[i] = append(w.missed[i], func() { w.synced(i, life, seq) })
		return
	}
	h.syncing = false
	for _, r := range h.unsynced[:seq-h.durable] {
		w.ghost.synced(h.opts.Self, r)
	}
	out := h.sync(seq)
	w.consume(i, out)
	w.step(i, life, protocol.Input{Kind: protocol.InputDurable, Durable: seq})
}

func (w *world) saved(i, life int) {
	h := w.hosts[i]
	if !h.up() || w.life[i] != life {
		return
	}
	if w.paused[i] {
		w.missed[i] = append(w.missed[i], func() { w.saved(i, life) })
		return
	}
	h.saving = false
	slot := h.save()
	w.later(w.between(0, w.knobs.disk), func() {
		w.step(i, life, protocol.Input{Kind: protocol.InputSnapshotted, Snapshotted: slot})
	})
}

// transmit puts a message on the network, encoding and decoding it.
func (w *world) transmit(msg protocol.Message) {
	data := wire.AppendMessage(nil, &msg)
	hash := fnv.New64a()
	fmt.Fprint(hash, w.trace, w.now)
	hash.Write(data)
	w.trace = hash.Sum64()
	w.keep(data)
	copies := 1
	if !w.calm && w.chance(w.knobs.loss) {
		copies = 0
	} else if !w.calm && w.chance(w.knobs.dup) {
		copies = 2
	}
	for range copies {
		delay := w.between(time.Millisecond, w.knobs.delay)
		if !w.calm && w.chance(0.02) {
			delay = w.between(w.knobs.delay, w.knobs.slow)
		}
		w.deliver(data, delay)
	}
}

// keep adds a message to the archive.
func (w *world) keep(data []byte) {
	if len(w.archive) < archiveMax {
		w.archive = append(w.archive, data)
		return
	}
	if w.chance(0.1) {
		w.archive[w.rng.IntN(archiveMax)] = data
	}
}

// replay delivers archived messages again, of any age and from any incarnation of their senders.
func (w *world) replay() {
	for range min(len(w.archive), 1+w.rng.IntN(40)) {
		w.stats.replays++
		w.deliver(w.archive[w.rng.IntN(len(w.archive))], w.between(0, w.knobs.delay))
	}
}

// deliver delivers a message unless the link is cut by then.
func (w *world) deliver(data []byte, delay time.Duration) {
	w.later(delay, func() {
		msg, err := wire.DecodeMessage(data)
		if err != nil {
			w.ghost.violated("decode %x: %v", data, err)
			return
		}
		from, to := int(msg.From)-1, int(msg.To)-1
		if !w.cut[from][to] {
			w.step(to, w.life[to], protocol.Input{Kind: protocol.InputMessage, Message: &msg})
		}
	})
}

// fault injects a random fault, or heals one.
func (w *world) fault() {
	if w.calm {
		return
	}
	n := w.knobs.nodes
	if w.knobs.opts.Lease != LeaseNone && w.chance(0.6) {
		w.later(w.between(0, 2*w.knobs.faultEvery)+w.leaseFault(), w.fault)
		return
	}
	switch w.rng.IntN(11) {
	case 0, 1:
		w.crash(w.rng.IntN(n))
	case 2: // crash before the last writes reach the disk
		w.crash(w.leader())
	case 3:
		side := w.rng.Uint32()
		for a := range n {
			for b := range n {
				w.cut[a][b] = side>>a&1 != side>>b&1
			}
		}
	case 4:
		w.cut[w.rng.IntN(n)][w.rng.IntN(n)] = true
	case 5:
		clear(w.cut[:])
	case 6:
		for i := range n {
			w.boot(i)
		}
	case 7:
		w.pause(w.rng.IntN(n), w.between(0, 2500*time.Millisecond))
	case 8:
		w.pause(w.leader(), w.between(0, 2500*time.Millisecond))
	case 9, 10:
		w.replay()
	}
	for i := range n {
		if w.chance(0.4) {
			w.boot(i)
		}
	}
	w.later(w.between(0, 2*w.knobs.faultEvery), w.fault)
}

// leader returns a host that leads, or any host if none does.
func (w *world) leader() int {
	for i, h := range w.hosts {
		if h.up() && h.machine.role == protocol.RoleLeader {
			return i
		}
	}
	return w.rng.IntN(w.knobs.nodes)
}

var worldKeys = [...]string{"x", "y", "z"}

// call makes a client send a request to a node.
func (w *world) call(c *client) {
	if c.once {
		return
	}
	command := register.Command{Key: worldKeys[w.rng.IntN(len(worldKeys))]}
	if c.reader {
		command.Op = register.OpRead
		w.ask(&call{client: c, command: command}, c.home)
		return
	}
	switch w.rng.IntN(5) {
	case 0, 1:
		command.Op = register.OpRead
	case 2:
		command.Op, command.Value = register.OpAppend, w.unique()
	case 3:
		command.Op, command.Value = register.OpWrite, w.unique()
	case 4:
		command.Op, command.Value, command.ExpectAbsent = register.OpCAS, w.unique(), w.chance(0.2)
		if v := w.ghost.versions[command.Key]; len(v) > 0 && len(v[len(v)-1].values) == 1 {
			command.Expect = v[len(v)-1].values[0]
		}
	}
	if command.Op.Mutates() {
		c.seq++
		command.Client, command.Seq = c.id, c.seq
	}
	w.ask(&call{client: c, command: command}, c.home)
}

func (w *world) unique() string {
	w.order++
	return fmt.Sprint("v", w.order)
}

func (w *world) ask(asked *call, i int) {
	h := w.hosts[i]
	if !h.up() {
		w.later(w.between(20*time.Millisecond, 200*time.Millisecond), func() {
			if !asked.client.reader {
				i = w.rng.IntN(w.knobs.nodes)
			}
			w.ask(asked, i)
		})
		return
	}
	w.lastReq[i]++
	asked.told = w.told
	key := callKey{i, w.life[i], w.lastReq[i]}
	w.calls[key] = asked
	patience := w.between(50*time.Millisecond, 3*time.Second)
	if asked.client.reader {
		patience = w.between(5*time.Millisecond, 100*time.Millisecond)
	}
	w.step(i, w.life[i], protocol.Input{Kind: protocol.InputRequest, Request: protocol.Request{
		ID: key.id, Command: asked.command, Deadline: h.mono(w.now) + patience,
	}})
	w.later(patience+5*time.Second, func() {
		if w.calls[key] != asked {
			return
		}
		if h.up() && w.life[i] == key.life {
			w.ghost.violated("%s does not answer request %d", w.incarnation(i), key.id)
		}
		delete(w.calls, key) // the node crashed, so there will be no answer
		w.unsure(asked)
	})
}

func (w *world) reply(i, life int, r protocol.Reply) {
	key := callKey{i, life, r.ID}
	asked := w.calls[key]
	if asked == nil {
		w.ghost.violated("%s answers request %d, which nobody waits for", w.incarnation(i), r.ID)
		return
	}
	delete(w.calls, key)
	c := asked.client
	think := func() { w.later(w.between(0, 30*time.Millisecond), func() { w.call(c) }) }
	switch r.Outcome {
	case protocol.OutcomeOK:
		w.stats.ok++
		if asked.command.Op == register.OpRead {
			w.stats.reads++
			if w.ghost.read(asked.command, r, w.knobs.opts.Reads, asked.told) {
				w.stats.stale++
			}
		} else {
			w.ghost.answered(asked.command, r, asked.told)
		}
		if w.knobs.opts.Reads != ReadsLocal || asked.command.Op != register.OpRead {
			w.told = max(w.told, r.Slot)
		}
		think()
	case protocol.OutcomeFail:
		w.stats.failed++
		if asked.command.Op.Mutates() && !asked.retry {
			w.failures = append(w.failures, asked.command)
		}
		if asked.command.Op.Mutates() {
			w.retire(c)
		}
		think()
	case protocol.OutcomeUnknown:
		w.stats.unknown++
		if !asked.command.Op.Mutates() {
			w.ghost.violated("a %v became unknown: %s", asked.command.Op, r.Reason)
		}
		w.unsure(asked)
	}
}

// unsure continues after an unknown outcome: the client retries the same command on another node, or retires.
func (w *world) unsure(asked *call) {
	c := asked.client
	if asked.command.Op.Mutates() && w.chance(0.6) {
		w.stats.retried++
		asked.retry = true
		w.later(w.between(0, 300*time.Millisecond), func() { w.ask(asked, w.rng.IntN(w.knobs.nodes)) })
		return
	}
	w.retire(c)
	w.later(w.between(0, 30*time.Millisecond), func() { w.call(c) })
}

func (w *world) retire(c *client) {
	w.nextID++
	c.id, c.seq = w.nextID, 0
}

// heal ends all faults.
func (w *world) heal() {
	w.calm = true
	clear(w.cut[:])
	for i := range w.hosts {
		w.boot(i)
		if w.paused[i] {
			w.resume(i)
		}
	}
}

// recovered reports whether the cluster has recovered: one leader, followed by all, and equal prefixes.
func (w *world) recovered() bool {
	leader := w.hosts[0].machine.leader
	if leader == 0 {
		return false
	}
	for _, h := range w.hosts {
		if h.machine.leader != leader || h.machine.committed != w.hosts[0].machine.committed ||
			h.machine.committed < w.ghost.folded || h.machine.committed < w.told {
			return false
		}
	}
	return true
}
