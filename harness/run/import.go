package run

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"elenchus/checker"
	"elenchus/results"
	"elenchus/results/foreign"
	"elenchus/results/history"
	"elenchus/results/report"
	"elenchus/results/verdict"
)

// ImportOptions say what is to be imported.
type ImportOptions struct {
	File    string
	Format  string // see [foreign.Formats]; empty means that it is recognized
	Keys    foreign.Keys
	Results string // the directory in which run directories are made
	Argv    []string
	Now     time.Time
}

// slowFile is the size in bytes from which reading a file takes so long that the user is told of it.
const slowFile = 8 << 20

// Imported is a run whose history was recorded by another tool.
type Imported struct {
	Run      results.Run
	manifest *results.Manifest
	pass     *pass // the results of reading the history while it was copied; nil if it was translated
}

// Check judges the run, as the function [Check] does.
func (i *Imported) Check(ctx context.Context, budget time.Duration, memory int64, ui *UI) (verdict.Verdict, error) {
	if i.pass == nil {
		return Check(ctx, i.Run, budget, memory, ui)
	}
	return i.pass.judge(ctx, i.manifest, budget, memory, ui)
}

// Stdin is the file name that stands for the standard input.
const Stdin = "-"

// Import makes a run directory of a history that another tool has recorded, which [Check] can judge. A history in the
// project's own format is read once, to be verified, copied and judged. Nothing is left behind of a file that cannot be
// read, or when ctx ends first: then the error wraps the context's.
//
// The latest run remains what it was: a history from elsewhere is no newer run of the system under test.
func Import(ctx context.Context, o ImportOptions, ui *UI) (*Imported, error) {
	file, name, shown := os.Stdin, "stdin", "the standard input"
	if o.File != Stdin {
		f, err := os.Open(o.File)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }() // was only read
		file, name, shown = f, filepath.Base(o.File), o.File
	}
	info, err := file.Stat()
	regular := err == nil && info.Mode().IsRegular()
	if !regular || info.Size() > slowFile {
		ui.Status("reading %s …", shown)
	}
	source := io.Reader(cancelledReader{ctx, file})
	if !regular {
		var stop func()
		source, stop = readAside(ctx, file)
		defer stop()
	}
	in := bufio.NewReaderSize(source, 1<<16)
	format := o.Format
	if format == "" {
		if format, err = foreign.Seems(in, name); err != nil {
			return nil, err
		}
	}
	run, err := results.Make(o.Results, "import-"+runName(name), o.Now)
	if err != nil {
		return nil, err
	}
	i := &importing{ImportOptions: o, run: run, name: name, format: format, file: file, source: source, in: in}
	imported, err := i.fill()
	if err != nil {
		return nil, errors.Join(fullDisk(err, o.Results), run.Discard())
	}
	ui.Step("imported %s from %s, a history of the format %s", verdict.Count(i.stats.operations, "operation"),
		shown, format)
	for _, note := range i.notes {
		ui.Step("note: %s", note)
	}
	return imported, nil
}

// cancelledReader reads until its context ends.
type cancelledReader struct {
	ctx context.Context
	r   io.Reader
}

func (c cancelledReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}

// readAside returns a reader of a file that may have nothing to read for a long time, such as a terminal or a pipe. A
// goroutine reads the file, because nothing else could interrupt that; it ends with the file, or with the program. The
// caller must call stop when it reads no more.
func readAside(ctx context.Context, file io.Reader) (r io.Reader, stop func()) {
	out, in := io.Pipe()
	go func() {
		_, err := io.Copy(in, file)
		_ = in.CloseWithError(err) // always nil
	}()
	forget := context.AfterFunc(ctx, func() { _ = in.CloseWithError(context.Cause(ctx)) })
	return out, func() {
		forget()
		_ = out.Close() // always nil
	}
}

// importing is an import in progress.
type importing struct {
	ImportOptions
	run    results.Run
	name   string // of the file, for messages
	format string
	file   *os.File
	source io.Reader     // of file, until the import is interrupted
	in     *bufio.Reader // buffers what is read from source
	stats  importStats
	notes  []string
}

// importStats are the numbers to be printed about an imported history before it is judged.
type importStats struct {
	operations int
	funcs      map[history.Func]bool
	processes  map[int]bool
	last       time.Duration
}

func (s *importStats) observe(e *history.Event) {
	s.last = e.Time
	if e.Type != history.Invoke {
		return
	}
	if s.operations++; s.funcs == nil {
		s.funcs, s.processes = make(map[history.Func]bool), make(map[int]bool)
	}
	s.funcs[e.Op.Func] = true
	s.processes[e.Process] = true
}

// fill writes the files of the run.
func (i *importing) fill() (*Imported, error) {
	if i.format == foreign.FormatJSONL {
		return i.copy()
	}
	return i.translate()
}

// copy copies a history in the project's own format, which must be complete, and judges it at the same time.
func (i *importing) copy() (*Imported, error) {
	p := &pass{dir: i.run, running: true, begun: time.Now(), stream: checker.NewStream(checker.Input{}),
		activity: report.NewActivity(0)}
	p.stream.Watch(p.activity)
	out, err := createHashed(i.run.History())
	if err != nil {
		return nil, err
	}
	complete, _, err := history.Scan(io.TeeReader(i.in, out), i.name, func(e *history.Event) error {
		i.stats.observe(e)
		p.stream.Observe(e)
		return nil
	})
	if err == nil && !complete {
		err = fmt.Errorf("%s has no end line after its %s: whatever wrote it was stopped before it could", i.name,
			verdict.Count(i.stats.operations, "operation"))
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return nil, err
	}
	m, err := i.finish(nil, !p.stream.Repeats(), map[string]string{results.HistoryFile: out.sum()})
	if err != nil {
		return nil, err
	}
	in, _ := checkInput(i.run, m, false)
	p.stream.Know(in)
	p.how.Complete = true
	return &Imported{Run: i.run, manifest: m, pass: p}, nil
}

// translate converts the history of another tool to the project's own format. It can be judged only afterwards,
// because its faults are events among its operations.
func (i *importing) translate() (*Imported, error) {
	h, unique, err := i.save()
	if errors.Is(err, foreign.ErrMixed) {
		// The values that looked like pairs of a key and a value are plain values.
		if _, seekErr := i.file.Seek(0, io.SeekStart); seekErr != nil {
			return nil, fmt.Errorf("%w: say --keys none or --keys pair", err)
		}
		i.in, i.Keys, i.stats = bufio.NewReader(i.source), foreign.KeysNone, importStats{}
		h, unique, err = i.save()
	}
	if err != nil {
		return nil, err
	}
	i.notes = h.Notes
	m, err := i.finish(h.Faults, unique, nil)
	return &Imported{Run: i.run, manifest: m}, err
}

// save writes the history in the project's own format, and reports whether no value is written twice.
func (i *importing) save() (h foreign.History, unique bool, err error) {
	file, err := os.Create(i.run.History())
	if err != nil {
		return h, false, err
	}
	out := foreign.NewSaver(unhurried{bufio.NewWriterSize(file, 1<<16), file})
	var values checker.Values
	unique = true
	h, err = foreign.Scan(i.in, i.name, i.format, foreign.Options{Keys: i.Keys}, func(e *history.Event) error {
		i.stats.observe(e)
		if e.Type == history.Invoke && e.Op.Func.Mutates() {
			unique = values.Add(e.Op.Key, e.Op.Value) && unique
		}
		return out.Add(e)
	})
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	return h, unique, err
}

// unhurried is a file that need not be synced line by line.
type unhurried struct {
	*bufio.Writer
	file *os.File
}

// Sync does nothing: the file can be made again, and Close writes it.
func (unhurried) Sync() error { return nil }

// Close implements [history.File].
func (u unhurried) Close() error { return errors.Join(u.Flush(), u.file.Close()) }

// runName converts a file's name to a part of the name of a run.
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

// finish writes every file but the history. hashes are those of files whose hashes are known already.
func (i *importing) finish(events []history.FaultEvent, unique bool, hashes map[string]string) (
	*results.Manifest, error) {
	faults, err := history.CreateFaults(i.run.Faults())
	if err != nil {
		return nil, err
	}
	for _, f := range events {
		if err := faults.Append(f); err != nil {
			return nil, errors.Join(err, faults.Close())
		}
	}
	if err := faults.Close(); err != nil {
		return nil, err
	}
	m := &results.Manifest{
		Tool: results.ThisTool(), Argv: i.Argv, Lab: "none", Imported: i.format, Started: i.Now,
		Config: results.Config{System: "unknown", Workload: "imported", UniqueValues: unique,
			Concurrency: len(i.stats.processes), TimeLimit: i.stats.last},
	}
	for _, f := range history.Funcs {
		if i.stats.funcs[f] {
			m.Config.Funcs = append(m.Config.Funcs, f)
		}
	}
	if m.Files, err = i.run.Evidence(hashes); err != nil {
		return nil, err
	}
	for _, state := range []results.State{
		results.StateCreated, results.StateRunning, results.StateHealed, results.StateCollected,
	} {
		if err := m.Enter(state, m.Config.TimeLimit); err != nil {
			return nil, err
		}
	}
	return m, i.run.SaveManifest(m)
}

// hashed is a new file that computes the hash of what is written to it.
type hashed struct {
	*bufio.Writer
	file *os.File
	hash hash.Hash
}

func createHashed(path string) (*hashed, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	h := &hashed{file: file, hash: sha256.New()}
	h.Writer = bufio.NewWriterSize(io.MultiWriter(file, h.hash), 1<<16)
	return h, nil
}

// Close writes what is buffered and closes the file.
func (h *hashed) Close() error { return errors.Join(h.Flush(), h.file.Close()) }

func (h *hashed) sum() string { return hex.EncodeToString(h.hash.Sum(nil)) }
