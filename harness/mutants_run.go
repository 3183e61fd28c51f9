package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"elenchus/harness/hunt"
	"elenchus/harness/run"
	"elenchus/node/mutants"
	"elenchus/results"
	"elenchus/results/verdict"
)

// cleanName is the name under which the unchanged sources are hunted.
const cleanName = "clean"

// hunting is one call of elenchus mutants run.
type hunting struct {
	tree string
	dir  string // for programs that are built
	opts hunt.Options
	lab  string
	ui   *run.UI

	keepRuns     string        // where runs of labs that found something are kept; empty keeps none
	shrink       time.Duration // for how long the first run that fails is shrunk
	labs         int           // how many labs each mutant is hunted in at once
	wall         time.Duration // after which hunts in labs end, and what is left is for another call; zero is never
	clientStarts int           // from how many seeds those that were found are hunted again by what clients can see alone

	progress   *huntProgress
	unfinished []*hunt.Row // what was measured of mutants that were not hunted to the end
}

func runMutants(c *cli.Context) error {
	h, err := newHunting(c)
	if err != nil {
		return err
	}
	list, err := loadMutants(c, h.tree)
	if err != nil {
		return err
	}
	if n := c.Int("sample"); n > 0 {
		if list, err = h.sample(c, list, n); err != nil {
			return err
		}
	}
	if c.Bool("compile") {
		return h.compile(c.Context, list)
	}
	if h.dir, err = os.MkdirTemp("", "elenchus-mutants-"); err != nil {
		return fmt.Errorf("hunt mutants: %w", err)
	}
	defer func() { _ = os.RemoveAll(h.dir) }()
	if c.Bool("clean") {
		return h.clean(c)
	}
	known, err := loadRows(c.String("resume"))
	if err != nil {
		return err
	}
	all := h.all
	if h.lab == labLocal {
		all = h.allInLabs
	}
	h.progress.total = len(list)
	h.ui.Step("hunting %s%s", verdict.Count(len(list), "mutant"), h.effort())
	stop := h.progress.show(c.Context)
	rows, err := all(c, list, known)
	stop()
	finished := h.finished(rows)
	if c.Bool("json") {
		err = errors.Join(err, printJSON(c, rows))
	} else {
		summarize(c.App.Writer, len(list), finished, h.unfinished, h.opts.Starts)
	}
	if err != nil {
		return err
	}
	return conclusion(finished)
}

// finished leaves out the mutants that were not hunted to the end: they may be found yet.
func (h *hunting) finished(rows []*hunt.Row) []*hunt.Row {
	return slices.DeleteFunc(slices.Clone(rows), func(r *hunt.Row) bool { return slices.Contains(h.unfinished, r) })
}

// effort says how much is spent on each mutant at most.
func (h *hunting) effort() string {
	if h.lab == labLocal {
		return fmt.Sprintf(" in local labs, from %s each, for at most %v per seed", verdict.Count(h.opts.Starts, "seed"),
			h.opts.Budget)
	}
	return fmt.Sprintf(" in the simulator, from %s each, with at most %v of processor time per seed",
		verdict.Count(h.opts.Starts, "seed"), h.opts.Budget)
}

// interrupted is the error of a hunt that the user ended.
func (h *hunting) interrupted(c *cli.Context) error {
	msg := "interrupted"
	if file := c.String("resume"); file != "" {
		msg += fmt.Sprintf(": what was finished is in %s, and the same command goes on with the rest", file)
	}
	return exitError{code: verdict.ExitHarness, msg: msg}
}

// sample selects some of the mutants that this lab can find, and says which, so that they can be hunted again by
// name.
func (h *hunting) sample(c *cli.Context, list []*mutants.Mutant, n int) ([]*mutants.Mutant, error) {
	day := time.Now().UTC()
	if text := c.String("day"); text != "" {
		var err error
		if day, err = time.Parse(time.DateOnly, text); err != nil {
			return nil, usageError("--day: %q is no day: want one like 2026-11-21", text)
		}
	}
	list = slices.DeleteFunc(list, func(m *mutants.Mutant) bool { return !m.In(h.lab) })
	list = mutants.Sample(list, n, day)
	var names []string
	for _, m := range list {
		names = append(names, m.Name)
	}
	h.ui.Say("of %s (--day): %s", day.Format(time.DateOnly), strings.Join(names, " "))
	return list, nil
}

// newHunting checks the options.
func newHunting(c *cli.Context) (*hunting, error) {
	h := &hunting{
		lab: c.String("lab"), keepRuns: c.String("keep"), ui: run.NewUI(c.App.ErrWriter),
		clientStarts: c.Int("client-seeds"), shrink: c.Duration("shrink"), labs: c.Int("labs"), wall: c.Duration("wall"),
		opts: hunt.Options{
			Starts: c.Int("seeds"), Budget: c.Duration("budget"), Workers: c.Int("workers"), GiveUp: c.Int("give-up"),
		},
	}
	if h.lab == labLocal && !c.IsSet("seeds") {
		h.opts.Starts = labStarts
	}
	var problems []error
	if h.lab != simLab && h.lab != labLocal {
		problems = append(problems, fmt.Errorf("--lab: %q is neither %s nor %s", h.lab, simLab, labLocal))
	}
	if h.lab != labLocal && (c.IsSet("labs") || c.IsSet("wall")) {
		problems = append(problems, fmt.Errorf("--labs and --wall go with --lab %s", labLocal))
	}
	if h.labs < 1 || h.wall < 0 {
		problems = append(problems, fmt.Errorf("--labs: %d; want at least 1, and --wall: %v; want no negative time", h.labs,
			h.wall))
	}
	if c.Int("sample") < 0 || c.IsSet("day") && c.Int("sample") == 0 {
		problems = append(problems, errors.New("--sample is a positive number, and --day goes with it"))
	}
	if h.shrink < 0 {
		problems = append(problems, fmt.Errorf("--shrink: %v is negative", h.shrink))
	}
	if c.IsSet("lab-results") && c.String("table") == "" {
		problems = append(problems, errors.New("--lab-results goes with --table"))
	}
	if h.clientStarts < 0 {
		problems = append(problems, fmt.Errorf("--client-seeds: %d is negative", h.clientStarts))
	}
	if h.lab == labLocal && c.String("table") != "" {
		problems = append(problems, errors.New("--table is of what the simulator finds: leave --lab local out"))
	}
	if c.Bool("clean") && c.NArg() > 0 {
		problems = append(problems, errors.New("--clean has no mutants: leave the names out"))
	}
	h.progress = &huntProgress{ui: h.ui}
	checked := h.opts
	checked.Program = "to be built"
	if err := errors.Join(append(problems, checked.Validate())...); err != nil {
		return nil, usageError("%v", err)
	}
	var err error
	h.tree, err = sourceTree()
	return h, err
}

// compile finds out whether every patch applies and compiles.
func (h *hunting) compile(ctx context.Context, list []*mutants.Mutant) error {
	checker, err := mutants.NewChecker(ctx, h.tree, list)
	if err != nil {
		return err
	}
	var problems []error
	for i, m := range list {
		h.ui.Status("%d of %d compiled", i, len(list))
		err := checker.Check(ctx, m)
		if ctx.Err() != nil {
			h.ui.Say("%d of %s compiled: %d with problems", i, verdict.Count(len(list), "patch"), len(problems))
			return exitError{code: verdict.ExitHarness, msg: errors.Join(append(problems, errors.New("interrupted"))...).Error()}
		}
		if err != nil {
			problems = append(problems, err)
		}
	}
	if err := errors.Join(problems...); err != nil {
		return exitError{code: verdict.ExitViolated, msg: err.Error()}
	}
	h.ui.Say("%s: all apply and compile", verdict.Count(len(list), "patch"))
	return nil
}

// clean hunts in the unchanged sources, where nothing must be found.
func (h *hunting) clean(c *cli.Context) error {
	h.ui.Step("hunting in the sources as they are%s", h.effort())
	h.progress.total = 1
	h.progress.begin(cleanName, "building")
	defer h.progress.show(c.Context)()
	program := filepath.Join(h.dir, cleanName)
	if err := mutants.BuildClean(c.Context, h.tree, h.build(program)); err != nil {
		return err
	}
	h.opts.GiveUp = 0
	row := &hunt.Row{Name: cleanName, Budget: h.opts.Budget}
	err := h.measure(c.Context, row, program)
	runs, _ := row.All.Runs()
	if c.Err() != nil && !row.Found() {
		msg := fmt.Sprintf("interrupted: nothing was found in %s from the first %d of %s", verdict.Count(runs, "run"),
			len(row.All.Starts), verdict.Count(h.opts.Starts, "seed"))
		return exitError{code: verdict.ExitHarness, msg: msg}
	}
	if err != nil && !row.Found() {
		return err
	}
	if c.Bool("json") {
		if err := printJSON(c, row); err != nil {
			return err
		}
	}
	if row.Found() {
		return exitError{code: verdict.ExitViolated, msg: "something was found in the sources as they are: " + describe(row)}
	}
	h.ui.Say("nothing was found in %s from %s", verdict.Count(runs, "run"), verdict.Count(len(row.All.Starts), "seed"))
	return nil
}

// build says how to build the program that is hunted in.
func (h *hunting) build(output string) mutants.Build {
	if h.lab == labLocal {
		return mutants.Build{Package: "./node", Output: output}
	}
	return mutants.Build{Package: hunt.Prey, Output: output}
}

// all hunts one mutant after the other, and saves each result. While one mutant is hunted, the program of the next is
// built.
func (h *hunting) all(c *cli.Context, list []*mutants.Mutant, known []*hunt.Row) ([]*hunt.Row, error) {
	measured := func(m *mutants.Mutant) *hunt.Row {
		digest := h.digest(m)
		at := slices.IndexFunc(known, func(r *hunt.Row) bool { return r.Name == m.Name && r.Digest == digest })
		if at < 0 {
			return nil
		}
		return known[at]
	}
	todo := slices.DeleteFunc(slices.Clone(list), func(m *mutants.Mutant) bool {
		return measured(m) != nil || !m.In(h.lab)
	})
	ctx, stop := context.WithCancel(c.Context)
	defer stop()
	programs := h.buildAhead(ctx, todo)
	var rows []*hunt.Row
	for i, m := range list {
		if c.Err() != nil {
			return rows, h.interrupted(c)
		}
		row := measured(m)
		switch {
		case row != nil:
		case !m.In(h.lab):
			row = &hunt.Row{Name: m.Name, Digest: h.digest(m), Budget: h.opts.Budget, Outside: true}
		default:
			row = &hunt.Row{Name: m.Name, Digest: h.digest(m), Budget: h.opts.Budget}
			h.progress.begin(m.Name, "building")
			if err := h.one(ctx, <-programs, row); c.Err() != nil && err != nil {
				h.unfinished = append(h.unfinished, row)
				return rows, h.interrupted(c)
			} else if err != nil {
				return rows, err
			}
		}
		h.progress.end(m.Name, true)
		row.Place, row.Precedent, row.Breaks, row.HeldBack = m.Facts.Place, m.Facts.Precedent, m.Facts.Breaks, m.HeldBack()
		rows = append(rows, row)
		h.ui.Say("%d of %d: %s", i+1, len(list), describe(row))
		known = slices.DeleteFunc(known, func(r *hunt.Row) bool { return r.Name == m.Name })
		known = append(known, row)
		if err := h.keep(c, known); err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// built is a mutant as a program to hunt in.
type built struct {
	file    string
	reached string // the file that the program creates when it executes the changed code
	err     error  // why the program could not be built
}

// buildAhead builds the programs of mutants in their order, each while the previous one is hunted.
func (h *hunting) buildAhead(ctx context.Context, list []*mutants.Mutant) <-chan built {
	ready := make(chan built)
	go func() {
		defer close(ready)
		for _, m := range list {
			p := built{file: filepath.Join(h.dir, m.Name), reached: filepath.Join(h.dir, m.Name+".reached")}
			b := h.build(p.file)
			b.Reached = p.reached
			p.err = m.Build(ctx, h.tree, b)
			select {
			case ready <- p:
			case <-ctx.Done():
				return
			}
		}
	}()
	return ready
}

// one hunts a mutant.
func (h *hunting) one(ctx context.Context, p built, row *hunt.Row) error {
	if p.err != nil || p.file == "" { // once the context has ended, nothing is built any more
		return errors.Join(p.err, ctx.Err())
	}
	defer func() { _ = os.Remove(p.file) }()
	if err := h.measure(ctx, row, p.file); err != nil {
		return err
	}
	_, err := os.Stat(p.reached)
	row.Reached = err == nil
	return nil
}

// measure hunts with all checks. If that finds something, it shrinks the first failing run, and hunts again with only
// the checks of what clients can see.
func (h *hunting) measure(ctx context.Context, row *hunt.Row, program string) error {
	opts := h.opts
	opts.Program = program
	if h.lab == labLocal {
		var err error
		row.All, err = h.inLab(ctx, opts, row.Name)
		return err
	}
	var err error
	opts.Progress = h.progress.starts(row.Name, "from seed", opts.Starts)
	if row.All, err = hunt.Run(ctx, opts); err != nil || !row.Found() {
		return err
	}
	h.progress.begin(row.Name, "shrinking the first run that failed")
	if row.Small, err = hunt.Shrink(ctx, opts, &row.All, h.shrink); err != nil || h.clientStarts == 0 {
		return err
	}
	opts.ClientsOnly, opts.UntilFound, opts.Starts = true, true, min(opts.Starts, h.clientStarts)
	opts.Budget = max(time.Second, opts.Budget/time.Duration(opts.Starts)) // they share the budget of one start
	opts.Progress = h.progress.starts(row.Name, "by what clients see, from seed", opts.Starts)
	clients, err := hunt.Run(ctx, opts)
	row.Clients = &clients
	return err
}

// digest changes with everything known here that a measurement depends on.
func (h *hunting) digest(m *mutants.Mutant) string {
	d := patchDigest(m)
	fmt.Fprintln(d, h.lab, h.opts.Starts, h.opts.Budget, h.opts.GiveUp, h.clientStarts)
	if h.lab == simLab {
		fmt.Fprintln(d, h.shrink)
	}
	return fmt.Sprintf("%x", d.Sum(nil)[:8])
}

// patchDigest returns a hash that has been fed a mutant's patch.
func patchDigest(m *mutants.Mutant) hash.Hash {
	d := sha256.New()
	m.HashPatch(d)
	return d
}

// keep saves the results so far.
func (h *hunting) keep(c *cli.Context, rows []*hunt.Row) error {
	slices.SortFunc(rows, func(a, b *hunt.Row) int { return strings.Compare(a.Name, b.Name) })
	if path := c.String("resume"); path != "" {
		data, err := json.MarshalIndent(rows, "", "  ")
		if err == nil {
			err = results.WriteFile(path, append(data, '\n'))
		}
		if err != nil {
			return fmt.Errorf("keep what was measured: %w", err)
		}
	}
	if path := c.String("table"); path != "" {
		var page strings.Builder
		command := fmt.Sprintf("elenchus mutants run --seeds %d --budget %v --table %s", h.opts.Starts, h.opts.Budget, path)
		if lab := c.String("lab-results"); lab != "" {
			command += " --lab-results " + filepath.Base(lab)
		}
		labs, err := loadRows(c.String("lab-results"))
		if err != nil {
			return err
		}
		if err := hunt.Table(&page, rows, labs, command); err != nil {
			return err
		}
		if err := results.WriteFile(path, []byte(page.String())); err != nil {
			return fmt.Errorf("write table: %w", err)
		}
	}
	return nil
}

// loadRows reads what was measured before.
func loadRows(path string) ([]*hunt.Row, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what was measured: %w", err)
	}
	var rows []*hunt.Row
	if err := json.Unmarshal(data, &rows); err != nil {
		return nil, usageError("%s is not what a hunt has written: %v", path, err)
	}
	return rows, nil
}

// describe formats a row as one line.
func describe(r *hunt.Row) string {
	if r.Outside {
		return fmt.Sprintf("%-32s not in this lab", r.Name)
	}
	runs, _ := r.All.Runs()
	if !r.Found() {
		return fmt.Sprintf("%-32s NOT FOUND in %s from %s: %s", r.Name, verdict.Count(runs, "run"),
			verdict.Count(len(r.All.Starts), "seed"), r.Blame())
	}
	e := hunt.Median(r.All.Times())
	seed := ""
	if i := slices.IndexFunc(r.All.Starts, func(s hunt.Start) bool { return s.Seed != 0 }); i >= 0 {
		seed = fmt.Sprintf("; with seed %d", r.All.Starts[i].Seed)
	}
	return fmt.Sprintf("%-32s %d/%d  %s  median %v s, worst %v s; %s%s", r.Name, r.All.Found(), len(r.All.Starts),
		r.All.Checks()[0].Name, e.Median, e.Worst, r.Blame(), seed)
}

// conclusion returns the exit code: a mutant that is not found is a failure.
func conclusion(rows []*hunt.Row) error {
	for _, r := range rows {
		if !r.Outside && !r.Found() {
			return exitError{code: verdict.ExitViolated}
		}
	}
	return nil
}
