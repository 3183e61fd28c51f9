package envelope

import (
	"context"
	"fmt"
	"time"

	"elenchus/harness/sim"
	"elenchus/nemesis"
	"elenchus/node/multipaxos"
	"elenchus/results/envelope"
	"elenchus/results/history"
)

// SimOptions configures simulated clusters. All fields are required.
type SimOptions struct {
	Plan     envelope.Plan
	Renew    time.Duration
	Election time.Duration // the nodes' election timeout
	Seed     uint64
}

// Sim attacks simulated clusters in virtual time, with the same machines, clients and attack as in a lab. Every
// attack is a simulation of its own; they follow each other on one time axis.
type Sim struct {
	options SimOptions
	world   *sim.World
	base    time.Duration // when the current attack began
	now     time.Duration
}

var _ Backend = (*Sim)(nil)

// NewSim returns a simulated backend.
func NewSim(o SimOptions) *Sim {
	return &Sim{
		options: o,
		world:   sim.New(sim.Options{Checker: sim.NoChecker{}, Record: true, BrokenLeases: true}),
	}
}

// How implements [Backend].
func (s *Sim) How() string { return "a simulated clock for each node" }

// Lanes implements [Backend]. There is a single time axis, hence one lane.
func (s *Sim) Lanes() int { return 1 }

// Now implements [Backend].
func (s *Sim) Now() time.Duration { return s.now }

// Start implements [Backend].
func (s *Sim) Start(_ context.Context, _ int, bound int64) (Subject, error) {
	return &simSubject{sim: s, bound: bound}, nil
}

// simSubject stands for the clusters with one bound.
type simSubject struct {
	sim   *Sim
	bound int64
}

// Stop implements [Subject]. A simulated cluster ends with its attack.
func (s *simSubject) Stop(context.Context) error { return nil }

// Times and places of a simulated attack. The first node leads, since a new cluster may begin that way.
const (
	simNodes   = 3
	simFirst   = 200 * time.Millisecond // the first write
	simMoved   = 250 * time.Millisecond // the leader's clock goes wrong
	simSpare   = 20 * time.Millisecond  // between two attacks
	readsAgain = 20 * time.Millisecond  // per reader; they take turns
	mostReads  = 3 * time.Second        // the takeover comes earlier, or the attack is void
)

var simLeader = sim.NodeNames(simNodes)[0]

// Attack implements [Subject].
func (s *simSubject) Attack(ctx context.Context, a Attack, r *Record) (envelope.Probe, error) {
	b := s.sim
	b.base = b.now
	p := a.probe(b.base)
	p.Leader, p.Self = simLeader, simLeader
	if ctx.Err() != nil {
		return p, ctx.Err()
	}
	plan := s.plan(a)
	result, err := b.world.Run(plan)
	if err != nil {
		return p, fmt.Errorf("simulate attack %d: %w", a.Number, err)
	}
	if result.Violation != nil {
		return p, fmt.Errorf("attack %d broke more than leases: %v", a.Number, result.Violation)
	}
	if err := b.record(&result, r); err != nil {
		return p, err
	}
	p.Healed = b.base + plan.Length
	b.now = b.base + result.Simulated + simSpare
	for _, f := range result.Fired {
		switch f.ID {
		case clockID(a):
			p.Moved, p.Clock = b.base+f.Begin, "its simulated clock: "+plan.Schedule.Faults[0].Detail()
		case cutID(a):
			p.Cut, p.Alone = b.base+f.Begin, b.base+f.Begin
		}
		if f.Targets[0][0] != simLeader {
			p.Void = fmt.Sprintf("%s leads, and not %s", f.Targets[0][0], simLeader)
		}
	}
	if p.Cut == 0 {
		p.Void = "the leader did not renew its lease, and was not cut off"
	}
	return p, nil
}

func clockID(a Attack) string { return fmt.Sprintf("p%d-clock", a.Number) }

func cutID(a Attack) string { return fmt.Sprintf("p%d-cut", a.Number) }

// plan returns the attack as a simulation.
func (s *simSubject) plan(a Attack) *sim.Plan {
	o := &s.sim.options
	term := o.Plan.Term
	slow := 1.0
	if o.Plan.Mode == envelope.Rate {
		slow += float64(a.Drift) / envelope.Unit
	}
	ready := simMoved + time.Duration(slow*float64(2*o.Renew)) // the lease in effect was requested by the moved clock
	cut := ready + time.Duration(slow*float64(2*o.Renew))      // at the latest
	over := max(time.Duration(slow*float64(term)), term-min(0, o.Plan.Window(a.Bound, 0)))
	if o.Plan.Mode == envelope.Wall {
		over += time.Duration(a.Drift)
	}
	length := cut + over + 4*o.Election + aftermath
	p := &sim.Plan{
		Seed: o.Seed + uint64(a.Number)*0x9e3779b97f4a7c15, Style: "envelope", Length: length,
		Node: s.node(), Clocks: make([]sim.Clock, simNodes),
		Network: sim.Network{
			Delay: 100 * time.Microsecond, Jitter: 300 * time.Microsecond, Reconnect: 10 * time.Millisecond,
			DeadAfter: 500 * time.Millisecond,
		},
		Disk: sim.Disk{Sync: 200 * time.Microsecond, Jitter: time.Millisecond},
		Load: sim.Load{
			Workload: "register", Clients: 2, Patience: 2 * readTimeout, Delay: 100 * time.Microsecond,
			Script: script(a, ready+term*8/10, length),
		},
		Schedule: nemesis.Schedule{Seed: o.Seed, Nodes: sim.NodeNames(simNodes), Length: length},
		Triggers: []sim.Trigger{{Fault: cutID(a), On: sim.CueRenewed, After: time.Millisecond}},
	}
	leader := [][]string{{nemesis.RoleLeader}}
	if a.Drift > 0 {
		f := nemesis.Fault{ID: clockID(a), At: simMoved, Kind: nemesis.Clock, Shape: nemesis.ClockRate, Groups: leader}
		if o.Plan.Mode == envelope.Wall {
			f.Shape = nemesis.ClockStep
		}
		f.Move = Move(o.Plan.Mode, a.Drift)
		p.Schedule.Faults = append(p.Schedule.Faults, f)
	}
	p.Schedule.Faults = append(p.Schedule.Faults, nemesis.Fault{
		ID: cutID(a), At: ready, Kind: nemesis.Partition, Shape: nemesis.Isolate, Groups: leader,
	})
	return p
}

// node returns the nodes' configuration.
func (s *simSubject) node() multipaxos.Options {
	o := &s.sim.options
	n := multipaxos.Options{
		Reads: multipaxos.ReadsLease, LeaseTerm: o.Plan.Term, LeaseRenew: o.Renew, ElectionTimeout: o.Election,
		FirstBallotShortcut: true, // makes the leader known in advance
	}
	if o.Plan.Mode == envelope.Wall {
		n.Lease, n.MaxOffset = multipaxos.LeaseWall, time.Duration(s.bound)
		return n
	}
	n.Lease, n.DriftBound = multipaxos.LeaseRate, s.bound
	if s.bound == 0 {
		n.DriftBound = multipaxos.DriftNone
	}
	return n
}

// script returns the clients' operations: one write before anything goes wrong; reads at the leader from well
// before its lease can be over; and writes at the others, which are acknowledged as soon as one of them leads. A
// client's number determines its node.
func script(a Attack, from, until time.Duration) []sim.Call {
	value := int64(0)
	write := func() history.Op {
		value++
		return history.Op{Func: history.Write, Key: a.Key, Value: value}
	}
	calls := []sim.Call{{Client: 0, At: simFirst, Op: write()}}
	step := readsAgain / readers
	for at, i := from, 0; at < min(until, from+mostReads); at, i = at+step, i+1 {
		calls = append(calls, sim.Call{
			Client: (i % readers) * simNodes, At: at, Op: history.Op{Func: history.Read, Key: a.Key},
		})
		if time.Duration(i)*step%writeEvery == 0 {
			calls = append(calls, sim.Call{Client: 1 + i/readers%(simNodes-1), At: at, Op: write()})
		}
	}
	return calls
}

// record records what happened, at the corresponding times of the sweep.
func (s *Sim) record(result *sim.Result, r *Record) error {
	for _, f := range result.Faults {
		f.Begin, f.End, f.Planned = f.Begin+s.base, f.End+s.base, f.Planned+s.base
		if err := r.Fault(f); err != nil {
			return err
		}
	}
	processes := make(map[int]int)
	invoked := make(map[int]history.Event)
	return result.Replay(func(i int, completed bool, at time.Duration) (err error) {
		op := &result.History[i]
		if op.Phase != history.PhaseMain {
			return nil // it concerns the cluster's recovery
		}
		s.now = s.base + at
		if completed {
			_, err = r.history.Complete(invoked[i], op.Outcome, op.Result, op.Reason, result.Witness(i))
			return err
		}
		id, known := processes[op.Process]
		if !known {
			id = int(r.processes.Add(1)) - 1
			processes[op.Process] = id
		}
		invoked[i], err = r.history.Invoke(id, op.Node, op.Phase, op.Op)
		return err
	})
}
