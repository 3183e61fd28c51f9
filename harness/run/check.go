package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"elenchus/checker"
	"elenchus/harness/system"
	"elenchus/nemesis"
	"elenchus/results"
	clockaxis "elenchus/results/clocks"
	"elenchus/results/history"
	"elenchus/results/leases"
	"elenchus/results/report"
	"elenchus/results/verdict"
)

// CheckWorker is the name of the hidden command that searches for linearizations in a process of its own.
const CheckWorker = "check-worker"

// linearizabilityDir is the directory in which verdict.PictureFile places pictures.
const linearizabilityDir = "linearizability"

// keyTimeShare is the share of the time limit for all keys that a single key may use.
const keyTimeShare = 2

// Check judges a run from its files, writes the verdict and the report, and returns the verdict. Repeated checks give
// the same verdict. The error says that the directory could not be read or written.
func Check(ctx context.Context, dir results.Run, budget time.Duration, memory int64, ui *UI) (verdict.Verdict, error) {
	return judge(ctx, dir, budget, memory, false, ui)
}

// CheckPrefix is Check, but judges what stands before the damage in a history or a fault log with a damaged line. The
// verdict says so.
func CheckPrefix(ctx context.Context, dir results.Run, budget time.Duration, memory int64, ui *UI) (
	verdict.Verdict, error) {
	return judge(ctx, dir, budget, memory, true, ui)
}

func judge(ctx context.Context, dir results.Run, budget time.Duration, memory int64, prefix bool, ui *UI) (
	verdict.Verdict, error) {
	manifest, err := dir.LoadManifest()
	if err != nil {
		return verdict.Verdict{}, err
	}
	ui.Status("reading and checking the history …")
	p := newPass(dir, manifest, prefix)
	p.read()
	return p.judge(ctx, manifest, budget, memory, ui)
}

// judge concludes from a history that was read, writes the verdict and the report, and returns the verdict.
func (p *pass) judge(ctx context.Context, manifest *results.Manifest, budget time.Duration, memory int64, ui *UI) (
	verdict.Verdict, error) {
	self, err := os.Executable()
	if err != nil {
		return verdict.Verdict{}, fmt.Errorf("find this program: %w", err)
	}
	ui.Status("checking %s …", verdict.Count(p.stream.Operations(), "operation"))
	v, lin, err := p.stream.Finish(ctx, p.how, checker.Deciding{
		Searcher: checker.SearchIn([]string{self, CheckWorker}),
		Budget:   checker.Budget{Key: budget / keyTimeShare, Total: budget, Memory: memory},
		Again:    p.again,
	})
	if err != nil {
		return verdict.Verdict{}, err
	}
	if ctx.Err() != nil { // an interrupted check must not replace the result of a complete one
		return verdict.Verdict{}, errors.New("interrupted: the verdict and the report are left as they were")
	}
	ui.Step("%s", p.summary(len(lin.Keys)))
	return v, fullDisk(writeVerdict(p.dir, manifest, v, lin, p.activity), filepath.Dir(p.dir.Dir))
}

// checkInput reads everything that a verdict depends on, except for the history. Errors of reading are part of the
// result. damage says what was left out of a damaged fault log.
func checkInput(dir results.Run, m *results.Manifest, prefix bool) (_ checker.Input, damage *history.Damage) {
	in := checker.Input{Run: dir.Name(), Facts: facts(m),
		Thresholds: checker.Thresholds{DeposedReads: m.Config.DeposedReads}}
	watched, err := dir.LoadInvariants()
	if in.WatchedErr = err; watched != nil {
		in.Watched, in.Broken = true, watched.Findings
	}
	switch {
	case !m.Reached(results.StateRunning): // no operation was ever sent
		in.Faults.Complete = true
	case prefix:
		in.Faults, damage, in.FaultsErr = history.ReadFaultsPrefix(dir.Faults())
	default:
		in.Faults, in.FaultsErr = history.ReadFaults(dir.Faults())
	}
	if m.PlayedUntil > 0 {
		in.Facts.Plan, in.Facts.PlanErr = plan(dir, m.PlayedUntil)
	}
	if m.Reached(results.StateCollected) {
		tracks := clockTracks(dir)
		in.Clocks = tracks
		for _, h := range m.Hosts {
			n := checker.NodeObservations{Node: h.Name}
			n.Log, n.Err = history.ReadObservations(dir.Observations(h.Name))
			n.Ended, n.Failed = system.EndedByItself(filepath.Join(dir.NodeDir(h.Name), system.CollectedLog))
			axis, trusted := axisOf(h.Name, n.Log, tracks, m)
			if trusted {
				at := axis.Place(n.Log.Observations)
				n.When, n.Until, n.Slack = at.When, at.Until, at.Slack
				in.Stories = append(in.Stories, leases.New(h.Name, n.Log.Observations, axis,
					leases.Deaths(in.Faults.Events, h.Name), history.Forever))
			}
			in.Nodes = append(in.Nodes, n)
		}
	}
	return in, damage
}

// axisOf says how the times of a node's observations are converted to times of the run: by the measurements of its
// clocks, if there are any; else by its own wall clock, which is trusted if the harness has the same one and no fault
// was to move it.
func axisOf(node string, log history.ObservationLog, tracks []clockaxis.Track, m *results.Manifest) (
	axis *clockaxis.Axis, trusted bool) {
	axis = clockaxis.NewAxis(m.Started, clockaxis.Find(tracks, node), log.Observations)
	shared := m.Config.SharedClock && !slices.Contains(m.Config.Nemesis, nemesis.Clock)
	return axis, axis.Measured() || shared
}

// leaseFacts returns what the leases of the run assume about clocks.
func leaseFacts(l *results.Lease) checker.Lease {
	if l == nil {
		return checker.Lease{}
	}
	facts := checker.Lease{Mode: l.Mode, MaxOffset: l.MaxOffset}
	if ppb, err := system.ParseDriftBound(l.DriftBound); err == nil {
		facts.DriftBound = float64(ppb) / 1e9
	}
	return facts
}

// clockTracks returns the measurements of the nodes' clocks; nil if there are none or they cannot be read.
func clockTracks(dir results.Run) []clockaxis.Track {
	log, err := history.ReadClocks(dir.Clocks())
	if err != nil {
		return nil
	}
	return clockaxis.Tracks(log.Lines)
}

// plan returns the faults that were planned, from the schedule as it was planned.
func plan(dir results.Run, until time.Duration) (*checker.Plan, error) {
	text, err := os.ReadFile(dir.SchedulePlanned())
	if err != nil {
		return nil, err
	}
	schedule, err := nemesis.Parse(results.SchedulePlannedFile, text)
	if err != nil {
		return nil, err
	}
	p := &checker.Plan{Until: until}
	for _, f := range schedule.Faults {
		p.Faults = append(p.Faults, checker.PlannedFault{ID: f.ID, Kind: f.Kind, At: f.At, For: plannedFor(f)})
	}
	return p, nil
}

// plannedFor is for how long a fault was to be in effect, zero if until the end. A transfer is done in a moment,
// whatever is put down to it afterwards: it must not be judged by its duration, so it was to last for as little as
// there is.
func plannedFor(f nemesis.Fault) time.Duration {
	if f.Kind == nemesis.Transfer {
		return 1
	}
	return f.For
}

func facts(m *results.Manifest) checker.Facts {
	f := checker.Facts{
		Funcs: m.Config.Funcs, WantedKinds: m.Config.Nemesis, TimeLimit: m.Config.TimeLimit,
		Protocol: m.Config.Protocol, Reads: m.Config.Reads, Lease: leaseFacts(m.Config.Lease),
		UniqueValues: m.Config.UniqueValues,
		Observations: m.Config.Observations,
		Recovery: checker.Recovery{
			Attempted: m.Recovery.Attempted, HealedAt: m.Recovery.HealedAt, Recovered: m.Recovery.Recovered,
			Took: m.Recovery.Took, Deadline: m.Recovery.Deadline,
		},
		Stopped:   StoppedBecause(m.Stopped),
		Imported:  m.Imported != "",
		Collected: m.Reached(results.StateCollected), Interrupted: m.Interrupted, HarnessErrors: m.HarnessErrors,
	}
	for _, h := range m.Hosts {
		f.Nodes = append(f.Nodes, h.Name)
	}
	for _, n := range m.Recovery.Nodes {
		if !n.Ready {
			f.Recovery.Missing = append(f.Recovery.Missing, n.Node+": "+n.Detail)
		}
	}
	return f
}

// writeVerdict puts the verdict, the pictures and the report into the run's directory, in place of older ones.
func writeVerdict(dir results.Run, m *results.Manifest, v verdict.Verdict, lin checker.Linearizability,
	activity *report.Activity,
) error {
	if err := WritePictures(dir, lin.Keys); err != nil {
		return err
	}
	if err := dir.SaveVerdict(v); err != nil {
		return fmt.Errorf("save verdict: %w", err)
	}
	if m.Reached(results.StateCollected) {
		at, _ := m.At(results.StateCollected)
		if err := m.Enter(results.StateChecked, at); err != nil {
			return err
		}
		if err := dir.SaveManifest(m); err != nil {
			return fmt.Errorf("save manifest: %w", err)
		}
	}
	if err := report.Write(dir.Dir, activity); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// WritePictures replaces the pictures in a run's directory by those of these keys. Keys with a linearization have none.
func WritePictures(dir results.Run, keys []checker.KeyResult) error {
	if err := os.RemoveAll(dir.Path(linearizabilityDir)); err != nil {
		return fmt.Errorf("remove old pictures: %w", err)
	}
	for _, key := range keys {
		if len(key.Picture) == 0 {
			continue
		}
		path := dir.Path(filepath.FromSlash(verdict.PictureFile(key.Key)))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("write picture: %w", err)
		}
		if err := results.WriteFile(path, key.Picture); err != nil {
			return fmt.Errorf("write picture: %w", err)
		}
	}
	return nil
}
