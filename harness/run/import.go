package run

import (
	"errors"
	"fmt"
	"io"
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
	source, err := readSource(file, o)
	if err != nil {
		return results.Run{}, err
	}
	run, err := results.Make(o.Results, "import-"+runName(o.File), o.Now)
	if err != nil {
		return results.Run{}, err
	}
	operations, err := fill(run, source, o)
	if err != nil {
		_ = run.Discard() // the first error tells more
		return results.Run{}, fmt.Errorf("import %s: %w", o.File, err)
	}
	ui.Step("imported %d operations from %s, a history of the format %s", operations, o.File, source.format)
	for _, note := range source.Notes {
		ui.Step("note: %s", note)
	}
	return run, run.PointLatest()
}

// source is a history that is to be imported. One in the project's own format is not held in memory, but copied
// as it is.
type source struct {
	foreign.History
	format string
	own    io.Reader // nil for a history of another tool
}

// readSource reads a file, or finds out that it need not be read but copied, which takes one that is whole.
func readSource(file *os.File, o ImportOptions) (s source, err error) {
	name := filepath.Base(o.File)
	if s.format = o.Format; s.format == "" {
		if s.format, err = foreign.Seems(file, name); err != nil {
			return source{}, err
		}
		if _, err = file.Seek(0, io.SeekStart); err != nil {
			return source{}, fmt.Errorf("read %s: %w", name, err)
		}
	}
	if s.format != foreign.FormatJSONL {
		s.History, s.format, err = foreign.Read(file, name, s.format, foreign.Options{Keys: o.Keys})
		return s, err
	}
	complete, _, err := history.Scan(file, name, func(*history.Event) error { return nil })
	if err == nil && !complete {
		err = fmt.Errorf("%s has no end line: whatever wrote it was stopped before it could", name)
	}
	if err != nil {
		return source{}, err
	}
	_, err = file.Seek(0, io.SeekStart)
	s.own = file
	return s, err
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

func importManifest(log history.Log, format string, o ImportOptions) *results.Manifest {
	ops := log.Operations
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
	m.Config.Concurrency, m.Config.TimeLimit = len(processes), log.Last
	return m
}

// fill writes the run's files and says how many operations it has.
func fill(run results.Run, s source, o ImportOptions) (operations int, err error) {
	if err := saveHistory(run, s); err != nil {
		return 0, err
	}
	log, err := history.ReadOperations(run.History())
	if err != nil {
		return 0, err
	}
	return len(log.Operations), fillRest(run, s, importManifest(log, s.format, o))
}

func saveHistory(run results.Run, s source) error {
	file, err := os.OpenFile(run.History(), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if s.own == nil {
		return foreign.Save(file, s.History)
	}
	_, err = io.Copy(file, s.own)
	return errors.Join(err, file.Close())
}

// fillRest writes everything but the history.
func fillRest(run results.Run, s source, m *results.Manifest) error {
	faults, err := history.CreateFaults(run.Faults())
	if err != nil {
		return err
	}
	for _, f := range s.Faults {
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
