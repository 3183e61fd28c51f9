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

// Lab is a simulated run as one for a lab: the options of elenchus test, and the schedule, which it is to be given as
// a file.
type Lab struct {
	Options  []string
	Schedule *nemesis.Schedule
	Left     []string // names what could not be converted
}

// ToLab converts a simulated run to one for a lab. The schedule is the plan's, with its roles if it has any.
func ToLab(p *sim.Plan) (Lab, error) {
	l := &losses{}
	lab := Lab{Schedule: l.schedule(p)}
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
	if p.Load.RetryPPM != 0 {
		add("retry", percent(int64(p.Load.RetryPPM)*1000))
	}
	if p.Load.ActiveKeys > 0 {
		add("keys", p.Load.ActiveKeys)
	}
	if p.Load.ReadPercent > 0 {
		add("read-percent", p.Load.ReadPercent)
	}
	lab.Options = append(lab.Options, l.settings(&p.Node)...)
	l.world(p)
	lab.Left = l.names
	return lab, nil
}

// settings converts the configuration of the nodes to options of elenchus test.
func (l *losses) settings(o *multipaxos.Options) (options []string) {
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
		add("drift-bound", percent(max(o.DriftBound, 0)))
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
	node("catchup-chunk", o.CatchupChunk, o.CatchupChunk != 0)
	node("retry-interval", o.RetryInterval, o.RetryInterval != 0)
	node("backoff", o.BackoffMin, o.BackoffMin != 0)
	node("pre-vote", false, o.NoPreVote)
	node("first-ballot-shortcut", true, o.FirstBallotShortcut)
	if o.BackoffMax != 0 && o.BackoffMax != backoffDoublings*o.BackoffMin {
		l.name("back-offs of at most %v: in the node program they are at most %d times the shortest one", o.BackoffMax,
			backoffDoublings)
	}
	if o.Jitter != 0 && o.Jitter != 1 {
		l.name("timers that vary by up to %g %%: those of the node program vary by up to 100 %%", 100*max(0, o.Jitter))
	}
	return options
}

// schedule is the plan's, with those of the simulator's own faults that a schedule file can express.
func (l *losses) schedule(p *sim.Plan) *nemesis.Schedule {
	s := &nemesis.Schedule{Seed: p.Schedule.Seed, Nodes: p.Schedule.Nodes, Length: p.Length}
	s.Faults = append(s.Faults, p.Schedule.Faults...)
	for i := range p.Faults {
		f := &p.Faults[i]
		same, ok := f.Scheduled()
		if !ok {
			l.name("%s (%s): a lab has no such fault", f.ID, f)
			continue
		}
		l.name("%s (%s): it is played as %s %s", f.ID, f, same.Kind, same.Detail())
		one := nemesis.Schedule{Nodes: s.Nodes, Length: s.Length, Faults: []nemesis.Fault{same}}
		if err := one.Validate(); err != nil {
			l.name("%s (%s): %v", f.ID, f, err)
			continue
		}
		s.Faults = append(s.Faults, same)
	}
	s.Sort()
	return s
}

// world names what only the simulator can do.
func (l *losses) world(p *sim.Plan) {
	l.name("how long messages and syncs take, and what accidents happen to them: a lab has its own")
	for i, c := range p.Clocks {
		if c != (sim.Clock{}) {
			l.name("the clock of %s, which runs %+g %% fast and is %v off", p.Schedule.Nodes[i],
				float64(c.Rate)/multipaxos.DriftUnit*100, c.Offset)
		}
	}
	if p.Process.CrashPPM != 0 {
		l.name("processes that die in the middle of a step")
	}
	if p.Load.Script != nil {
		l.name("the script, %s: the workload generates its own",
			verdict.Count(len(p.Load.Script), "operation"))
	}
	if p.Load.Digits != 0 {
		l.name("values of %s", verdict.Count(p.Load.Digits, "digit"))
	}
	for _, t := range p.Triggers {
		l.name("what a fault waits for, or whom it is aimed at: %s", t)
	}
	if p.Network.Ranks != 0 {
		l.name("messages in order of rank")
	}
	if p.Reseed != nil {
		l.name("the other future from %v on", p.Reseed.At)
	}
}

// percent formats a share in parts per billion for an option, exactly: "1%".
func percent(ppb int64) string { return strconv.FormatFloat(float64(ppb)/1e7, 'f', -1, 64) + "%" }
