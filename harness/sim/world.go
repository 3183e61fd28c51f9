package sim

import (
	"fmt"
	"runtime/debug"
	"time"

	"elenchus/node/multipaxos"
	"elenchus/node/protocol"
	"elenchus/results/history"
	"elenchus/workloads"
)

// nodesMax is the largest cluster.
const nodesMax = protocol.NodesMax

// Options configure a World.
type Options struct {
	// Machine makes the machine of a node from its options and from what its log held. Nil means multipaxos.New.
	Machine func(multipaxos.Options, protocol.Recovered) (protocol.Machine, error)

	// Checker decides whether the history of a run is linearizable. Nil means that of package checker; with
	// [NoChecker] only the invariants judge the run.
	Checker Checker

	// ClientsOnly judges runs as a lab would: by what clients and operators can notice. A rule that only an observer
	// of everything sees broken ends no run; the first of these is recorded in [Result.Hidden].
	ClientsOnly bool

	// Record keeps what a run directory needs: what became of each fault. Trace keeps everything that happened.
	Record bool
	Trace  bool

	// Brief ends every run after the plan's length. Nothing is healed and there are no final reads, so only
	// violations until then are found. It is for playing a run that failed before that many times.
	Brief bool

	// Stop is called from time to time and returns whether the run is to end early; nil means that it never is. The
	// end of the run is as usual: everything is healed, and there are final reads. See [Result.Interrupted].
	Stop func() bool

	// Each is called for every event of the clients' history, in order, until everything is healed, and returns
	// whether the run is to continue. If not, the run ends at once, as with Stop. Each must not keep the event.
	Each func(*history.Event) bool

	// BrokenLeases lets a run continue when leases do not hold and reads are therefore stale: experiments that make
	// clocks leave their bounds look for this.
	BrokenLeases bool
}

// World plays runs, one after the other, and reuses its memory, so a long campaign needs one World for each
// goroutine. It is not safe for concurrent use.
type World struct {
	opts Options

	// The run.
	plan      *Plan
	length    time.Duration // the plan's, or the time at which the run was told to stop
	stopped   bool          // by [Options.Each]
	n         int
	rng       rng
	net       Network // the plan's, until everything is healed
	disk      Disk    // likewise
	names     []string
	now       time.Duration
	events    eventQueue
	calm      bool // everything is healed
	hash      uint64
	violation *Violation
	hidden    *Violation // with Options.ClientsOnly
	stats     Stats
	stepping  *node // whose machine is executing: if it panics, this is the node

	nodes    [nodesMax]node
	links    [nodesMax * nodesMax]link
	chains   []time.Duration // how much longer the messages of each chain take; nil if all take the same time
	ranked   []time.Duration // the memory of chains
	messages messagePool
	attempts attempts
	frame    []byte
	folds    [2]protocol.Recovered // of logs that are compared
	timerGen uint32
	faults   []active
	waits    []waiting
	cued     uint32 // the cues that any trigger waits for
	leaders  [2]int // the node that was elected last, and the one before it; -1 for none
	fired    []Fired
	faultLog []history.FaultEvent
	sampled  time.Duration // when clocks are read next
	samples  []history.ClockLine
	ghost    ghost
	trace    *Trace

	workload     workloads.Workload
	generator    workloads.Generator
	clients      []client
	processes    int
	calls        uint64
	requests     []request
	idleRequests []uint32
	told         protocol.Slot // the last slot that any client was told about
	texts        []string
	digits       int // the least number of digits of texts
	ints         arena[int64]
	keys         []string
	repeats      []history.Op // requests that are sent once more at the end
	finals       int          // the number of clients with final reads left
	finalValue   int64

	ops        []history.Operation
	extras     []extra
	historySeq int64
}

// extra is what a history does not record of an operation, or only as text.
type extra struct {
	client int
	nth    uint64 // of that client's operations
	slot   protocol.Slot
	ballot protocol.Ballot
	leader protocol.NodeID
}

// New returns a World that has not played anything.
func New(opts Options) *World {
	if opts.Machine == nil {
		opts.Machine = func(o multipaxos.Options, rec protocol.Recovered) (protocol.Machine, error) {
			return multipaxos.New(o, rec)
		}
	}
	if opts.Checker == nil {
		opts.Checker = NewChecker()
	}
	return &World{opts: opts}
}

func (w *World) newMachine(opts multipaxos.Options, rec protocol.Recovered) (protocol.Machine, error) {
	return w.opts.Machine(opts, rec)
}

// Run plays a plan from beginning to end, or to the first violation. The error says that the plan is invalid; whatever
// happens in the run itself, a panic of a machine included, is part of the result. What the result points to is good
// until the next Run.
func (w *World) Run(plan *Plan) (Result, error) {
	if err := plan.Validate(); err != nil {
		return Result{}, fmt.Errorf("invalid plan: %w", err)
	}
	return w.runValid(plan)
}

// runValid plays a plan that is known to be valid, as those are that Draw makes.
func (w *World) runValid(plan *Plan) (Result, error) {
	if err := w.reset(plan); err != nil {
		return Result{}, err
	}
	w.play()
	return w.finish(), nil
}

// reset makes the world ready for a run.
func (w *World) reset(plan *Plan) error {
	w.plan, w.length, w.n, w.rng = plan, plan.Length, plan.Nodes(), rng{plan.Seed}
	w.net, w.disk = plan.Network, plan.Disk
	w.names = plan.Schedule.Nodes
	w.now, w.calm, w.violation, w.hidden, w.stats = 0, false, nil, nil, Stats{}
	w.stopped = false
	w.hash = mix(plan.Seed, uint64(w.n))
	w.events.reset()
	w.messages.reset()
	clear(w.attempts[:])
	w.timerGen = 0
	for i := range w.n {
		w.nodes[i].reset(i, plan.Clocks[i])
		if plan.Disk.Bytes {
			w.nodes[i].disk.bytes = newByteDisk(w.rng, i)
		}
		for j := range w.n {
			l := w.link(i, j)
			l.reset()
			l.skew = within(w.rng.at(forLink, uint64(i), uint64(j)), 0, w.net.Skew)
		}
	}
	w.rankChains()
	clear(w.clients)
	clear(w.requests)
	w.clients, w.requests, w.idleRequests = w.clients[:0], w.requests[:0], w.idleRequests[:0]
	w.processes, w.calls, w.told, w.finals, w.finalValue = 0, 0, 0, 0, 0
	clear(w.ops)
	w.ops, w.extras, w.historySeq = w.ops[:0], w.extras[:0], 0
	w.ints.reset()
	w.faultLog, w.samples, w.sampled = nil, nil, never
	if w.opts.Record {
		w.sampled = 0
	}
	w.ghost.reset(w)
	if w.trace = nil; w.opts.Trace {
		w.trace = &Trace{}
	}
	return w.startClients()
}

// startClients makes the clients, and schedules their first operations.
func (w *World) startClients() error {
	l := &w.plan.Load
	var err error
	if w.workload, err = workloads.Lookup(l.Workload); err != nil {
		return err
	}
	w.generator, err = w.workload.New(workloads.Options{
		Seed: w.plan.Seed, Workers: l.Clients * w.n, Nodes: w.n, ReadPercent: l.ReadPercent, ActiveKeys: l.ActiveKeys,
		KeyOps: l.KeyOps,
	})
	if err != nil {
		return fmt.Errorf("make workload: %w", err)
	}
	count := l.Clients * w.n
	for i := range l.Script {
		count = max(count, l.Script[i].Client+1)
	}
	for i := range count {
		c := w.addClient(i, i%w.n)
		for k := range l.Script {
			if l.Script[k].Client == i {
				c.script = append(c.script, k)
			}
		}
		w.think(c, 0)
	}
	return nil
}

// play plays the run.
func (w *World) play() {
	defer w.caught()
	for i := range w.n {
		// In practice, hosts are never started at exactly the same time.
		at := within(w.rng.at(forStart, uint64(i), 0), 0, startSpread)
		w.events.push(event{at: at, kind: eventRestart, node: uint8(i)})
	}
	w.startFaults()
	if w.plan.Reseed != nil {
		w.events.push(event{at: w.plan.Reseed.At, kind: eventReseed})
	}
	w.loop(w.length)
	if w.violation != nil || w.opts.Brief {
		return
	}
	w.now = w.length
	w.healAll()
	w.startFinal()
	bound := w.plan.RecoveryBound(len(w.keys) + len(w.repeats))
	w.loop(w.length + bound)
	switch {
	case w.violation != nil:
	case w.finals > 0:
		w.stuck(bound)
	default:
		w.checkAnswered()
	}
}

// startSpread is the time within which all nodes are started.
const startSpread = 20 * time.Millisecond

// caught converts a panic of a machine to a violation.
func (w *World) caught() {
	p := recover()
	if p == nil {
		return
	}
	if w.stepping == nil {
		panic(p) // of this package, not of a machine
	}
	w.violated(Violation{
		Invariant: invariantPanic, Node: w.stepping.index + 1,
		Message: fmt.Sprintf("%v\n%s", p, debug.Stack()),
	})
}

// loop plays events up to an instant, the first violation, or until everybody is done.
func (w *World) loop(until time.Duration) {
	for w.events.len() > 0 && w.violation == nil {
		e := *w.events.first()
		if e.at > until {
			return
		}
		w.events.drop()
		if e.at >= w.sampled {
			w.sample(e.at)
		}
		w.now = e.at
		w.stats.Events++
		w.hash = mix(w.hash^uint64(e.at), uint64(e.kind)<<56^uint64(e.node)<<48^uint64(e.sub)<<32^e.arg)
		w.happen(&e)
		switch {
		case w.calm:
			if w.finals == 0 {
				return
			}
		case w.stopped, w.opts.Stop != nil && w.stats.Events%stopEvery == 0 && w.opts.Stop():
			w.length = w.now
			return
		}
	}
}

// stopEvery is the number of events after which a run asks whether it is to stop: they take a millisecond or two.
const stopEvery = 4096

// happen handles one event.
func (w *World) happen(e *event) {
	n := &w.nodes[e.node]
	switch e.kind {
	case eventMessage:
		w.arrive(e)
	case eventTimer:
		w.fire(n, e)
	case eventSync:
		w.syncDone(n, e)
	case eventSynced:
		w.synced(n, e)
	case eventSaved:
		w.saveDone(n, e)
	case eventRequest:
		w.requested(n, e)
	case eventAnswer:
		w.gotAnswer(e)
	case eventTimeout:
		w.timedOut(&w.clients[e.arg])
	case eventThink:
		w.thought(&w.clients[e.arg])
	case eventFault:
		w.fault(int(e.arg))
	case eventHeal:
		w.heal(int(e.arg))
	case eventStrobe:
		w.strobe(n, int(e.arg))
	case eventRestart:
		if n.life == e.gen {
			w.boot(n)
		}
	case eventReseed:
		w.reseed()
	}
}

// reseed changes the seed of all further random choices.
func (w *World) reseed() {
	w.rng = rng{w.plan.Reseed.Seed}
	for i := range w.n {
		if m, ok := w.nodes[i].machine.(interface{ Reseed(seed uint64) }); ok && w.nodes[i].up {
			m.Reseed(w.rng.at(forMachine, uint64(i), uint64(w.nodes[i].life)))
		}
	}
}
