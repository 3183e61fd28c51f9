package results

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"elenchus/results/verdict"
)

// Root is the default directory for runs, relative to the working directory.
const Root = "results/runs"

// Latest names the newest run that was not imported, as an argument and as a symbolic link in the root.
const Latest = "latest"

// Run is the directory of one run.
type Run struct {
	Dir string
}

// stampLayout formats a UTC time so that names sort by time and need no quoting.
const stampLayout = "20060102T150405.000Z"

// createTries is how many stamps Create tries if runs of one name begin in the same millisecond.
const createTries = 100

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// Create makes the directory of a new run that begins now, see [Make], and points root/latest at it.
func Create(root, name string, now time.Time) (Run, error) {
	run, err := Make(root, name, now)
	if err != nil {
		return Run{}, err
	}
	return run, run.PointLatest()
}

// Make creates the directory of a new run that begins now, "<UTC stamp>-<name>" below root. By convention, the name
// is "<workload>-seed<seed>". "latest" points to it only after [Run.PointLatest].
func Make(root, name string, now time.Time) (Run, error) {
	if !namePattern.MatchString(name) {
		return Run{}, fmt.Errorf("create run: name %q may only have letters, digits, dot, dash and underscore", name)
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return Run{}, fmt.Errorf("create run: %w", err)
	}
	var run Run
	for try := 0; ; try++ {
		stamp := now.Add(time.Duration(try) * time.Millisecond).UTC().Format(stampLayout)
		run.Dir = filepath.Join(root, stamp+"-"+name)
		err := os.Mkdir(run.Dir, 0o755)
		if err == nil {
			break
		}
		if try == createTries || !errors.Is(err, fs.ErrExist) {
			return Run{}, fmt.Errorf("create run: %w", err)
		}
	}
	if err := os.Mkdir(filepath.Join(run.Dir, "nodes"), 0o755); err != nil {
		return Run{}, fmt.Errorf("create run: %w", err)
	}
	return run, nil
}

// PointLatest makes "latest", beside the run's directory, point to it.
func (r Run) PointLatest() error {
	if err := pointLatest(filepath.Dir(r.Dir), r.Name()); err != nil {
		return fmt.Errorf("point %s at run %s: %w", Latest, r.Name(), err)
	}
	return nil
}

// Discard removes the directory of a run that never began.
func (r Run) Discard() error {
	if err := os.RemoveAll(r.Dir); err != nil {
		return fmt.Errorf("discard run: %w", err)
	}
	return nil
}

// pointLatest replaces the link atomically, so that two runs that begin at once leave a valid link to one of them.
func pointLatest(root, name string) error {
	tmp := filepath.Join(root, "."+Latest+"."+strconv.Itoa(os.Getpid())+"."+name)
	if err := os.Symlink(name, tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, filepath.Join(root, Latest)); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return syncDir(root)
}

// Open opens an existing run: "latest", the name of a run in root, or the path of a run's directory. Its manifest
// must exist and not be from a newer version of this program.
func Open(root, ref string) (Run, error) {
	if ref == "" {
		ref = Latest
	}
	dir := ref
	if filepath.Base(ref) == ref {
		if _, err := os.Stat(filepath.Join(root, ref)); err == nil || ref == Latest {
			dir = filepath.Join(root, ref)
		}
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return Run{}, fmt.Errorf("open run %q: %w", ref, err)
	}
	run := Run{Dir: dir}
	if _, err := run.LoadManifest(); err != nil {
		return Run{}, fmt.Errorf("open run %q: %w", ref, err)
	}
	return run, nil
}

// Name returns the run's name, the base name of its directory.
func (r Run) Name() string { return filepath.Base(r.Dir) }

// Path returns the path of a file in the run's directory.
func (r Run) Path(elem ...string) string { return filepath.Join(append([]string{r.Dir}, elem...)...) }

// Names of files in a run's directory. See the package documentation.
const (
	ManifestFile        = "manifest.json"
	SchedulePlannedFile = "schedule.planned"
	SchedulePlayedFile  = "schedule.played"
	HistoryFile         = "history.jsonl"
	FaultsFile          = "faults.jsonl"
	ClocksFile          = "clocks.jsonl"
	HarnessLogFile      = "harness.log"
	PlanFile            = "plan.json"    // of a sweep: what was to be probed …
	ProbesFile          = "probes.jsonl" // … and the probes
	NodesDir            = "nodes"
	MutantDir           = "mutant"             // the bug that was built into the nodes, in a folder of its name
	ObservationsFile    = "observations.jsonl" // in a node's directory
	VerdictFile         = "verdict.json"
	ReportFile          = "index.html"
)

// History returns the path of the history.
func (r Run) History() string { return r.Path(HistoryFile) }

// Faults returns the path of the fault log.
func (r Run) Faults() string { return r.Path(FaultsFile) }

// Clocks returns the path of the measurements of the hosts' clocks.
func (r Run) Clocks() string { return r.Path(ClocksFile) }

// HarnessLog returns the path of the harness's own log.
func (r Run) HarnessLog() string { return r.Path(HarnessLogFile) }

// SchedulePlanned returns the path of the schedule as planned.
func (r Run) SchedulePlanned() string { return r.Path(SchedulePlannedFile) }

// SchedulePlayed returns the path of the schedule as played.
func (r Run) SchedulePlayed() string { return r.Path(SchedulePlayedFile) }

// Report returns the path of the report.
func (r Run) Report() string { return r.Path(ReportFile) }

// NodeDir returns the directory of the files collected from a host.
func (r Run) NodeDir(host string) string { return r.Path(NodesDir, host) }

// Observations returns the path of a node's observations.
func (r Run) Observations(host string) string { return r.Path(NodesDir, host, ObservationsFile) }

// SaveVerdict writes the verdict.
func (r Run) SaveVerdict(v verdict.Verdict) error { return saveJSON(r.Path(VerdictFile), v) }

// LoadVerdict reads the verdict. The error wraps fs.ErrNotExist if the run has not been checked yet.
func (r Run) LoadVerdict() (verdict.Verdict, error) {
	var v verdict.Verdict
	err := loadJSON(r.Path(VerdictFile), verdict.Schema, &v)
	return v, err
}
