package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// campaignGC is the percentage by which the heap grows between collections while a campaign goes on: its live memory
// is a few megabytes, so that collecting less often costs nothing. Beyond this there is hardly anything to gain.
const campaignGC = 400

// worldRuns is how many runs a worker plays in one World. A World keeps as much memory as its largest run needed.
// Without a limit, this would grow slowly over a long campaign, because there is always a larger run to come.
const worldRuns = 1000

// Campaign plays the plans of many seeds.
type Campaign struct {
	From, To uint64 // the seeds, both included
	Draw     DrawOptions
	World    Options // its Checker, if it has one, is used by all workers at once; without one each has its own
	Workers  int     // goroutines; zero means 1

	// UntilFailure ends the campaign with the first run that fails. Twice plays every plan twice and compares.
	UntilFailure bool
	Twice        bool

	// FailuresMax is how many failures are kept with all their details; further ones are only counted (1000).
	FailuresMax int

	// Progress is called with the state from time to time, by one goroutine at a time; it may be nil.
	Progress func(*Summary)

	// Resume is the summary of an earlier part of the same campaign, or nil.
	Resume *Summary
}

// Failure is a run in which something went wrong.
type Failure struct {
	Seed      uint64        `json:"seed"`
	Kind      string        `json:"kind"` // the invariant, or the check, see Violation
	At        time.Duration `json:"at_ns"`
	Message   string        `json:"message"`
	Style     string        `json:"style"`
	Hash      string        `json:"hash"`
	Outside   bool          `json:"outside,omitempty"` // of the safe envelope: a correct system may fail there
	Directory string        `json:"directory,omitempty"`
}

// Summary is the state or the result of a campaign.
type Summary struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
	Next uint64 `json:"next"` // every seed below has been played

	Draw *DrawOptions `json:"draw,omitempty"` // of the runs; nil in states of earlier versions

	Runs        uint64            `json:"runs"`
	Failed      uint64            `json:"failed"`
	Failures    []Failure         `json:"failures,omitempty"` // by seed
	Kinds       map[string]uint64 `json:"kinds,omitempty"`    // failures by kind
	Hidden      map[string]uint64 `json:"hidden,omitempty"`   // runs by the first rule they broke that clients cannot see
	Undecided   []uint64          `json:"undecided,omitempty"`
	Unequal     []uint64          `json:"unequal,omitempty"` // seeds whose second run had another hash
	Styles      map[string]uint64 `json:"styles"`
	Stats       Stats             `json:"stats"`
	Simulated   time.Duration     `json:"simulated_ns"`
	Elapsed     time.Duration     `json:"elapsed_ns"`         // of the wall clock, over all parts
	Fingerprint uint64            `json:"fingerprint,string"` // combines all hashes, independently of their order

	Interrupted bool `json:"interrupted,omitempty"`
}

// Run plays the campaign until it is complete, or ctx ends. The error says that it could not begin; failures of runs
// are in the summary.
func (c Campaign) Run(ctx context.Context) (*Summary, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	defer debug.SetGCPercent(debug.SetGCPercent(campaignGC))
	r := c.begin()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var group sync.WaitGroup
	for worker := range r.current {
		group.Go(func() { r.work(ctx, stop, worker) })
	}
	group.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settle()
	satisfied := c.UntilFailure && r.summary.Failed > 0
	r.summary.Interrupted = r.summary.Next <= c.To && !satisfied
	return r.summary, r.err
}

func (c Campaign) withDefaults() Campaign {
	if c.Workers == 0 {
		c.Workers = 1
	}
	if c.FailuresMax == 0 {
		c.FailuresMax = 1000
	}
	c.Draw = c.Draw.withDefaults()
	return c
}

// Validate lists everything that is wrong with the campaign.
func (c Campaign) Validate() error {
	var problems []error
	if c.To < c.From || c.To == ^uint64(0) {
		problems = append(problems, fmt.Errorf("seeds: %d to %d is no range", c.From, c.To))
	}
	if c.Workers < 0 || c.Workers > workersMax {
		problems = append(problems, fmt.Errorf("workers: %d; want 1 to %d", c.Workers, workersMax))
	}
	if c.FailuresMax < 0 {
		problems = append(problems, fmt.Errorf("failures max: %d is negative", c.FailuresMax))
	}
	if s := c.Resume; s != nil && (s.From != c.From || s.To != c.To || s.Next < s.From || s.Next > s.To+1) {
		problems = append(problems, fmt.Errorf("resume: that campaign has the seeds %d to %d, and this one %d to %d", s.From,
			s.To, c.From, c.To))
	}
	if s := c.Resume; s != nil && s.Draw != nil && !reflect.DeepEqual(*s.Draw, c.Draw.withDefaults()) {
		problems = append(problems, errors.New("resume: that campaign draws its runs from other options (draw in its "+
			"state): nothing could be said of both together"))
	}
	return errors.Join(append(problems, c.Draw.Validate())...)
}

// workersMax is more than the number of processors of any machine.
const workersMax = 1024

// running is a campaign in progress.
type running struct {
	campaign Campaign
	begun    time.Time
	before   time.Duration

	mu      sync.Mutex
	next    uint64   // the next seed that no worker has taken
	current []uint64 // the seed that each worker plays; idle when it plays none
	summary *Summary
	err     error
	told    time.Time
}

// idle stands for no seed.
const idle = ^uint64(0)

func (c Campaign) begin() *running {
	s := &Summary{From: c.From, To: c.To, Next: c.From, Draw: &c.Draw}
	if c.Resume != nil {
		s = c.Resume
	}
	if s.Kinds == nil {
		s.Kinds = make(map[string]uint64)
	}
	if s.Hidden == nil {
		s.Hidden = make(map[string]uint64)
	}
	if s.Styles == nil {
		s.Styles = make(map[string]uint64)
	}
	s.Interrupted = false
	r := &running{campaign: c, begun: time.Now(), before: s.Elapsed, next: s.Next, summary: s}
	for range c.Workers {
		r.current = append(r.current, idle)
	}
	return r
}

// progressEvery is the interval between calls of Progress.
const progressEvery = 200 * time.Millisecond

// work plays one seed after the other.
func (r *running) work(ctx context.Context, stop func(), worker int) {
	var w *World
	for runs := 0; ctx.Err() == nil; runs++ {
		seed, ok := r.take(worker)
		if !ok {
			return
		}
		if runs%worldRuns == 0 {
			w = New(r.campaign.World)
		}
		one, err := r.play(w, seed)
		if r.note(worker, one, err) && r.campaign.UntilFailure || err != nil {
			stop()
		}
	}
}

// take hands out the next seed.
func (r *running) take(worker int) (seed uint64, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next > r.campaign.To {
		return 0, false
	}
	seed = r.next
	r.next++
	r.current[worker] = seed
	return seed, true
}

// played is the result of one seed in a campaign.
type played struct {
	result  Result
	style   string
	outside bool
	unequal bool
}

func (r *running) play(w *World, seed uint64) (played, error) {
	plan, err := r.campaign.Draw.draw(seed)
	if err != nil {
		return played{}, err
	}
	one := played{style: plan.Style}
	if one.result, err = w.runValid(plan); err != nil {
		return one, fmt.Errorf("seed %d: %w", seed, err)
	}
	if r.campaign.Twice {
		first := one.result.Hash
		if one.result, err = w.runValid(plan); err != nil {
			return one, err
		}
		one.unequal = one.result.Hash != first
	}
	if one.result.Violation != nil {
		one.outside = len(plan.Outside()) > 0
	}
	return one, nil
}

// note adds a run to the summary, and reports whether the run has failed.
func (r *running) note(worker int, one played, err error) (failed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, result := r.summary, &one.result
	r.current[worker] = idle
	if err != nil {
		r.err = errors.Join(r.err, err)
		return false
	}
	s.Runs++
	s.Styles[one.style]++
	s.Stats.Add(&result.Stats)
	s.Simulated += result.Simulated
	s.Fingerprint += mix(result.Seed, result.Hash)
	if len(result.Undecided) > 0 {
		s.Undecided = append(s.Undecided, result.Seed)
	}
	if one.unequal {
		s.Unequal = append(s.Unequal, result.Seed)
	}
	if v := result.Hidden; v != nil {
		s.Hidden[v.Invariant]++
	}
	if v := result.Violation; v != nil {
		failed = true
		s.Failed++
		s.Kinds[v.Invariant]++
		if len(s.Failures) < r.campaign.FailuresMax {
			s.Failures = append(s.Failures, Failure{
				Seed: result.Seed, Kind: v.Invariant, At: v.At, Message: v.String(), Style: one.style,
				Hash: fmt.Sprintf("%016x", result.Hash), Outside: one.outside,
			})
		}
	}
	if now := time.Now(); r.campaign.Progress != nil && now.Sub(r.told) >= progressEvery {
		r.told = now
		r.settle()
		r.campaign.Progress(s)
	}
	return failed
}

// settle brings the summary up to date. The caller holds the lock.
func (r *running) settle() {
	s := r.summary
	s.Next = min(r.next, slices.Min(r.current))
	s.Elapsed = r.before + time.Since(r.begun)
	slices.SortFunc(s.Failures, func(a, b Failure) int { return cmp.Compare(a.Seed, b.Seed) })
	s.Failures = slices.CompactFunc(s.Failures, func(a, b Failure) bool { return a.Seed == b.Seed })
	slices.Sort(s.Undecided)
	slices.Sort(s.Unequal)
}
