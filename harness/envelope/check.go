package envelope

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"elenchus/checker"
	"elenchus/harness/run"
	"elenchus/results"
	"elenchus/results/envelope"
	"elenchus/results/history"
	"elenchus/results/report"
	"elenchus/results/verdict"
)

// planFile is the file of the plan.
const planFile = results.PlanFile

// planned is the content of the plan's file.
type planned struct {
	Schema int           `json:"schema"`
	How    string        `json:"how,omitempty"`
	Plan   envelope.Plan `json:"plan"`
}

const planSchema = 1

func savePlan(dir results.Run, p envelope.Plan, how string) error {
	data, err := json.MarshalIndent(planned{Schema: planSchema, How: how, Plan: p}, "", "  ")
	if err != nil {
		return fmt.Errorf("encode plan: %w", err)
	}
	return results.WriteFile(dir.Path(planFile), append(data, '\n'))
}

func loadPlan(dir results.Run) (planned, error) {
	var p planned
	data, err := os.ReadFile(dir.Path(planFile))
	if err != nil {
		return p, fmt.Errorf("read plan: %w", err)
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return p, fmt.Errorf("decode %s: %w", planFile, err)
	}
	if p.Schema > planSchema {
		return p, fmt.Errorf("%s: %w", planFile, results.ErrNewer)
	}
	return p, p.Plan.Validate()
}

// CheckOptions limits the resources of a check.
type CheckOptions struct {
	Worker []string // command of a process that calls checker.WorkerMain
	Budget checker.Budget
}

// explained is the number of violations of a sweep that are explained and drawn: outside of the envelope there are
// many, and they are all alike.
const explained = 12

// Check judges a sweep from its files, writes verdict, comparison and picture, and returns verdict and comparison.
// It is repeatable. The error says that the directory could not be read or written.
func Check(ctx context.Context, dir results.Run, o CheckOptions) (verdict.Verdict, envelope.Sweep, error) {
	in, err := load(dir)
	if err != nil {
		return verdict.Verdict{}, envelope.Sweep{}, err
	}
	o.Budget.Explained = explained
	all, inside, ending := in.read()
	whole, lin, err := all.Finish(ctx, ending, in.deciding(o, nil))
	if err != nil {
		return verdict.Verdict{}, envelope.Sweep{}, err
	}
	v, safe, err := inside.Finish(ctx, ending, in.deciding(o, in.inside))
	if err != nil {
		return verdict.Verdict{}, envelope.Sweep{}, err
	}
	if ctx.Err() != nil { // a partial check must not replace a complete one
		return verdict.Verdict{}, envelope.Sweep{}, errors.New("interrupted: the verdict is left as it was")
	}
	sweep := envelope.Judge(dir.Name(), in.manifest.Lab, in.planned.How, in.planned.Plan, in.trials(lin))
	v.Liveness = verdict.Liveness{Status: verdict.None}
	v.Coverage = coverage(sweep)
	v.Coverage.Operations = whole.Coverage.Operations
	return v, sweep, in.write(v, sweep, slices.Concat(lin.Keys, safe.Keys))
}

// evidence is everything that a sweep is judged by, but its history, which is not held in memory.
type evidence struct {
	dir       results.Run
	manifest  *results.Manifest
	planned   planned
	probes    []envelope.Probe
	faults    history.FaultLog
	faultsErr error

	inside      map[string]bool                   // keys probed inside the envelope, where leases must hold
	classifiers []*envelope.Classifier            // one for each probe
	byKey       map[string][]*envelope.Classifier // the same, by the probes' keys
}

func load(dir results.Run) (*evidence, error) {
	in := &evidence{dir: dir, inside: make(map[string]bool), byKey: make(map[string][]*envelope.Classifier)}
	var err error
	if in.manifest, err = dir.LoadManifest(); err != nil {
		return nil, err
	}
	if in.planned, err = loadPlan(dir); err != nil {
		return nil, err
	}
	if in.probes, err = envelope.ReadProbes(dir.Path(envelope.ProbesFile)); err != nil {
		return nil, err
	}
	in.faults, in.faultsErr = history.ReadFaults(dir.Faults())
	for _, p := range in.probes {
		c := envelope.NewClassifier(p)
		in.classifiers, in.byKey[p.Key] = append(in.classifiers, c), append(in.byKey[p.Key], c)
		in.inside[p.Key] = in.planned.Plan.Inside(p.Bound, p.Drift)
	}
	return in, nil
}

// Observe shows an operation to the classifiers of the probes on its key.
func (in *evidence) Observe(op *history.Operation) {
	for _, c := range in.byKey[op.Op.Key] {
		c.Observe(op)
	}
}

// read reads the history once, into two verdicts in the making: of all of it, by which probes are classified, and of
// what happened inside the envelope. Only violations there count; outside, they are what the sweep looks for.
func (in *evidence) read() (all, inside *checker.Stream, ending checker.Ending) {
	m := in.manifest
	input := checker.Input{
		Run: in.dir.Name(), Faults: in.lasting(), FaultsErr: in.faultsErr,
		Facts: checker.Facts{
			UniqueValues: true, Collected: m.Reached(results.StateCollected), Interrupted: m.Interrupted,
			HarnessErrors: append(slices.Clone(m.HarnessErrors), in.dir.Tampered(m)...), Reads: m.Config.Reads,
		},
	}
	all, inside = checker.NewStream(input), checker.NewStream(input)
	all.Watch(in)
	ending.Complete, ending.Truncated, ending.Err = history.ScanFile(in.dir.History(), func(e *history.Event) error {
		all.Observe(e)
		if in.inside[e.Op.Key] {
			inside.Observe(e)
		}
		return nil
	})
	return all, inside, ending
}

// deciding says how keys are decided of which there is more to say, given those that a verdict is about; nil is all.
func (in *evidence) deciding(o CheckOptions, about map[string]bool) checker.Deciding {
	return checker.Deciding{
		Searcher: checker.SearchIn(o.Worker), Budget: o.Budget,
		Again: func(each func(*history.Event)) error {
			_, _, err := history.ScanFile(in.dir.History(), func(e *history.Event) error {
				if about == nil || about[e.Op.Key] {
					each(e)
				}
				return nil
			})
			return err
		},
	}
}

// trials are the outcomes of all probes.
func (in *evidence) trials(lin checker.Linearizability) []envelope.Trial {
	decided := make(map[string]verdict.Status)
	for _, k := range lin.Keys {
		decided[k.Key] = k.Status
	}
	trials := make([]envelope.Trial, len(in.probes))
	for i, c := range in.classifiers {
		trials[i] = c.Trial(decided[in.probes[i].Key])
	}
	return trials
}

// lasting returns the faults except those that could not be applied: their attacks are void, and void attacks are
// counted. Faults that could not be reverted remain failures of the harness.
func (in *evidence) lasting() history.FaultLog {
	failed := make(map[string]bool)
	for _, e := range in.faults.Events {
		if e.Step == history.FaultApply && e.Status == history.FaultFailed {
			failed[e.ID] = true
		}
	}
	log := in.faults
	log.Events = slices.DeleteFunc(slices.Clone(in.faults.Events), func(e history.FaultEvent) bool {
		return failed[e.ID] && (e.Step == history.FaultApply || e.Status != history.FaultFailed)
	})
	return log
}

// coverage is sufficient if every cell was probed, and the probes could tell breaking from holding.
func coverage(s envelope.Sweep) verdict.Coverage {
	c := verdict.Coverage{Status: verdict.Sufficient, Faults: []verdict.FaultCount{}}
	lack := func(format string, args ...any) {
		c.Status, c.Reasons = verdict.Vacuous, append(c.Reasons, fmt.Sprintf(format, args...))
	}
	a := s.Agreement
	if n := a.Cells[envelope.NotProbed]; n > 0 {
		lack("%d of %s not probed", n, verdict.Count(len(s.Cells), "cell"))
	}
	if a.Missed > 0 {
		lack("in %s nothing was seen to break although the window is %v or longer",
			verdict.Count(a.Missed, "cell"), envelope.Decisive)
	}
	outside := slices.ContainsFunc(s.Cells, func(cell envelope.Cell) bool { return cell.Window >= envelope.Decisive })
	if outside && a.Missed == 0 && a.Cells[envelope.Broke] == 0 && a.Cells[envelope.NotProbed] == 0 {
		lack("nothing was seen to break anywhere: the probes cannot tell")
	}
	return c
}

// write writes the verdict and its accompanying files to the run's directory.
func (in *evidence) write(v verdict.Verdict, sweep envelope.Sweep, keys []checker.KeyResult) error {
	dir := in.dir
	if err := run.WritePictures(dir, keys); err != nil {
		return err
	}
	if err := errors.Join(sweep.Save(dir.Dir), dir.SaveVerdict(v)); err != nil {
		return err
	}
	if in.manifest.Reached(results.StateCollected) {
		at, _ := in.manifest.At(results.StateCollected)
		if err := errors.Join(in.manifest.Enter(results.StateChecked, at), dir.SaveManifest(in.manifest)); err != nil {
			return err
		}
	}
	return report.WriteSweep(dir, in.manifest, v, sweep)
}
