package run

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"elenchus/results"
	"elenchus/results/foreign"
	"elenchus/results/history"
)

// ImportOptions say what is to be imported.
type ImportOptions struct {
	File    string
	Format  string // see [foreign.Formats]; empty: the one that the file seems to have
	Keys    foreign.Keys
	Results string // where run directories are made
	Argv    []string
	Now     time.Time
}

// slowFile is the size in bytes from which reading a file takes so long that it is worth a word.
const slowFile = 8 << 20

// Import makes a run directory of a history that another tool has recorded, which [Check] can judge. Nothing is left
// behind of a file that cannot be read.
func Import(o ImportOptions, ui *UI) (results.Run, error) {
	file, err := os.Open(o.File)
	if err != nil {
		return results.Run{}, err
	}
	defer func() { _ = file.Close() }() // was only read
	if info, err := file.Stat(); err == nil && info.Size() > slowFile {
		ui.Status("reading %s …", o.File)
	}
	h, format, err := foreign.Read(file, filepath.Base(o.File), o.Format, foreign.Options{Keys: o.Keys})
	if err != nil {
		return results.Run{}, err
	}
	run, err := results.Make(o.Results, "import-"+runName(o.File), o.Now)
	if err != nil {
		return results.Run{}, err
	}
	if err := fill(run, h, importManifest(h, format, o)); err != nil {
		_ = run.Discard() // the first error tells more
		return results.Run{}, fmt.Errorf("import %s: %w", o.File, err)
	}
	ui.Step("imported %d operations from %s, a history of the format %s",
		len(history.Operations(h.Events)), o.File, format)
	for _, note := range h.Notes {
		ui.Step("note: %s", note)
	}
	return run, run.PointLatest()
}

// runName is a file's name as part of a run's.
func runName(file string) string {
	const longest = 60
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune("-._", r) || r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return '-'
	}, filepath.Base(file))
	return name[:min(len(name), longest)]
}

func importManifest(h foreign.History, format string, o ImportOptions) *results.Manifest {
	ops := history.Operations(h.Events)
	m := &results.Manifest{
		Tool: results.ThisTool(), Argv: o.Argv, Lab: "none", Imported: format, Started: o.Now,
		Config: results.Config{System: "unknown", Workload: "imported", UniqueValues: history.UniqueValues(ops) == nil},
	}
	seen, processes := map[history.Func]bool{}, map[int]bool{}
	for _, op := range ops {
		seen[op.Op.Func], processes[op.Process] = true, true
	}
	for _, f := range history.Funcs {
		if seen[f] {
			m.Config.Funcs = append(m.Config.Funcs, f)
		}
	}
	m.Config.Concurrency = len(processes)
	if n := len(h.Events); n > 0 {
		m.Config.TimeLimit = h.Events[n-1].Time
	}
	return m
}

// fill writes the run's files.
func fill(run results.Run, h foreign.History, m *results.Manifest) error {
	file, err := os.OpenFile(run.History(), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if err := foreign.Save(file, h); err != nil {
		return err
	}
	faults, err := history.CreateFaults(run.Faults())
	if err != nil {
		return err
	}
	for _, f := range h.Faults {
		if err := faults.Append(f); err != nil {
			return err
		}
	}
	if err := faults.Close(); err != nil {
		return err
	}
	if m.Files, err = run.Evidence(); err != nil {
		return err
	}
	for _, state := range []results.State{
		results.StateCreated, results.StateRunning, results.StateHealed, results.StateCollected,
	} {
		if err := m.Enter(state, m.Config.TimeLimit); err != nil {
			return err
		}
	}
	return run.SaveManifest(m)
}
