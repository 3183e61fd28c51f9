package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"elenchus/harness/control"
	"elenchus/harness/lab"
	"elenchus/harness/system"
	"elenchus/nemesis"
	"elenchus/results"
	"elenchus/results/history"
	"elenchus/results/verdict"
	"elenchus/workloads"
)

// Outcome is the result of a test.
type Outcome struct {
	Run      results.Run
	Manifest *results.Manifest
	Verdict  verdict.Verdict
}

// test is a run in progress.
type test struct {
	opts     Options
	inv      lab.Inventory
	ui       *UI
	log      hclog.Logger
	dir      results.Run
	manifest *results.Manifest
	schedule *nemesis.Schedule
	workload workloads.Workload

	lock     *lab.Lock
	clients  []*control.Client
	system   *system.Paxos
	cluster  *cluster
	ledger   *nemesis.Ledger
	player   *nemesis.Player
	faults   *history.FaultWriter
	history  *history.Writer
	gen      workloads.Generator
	load     *load
	clocks   *clocks // nil while clocks are not measured
	watch    *watch
	sentinel *Sentinel // nil unless the run is to stop at the first violation
	deployed bool      // files or processes of the system may be on the hosts
	start    time.Time // time zero of the history

	installed map[string]bool       // faults that are in effect, by id …
	active    atomic.Int64          // … and their number
	recordErr atomic.Pointer[error] // the first error of writing the fault log
}

// Test runs one test on the hosts of a lab. The end of ctx asks for an orderly end: the workload stops, everything is
// healed, collected and checked, and the verdict says that the run was interrupted.
//
// The error is for a run that could not be recorded at all; everything else is in the verdict.
func Test(ctx context.Context, opts Options, inv lab.Inventory, ui *UI) (Outcome, error) {
	if err := opts.Validate(len(inv.Hosts)); err != nil {
		return Outcome{}, err
	}
	t := &test{opts: opts, inv: inv, ui: ui, start: time.Now(),
		installed: make(map[string]bool)}
	closeLog, err := t.open()
	if err != nil {
		if t.dir.Dir != "" { // a directory without a manifest is not a run
			err = errors.Join(fullDisk(err, opts.Results), t.dir.Discard())
		}
		return Outcome{}, err
	}
	defer closeLog()
	ui.Step("%s", opts.seeds())
	Warn(ui, &t.opts, t.schedule)
	if err := t.live(ctx); err != nil {
		return Outcome{}, err
	}
	v, err := Check(context.WithoutCancel(ctx), t.dir, opts.CheckTime, opts.CheckMemory, ui)
	if err != nil {
		return Outcome{}, fmt.Errorf("there is no verdict on run %s: %w", t.dir.Name(), err)
	}
	manifest, err := t.dir.LoadManifest()
	return Outcome{Run: t.dir, Manifest: manifest, Verdict: v}, err
}

// open makes the run directory and stores what is planned.
func (t *test) open() (closeLog func(), err error) {
	if t.workload, err = workloads.Lookup(t.opts.Workload); err != nil {
		return nil, err
	}
	names := t.hostNames()
	if t.schedule, err = Plan(t.opts, names); err != nil {
		return nil, err
	}
	t.gen, err = t.workload.New(workloads.Options{Seed: t.opts.Seed, Workers: t.opts.Concurrency, Nodes: len(names),
		ActiveKeys: t.opts.Keys, ReadPercent: t.opts.ReadPercent})
	if err != nil {
		return nil, fmt.Errorf("make workload: %w", err)
	}
	name := fmt.Sprintf("%s-seed%d", t.opts.Workload, t.opts.Seed)
	if t.dir, err = results.Make(t.opts.Results, name, time.Now()); err != nil {
		return nil, err
	}
	if err := results.WriteFile(t.dir.SchedulePlanned(), t.schedule.Format()); err != nil {
		return nil, fmt.Errorf("write schedule: %w", err)
	}
	logFile, err := os.Create(t.dir.HarnessLog())
	if err != nil {
		return nil, fmt.Errorf("create log: %w", err)
	}
	t.log = hclog.New(&hclog.LoggerOptions{Name: "harness", Level: hclog.Trace, Output: logFile, JSONFormat: true})
	t.manifest = t.newManifest()
	if err := t.manifest.Enter(results.StateCreated, 0); err != nil {
		return nil, err
	}
	return func() { _ = logFile.Close() }, t.save()
}

func (t *test) hostNames() []string {
	names := make([]string, len(t.inv.Hosts))
	for i, h := range t.inv.Hosts {
		names[i] = h.Name
	}
	return names
}

func (t *test) newManifest() *results.Manifest {
	m := &results.Manifest{
		Tool: results.ThisTool(), Argv: t.opts.Argv, Repeat: RepeatIn(t.dir, t.opts.Argv, t.opts.Seed), Seed: t.opts.Seed,
		Lab: string(t.inv.Kind), Started: t.start,
		Config: results.Config{
			System: "paxos", Protocol: "multipaxos", Workload: t.workload.Name, Funcs: t.workload.Funcs,
			Nemesis: t.wantedKinds(), Rate: t.opts.Rate, Concurrency: t.opts.Concurrency,
			TimeLimit: t.opts.TimeLimit, OpTimeout: t.opts.OpTimeout, Reads: t.opts.Reads,
			DeposedReads: t.opts.DeposedReads,
			UniqueValues: true, Observations: true, SharedClock: t.inv.Kind == lab.Local,
		},
		Recovery: results.Recovery{Deadline: t.opts.RecoveryTimeout},
	}
	l := t.opts.Lease
	m.Config.Lease = &results.Lease{
		Mode: l.Mode, Term: l.Term, Renew: l.Renew, DriftBound: l.DriftBound, MaxOffset: l.MaxOffset,
	}
	m.Config.Options = t.opts.settings()
	for _, h := range t.inv.Hosts {
		m.Hosts = append(m.Hosts, results.Host{Name: h.Name, Address: h.Peer.String()})
	}
	return m
}

// wantedKinds are the kinds of faults that must take effect for the run to have tested what was asked for.
func (t *test) wantedKinds() []string {
	if t.opts.Schedule == nil {
		return t.opts.Nemesis
	}
	return t.schedule.Kinds()
}

func (t *test) save() error {
	if err := t.dir.SaveManifest(t.manifest); err != nil {
		return fmt.Errorf("save manifest: %w", err)
	}
	return nil
}

// now is the time since the begin of the run.
func (t *test) now() time.Duration { return time.Since(t.start) }

// blame records an error of the harness, as opposed to one of the system under test. The run goes on: heal, collect,
// check. An error that occurs again and again, such as a full disk, is reported once.
func (t *test) blame(err error) {
	if err == nil {
		return
	}
	t.log.Error("harness failure", "error", err)
	if t.isLost() && errors.Is(err, context.Canceled) {
		return // what was under way when the lab was lost
	}
	err = fullDisk(err, t.opts.Results)
	known := func(before string) bool { return strings.Contains(before, err.Error()) }
	if slices.ContainsFunc(t.manifest.HarnessErrors, known) {
		return
	}
	t.ui.Say("harness: %v", err)
	t.manifest.HarnessErrors = append(t.manifest.HarnessErrors, err.Error())
}

func (t *test) enter(state results.State) {
	if err := t.manifest.Enter(state, t.now()); err != nil {
		t.blame(err)
	}
	t.blame(t.save())
}

// live is the run from the first connection to the last file. Its errors are recorded in the manifest. The returned
// error says that somebody else is using the lab; such a run leaves nothing behind.
func (t *test) live(ctx context.Context) error {
	rest := context.WithoutCancel(ctx)
	defer t.disconnect()
	err := t.enterLab(ctx)
	if used := (*lab.InUseError)(nil); errors.As(err, &used) {
		return errors.Join(err, t.dir.Discard())
	}
	t.blame(t.dir.PointLatest())
	if err == nil {
		err = t.whileHeld(ctx, t.setup)
	}
	if t.isLost() {
		t.blame(err)
		t.leave()
		return nil
	}
	if err != nil {
		t.interruptedOr(ctx, err)
		t.stopClocks()
		t.closeRecords()
		t.cleanUp(rest)
		return nil
	}
	t.blame(t.mainPhase(ctx))
	if t.isLost() {
		t.leave()
		return nil
	}
	if ctx.Err() != nil {
		t.manifest.Interrupted = true
		t.ui.Say("interrupted: healing, collecting and checking what there is (interrupt again to be left with the faults)")
	}
	if err := t.whileHeld(rest, t.finish); t.isLost() {
		t.blame(err)
		t.leave()
	}
	return nil
}

// finish is everything after the main phase. What it finds is recorded.
func (t *test) finish(ctx context.Context) error {
	t.recoverAndRead(ctx)
	if t.isLost() {
		return nil
	}
	t.stopClocks()
	t.closeRecords()
	t.cleanUp(ctx)
	return nil
}

// isLost reports whether somebody else has the lab now.
func (t *test) isLost() bool { return t.lock != nil && t.lock.Err() != nil }

// leave ends a run that has lost its lab. Whoever took the lab has healed the hosts and runs nodes under the same
// names: to heal, stop or collect anything now would disturb their test.
func (t *test) leave() {
	t.ui.Say("the lab was taken: nothing more is done to its hosts")
	t.stopClocks()
	t.closeRecords()
	t.blame(t.save())
}

// interruptedOr records why a setup failed: because of a signal, or because of err.
func (t *test) interruptedOr(ctx context.Context, err error) {
	if ctx.Err() != nil {
		t.log.Info("interrupted during setup", "error", err)
		t.manifest.Interrupted = true
		t.ui.Say("interrupted before the first operation")
		return
	}
	t.blame(err)
}

// closeRecords ends what is written during the run. It may be called again.
func (t *test) closeRecords() {
	finish := func(close func() error) {
		if err := close(); !errors.Is(err, history.ErrClosed) {
			t.blame(err)
		}
	}
	if t.history != nil {
		finish(t.history.Close)
	}
	if t.faults != nil {
		finish(t.faults.Close)
	}
	t.blame(t.writePlayed())
}

// writePlayed writes the schedule as it was played, with roles resolved to nodes. Played again, it repeats the run
// most exactly.
func (t *test) writePlayed() error {
	if t.faults == nil {
		return nil
	}
	log, err := history.ReadFaults(t.dir.Faults())
	if err != nil {
		return fmt.Errorf("read faults: %w", err)
	}
	if err := results.WriteFile(t.dir.SchedulePlayed(), nemesis.Played(t.schedule, log.Events)); err != nil {
		return fmt.Errorf("write schedule as played: %w", err)
	}
	return nil
}
