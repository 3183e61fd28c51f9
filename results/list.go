package results

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"elenchus/results/verdict"
)

// Entry is a run in a list.
type Entry struct {
	Run      Run
	Started  time.Time
	Workload string
	Protocol string
	State    State
	Word     string // the verdict in one word; empty if the run was not checked

	OK, Fail, Unknown int // operations of all phases, from the verdict

	// Err says why the run could not be read completely. Fields that could be read are set.
	Err error
}

// List lists the runs in root, newest first. A root that does not exist has none. Broken runs, and directories that
// are not runs, are listed with their error rather than hidden.
func List(root string) ([]Entry, error) {
	dirs, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	var entries []Entry
	for _, d := range dirs {
		if d.IsDir() && !strings.HasPrefix(d.Name(), ".") {
			entries = append(entries, entry(Run{Dir: filepath.Join(root, d.Name())}))
		}
	}
	slices.Reverse(entries) // ReadDir sorts by name, and names begin with the time
	return entries, nil
}

func entry(run Run) Entry {
	e := Entry{Run: run}
	m, err := run.LoadManifest()
	if err != nil {
		e.Err = err
		return e
	}
	e.Started, e.Workload, e.Protocol, e.State = m.Started, m.Config.Workload, m.Config.Protocol, m.State
	if m.Kind == KindBench {
		if m.Reached(StateChecked) {
			e.Word = "measured"
		}
		return e
	}
	v, err := run.LoadVerdict()
	switch {
	case errors.Is(err, fs.ErrNotExist) && !m.Reached(StateChecked):
		return e
	case err != nil:
		e.Err = err
		return e
	}
	e.Word = v.Word()
	e.OK, e.Fail, e.Unknown = total(v.Coverage.Operations)
	return e
}

func total(counts []verdict.OperationCount) (ok, fail, unknown int) {
	for _, c := range counts {
		ok += c.OK
		fail += c.Fail
		unknown += c.Unknown
	}
	return ok, fail, unknown
}
