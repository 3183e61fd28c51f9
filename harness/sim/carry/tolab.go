package carry

import (
	"fmt"
	"strconv"
	"time"

	"elenchus/harness/sim"
	"elenchus/nemesis"
	"elenchus/node/multipaxos"
	"elenchus/results/verdict"
)

// Lab is a simulated run for a lab: options of elenchus test, but for the file with the schedule, and that.
type Lab struct {
	Options  []string
	Schedule *nemesis.Schedule
	Left     []string // behind
}

// ToLab takes a simulated run to a lab. The schedule is the plan's, with its roles if it has any.
func ToLab(p *sim.Plan) (Lab, error) {
	b := &baggage{}
	lab := Lab{Schedule: b.schedule(p)}
	if err := lab.Schedule.Validate(); err != nil {
		return lab, fmt.Errorf("take the schedule to a lab: %w", err)
	}
	clients := p.Load.Clients * p.Nodes()
	add := func(name string, value any) { lab.Options = append(lab.Options, fmt.Sprintf("--%s=%v", name, value)) }
	add("nodes", p.Nodes())
	add("workload", p.Load.Workload)
	add("seed", p.Seed)
	add("concurrency", clients)
	add("op-timeout", p.Load.Patience)
	if pause := (p.Load.ThinkMin + p.Load.ThinkMax) / 2; pause > 0 {
		add("rate", strconv.FormatFloat(float64(clients)*float64(time.Second)/float64(pause), 'f', 1, 64))
	}
	lab.Options = append(lab.Options, b.settings(&p.Node)...)
	b.world(p)
	lab.Left = b.left
	return lab, nil
}

// settings are the options of nodes, as far as there are any.
func (b *baggage) settings(o *multipaxos.Options) (options []string) {
	add := func(name string, value any) { options = append(options, fmt.Sprintf("--%s=%v", name, value)) }
	duration := func(name string, d time.Duration) {
		if d > 0 {
			add(name, d)
		}
	}
	add("reads", o.Reads)
	add("lease", o.Lease)
	if o.Lease != multipaxos.LeaseNone {
		duration("lease-term", o.LeaseTerm)
		duration("lease-renew", o.LeaseRenew)
	}
	if o.Lease == multipaxos.LeaseRate && o.DriftBound != 0 {
		add("drift-bound", strconv.FormatFloat(float64(max(o.DriftBound, 0))/multipaxos.DriftUnit*100, 'g', -1, 64)+"%")
	}
	if o.Lease == multipaxos.LeaseWall {
		duration("max-offset", o.MaxOffset)
	}
	duration("election-timeout", o.ElectionTimeout)
	duration("promise-grace", o.PromiseGrace)
	if o.Window > 0 {
		add("window", o.Window)
	}
	node := func(name string, value any, set bool) {
		if set {
			add("node-flag", fmt.Sprintf("--%s=%v", name, value))
		}
	}
	node("heartbeat", o.HeartbeatInterval, o.HeartbeatInterval > 0)
	node("batch", o.BatchMax, o.BatchMax > 0)
	node("snapshot-entries", o.SnapshotEntries, o.SnapshotEntries != 0)
	node("snapshot-keep", o.SnapshotKeep, o.SnapshotKeep != 0)
	node("snapshot-chunk", o.SnapshotChunk, o.SnapshotChunk != 0)
	if o.BackoffMin != 0 || o.BackoffMax != 0 || o.RetryInterval != 0 || o.Jitter != 0 || o.CatchupChunk != 0 {
		b.leave("back-offs, retries and pieces of catch-up: the node program has no options for them")
	}
	return options
}

// schedule is the plan's, with those of the simulator's own faults for which the file has words.
func (b *baggage) schedule(p *sim.Plan) *nemesis.Schedule {
	s := &nemesis.Schedule{Seed: p.Schedule.Seed, Nodes: p.Schedule.Nodes, Length: p.Length}
	s.Faults = append(s.Faults, p.Schedule.Faults...)
	for i := range p.Faults {
		f := &p.Faults[i]
		same, ok := f.Scheduled()
		if !ok {
			b.leave("%s (%s): a lab has no such fault", f.ID, f)
			continue
		}
		b.leave("%s (%s): it is played as %s %s", f.ID, f, same.Kind, same.Detail())
		one := nemesis.Schedule{Nodes: s.Nodes, Length: s.Length, Faults: []nemesis.Fault{same}}
		if err := one.Validate(); err != nil {
			b.leave("%s (%s): %v", f.ID, f, err)
			continue
		}
		s.Faults = append(s.Faults, same)
	}
	s.Sort()
	return s
}

// world names what only the simulator can do.
func (b *baggage) world(p *sim.Plan) {
	b.leave("how long messages and syncs take, and what accidents happen to them: a lab has its own")
	for i, c := range p.Clocks {
		if c != (sim.Clock{}) {
			b.leave("the clock of %s, which runs %+g %% fast and is %v off", p.Schedule.Nodes[i],
				float64(c.Rate)/multipaxos.DriftUnit*100, c.Offset)
		}
	}
	if p.Process.CrashPPM != 0 {
		b.leave("processes that die in the middle of a step")
	}
	if p.Load.Script != nil {
		b.leave("the script, %s: the workload generates its own",
			verdict.Count(len(p.Load.Script), "operation"))
	}
	if p.Load.RetryPPM != 0 {
		b.leave("clients that ask again with the same place in their session")
	}
	if p.Load.Digits != 0 {
		b.leave("values of %s", verdict.Count(p.Load.Digits, "digit"))
	}
	for _, t := range p.Triggers {
		b.leave("what a fault waits for, or whom it is aimed at: %s", t)
	}
	if p.Network.Ranks != 0 {
		b.leave("messages in order of rank")
	}
	if p.Reseed != nil {
		b.leave("the other future from %v on", p.Reseed.At)
	}
}
