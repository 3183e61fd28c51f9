package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"elenchus/harness/hunt"
	"elenchus/node/mutants"
	"elenchus/results"
	"elenchus/results/verdict"
)

// labHunt hunts in local labs: it runs one test after the other, each set up by the swarm of its own seed, until one is
// violated or the budget is used up. Time is that of the clock, from the start of the first test to the verdict of the
// last, so that bringing up labs, recovering, collecting and checking count.
type labHunt struct {
	program string   // this one, or what stands in for it
	node    string   // the node's program to deploy
	results string   // where runs are made
	keep    string   // where the runs that found something are kept; empty keeps none
	args    []string // further options of every test
	labs    int      // how many labs side by side; zero is one

	// step is told of every test that has ended.
	step func(seed uint64, took time.Duration, came labRun)
}

const (
	// labLimit is how long the workload of one test runs: long enough for a dozen hunts, and short enough for some twenty
	// configurations within five minutes.
	labLimit = 12 * time.Second

	// labOverhead is what comes before and after that, about, and labLeast what is left to be worth a test.
	labOverhead = 3 * time.Second
	labLeast    = 4 * time.Second

	// labRecovery is how long a system may take to answer again in the end: many of its election timeouts.
	labRecovery = 15 * time.Second

	// labFailures is how many tests may fail in a row, before anything was seen, until it is the lab that is to blame.
	labFailures = 3

	// labStarts is from how many seeds mutants are hunted unless the user says otherwise.
	labStarts = 1
)

// labRun is what came of one test.
type labRun struct {
	check   string // that found something; empty when none did
	message string
	failed  string // why the harness failed, if it did
	dir     string // the run's directory; empty when there is none
}

// test runs one test.
func (l *labHunt) test(ctx context.Context, seed uint64, limit time.Duration) (labRun, error) {
	args := slices.Concat([]string{
		"test", "--lab", labLocal, "--swarm", "--fail-fast", "--json", "--node-binary", l.node,
		"--seed", strconv.FormatUint(seed, 10), "--time-limit", limit.Round(time.Second).String(),
		"--deposed-reads", "-1", "--recovery-timeout", labRecovery.String(), "--results", l.results,
	}, l.args)
	cmd := exec.CommandContext(ctx, l.program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = time.Minute // for an orderly end: nothing may stay behind
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		return labRun{}, exitError{code: verdict.ExitHarness, msg: "interrupted"}
	}
	exit := (*exec.ExitError)(nil)
	if err != nil && !errors.As(err, &exit) {
		return labRun{}, fmt.Errorf("run %s: %w", l.program, err)
	}
	code := cmd.ProcessState.ExitCode()
	if code == verdict.ExitUsage {
		return labRun{}, fmt.Errorf("run %s: %s", l.program, lastLine(stderr.String()))
	}
	var v verdict.Verdict
	if err := json.Unmarshal(stdout.Bytes(), &v); err != nil {
		return labRun{failed: fmt.Sprintf("no verdict, exit code %d: %s", code, lastLine(stderr.String()))}, nil
	}
	came := judgeLabRun(&v)
	came.dir = filepath.Join(l.results, v.Run)
	return came, nil
}

// judgeLabRun says what found something in a run, and how.
func judgeLabRun(v *verdict.Verdict) (came labRun) {
	switch {
	case v.Safety.Status == verdict.Violated && len(v.Safety.Findings) > 0:
		f := &v.Safety.Findings[0]
		came.check, came.message = f.Checker, f.Summary
		if h := f.Heading(); h != "" {
			came.message = h + ": " + f.Summary
		}
		if len(f.Causes) > 0 {
			came.message += " → " + f.Causes[0].Name
		}
	case len(v.Liveness.Ended) > 0:
		came.check, came.message = hunt.CheckEnded, v.Liveness.Ended[0].Node+" ended by itself: "+v.Liveness.Ended[0].Why
	case v.ExitCode() == verdict.ExitViolated:
		came.check, came.message = hunt.CheckViolated, strings.Join(v.Liveness.Reasons, "; ")
	case v.Harness.Status != verdict.Healthy:
		came.failed = strings.Join(v.Harness.Reasons, "; ")
	}
	came.message, came.failed = oneLine(came.message), oneLine(came.failed)
	return came
}

// keepRun moves the run that found something to where such runs are kept.
func (l *labHunt) keepRun(dir string) error {
	if l.keep == "" || dir == "" {
		return nil
	}
	if _, err := (results.Run{Dir: dir}).Move(l.keep); err != nil {
		return fmt.Errorf("keep run: %w", err)
	}
	return nil
}

// oneLine is the beginning of a text, as far as it is worth a line.
func oneLine(text string) string {
	const most = 300
	line, _, _ := strings.Cut(text, "\n")
	if runes := []rune(line); len(runes) > most {
		line = string(runes[:most]) + "…"
	}
	return line
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// inLab hunts with a program in several labs side by side, one for each seed to start from: they are namespaces of
// their own, and share nothing but the machine.
func (h *hunting) inLab(ctx context.Context, opts hunt.Options, name string) (hunt.Hunt, error) {
	l, err := h.newLabHunt(opts.Program, name)
	if err != nil {
		return hunt.Hunt{}, err
	}
	out := hunt.Hunt{Starts: make([]hunt.Start, opts.Starts)}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(opts.Workers)
	for i := range out.Starts {
		group.Go(func() (err error) {
			out.Starts[i], err = l.start(ctx, i, opts.Budget, hunt.Start{})
			return err
		})
	}
	return out, group.Wait()
}

func (h *hunting) newLabHunt(program, name string) (*labHunt, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	l := &labHunt{program: self, node: program, results: filepath.Join(h.dir, "runs", name), labs: h.labs}
	if h.keepRuns != "" {
		l.keep = filepath.Join(h.keepRuns, name)
	}
	l.step = func(seed uint64, took time.Duration, came labRun) {
		switch {
		case came.check != "":
			h.ui.Step("%s: seed %d, %.0f s: %s: %s", name, seed, took.Seconds(), came.check, came.message)
		case came.failed != "":
			h.ui.Step("%s: seed %d, %.0f s: the harness failed: %s", name, seed, took.Seconds(), came.failed)
		default:
			h.ui.Step("%s: seed %d, %.0f s: nothing", name, seed, took.Seconds())
		}
	}
	return l, nil
}

// allInLabs hunts several mutants side by side, each in labs of its own, and keeps what is known after each. A mutant
// whose lab fails is told of in the end, and the others are hunted. What was interrupted is kept, too: the next call
// goes on where this one ended.
func (h *hunting) allInLabs(c *cli.Context, list []*mutants.Mutant, known []*hunt.Row) ([]*hunt.Row, error) {
	ctx, cancel := c.Context, context.CancelFunc(func() {})
	if h.wall > 0 {
		ctx, cancel = context.WithTimeout(ctx, h.wall)
	}
	defer cancel()
	var (
		mu       sync.Mutex
		group    errgroup.Group
		problems []error
		done     int
	)
	group.SetLimit(h.opts.Workers)
	rows := make([]*hunt.Row, len(list))
	for i, m := range list {
		group.Go(func() error {
			if ctx.Err() != nil {
				return nil
			}
			row, err := h.rowInLab(ctx, m, known)
			mu.Lock()
			defer mu.Unlock()
			h.progress.end(m.Name, err == nil)
			if row != nil && err != nil {
				h.unfinished = append(h.unfinished, row)
			}
			if err != nil && ctx.Err() == nil {
				problems = append(problems, fmt.Errorf("%s: %w", m.Name, err))
			}
			if row == nil {
				return nil
			}
			if rows[i] = row; err == nil {
				done++
				h.ui.Say("%d of %d: %s", done, len(list), describe(row))
			}
			if err := h.keep(c, merged(known, rows)); err != nil {
				problems = append(problems, err)
			}
			return nil
		})
	}
	_ = group.Wait() // what went wrong is in the list
	rows = slices.DeleteFunc(rows, func(r *hunt.Row) bool { return r == nil })
	if c.Err() != nil {
		return rows, h.interrupted(c)
	}
	if ctx.Err() != nil {
		h.ui.Say("time is up: %d of %d are done", done, len(list))
	}
	return rows, errors.Join(problems...)
}

// rowInLab is what is known of a mutant, and what a hunt finds out beyond that. There may be a row besides an error:
// what was found out before. It is nil if that is nothing.
func (h *hunting) rowInLab(ctx context.Context, m *mutants.Mutant, known []*hunt.Row) (*hunt.Row, error) {
	row := &hunt.Row{Name: m.Name, Digest: labDigest(m), WhyNot: m.Facts.Local, Place: m.Facts.Place,
		Precedent: m.Facts.Precedent, Breaks: m.Facts.Breaks, HeldBack: m.HeldBack(), Budget: h.opts.Budget, Unprobed: true}
	at := slices.IndexFunc(known, func(r *hunt.Row) bool { return r.Name == m.Name && r.Digest == row.Digest })
	if at >= 0 && h.enough(known[at]) {
		known[at].WhyNot = row.WhyNot
		return known[at], nil
	}
	if !m.In(h.lab) {
		row.Outside = true
		return row, nil
	}
	if at >= 0 {
		row.All.Starts = slices.Clone(known[at].All.Starts)
	}
	h.progress.begin(m.Name, "building")
	program := filepath.Join(h.dir, m.Name)
	if err := m.Build(ctx, h.tree, h.build(program)); err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(program) }()
	l, err := h.newLabHunt(program, m.Name)
	if err != nil {
		return nil, err
	}
	h.progress.begin(m.Name, "testing")
	return h.hunted(ctx, l, row)
}

// hunted hunts a mutant from every seed of which not enough is known.
func (h *hunting) hunted(ctx context.Context, l *labHunt, row *hunt.Row) (*hunt.Row, error) {
	for i := range h.opts.Starts {
		if i == len(row.All.Starts) {
			row.All.Starts = append(row.All.Starts, hunt.Start{})
		}
		s := &row.All.Starts[i]
		if h.enoughOf(s) {
			continue
		}
		if s.Found() { // too late
			*s = hunt.Start{}
		}
		var err error
		if *s, err = l.start(ctx, i, h.opts.Budget, *s); err != nil {
			if s.Runs == 0 {
				row.All.Starts = row.All.Starts[:i]
			}
			if len(row.All.Starts) == 0 {
				row = nil
			}
			return row, err
		}
	}
	return row, nil
}

// enough reports whether what is known of a mutant says what a hunt with these options would.
func (h *hunting) enough(r *hunt.Row) bool {
	if r.Outside {
		return true
	}
	for i := range r.All.Starts {
		if !h.enoughOf(&r.All.Starts[i]) {
			return false
		}
	}
	return len(r.All.Starts) >= h.opts.Starts
}

// enoughOf reports whether a hunt found something within the budget, or has no time left for another test.
func (h *hunting) enoughOf(s *hunt.Start) bool {
	if s.Found() {
		return s.CPU <= h.opts.Budget
	}
	return s.Runs > 0 && h.opts.Budget-s.CPU < labLeast+labOverhead
}

// labDigest changes with a mutant's patch. Seeds and budget are not in it: see [hunting.enough].
func labDigest(m *mutants.Mutant) string {
	d := patchDigest(m)
	return fmt.Sprintf("%x", d.Sum(nil)[:8])
}

// merged is what was known, with the rows that there are now in place of older ones. Some may be missing yet.
func merged(known, rows []*hunt.Row) []*hunt.Row {
	all := slices.DeleteFunc(slices.Clone(rows), func(r *hunt.Row) bool { return r == nil })
	for _, k := range known {
		if !slices.ContainsFunc(all, func(r *hunt.Row) bool { return r.Name == k.Name }) {
			all = append(all, k)
		}
	}
	return all
}
