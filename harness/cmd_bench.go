package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"elenchus/harness/bench"
	"elenchus/harness/fleet"
	"elenchus/harness/lab"
	"elenchus/harness/run"
	"elenchus/nemesis"
	"elenchus/results"
	"elenchus/results/verdict"
)

// Names of files in the directory of a benchmark.
const (
	benchFile    = "bench.json"
	benchSummary = "summary.txt"
)

func benchCommand() *cli.Command {
	return &cli.Command{
		Name:  "bench",
		Usage: "measure performance",
		Subcommands: []*cli.Command{{
			Name:  "reads",
			Usage: "compare reads under a lease, by quorum and through the log, side by side",
			Description: "Runs three clusters on the same hosts that differ only in how they serve reads. Closed-loop\n" +
				"clients load their leaders in turn, in rounds of random order. Ratios are computed within a round, so\n" +
				"that other load on the machine affects all three alike. No faults are injected.",
			Flags:  withEnv(slices.Concat(labFlags(), benchFlags(), leaseFlags())),
			Action: benchReads,
		}, benchCheckersCommand()},
	}
}

func benchFlags() []cli.Flag {
	return []cli.Flag{
		&cli.DurationFlag{Name: "time", Category: catWorkload, Value: 10 * time.Second,
			Usage: "measure each kind of read for `TIME`, over all rounds"},
		&cli.IntFlag{Name: "rounds", Category: catWorkload, Value: 10, Usage: "measure in `N` rounds"},
		&cli.IntFlag{Name: "clients", Category: catWorkload, Value: 16, Usage: "load with `N` closed-loop clients"},
		&cli.IntFlag{Name: "keys", Category: catWorkload, Value: 16, Usage: "read `N` registers"},
		seedFlag(),
		nodeBinaryFlag(),
		breakLockFlag(),
		resultsFlag(),
		jsonFlag(),
	}
}

// benchOptions turns the command line into options, complete and valid.
func benchOptions(c *cli.Context, seed uint64) (bench.Options, error) {
	var nodes run.Options
	errs := []error{leaseOptions(c, &nodes)}
	o := bench.Options{
		Time: c.Duration("time"), Rounds: c.Int("rounds"), Clients: c.Int("clients"), Keys: c.Int("keys"), Seed: seed,
		Lease: nodes.Lease, ElectionTimeout: nodes.ElectionTimeout, PromiseGrace: nodes.PromiseGrace, Window: nodes.Window,
	}
	if err := errors.Join(append(errs, o.Validate())...); err != nil {
		return o, usageError("%v", err)
	}
	var err error
	o.NodeBinary, err = nodeBinary(c.String("node-binary"))
	return o, err
}

func benchReads(c *cli.Context) error {
	if err := checkLabFlags(c); err != nil {
		return err
	}
	seed, err := chooseSeed(c)
	if err != nil {
		return err
	}
	o, err := benchOptions(c, seed)
	if err != nil {
		return err
	}
	if c.String("lab") == "local" && !inside() {
		return enterLab(c, false, fmt.Sprintf("ELENCHUS_SEED=%d", seed))
	}
	inv, err := inventory(c)
	if err != nil {
		return err
	}
	ui := run.NewUI(c.App.ErrWriter)
	dir, err := results.Make(c.String("results"), fmt.Sprintf("bench-reads-seed%d", seed), time.Now())
	if err != nil {
		return err
	}
	report, failed := measureReads(c, inv, dir, o, ui)
	if report.Rounds == 0 && c.Err() == nil {
		return failed
	}
	if report.Rounds == 0 {
		return exitError{code: verdict.ExitHarness, msg: "interrupted before the first round was complete"}
	}
	if c.Bool("json") {
		err = printJSON(c, report)
	} else if err = report.Table(c.App.Writer); err == nil {
		_, err = fmt.Fprintf(c.App.Writer, "\n  repeat    %s\n  kept in   %s\n", benchRepeat(c, seed), dir.Dir)
	}
	if c.Err() != nil {
		return exitError{code: verdict.ExitHarness, msg: fmt.Sprintf("interrupted after %d of %s", report.Rounds,
			verdict.Count(o.Rounds, "round"))}
	}
	return errors.Join(failed, err)
}

func benchRepeat(c *cli.Context, seed uint64) string {
	return run.Repeat(append(commandLine(), fromEnvironment(c)...), seed)
}

// measureReads runs the benchmark and stores its result. Of a benchmark that failed or was interrupted it stores the
// rounds that were complete.
func measureReads(c *cli.Context, inv lab.Inventory, dir results.Run, o bench.Options, ui *run.UI) (
	report bench.Report, err error) {
	m := benchManifest(c, inv, o)
	if err := errors.Join(m.Enter(results.StateCreated, 0), dir.SaveManifest(m)); err != nil {
		return report, err
	}
	ctx := c.Context
	log, err := os.Create(dir.HarnessLog())
	if err != nil {
		return report, fmt.Errorf("create log: %w", err)
	}
	defer func() { _ = log.Close() }() // the log is only an aid: its loss harms no result
	f, err := fleet.Open(ctx, inv, fleet.Options{
		Run: dir.Name(), Results: c.String("results"), BreakLock: c.Bool("break-lock"), Log: log,
	})
	if err := begun(dir, err); err != nil {
		return report, errors.Join(err, f.Close(ctx))
	}
	defer func() { err = errors.Join(err, f.Close(ctx)) }()
	ui.Step("connected to %s over SSH", verdict.Count(len(inv.Hosts), "host"))
	held, stop := f.While(ctx)
	defer stop()
	report, err = bench.Reads(held, f, dir.Name(), o, ui.Status)
	if cause := context.Cause(held); errors.Is(cause, nemesis.ErrLost) {
		err = cause
	}
	if report.Rounds == 0 {
		return report, errors.Join(err, f.Collect(context.WithoutCancel(ctx), dir.Path(results.NodesDir)))
	}
	ui.Step("measured %s of %d", verdict.Count(report.Rounds, "round"), o.Rounds)
	m.Interrupted = ctx.Err() != nil
	if err != nil && !m.Interrupted {
		m.HarnessErrors = append(m.HarnessErrors, err.Error())
	}
	return report, errors.Join(err, keepBench(dir, m, report))
}

// keepBench writes the result to the run directory.
func keepBench(dir results.Run, m *results.Manifest, report bench.Report) error {
	data, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return fmt.Errorf("encode benchmark: %w", err)
	}
	var table bytes.Buffer
	return errors.Join(report.Table(&table), results.WriteFile(dir.Path(benchFile), append(data, '\n')),
		results.WriteFile(dir.Path(benchSummary), table.Bytes()),
		m.Enter(results.StateChecked, time.Since(m.Started)), dir.SaveManifest(m))
}

func benchManifest(c *cli.Context, inv lab.Inventory, o bench.Options) *results.Manifest {
	l := o.Lease
	m := &results.Manifest{
		Kind: results.KindBench, Tool: results.ThisTool(), Argv: append(commandLine(), fromEnvironment(c)...),
		Repeat: benchRepeat(c, o.Seed), Seed: o.Seed, Lab: string(inv.Kind), Started: time.Now(),
		Config: results.Config{
			System: "paxos", Protocol: "multipaxos", Workload: "bench reads", Concurrency: o.Clients,
			TimeLimit: o.Time * time.Duration(len(bench.Ways)), SharedClock: inv.Kind == lab.Local,
			Lease: &results.Lease{Mode: l.Mode, Term: l.Term, Renew: l.Renew, DriftBound: l.DriftBound,
				MaxOffset: l.MaxOffset},
		},
	}
	for _, h := range inv.Hosts {
		m.Hosts = append(m.Hosts, results.Host{Name: h.Name, Address: h.Peer.String()})
	}
	return m
}
