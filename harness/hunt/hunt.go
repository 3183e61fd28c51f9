package hunt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"elenchus/harness/sim"
)

// Prey is the package of the program that mutants are built into, relative to the root of the repository.
const Prey = "./harness/hunt/prey"

// Options configure a hunt. Program is required; the zero value of everything else is usable.
type Options struct {
	Program string        // path of the program built with the mutant, see [Prey]
	Starts  int           // from how many seeds (20)
	Budget  time.Duration // of processor time for each (60 s)
	Workers int           // processors that each uses (1)

	// ClientsOnly counts only failures that clients can see.
	ClientsOnly bool

	// GiveUp, if positive, ends the hunt after this many starts if none has found anything. UntilFound ends it with
	// the first start that finds something.
	GiveUp     int
	UntilFound bool

	// Progress, if not nil, is called before every start with what was measured until then.
	Progress func(*Hunt)
}

func (o Options) withDefaults() Options {
	if o.Starts == 0 {
		o.Starts = 20
	}
	if o.Budget == 0 {
		o.Budget = time.Minute
	}
	if o.Workers == 0 {
		o.Workers = 1
	}
	return o
}

// Validate lists everything that is wrong with the options.
func (o Options) Validate() error {
	o = o.withDefaults()
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(o.Program != "", "program: none is given")
	check(o.Starts > 0, "seeds: %d; want at least 1", o.Starts)
	check(o.Budget >= time.Second, "budget: %v; want at least 1s", o.Budget)
	check(o.Workers > 0, "workers: %d; want at least 1", o.Workers)
	check(o.GiveUp >= 0, "give up: %d is negative", o.GiveUp)
	return errors.Join(problems...)
}

// Start is the result of hunting from one seed on.
type Start struct {
	From   uint64        `json:"from"` // the first seed
	Runs   uint64        `json:"runs"`
	Failed uint64        `json:"failed,omitempty"` // runs that the harness could not complete; only in labs
	CPU    time.Duration `json:"cpu_ns"`
	Check  string        `json:"check,omitempty"` // the check that failed, named as in sim.Violation; empty if none did
	Seed   uint64        `json:"seed,omitempty"`  // of the run that failed
	Hidden uint64        `json:"hidden"`          // runs that broke a rule that clients cannot see

	Message string `json:"message,omitempty"`
}

// Found reports whether something was found.
func (s *Start) Found() bool { return s.Check != "" }

// Values of Start.Check besides the names of the simulator's checks.
const (
	CheckHang     = "hang"     // a run did not come to an end
	CheckCrash    = "crash"    // the program died
	CheckViolated = "violated" // a test in a lab was violated, but none of its safety checks failed
	CheckEnded    = "ended"    // a node in a lab ended by itself
)

// Hunt is the result of all starts.
type Hunt struct {
	Starts []Start `json:"starts"`
}

// SeedsPerStart is the distance between the first seeds of two starts. No start plays that many runs.
const SeedsPerStart = 1_000_000

// Run hunts. The error says that the program could not be run, or that ctx has ended; what was measured before that is
// valid. Finding nothing is no error.
func Run(ctx context.Context, o Options) (Hunt, error) {
	if err := o.Validate(); err != nil {
		return Hunt{}, fmt.Errorf("invalid options of a hunt: %w", err)
	}
	o = o.withDefaults()
	var h Hunt
	found := false
	for i := range o.Starts {
		if i > 0 && (o.UntilFound && found || o.GiveUp > 0 && i >= o.GiveUp && !found) {
			break
		}
		if o.Progress != nil {
			o.Progress(&h)
		}
		s, err := o.start(ctx, uint64(i))
		if err != nil {
			return h, err
		}
		h.Starts = append(h.Starts, s)
		found = found || s.Found()
	}
	return h, nil
}

// start plays from one seed on, until something is found or the budget is used up.
func (o Options) start(ctx context.Context, number uint64) (Start, error) {
	from := 1 + number*SeedsPerStart
	// A program that neither ends nor uses processor time is ended after a while, which is long enough for a busy
	// machine.
	ctx, cancel := context.WithTimeout(ctx, 20*o.Budget+time.Minute)
	defer cancel()
	cmd := command(ctx, o.Program, "--seeds", fmt.Sprintf("%d-%d", from, from+SeedsPerStart-1),
		fmt.Sprintf("--clients=%v", o.ClientsOnly), "--workers", strconv.Itoa(o.Workers), "--cpu-limit", o.Budget.String())
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if cmd.ProcessState == nil {
		return Start{}, fmt.Errorf("hunt: run %s: %w", o.Program, err)
	}
	s := Start{From: from, CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return s, fmt.Errorf("hunt: %w", err)
	}
	var summary sim.Summary
	if json.Unmarshal(stdout.Bytes(), &summary) != nil {
		return s.died(ctx, stderr.String())
	}
	s.Runs = summary.Runs
	for _, n := range summary.Hidden {
		s.Hidden += n
	}
	if len(summary.Failures) > 0 {
		f := &summary.Failures[0]
		s.Check, s.Seed = f.Kind, f.Seed
		s.Message, _, _ = strings.Cut(f.Message, "\n")
	}
	return s, nil
}

// command prepares a process that is interrupted when the context ends, so that it can still print its results.
func command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// died judges a program that ended without a summary.
func (s Start) died(ctx context.Context, stderr string) (Start, error) {
	first, _, _ := strings.Cut(stderr, "\n")
	switch {
	case ctx.Err() != nil, strings.Contains(stderr, "SIGXCPU"):
		s.Check, s.Message = CheckHang, "a run did not end within the budget"
	case strings.Contains(stderr, "goroutine "):
		s.Check, s.Message = CheckCrash, first
	default:
		return s, fmt.Errorf("hunt: the program did not play: %s", first)
	}
	return s, nil
}

// Times returns how long each start took until it found something; those that found nothing are censored.
func (h *Hunt) Times() []Time {
	var times []Time
	for i := range h.Starts {
		times = append(times, Time{h.Starts[i].CPU, !h.Starts[i].Found()})
	}
	return times
}

// Found returns how many starts have found something.
func (h *Hunt) Found() (count int) {
	for i := range h.Starts {
		if h.Starts[i].Found() {
			count++
		}
	}
	return count
}

// Checks returns the checks that failed, with how often each did, the most frequent first.
func (h *Hunt) Checks() []Count {
	var list []Count
	for i := range h.Starts {
		if h.Starts[i].Found() {
			list = count(list, h.Starts[i].Check)
		}
	}
	return list
}

// Runs returns how many runs were played, and Hidden how many of them broke a rule that clients cannot see.
func (h *Hunt) Runs() (runs, hidden uint64) {
	for i := range h.Starts {
		runs, hidden = runs+h.Starts[i].Runs, hidden+h.Starts[i].Hidden
	}
	return runs, hidden
}
