package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"elenchus/harness/run"
	"elenchus/harness/sim"
	"elenchus/harness/sim/carry"
	"elenchus/node/mutants"
	"elenchus/results"
	"elenchus/results/verdict"
)

// simLab is the name of the lab without hosts, in which runs are simulated.
const simLab = "sim"

// onlyHosts are the options that concern hosts and programs on them. The simulator has neither; an option without an
// effect is refused rather than ignored.
var onlyHosts = map[string]string{
	"lab-name": "there is no lab that stays up", "rootless": "there are no powers to be without",
	"break-lock":       "there is nobody to take it from",
	"keys":             "how many there are follows from the number of clients",
	"read-percent":     "how much is read follows from the workload",
	"node-binary":      "the node is part of this program",
	"node-flag":        "the node is part of this program: what it can be told has an option of its own here",
	"recovery-timeout": "how long a recovery may take follows from the configuration",
}

// checkSimFlags refuses options that the simulator cannot honour.
func checkSimFlags(c *cli.Context) error {
	var problems []error
	for _, f := range c.Command.Flags {
		name := f.Names()[0]
		if why := onlyHosts[name]; why != "" && c.IsSet(name) {
			problems = append(problems, fmt.Errorf("--%s does not go with --lab sim: %s", name, why))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return usageError("%v", err)
	}
	return nil
}

// testSim is elenchus test --lab sim: one run with the same options, in virtual time.
func testSim(c *cli.Context, seed uint64, mutant *mutants.Mutant) error {
	if err := checkSimFlags(c); err != nil {
		return err
	}
	names := run.NodeNames(c.Int("nodes"))
	opts, err := testOptions(c, seed, localHosts(names), "")
	if err != nil {
		return err
	}
	plan, err := simTestPlan(&opts, names)
	if err != nil {
		return usageError("%v", err)
	}
	if c.Bool("dry-run") {
		return dryRun(c, opts, names)
	}
	ui := run.NewUI(c.App.ErrWriter)
	ui.Step("seed %d: workload, nodes and faults, in virtual time", seed)
	for _, reason := range plan.Outside() {
		ui.Step("outside of what a correct system must survive: %s", reason)
	}
	run.Warn(ui, &opts, &plan.Schedule)
	begin := time.Now()
	sentinel := new(run.Sentinel)
	directory := sim.Directory{
		Root: opts.Results, Argv: opts.Argv, Now: begin,
		Amend: func(m *results.Manifest) { amendTest(m, &opts, sentinel.Stopped()) },
	}
	simulation := sim.Options{Checker: sim.NoChecker{}, Stop: func() bool { return c.Err() != nil }}
	if opts.FailFast {
		simulation.Each = sentinel.Observe
	}
	dir, result, err := directory.Write(simulation, plan)
	if err != nil {
		return err
	}
	if s := sentinel.Stopped(); s != nil && result.Interrupted != 0 {
		ui.Step("stopped: %s", run.StoppedBecause(s))
	} else if result.Interrupted != 0 {
		ui.Say("interrupted after %v: healing, collecting and checking what there is", result.Interrupted)
	}
	if err := errors.Join(repeatBy(dir, run.RepeatIn(dir, opts.Argv, seed)), recordMutant(dir, mutant)); err != nil {
		return err
	}
	ui.Step("simulated %v of %s in %v: hash %016x", result.Simulated.Round(time.Millisecond),
		verdict.Count(len(names), "node"), time.Since(begin).Round(time.Millisecond), result.Hash)
	if v := result.Violation; v != nil {
		ui.Step("%s", strings.SplitN(v.String(), "\n", 2)[0])
	}
	v, err := run.Check(context.WithoutCancel(c.Context), dir, opts.CheckTime, opts.CheckMemory, ui)
	if err != nil {
		return fmt.Errorf("there is no verdict on run %s: %w", dir.Name(), err)
	}
	manifest, err := dir.LoadManifest()
	if err != nil {
		return err
	}
	return conclude(c, ui, run.Outcome{Run: dir, Manifest: manifest, Verdict: v})
}

// amendTest completes the manifest of a simulated run with what the manifest of a run in a lab has. If the run was
// stopped at a violation, stopped says which; otherwise it is nil.
func amendTest(m *results.Manifest, o *run.Options, stopped *results.Stopped) {
	if m.Interrupted && stopped != nil {
		m.Interrupted, m.Stopped = false, stopped
	}
	m.Config.Rate, m.Config.DeposedReads = o.Rate, o.DeposedReads
	if o.Schedule == nil {
		m.Config.Nemesis = o.Nemesis
	}
	m.Config.Lease = &results.Lease{
		Mode: o.Lease.Mode, Term: o.Lease.Term, Renew: o.Lease.Renew, DriftBound: o.Lease.DriftBound,
		MaxOffset: o.Lease.MaxOffset,
	}
	for name, d := range map[string]time.Duration{
		"election-timeout": o.ElectionTimeout, "promise-grace": o.PromiseGrace,
	} {
		if d != 0 {
			m.Config.Options[name] = d.String()
		}
	}
	if m.Recovery.Attempted { // a run that was ended by an invariant was not played to its end
		m.PlayedUntil = m.Recovery.HealedAt
	}
}

// simTestPlan returns the plan of the run that the options describe. The error lists what the simulator cannot do.
func simTestPlan(o *run.Options, names []string) (*sim.Plan, error) {
	schedule, err := run.Plan(*o, names)
	if err != nil {
		return nil, err
	}
	n := len(names)
	if o.Concurrency%n != 0 {
		return nil, fmt.Errorf("--concurrency: %d clients cannot be shared out evenly among %d simulated nodes",
			o.Concurrency, n)
	}
	p := &sim.Plan{
		Seed: o.Seed, Style: "test", Length: o.TimeLimit, Clocks: make([]sim.Clock, n), Schedule: *schedule,
		Load: sim.Load{
			Workload: o.Workload, Clients: o.Concurrency / n, Patience: o.OpTimeout,
			ThinkMax: carry.ThinkMax(o.Rate, o.Concurrency), RetryPPM: carry.RetryPPM(o.Retry), RetriesMax: run.RetriesMax,
		},
	}
	carry.Surroundings(p)
	p.Node, err = carry.Settings{
		Reads: o.Reads, Lease: o.Lease, ElectionTimeout: o.ElectionTimeout, PromiseGrace: o.PromiseGrace, Window: o.Window,
	}.Node()
	if err != nil {
		return nil, err
	}
	p.Schedule.Nodes = names
	return p, p.Validate()
}
