package shrink

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"elenchus/harness/sim"
)

// Options say how far to go. The zero value goes on until nothing helps any more.
type Options struct {
	Workers    int           // goroutines that play candidates; zero means 1
	Budget     time.Duration // stop then; zero is no limit
	Candidates int           // stop after so many; zero is no limit

	// Seeds is with how many other seeds a candidate is tried in the end (256). None with -1.
	Seeds int

	// NodesMin is how many nodes there must be at least, unless there are fewer to begin with (3). A cluster of one or
	// two is another thing: no minority can fail, and what is wrong with it may be another bug.
	NodesMin int

	// Progress is told how it stands, now and then and from one goroutine; nil is nobody.
	Progress func(Progress)

	kept func(*sim.Plan) // is told of every plan that is kept, in tests
}

// Progress is how a search stands.
type Progress struct {
	Pass       string // what is being tried to be left out
	Candidates int    // played so far
	Kept       int    // of these
	Size       Size   // of the smallest run so far
}

// Step is a reduction that was kept.
type Step struct {
	What      string `json:"what"`
	Candidate int    `json:"candidate"` // the how manieth it was
	Size      Size   `json:"size"`      // with it
}

// Result is the smallest failing run that was found.
type Result struct {
	Plan      *sim.Plan     `json:"-"`
	Violation sim.Violation `json:"violation"`
	Before    Size          `json:"before"`
	After     Size          `json:"after"`

	Steps      []Step        `json:"steps"`
	Candidates int           `json:"candidates"`
	Elapsed    time.Duration `json:"elapsed_ns"`

	// Finished is set when nothing helped any more. Otherwise a limit ended the search, or its context.
	Finished bool `json:"finished"`
}

// ErrPasses is the error for a run that does not fail.
var ErrPasses = errors.New("the run does not fail: there is nothing to shrink")

// Run shrinks the run of a plan. It always returns the smallest run so far, also when ctx ends. The error wraps
// [ErrPasses], or says what is wrong with the plan or the options.
func Run(ctx context.Context, plan *sim.Plan, o Options) (*Result, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	s, err := begin(plan, o)
	if err != nil {
		return nil, err
	}
	if o.Budget > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.Budget)
		defer cancel()
	}
	s.ctx = ctx
	s.search()
	s.result.Plan, s.result.Violation, s.result.After = s.best, s.violation, s.size
	s.result.Elapsed = time.Since(s.begun)
	return &s.result, nil
}

func (o *Options) validate() error {
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(o.Workers >= 0 && o.Workers <= 1024, "workers: %d; want 1 to 1024", o.Workers)
	check(o.Budget >= 0, "budget: %v is negative", o.Budget)
	check(o.Candidates >= 0, "candidates: %d is negative", o.Candidates)
	check(o.NodesMin >= 0, "nodes min: %d is negative", o.NodesMin)
	if o.NodesMin == 0 {
		o.NodesMin = 3
	}
	if o.Workers == 0 {
		o.Workers = 1
	}
	switch {
	case o.Seeds == 0:
		o.Seeds = 256
	case o.Seeds < 0:
		o.Seeds = 0
	}
	return errors.Join(problems...)
}

// shrinker is a search that goes on.
type shrinker struct {
	ctx    context.Context // of the one call of Run that it lives for
	opts   Options
	worlds []*sim.World
	brief  []*sim.World // for failures that come before the end of the run
	begun  time.Time
	told   time.Time
	result Result

	origin *sim.Plan // as it was given, with its roles and triggers
	kind   string    // of the failure
	inside bool      // the safe envelope

	best      *sim.Plan
	size      Size
	violation sim.Violation

	pass  string // what is being tried
	seeds int    // candidates are tried with so many other seeds
}

// begin freezes the plan and finds out how it fails.
func begin(plan *sim.Plan, o Options) (*shrinker, error) {
	s := &shrinker{opts: o, origin: plan, begun: time.Now(), inside: len(plan.Outside()) == 0}
	for range o.Workers {
		s.worlds = append(s.worlds, sim.New(sim.Options{}))
		s.brief = append(s.brief, sim.New(sim.Options{Brief: true, Checker: sim.NoChecker{}}))
	}
	frozen, r, err := s.worlds[0].Frozen(plan)
	if err != nil {
		return nil, err
	}
	if r.Violation == nil {
		return nil, ErrPasses
	}
	s.kind = r.Violation.Invariant
	before := plan.Clone()
	before.Load.Script = frozen.Load.Script // to count
	s.result.Before = sizeOf(before, &r)
	frozen.Load.ThinkMin, frozen.Load.ThinkMax = 0, 0 // calls have their times
	o1 := s.play(s.worlds[0], frozen)
	if o1.kind != s.kind { // the script alone has changed too much: shrink without it
		frozen.Load = plan.Load
		if o1 = s.play(s.worlds[0], frozen); o1.kind != s.kind {
			return nil, fmt.Errorf("freeze the run: it fails with %s, and frozen with %q", s.kind, o1.kind)
		}
	}
	s.best, s.size, s.violation = o1.plan, o1.size, o1.violation
	return s, nil
}

// candidate is a plan that may be kept.
type candidate struct {
	plan *sim.Plan
	what string // was done to it
}

// outcome is what came of a candidate.
type outcome struct {
	kind      string
	plan      *sim.Plan // without all that came after the failure
	size      Size
	violation sim.Violation
}

// play plays a plan, and leaves out of it what came too late to matter.
func (s *shrinker) play(w *sim.World, p *sim.Plan) outcome {
	r, err := w.Run(p)
	if err != nil || r.Violation == nil || r.Violation.Invariant != s.kind {
		return outcome{}
	}
	if live(p) {
		p = p.Freeze(&r)
	}
	if s.inside && len(p.Outside()) > 0 {
		return outcome{}
	}
	o := outcome{kind: s.kind, violation: *r.Violation, plan: trimmed(p, &r)}
	o.size = sizeOf(o.plan, &r)
	return o
}

// batchFor is how many candidates are handed out at once, for each worker.
const batchFor = 8

// first plays candidates and keeps the first that is smaller than the best so far and fails in the same way. It
// returns its place, or -1.
func (s *shrinker) first(candidates iter.Seq[candidate]) int {
	next, stop := iter.Pull(s.varied(candidates))
	defer stop()
	for place := 0; ; {
		var batch []candidate
		for len(batch) < batchFor*s.opts.Workers && !s.over(len(batch)) {
			c, ok := next()
			if !ok {
				break
			}
			batch = append(batch, c)
		}
		if len(batch) == 0 {
			return -1
		}
		i, o := s.playAll(batch)
		if i < 0 {
			s.result.Candidates += len(batch)
			place += len(batch)
			s.progress(false)
			continue
		}
		s.result.Candidates += i + 1
		s.keep(batch[i].what, o)
		return (place + i) / (s.seeds + 1)
	}
}

// varied tries every candidate with other seeds, too.
func (s *shrinker) varied(candidates iter.Seq[candidate]) iter.Seq[candidate] {
	return func(yield func(candidate) bool) {
		for c := range candidates {
			if !yield(c) {
				return
			}
			for k := range s.seeds {
				other := *c.plan
				other.Seed = uint64(k + 1)
				if !yield(candidate{&other, fmt.Sprintf("%s, with seed %d", c.what, other.Seed)}) {
					return
				}
			}
		}
	}
}

// over reports whether the search has come to a limit when so many more candidates are played.
func (s *shrinker) over(more int) bool {
	return s.ctx.Err() != nil || s.opts.Candidates > 0 && s.result.Candidates+more >= s.opts.Candidates
}

// playAll plays candidates in parallel. It returns the first that is to be kept, or -1.
func (s *shrinker) playAll(batch []candidate) (int, outcome) {
	outcomes := make([]outcome, len(batch))
	var taken, kept atomic.Int64
	kept.Store(int64(len(batch)))
	work := func(w *sim.World) {
		for {
			i := taken.Add(1) - 1
			if i >= kept.Load() || s.ctx.Err() != nil { // a candidate before it is to be kept
				return
			}
			o := s.play(w, batch[i].plan)
			if o.kind == "" || o.size.weight() >= s.size.weight() {
				continue
			}
			outcomes[i] = o
			for k := kept.Load(); i < k && !kept.CompareAndSwap(k, i); k = kept.Load() {
			}
		}
	}
	var group sync.WaitGroup
	worlds := s.worlds
	if !s.violation.AtEnd() && s.size.late == 0 {
		worlds = s.brief
	}
	for _, w := range worlds[1:min(len(worlds), len(batch))] {
		group.Go(func() { work(w) })
	}
	work(worlds[0])
	group.Wait()
	if k := int(kept.Load()); k < len(batch) {
		return k, outcomes[k]
	}
	return -1, outcome{}
}

func (s *shrinker) keep(what string, o outcome) {
	s.best, s.size, s.violation = o.plan, o.size, o.violation
	if s.opts.kept != nil {
		s.opts.kept(o.plan)
	}
	s.result.Steps = append(s.result.Steps, Step{What: what, Candidate: s.result.Candidates, Size: o.size})
	s.progress(false)
}

// progressEvery is how often somebody is told.
const progressEvery = 100 * time.Millisecond

func (s *shrinker) progress(now bool) {
	if s.opts.Progress == nil || !now && time.Since(s.told) < progressEvery {
		return
	}
	s.told = time.Now()
	s.opts.Progress(Progress{Pass: s.pass, Candidates: s.result.Candidates, Kept: len(s.result.Steps), Size: s.size})
}
