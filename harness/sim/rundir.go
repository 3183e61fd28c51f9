package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"elenchus/nemesis"
	"elenchus/node/multipaxos"
	"elenchus/node/protocol"
	"elenchus/node/register"
	"elenchus/node/trace"
	"elenchus/results"
	"elenchus/results/history"
	"elenchus/results/verdict"
	"elenchus/workloads"
)

// Directory says what to write to a run directory, and where that is made.
type Directory struct {
	Root   string    // where runs are kept
	Name   string    // of the run, after its time; empty means "sim", the workload and the seed
	Argv   []string  // the command line
	Repeat string    // the command that does the run again
	Now    time.Time // the beginning of the run, for people

	// Amend, if not nil, changes the manifest, for what is not known from the plan.
	Amend func(*results.Manifest)
}

// Write plays a plan and leaves a run directory like any other run: history, schedules, faults, what the nodes
// observed, and also the plan and what the invariants found. It does not write a verdict.
func (d Directory) Write(opts Options, plan *Plan) (results.Run, Result, error) {
	opts.Record, opts.Trace = true, true
	w := New(opts)
	r, err := w.Run(plan)
	if err != nil {
		return results.Run{}, r, err
	}
	name := d.Name
	if name == "" {
		name = fmt.Sprintf("sim-%s-seed%d", plan.Load.Workload, plan.Seed)
	}
	dir, err := results.Create(d.Root, name, d.Now)
	if err != nil {
		return dir, r, err
	}
	manifest := d.manifest(plan, &r)
	if d.Amend != nil {
		d.Amend(manifest)
	}
	err = errors.Join(
		results.WriteFile(dir.SchedulePlanned(), plan.scheduleText()),
		results.WriteFile(dir.SchedulePlayed(), w.played()),
		results.WriteFile(dir.HarnessLog(), w.log(&r)),
		dir.SaveSimulated(struct {
			Schema int `json:"schema"`
			*Plan
		}{1, plan}),
		dir.SaveInvariants(results.Invariants{Findings: r.findings(w.names)}),
		w.writeHistory(dir.History()),
		writeFaults(dir.Faults(), r.Faults),
		w.writeClocks(dir, d.Now),
	)
	for i := range w.n {
		err = errors.Join(err, w.writeObservations(dir, i, d.Now))
	}
	if err != nil {
		return dir, r, fmt.Errorf("write run: %w", err)
	}
	if manifest.Files, err = dir.Evidence(nil); err != nil {
		return dir, r, err
	}
	for _, s := range []results.State{
		results.StateCreated, results.StateRunning, results.StateHealed, results.StateCollected,
	} {
		at := time.Duration(0)
		if s == results.StateHealed || s == results.StateCollected {
			at = min(r.length(plan), r.Simulated)
		}
		if err := manifest.Enter(s, at); err != nil {
			return dir, r, err
		}
	}
	return dir, r, dir.SaveManifest(manifest)
}

func (d Directory) manifest(plan *Plan, r *Result) *results.Manifest {
	m := &results.Manifest{
		Tool: results.ThisTool(), Argv: d.Argv, Repeat: d.Repeat, Seed: plan.Seed, Lab: "sim", Started: d.Now,
		Interrupted: r.Interrupted != 0,
		Config: results.Config{
			System: "paxos", Protocol: "multipaxos", Workload: plan.Load.Workload, Nemesis: plan.kinds(),
			Concurrency: plan.Load.Clients * plan.Nodes(), TimeLimit: plan.Length, OpTimeout: plan.Load.Patience,
			Reads: plan.Node.Reads.String(), Lease: plan.lease(), UniqueValues: true, Observations: true,
			Options: map[string]string{"style": plan.Style, HashOption: fmt.Sprintf("%016x", r.Hash)},
		},
	}
	if workload, err := workloads.Lookup(plan.Load.Workload); err == nil {
		m.Config.Funcs = workload.Funcs
	}
	for _, name := range plan.Schedule.Nodes {
		m.Hosts = append(m.Hosts, results.Host{Name: name, Address: "simulated"})
	}
	stuck := r.Violation != nil && r.Violation.Invariant == checkStuck
	if r.Violation == nil || stuck || r.Violation.Invariant == checkLinearizable {
		m.Recovery = results.Recovery{
			Attempted: true, HealedAt: r.length(plan), Recovered: !stuck, Took: max(0, r.Simulated-r.length(plan)),
			Deadline: plan.RecoveryBound(len(r.History)),
		}
	}
	if stuck {
		m.Recovery.Nodes = []results.NodeReady{{Node: "cluster", Detail: r.Violation.Message}}
	}
	return m
}

// lease describes the leases of the run, with defaults filled in.
func (p *Plan) lease() *results.Lease {
	o := withDefaults(p.Node)
	l := &results.Lease{Mode: o.Lease.String()}
	switch o.Lease {
	case multipaxos.LeaseRate:
		l.DriftBound = strconv.FormatFloat(float64(o.DriftBound)/ppb, 'f', -1, 64)
	case multipaxos.LeaseWall:
		l.MaxOffset = o.MaxOffset
	default:
		return l
	}
	l.Term, l.Renew = o.LeaseTerm, o.LeaseRenew
	return l
}

// length is how long the plan was played before everything was healed.
func (r *Result) length(p *Plan) time.Duration {
	if r.Interrupted != 0 {
		return r.Interrupted
	}
	return p.Length
}

// kinds are the kinds of faults in the plan.
func (p *Plan) kinds() []string {
	kinds := p.Schedule.Kinds()
	for i := range p.Faults {
		if kind := string(p.Faults[i].Kind); !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// findings converts the violation to the form of a verdict. Violations of liveness or of the history alone are left
// out, because whoever judges these finds them again.
func (r *Result) findings(nodes []string) []verdict.Broken {
	v := r.Violation
	if v == nil || v.Invariant == checkStuck || v.Invariant == checkLinearizable {
		return nil
	}
	_, demand := v.Explain(nodes)
	b := verdict.Broken{
		Finding: verdict.Finding{
			Checker: v.Invariant, Key: v.Key, Name: meanings[v.Invariant].Name, At: v.At,
			Summary: v.Summary(nodes),
		},
		Demand: demand, Slot: uint64(v.Slot),
	}
	if v.Node != 0 {
		b.Node = nodes[v.Node-1]
	}
	if !v.Ballot.IsZero() {
		b.Ballot = v.Ballot.String()
	}
	if v.Answer != nil {
		if b.Operations = []int{v.Answer.Operation}; v.Answer.Before >= 0 {
			b.Operations = []int{v.Answer.Before, v.Answer.Operation}
		}
	}
	if _, stack, ok := strings.Cut(v.Message, "\n"); ok {
		b.Details = append(b.Details, stack)
	}
	return []verdict.Broken{b}
}

// scheduleText formats the plan's schedule as a file. Faults that the format does not have are comments.
func (p *Plan) scheduleText() []byte {
	text := bytes.NewBuffer(p.Schedule.Format())
	if len(p.Faults) > 0 {
		text.WriteString("\n# only in the simulator\n")
	}
	for _, f := range p.Faults {
		fmt.Fprintf(text, "# %s: %s\n", f.ID, f)
	}
	if len(p.Triggers) > 0 {
		text.WriteString("\n# what faults wait for, and at whom they are aimed, in the simulator\n")
	}
	for _, t := range p.Triggers {
		fmt.Fprintf(text, "# %s\n", t)
	}
	return text.Bytes()
}

// played is the schedule as it was played.
func (w *World) played() []byte {
	text := bytes.NewBuffer(nemesis.Played(&w.plan.Schedule, w.faultLog))
	for i, e := range w.faultLog {
		if i == 0 {
			text.WriteString("\n# only in the simulator\n")
		}
		if slices.ContainsFunc(w.plan.Faults, func(f Fault) bool { return f.ID == e.ID }) {
			fmt.Fprintf(text, "# %s: %s %v %s %s %s\n", e.ID, e.Step, e.Begin, e.Status, e.Kind, e.Played)
		}
	}
	return text.Bytes()
}

// log is a log of the simulated run, for people.
func (w *World) log(r *Result) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "seed %d, style %s, hash %016x\n", r.Seed, w.plan.Style, r.Hash)
	fmt.Fprintf(&b, "%s, %v simulated\n", verdict.Count(w.n, "node"), r.Simulated)
	for _, reason := range w.plan.Outside() {
		fmt.Fprintf(&b, "outside the safe envelope: %s\n", reason)
	}
	if r.Violation != nil {
		fmt.Fprintf(&b, "%v\n", r.Violation)
	}
	stats, err := json.MarshalIndent(r.Stats, "", "  ")
	if err == nil {
		b.Write(append(stats, '\n'))
	}
	return b.Bytes()
}

// writeHistory writes the operations as the events that they were.
func (w *World) writeHistory(path string) error {
	var now time.Duration
	out, err := history.Create(path, history.WriterOptions{Now: func() time.Duration { return now }})
	if err != nil {
		return err
	}
	r := Result{History: w.ops, clients: w.extras}
	invoked := make(map[int]history.Event)
	err = r.Replay(func(i int, completed bool, at time.Duration) (err error) {
		op := &w.ops[i]
		now = at
		if !completed {
			invoked[i], err = out.Invoke(op.Process, op.Node, op.Phase, op.Op)
			return err
		}
		_, err = out.Complete(invoked[i], op.Outcome, op.Result, op.Reason, r.Witness(i))
		return err
	})
	return errors.Join(err, out.Close())
}

func writeFaults(path string, events []history.FaultEvent) error {
	out, err := history.CreateFaults(path)
	if err != nil {
		return err
	}
	for _, e := range events {
		if err = out.Append(e); err != nil {
			break
		}
	}
	return errors.Join(err, out.Close())
}

// observation is a line of a node's observations of itself, as package server writes it.
type observation struct {
	MonoNS int64         `json:"mono_ns"`
	WallNS int64         `json:"wall_ns"`
	Boot   int           `json:"boot"`
	Node   string        `json:"node"`
	Kind   string        `json:"kind"`
	Ballot string        `json:"ballot,omitempty"`
	First  protocol.Slot `json:"first,omitempty"`
	Slot   protocol.Slot `json:"slot,omitempty"`
	Peer   string        `json:"peer,omitempty"`
	IDs    []string      `json:"ids,omitempty"`
	Ops    []operation   `json:"ops,omitempty"`
	Reason string        `json:"reason,omitempty"`
	Lease  string        `json:"lease,omitempty"` // the clock of since_ns and until_ns
	Since  int64         `json:"since_ns,omitempty"`
	Until  int64         `json:"until_ns,omitempty"`
	Value  string        `json:"value,omitempty"` // the digest of what was applied
	State  string        `json:"state,omitempty"` // the hash of the node's state after that
	TrueNS time.Duration `json:"true_ns"`         // the true time, which no node knows
}

// operation is what a command does.
type operation struct {
	Op     string  `json:"op"`
	Key    string  `json:"key"`
	Value  string  `json:"value,omitempty"`
	Expect *string `json:"expect,omitempty"`
}

func operationOf(c *register.Command) operation {
	o := operation{Op: c.Op.String(), Key: c.Key, Value: c.Value}
	if c.Op == register.OpCAS && !c.ExpectAbsent {
		o.Expect = &c.Expect
	}
	return o
}

// leaseOnWall is what an observation calls a lease on wall clocks.
const leaseOnWall = "wall"

// calendarMoment is onCalendar for an optional time.
func calendarMoment(wall int64, started time.Time) int64 {
	if wall == 0 {
		return 0
	}
	return onCalendar(wall, started)
}

// observation converts a moment of the trace to a line. The end of a process is included, which the process itself
// cannot report.
func (w *World) observation(m *Moment, started time.Time) observation {
	line := observation{
		MonoNS: int64(m.Clock.Mono), WallNS: onCalendar(m.Clock.Wall, started), Boot: m.Life, Node: w.names[m.Node-1],
		TrueNS: m.At,
	}
	if m.Kind == MomentCrashed {
		line.Kind, line.Reason = history.ObservedEnded, m.Why
		return line
	}
	seen := &m.Seen
	line.Kind, line.First, line.Slot, line.Reason = seen.Kind.String(), seen.First, seen.Slot, seen.Reason
	line.Lease, line.Since, line.Until = seen.Lease, seen.Since, seen.Until
	if line.Lease == leaseOnWall {
		line.Since, line.Until = calendarMoment(line.Since, started), calendarMoment(line.Until, started)
	}
	if !seen.Ballot.IsZero() {
		line.Ballot = seen.Ballot.String()
	}
	if seen.Peer != 0 {
		line.Peer = seen.Peer.String()
	}
	if seen.Kind == protocol.ObservedApplied {
		line.Value = string(trace.AppendDigest(nil, seen.Batch))
		if seen.Hash != 0 {
			line.State = strconv.FormatUint(seen.Hash, 16)
		}
	}
	for k := range seen.Batch {
		line.IDs = append(line.IDs, seen.Batch[k].ID())
		line.Ops = append(line.Ops, operationOf(&seen.Batch[k]))
	}
	return line
}

// writeObservations writes what a node observes, as package server does: before a message leaves comes a line about it,
// one for a broadcast.
func (w *World) writeObservations(dir results.Run, node int, started time.Time) error {
	var b bytes.Buffer
	var last *Moment // the message before, if nothing came between
	for i := range w.trace.Moments {
		m := &w.trace.Moments[i]
		if m.Node != node+1 {
			continue
		}
		switch m.Kind {
		case MomentObserved, MomentCrashed:
			encoded, err := json.Marshal(w.observation(m, started))
			if err != nil {
				return err
			}
			b.Write(append(encoded, '\n'))
			last = nil
		case MomentStarted:
			w.writeSent(&b, m, started, []byte(`"kind":"`+history.ObservedTraced+`"`))
		case MomentSent:
			if last == nil || last.At != m.At || !trace.Same(&last.Message, &m.Message) {
				if line, ok := trace.Append(nil, &m.Message); ok {
					w.writeSent(&b, m, started, line)
				}
			}
			last = m
		}
	}
	if n := &w.nodes[node]; n.up {
		end := Moment{At: w.now, Node: node + 1, Life: int(n.life), Clock: n.clock.reading(w.now)}
		w.writeSent(&b, &end, started, []byte(`"kind":"`+history.ObservedStopped+`"`))
	}
	if err := os.MkdirAll(dir.NodeDir(w.names[node]), 0o755); err != nil {
		return err
	}
	return results.WriteFile(dir.Observations(w.names[node]), b.Bytes())
}

// writeSent writes a line that is given from its kind on.
func (w *World) writeSent(b *bytes.Buffer, m *Moment, started time.Time, line []byte) {
	fmt.Fprintf(b, `{"mono_ns":%d,"wall_ns":%d,"boot":%d,"node":%q,"true_ns":%d,%s}`+"\n", int64(m.Clock.Mono),
		onCalendar(m.Clock.Wall, started), m.Life, w.names[m.Node-1], int64(m.At), line)
}
