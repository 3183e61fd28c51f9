package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"elenchus/checker"
	attack "elenchus/harness/envelope"
	"elenchus/harness/fleet"
	"elenchus/harness/lab"
	"elenchus/harness/run"
	"elenchus/harness/system"
	"elenchus/nemesis"
	"elenchus/results"
	"elenchus/results/envelope"
	"elenchus/results/verdict"
)

func envelopeCommand() *cli.Command {
	return &cli.Command{
		Name:  "envelope",
		Usage: "find by experiment where leases break, and compare with the prediction",
		Description: "Sweeps the error of the leader's clock against the bound that the leases are configured for. Each\n" +
			"probe is an attack: it slows the leader's clock down (or sets it back, with --mode wall) and cuts the leader\n" +
			"off from its peers; clients keep reading from it while others write elsewhere. Inside the envelope no answer\n" +
			"may be stale. Outside, stale answers are expected; cells without any are reported as not observed.\n\n" +
			"As many clusters are attacked side by side as the lab has hosts for. With --lab sim the clusters are\n" +
			"simulated: an attack takes milliseconds, and the same seed makes the same attacks.",
		Flags:  withEnv(append(envelopeLabFlags(), envelopeFlags()...)),
		Action: envelopeAction,
	}
}

// envelopeNodes is the size of a cluster: the smallest in which a majority remains without the leader.
const envelopeNodes = 3

// envelopeLabFlags are the options that choose a lab. By default a new local lab has hosts for three clusters.
func envelopeLabFlags() []cli.Flag {
	flags := labFlags(simLab)
	for _, f := range flags {
		if f, ok := f.(*cli.IntFlag); ok && f.Name == "nodes" {
			f.Value = 3 * envelopeNodes
		}
	}
	return flags
}

func envelopeFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "mode", Category: catWorkload, Value: string(envelope.Rate),
			Usage: "base leases on `CLOCKS`: rate (the leader's clock runs slower) or wall (it is set back)"},
		&cli.StringFlag{Name: "bounds", Category: catWorkload, DefaultText: "0%,10%,…,50%; wall: 100ms,…,500ms",
			Usage: "configure leases for each bound in `LIST`: shares, or times with --mode wall"},
		&cli.StringFlag{Name: "drifts", Category: catWorkload, DefaultText: "0%,10%,…,70%; wall: 0s,100ms,…,700ms",
			Usage: "slow the leader's clock down, or set it back, by each value in `LIST`"},
		&cli.IntFlag{Name: "probes", Category: catWorkload, Value: 5, DefaultText: "5, with --lab sim 20",
			Usage: "attack each cell `N` times"},
		seedFlag(),
		&cli.DurationFlag{Name: "lease-term", Category: catSystem, Value: time.Second, Usage: "let a lease last `TIME`"},
		&cli.DurationFlag{Name: "lease-renew", Category: catSystem, Value: 100 * time.Millisecond,
			Usage: "renew a lease every `TIME`"},
		&cli.DurationFlag{Name: "election-timeout", Category: catSystem, Value: 300 * time.Millisecond,
			Usage: "let a node campaign after hearing from no leader for `TIME`"},
		nodeBinaryFlag(),
		nodeFlagFlag(),
		breakLockFlag(),
		resultsFlag(),
		jsonFlag(),
	}, checkFlags(5*time.Minute)...)
}

// envelopePlan turns the command line into a valid plan.
func envelopePlan(c *cli.Context) (envelope.Plan, error) {
	p := envelope.Plan{Mode: envelope.Mode(c.String("mode")), Term: c.Duration("lease-term"), Probes: c.Int("probes")}
	if c.String("lab") == simLab && !c.IsSet("probes") {
		p.Probes = simProbes
	}
	bounds, drifts := "0%,10%,20%,30%,40%,50%", "0%,10%,20%,30%,40%,50%,60%,70%"
	if p.Mode == envelope.Wall {
		bounds, drifts = "100ms,200ms,300ms,400ms,500ms", "0s,100ms,200ms,300ms,400ms,500ms,600ms,700ms"
	}
	if c.IsSet("bounds") {
		bounds = c.String("bounds")
	}
	if c.IsSet("drifts") {
		drifts = c.String("drifts")
	}
	var errs []error
	var err error
	if p.Bounds, err = envelopeAxis(p.Mode, bounds); err != nil {
		errs = append(errs, fmt.Errorf("--bounds: %w", err))
	}
	if p.Drifts, err = envelopeAxis(p.Mode, drifts); err != nil {
		errs = append(errs, fmt.Errorf("--drifts: %w", err))
	}
	if len(errs) == 0 {
		errs = append(errs, p.Validate())
	}
	lease := system.Lease{Mode: string(p.Mode), Term: p.Term, Renew: c.Duration("lease-renew")}
	if p.Mode == envelope.Rate || p.Mode == envelope.Wall {
		errs = append(errs, errors.Join(lease.WithDefaults().Problems("lease", c.Duration("election-timeout"))...))
	}
	if err := errors.Join(errs...); err != nil {
		return p, usageError("%v", err)
	}
	return p, nil
}

// envelopeAxis reads "0%,10%", or "50ms,100ms" for wall clocks.
func envelopeAxis(mode envelope.Mode, list string) ([]int64, error) {
	var values []int64
	for word := range strings.SplitSeq(list, ",") {
		word = strings.TrimSpace(word)
		if mode == envelope.Wall {
			d, err := time.ParseDuration(word)
			if err != nil {
				return nil, fmt.Errorf("%q is no length of time", word)
			}
			values = append(values, int64(d))
			continue
		}
		ppb, err := system.ParseShare(word)
		if err != nil {
			return nil, err
		}
		values = append(values, ppb)
	}
	return values, nil
}

func envelopeAction(c *cli.Context) error {
	if err := checkLabFlags(c, simLab); err != nil {
		return err
	}
	seed, err := chooseSeed(c)
	if err != nil {
		return err
	}
	plan, err := envelopePlan(c)
	if err != nil {
		return err
	}
	if c.String("lab") == simLab {
		return envelopeSim(c, plan, seed)
	}
	if c.String("lab") == "local" && c.Int("nodes") < envelopeNodes {
		return usageError("--nodes must be at least %d: an attack needs somebody to take over", envelopeNodes)
	}
	node, err := nodeBinary(c.String("node-binary"))
	if err != nil {
		return err
	}
	if err := checkClockBinary(clockBinary()); err != nil {
		return err
	}
	if c.String("lab") == "local" && !inside() {
		return enterLab(c, false, fmt.Sprintf("ELENCHUS_SEED=%d", seed))
	}
	inv, err := inventory(c)
	if err != nil {
		return err
	}
	if err := envelopeFits(inv, plan); err != nil {
		return err
	}
	e, err := newSweeping(c, inv, plan, seed)
	if err != nil {
		return err
	}
	e.node = node
	if err := e.run(c); err != nil {
		return err
	}
	return concludeEnvelope(c, e.dir, e.ui)
}

// newSweeping makes the directory of a sweep, which is the latest run once it has begun.
func newSweeping(c *cli.Context, inv lab.Inventory, plan envelope.Plan, seed uint64) (*sweeping, error) {
	dir, err := results.Make(c.String("results"), fmt.Sprintf("envelope-%s-seed%d", plan.Mode, seed), time.Now())
	if err != nil {
		return nil, err
	}
	m := envelopeManifest(c, inv, plan, seed)
	if err := errors.Join(m.Enter(results.StateCreated, 0), dir.SaveManifest(m)); err != nil {
		return nil, err
	}
	return &sweeping{inv: inv, plan: plan, seed: seed, dir: dir, manifest: m, ui: run.NewUI(c.App.ErrWriter)}, nil
}

// envelopeFits refuses a sweep that moves clocks in a way in which the hosts of the lab cannot move theirs.
func envelopeFits(inv lab.Inventory, p envelope.Plan) error {
	if len(inv.Hosts) < envelopeNodes {
		return usageError("lab %s has %d hosts: an attack needs %d", inv.Name, len(inv.Hosts), envelopeNodes)
	}
	var errs []error
	for _, h := range inv.Hosts {
		way := run.ClockWay(h)
		if way == "" {
			errs = append(errs, fmt.Errorf("the clocks of host %s cannot be moved", h.Name))
			continue
		}
		if worst := p.Drifts[len(p.Drifts)-1]; worst > 0 {
			if err := way.Fit(attack.Move(p.Mode, worst)); err != nil {
				errs = append(errs, fmt.Errorf("--drifts: host %s: %w", h.Name, err))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return usageError("%v\nFor clocks that can be moved but little: --bounds 0%%,2%%,4%%,6%%,8%% --drifts "+
			"0%%,2%%,4%%,6%%,8%%,10%% --lease-term 10s", err)
	}
	return nil
}

func envelopeManifest(c *cli.Context, inv lab.Inventory, p envelope.Plan, seed uint64) *results.Manifest {
	argv := append(commandLine(), fromEnvironment(c)...)
	m := &results.Manifest{
		Kind: results.KindEnvelope, Tool: results.ThisTool(), Argv: argv, Repeat: run.Repeat(argv, seed), Seed: seed,
		Lab: string(inv.Kind), Started: time.Now(),
		Config: results.Config{
			System: "paxos", Protocol: "multipaxos", Workload: "envelope " + string(p.Mode), Reads: "lease",
			Lease:        &results.Lease{Mode: string(p.Mode), Term: p.Term, Renew: c.Duration("lease-renew")},
			UniqueValues: true, SharedClock: inv.Kind == lab.Local || inv.Kind == simLab,
			Options: map[string]string{"election-timeout": c.Duration("election-timeout").String()},
		},
	}
	if flags := c.StringSlice("node-flag"); len(flags) > 0 {
		m.Config.Options["node-flags"] = strings.Join(flags, " ")
	}
	for _, h := range inv.Hosts {
		host := results.Host{Name: h.Name, Address: "simulated"}
		if h.Peer.IsValid() {
			host.Address = h.Peer.String()
		}
		m.Hosts = append(m.Hosts, host)
	}
	return m
}

// sweeping is a sweep in a lab.
type sweeping struct {
	inv      lab.Inventory
	plan     envelope.Plan
	seed     uint64
	node     string
	dir      results.Run
	manifest *results.Manifest
	ui       *run.UI
}

// run makes the sweep and writes everything that is needed to judge it. The error says that there is nothing to
// judge.
func (e *sweeping) run(c *cli.Context) error {
	ctx := c.Context
	log, err := os.Create(e.dir.HarnessLog())
	if err != nil {
		return fmt.Errorf("create log: %w", err)
	}
	defer func() { _ = log.Close() }() // the log is only an aid: its loss harms no result
	f, err := fleet.Open(ctx, e.inv, fleet.Options{
		Run: e.dir.Name(), Results: c.String("results"), BreakLock: c.Bool("break-lock"), ClockBinary: clockBinary(),
		Log: log,
	})
	if err := begun(e.dir, err); err != nil {
		return errors.Join(err, f.Close(ctx))
	}
	var hosts []string
	for _, h := range e.inv.Hosts {
		hosts = append(hosts, h.Name)
	}
	backend, err := attack.NewLab(f, e.inv, attack.LabOptions{
		Plan: e.plan, Hosts: hosts, Nodes: envelopeNodes, Renew: c.Duration("lease-renew"),
		Election: c.Duration("election-timeout"), NodeBinary: e.node, Seed: e.seed, Run: e.dir.Name(),
		Flags: c.StringSlice("node-flag"),
	})
	if err != nil {
		return errors.Join(err, f.Close(ctx))
	}
	e.ui.Step("connected to %s over SSH, to attack %s at a time", verdict.Count(len(hosts), "host"),
		verdict.Count(backend.Lanes(), "cluster"))
	begin := time.Now()
	held, stop := f.While(ctx)
	defer stop()
	if err := e.sweep(held, begin, backend); err != nil {
		return errors.Join(err, f.Close(ctx))
	}
	rest := context.WithoutCancel(ctx)
	e.blame(f.Collect(rest, e.dir.Path(results.NodesDir)))
	e.blame(f.Close(rest))
	return e.collected(time.Since(begin))
}

// sweep makes all attacks. Errors during the attacks are recorded in the manifest; the returned error says that the
// sweep could not begin.
func (e *sweeping) sweep(ctx context.Context, begin time.Time, backend attack.Backend) error {
	e.manifest.Started = begin
	err := errors.Join(e.manifest.Enter(results.StateRunning, 0), e.dir.SaveManifest(e.manifest))
	if err != nil {
		return err
	}
	err = attack.Run(ctx, e.dir, e.plan, e.seed, backend, attack.Tell{Status: e.ui.Status, Step: e.ui.Step})
	if cause := context.Cause(ctx); errors.Is(cause, nemesis.ErrLost) {
		e.blame(cause)
		return nil
	}
	if e.manifest.Interrupted = ctx.Err() != nil; e.manifest.Interrupted {
		e.ui.Say("interrupted: healing, collecting and drawing what there is")
		return nil
	}
	e.blame(err)
	return nil
}

// collected records in the manifest which files there are, and that the sweep is complete.
func (e *sweeping) collected(at time.Duration) (err error) {
	e.manifest.Files, err = e.dir.Evidence(nil)
	e.blame(err)
	return errors.Join(e.manifest.Enter(results.StateCollected, at), e.dir.SaveManifest(e.manifest))
}

// blame records an error of the harness, as opposed to one of the system under test.
func (e *sweeping) blame(err error) {
	if err != nil {
		e.ui.Say("harness: %v", err)
		e.manifest.HarnessErrors = append(e.manifest.HarnessErrors, err.Error())
	}
}

// concludeEnvelope judges a sweep from its files, prints the verdict, and ends the program with the verdict's exit
// code.
func concludeEnvelope(c *cli.Context, dir results.Run, ui *run.UI) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	begin := time.Now()
	ui.Status("checking …")
	ctx := c.Context
	if m, err := dir.LoadManifest(); err == nil && m.Interrupted {
		ctx = context.WithoutCancel(ctx)
	}
	budget := checker.Budget{Key: c.Duration("check-time") / 2, Total: c.Duration("check-time"),
		Memory: int64(c.Int("check-memory")) << 20}
	v, sweep, err := attack.Check(ctx, dir, attack.CheckOptions{Worker: []string{self, run.CheckWorker}, Budget: budget})
	if err != nil {
		return err
	}
	ui.Step("checked %s in %v", verdict.Count(len(sweep.Trials), "attack"), time.Since(begin).Round(time.Millisecond))
	if err := printEnvelope(c, dir, v, sweep); err != nil {
		return err
	}
	if code := v.ExitCode(); code != verdict.ExitValid {
		return exitError{code: code}
	}
	return nil
}

func printEnvelope(c *cli.Context, dir results.Run, v verdict.Verdict, sweep envelope.Sweep) error {
	if c.Bool("json") {
		return printJSON(c, sweep)
	}
	m, err := dir.LoadManifest()
	if err != nil {
		return err
	}
	w := c.App.Writer
	fmt.Fprintf(w, "%s  %s\n\n", v.Word(), v.Run)
	if err := sweep.Table(w); err != nil {
		return err
	}
	for _, reasons := range [][]string{v.Safety.Reasons, v.Coverage.Reasons, v.Harness.Reasons} {
		for _, r := range reasons {
			fmt.Fprintf(w, "  ! %s\n", r)
		}
	}
	_, err = fmt.Fprintf(w, "\n  repeat    %s\n  report    %s\n", m.Repeat, dir.Report())
	return err
}
