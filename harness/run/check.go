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
	"elenchus/results"
	"elenchus/results/history"
	"elenchus/results/report"
	"elenchus/results/verdict"
)

// CheckWorker is the name of the hidden command that searches for linearizations in a process of its own.
const CheckWorker = "check-worker"

// linearizabilityDir is where verdict.PictureFile puts pictures.
const linearizabilityDir = "linearizability"

// keyTimeShare is the part of the time for all keys that a single one may take.
const keyTimeShare = 2

// Check judges a run from its files, writes the verdict and the report, and returns the verdict. It comes to the same
// verdict however often it is done. The error says that the directory could not be read or written.
func Check(ctx context.Context, dir results.Run, budget time.Duration, memory int64, ui *UI) (verdict.Verdict, error) {
	manifest, err := dir.LoadManifest()
	if err != nil {
		return verdict.Verdict{}, err
	}
	in := checkInput(dir, manifest)
	ops := history.Operations(in.History.Events)
	self, err := os.Executable()
	if err != nil {
		return verdict.Verdict{}, fmt.Errorf("find this program: %w", err)
	}
	begin := time.Now()
	ui.Status("checking %d operations …", len(ops))
	in.Linearizability = checker.RunWorker(ctx, []string{self, CheckWorker}, ops,
		history.Windows(in.Faults.Events), checker.Budget{Key: budget / keyTimeShare, Total: budget, Memory: memory})
	v := checker.Check(ctx, in)
	if ctx.Err() != nil { // half a check must not replace a whole one
		return verdict.Verdict{}, errors.New("interrupted: the verdict and the report are left as they were")
	}
	ui.Step("checked %d operations on %d keys in %v", len(ops), len(in.Linearizability.Keys), round(time.Since(begin)))
	return v, writeVerdict(dir, manifest, v, in)
}

// checkInput reads everything that a verdict is made from. What cannot be read is part of it.
func checkInput(dir results.Run, m *results.Manifest) checker.Input {
	in := checker.Input{Run: dir.Name(), Facts: facts(m),
		Thresholds: checker.Thresholds{DeposedReads: m.Config.DeposedReads}}
	in.Facts.HarnessErrors = append(slices.Clone(in.Facts.HarnessErrors), dir.Tampered(m)...)
	if m.Reached(results.StateRunning) {
		in.History, in.HistoryErr = history.ReadFile(dir.History())
		in.Faults, in.FaultsErr = history.ReadFaults(dir.Faults())
	} else {
		in.History.Complete = true // nothing was ever sent
	}
	if m.Reached(results.StateCollected) {
		for _, h := range m.Hosts {
			n := checker.NodeObservations{Node: h.Name}
			n.Log, n.Err = history.ReadObservations(dir.Observations(h.Name))
			n.When = placed(n.Log, m)
			in.Nodes = append(in.Nodes, n)
		}
	}
	return in
}

// placed says when, since the run began, each observation was made. It is nil when nobody knows: a node's own clock
// tells only in a lab whose hosts share the harness's.
func placed(log history.ObservationLog, m *results.Manifest) []time.Duration {
	if !m.Config.SharedClock {
		return nil
	}
	when := make([]time.Duration, len(log.Observations))
	for i, o := range log.Observations {
		when[i] = o.Wall.Sub(m.Started)
	}
	return when
}

func facts(m *results.Manifest) checker.Facts {
	f := checker.Facts{
		Funcs: m.Config.Funcs, WantedKinds: m.Config.Nemesis, TimeLimit: m.Config.TimeLimit,
		Reads: m.Config.Reads, UniqueValues: m.Config.UniqueValues, Observations: m.Config.Observations,
		Recovery: checker.Recovery{
			Attempted: m.Recovery.Attempted, Recovered: m.Recovery.Recovered, Took: m.Recovery.Took,
			Deadline: m.Recovery.Deadline,
		},
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
func writeVerdict(dir results.Run, m *results.Manifest, v verdict.Verdict, in checker.Input) error {
	if err := os.RemoveAll(dir.Path(linearizabilityDir)); err != nil {
		return fmt.Errorf("remove old pictures: %w", err)
	}
	for _, key := range in.Linearizability.Keys {
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
	if err := report.Write(dir.Dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
