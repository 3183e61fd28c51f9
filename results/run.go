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

// Root is where runs are kept unless the user says otherwise, relative to the working directory.
const Root = "results/runs"

// Latest names the newest run, as an argument and as a symbolic link in the root.
const Latest = "latest"

// Run is the directory of one run.
type Run struct {
	Dir string
}

// stampLayout is a UTC time that sorts as a name and has no character that a shell or a file system minds.
const stampLayout = "20060102T150405.000Z"

// createTries is how many stamps Create tries when runs of one name begin in the same millisecond.
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

// Make makes the directory of a new run that begins now, "<UTC stamp>-<name>" below root. The name is by custom
// "<workload>-seed<seed>". Nobody is led to it before [Run.PointLatest].
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

// PointLatest points "latest" beside the run's directory at it.
func (r Run) PointLatest() error {
	if err := pointLatest(filepath.Dir(r.Dir), r.Name()); err != nil {
		return fmt.Errorf("point %s at run %s: %w", Latest, r.Name(), err)
	}
	return nil
}

// Discard removes the directory of a run that never came to begin.
func (r Run) Discard() error {
	if err := os.RemoveAll(r.Dir); err != nil {
		return fmt.Errorf("discard run: %w", err)
	}
	return nil
}

// pointLatest replaces the link in one step, so that two runs that begin at once leave a good link to one of them.
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

// Open finds an existing run: "latest", the name of a run in root, or the path of a run's directory. Its manifest must
// be there, and not be of a newer version of this program.
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

// Name is the run's name: its directory's.
func (r Run) Name() string { return filepath.Base(r.Dir) }

// Path is the path of a file in the run's directory.
func (r Run) Path(elem ...string) string { return filepath.Join(append([]string{r.Dir}, elem...)...) }

// Names of files in a run's directory. See the package's overview.
const (
	ManifestFile        = "manifest.json"
	SchedulePlannedFile = "schedule.planned"
	SchedulePlayedFile  = "schedule.played"
	HistoryFile         = "history.jsonl"
	FaultsFile          = "faults.jsonl"
	ClocksFile          = "clocks.jsonl"
	HarnessLogFile      = "harness.log"
	PlanFile            = "plan.json"    // of a sweep: what it was to probe …
	ProbesFile          = "probes.jsonl" // … and what it did
	NodesDir            = "nodes"
	MutantDir           = "mutant"             // the mistake that was built into the nodes, in a folder of its name
	ObservationsFile    = "observations.jsonl" // in a node's directory
	VerdictFile         = "verdict.json"
	ReportFile          = "index.html"
)

// History is the path of the history.
func (r Run) History() string { return r.Path(HistoryFile) }

// Faults is the path of the fault log.
func (r Run) Faults() string { return r.Path(FaultsFile) }

// Clocks is the path of the measurements of the hosts' clocks.
func (r Run) Clocks() string { return r.Path(ClocksFile) }

// HarnessLog is the path of the harness's own log.
func (r Run) HarnessLog() string { return r.Path(HarnessLogFile) }

// SchedulePlanned is the path of the schedule as planned.
func (r Run) SchedulePlanned() string { return r.Path(SchedulePlannedFile) }

// SchedulePlayed is the path of the schedule as played.
func (r Run) SchedulePlayed() string { return r.Path(SchedulePlayedFile) }

// Report is the path of the report.
func (r Run) Report() string { return r.Path(ReportFile) }

// NodeDir is the directory of what was collected from a host.
func (r Run) NodeDir(host string) string { return r.Path(NodesDir, host) }

// Observations is the path of a node's observations.
func (r Run) Observations(host string) string { return r.Path(NodesDir, host, ObservationsFile) }

// SaveVerdict writes the verdict.
func (r Run) SaveVerdict(v verdict.Verdict) error { return saveJSON(r.Path(VerdictFile), v) }

// LoadVerdict reads the verdict. The error wraps fs.ErrNotExist when the run was not checked yet.
func (r Run) LoadVerdict() (verdict.Verdict, error) {
	var v verdict.Verdict
	err := loadJSON(r.Path(VerdictFile), verdict.Schema, &v)
	return v, err
}
