// Package bisect finds the moment of no return of a failing run: up to where its past leaves it another end.
//
// At a point in virtual time everything that is still to be drawn is drawn from other seeds: how long messages and
// syncs take, what is lost, what a crash leaves on a disk, when clients go on, when nodes lose patience. What the run
// has in its plan stays: the faults, the settings, and what the clients ask for. The share of such futures that fail in
// the same way is P(fail | prefix). It rises to 1 at the failure itself. The moment of no return is where it comes
// above one half and stays there.
package bisect

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"elenchus/harness/sim"
)

// Options say how close to look. The zero value is usable.
type Options struct {
	Points     int           // at least so many points, evenly over the time up to the failure (16)
	Samples    int           // futures for each point (200)
	Resolution time.Duration // the moment is found to within this (20 ms)
	Workers    int           // goroutines (1)

	// Progress is told how many futures were played, now and then and from one goroutine; nil is nobody.
	Progress func(played int)
}

// Point is what was found at a point in time.
type Point struct {
	At      time.Duration `json:"at_ns"`
	Samples int           `json:"samples"`
	Failed  int           `json:"failed"` // in the same way
	Other   int           `json:"other"`  // in another way

	// P is the share that failed in the same way; with 95 % confidence it is from Low to High (Wilson 1927).
	P    float64 `json:"p"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Result is what was found.
type Result struct {
	Violation sim.Violation `json:"violation"`
	Points    []Point       `json:"points"` // by time

	// The moment of no return is after From and not after To: at From less than half of the futures fail, and from To on
	// half or more at every point that was looked at. Zero for both: the plan alone decides, from the beginning.
	From time.Duration `json:"from_ns"`
	To   time.Duration `json:"to_ns"`

	Interrupted bool `json:"interrupted,omitempty"`
}

// ErrPasses is the error for a run that does not fail.
var ErrPasses = errors.New("the run does not fail: it has no moment of no return")

// Run looks for the moment of no return of the plan's run. When ctx ends it returns what it has so far. The error wraps
// [ErrPasses], or says what is wrong with the plan or the options.
func Run(ctx context.Context, plan *sim.Plan, o Options) (*Result, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	b := &bisection{ctx: ctx, opts: o, plan: plan, points: make(map[time.Duration]Point)}
	for range o.Workers {
		b.worlds = append(b.worlds, sim.New(sim.Options{}))
	}
	r, err := b.worlds[0].Run(plan)
	if err != nil {
		return nil, err
	}
	if r.Violation == nil {
		return nil, ErrPasses
	}
	b.result.Violation = *r.Violation
	b.kind, b.end = r.Violation.Invariant, r.Violation.At
	if b.end == 0 {
		return nil, errors.New("the run fails at its very beginning")
	}
	b.search()
	b.result.Interrupted = ctx.Err() != nil
	return &b.result, nil
}

func (o *Options) validate() error {
	for _, n := range []struct {
		field *int
		usual int
	}{{&o.Points, 16}, {&o.Samples, 200}, {&o.Workers, 1}} {
		if *n.field == 0 {
			*n.field = n.usual
		}
	}
	if o.Resolution == 0 {
		o.Resolution = 20 * time.Millisecond
	}
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(o.Points >= 1 && o.Points <= 10_000, "points: %d; want 1 to 10000", o.Points)
	check(o.Samples >= 1 && o.Samples <= 1_000_000, "samples: %d; want 1 to 1000000", o.Samples)
	check(o.Workers >= 1 && o.Workers <= 1024, "workers: %d; want 1 to 1024", o.Workers)
	check(o.Resolution >= time.Microsecond, "resolution: %v; want at least 1µs", o.Resolution)
	return errors.Join(problems...)
}

// bisection is a search that goes on.
type bisection struct {
	ctx    context.Context // of the one call of Run that it lives for
	opts   Options
	worlds []*sim.World
	plan   *sim.Plan
	kind   string
	end    time.Duration
	played int
	points map[time.Duration]Point
	result Result
}

// search looks at an even grid first, and then closer at where the share comes above one half for good.
func (b *bisection) search() {
	for i := range b.opts.Points {
		b.look(b.end * time.Duration(i) / time.Duration(b.opts.Points))
	}
	b.look(b.end)
	for b.ctx.Err() == nil {
		from, to := b.bracket()
		if to-from <= b.opts.Resolution {
			break
		}
		b.look(from + (to-from)/2)
	}
	b.result.From, b.result.To = b.bracket()
	for _, p := range b.points {
		b.result.Points = append(b.result.Points, p)
	}
	slices.SortFunc(b.result.Points, func(p, q Point) int { return int(p.At - q.At) })
}

// bracket is the last point at which less than half of the futures fail, and the one that follows it.
func (b *bisection) bracket() (from, to time.Duration) {
	times := make([]time.Duration, 0, len(b.points))
	for at := range b.points {
		times = append(times, at)
	}
	slices.Sort(times)
	for i := len(times) - 1; i >= 0; i-- {
		if b.points[times[i]].P >= 0.5 {
			continue
		}
		if i == len(times)-1 {
			return times[i], times[i]
		}
		return times[i], times[i+1]
	}
	return 0, 0
}

// look plays the futures of a point in time.
func (b *bisection) look(at time.Duration) {
	if _, known := b.points[at]; known || b.ctx.Err() != nil {
		return
	}
	var taken, failed, other atomic.Int64
	work := func(w *sim.World) {
		plan := *b.plan
		for {
			k := taken.Add(1)
			if k > int64(b.opts.Samples) || b.ctx.Err() != nil {
				return
			}
			plan.Reseed = &sim.Reseed{At: at, Seed: b.plan.Seed ^ uint64(k)*0x9e3779b97f4a7c15}
			r, err := w.Run(&plan)
			switch {
			case err != nil || r.Violation == nil:
			case r.Violation.Invariant == b.kind:
				failed.Add(1)
			default:
				other.Add(1)
			}
		}
	}
	var group sync.WaitGroup
	for _, w := range b.worlds[1:] {
		group.Go(func() { work(w) })
	}
	work(b.worlds[0])
	group.Wait()
	if b.ctx.Err() != nil {
		return // only a part was played
	}
	p := Point{At: at, Samples: b.opts.Samples, Failed: int(failed.Load()), Other: int(other.Load())}
	p.P = float64(p.Failed) / float64(p.Samples)
	p.Low, p.High = wilson(p.Failed, p.Samples)
	b.points[at] = p
	b.played += p.Samples
	if b.opts.Progress != nil {
		b.opts.Progress(b.played)
	}
}

// wilson is where a share is with 95 % confidence, when so many of n were counted.
func wilson(count, n int) (low, high float64) {
	const z = 1.96
	p, m := float64(count)/float64(n), float64(n)
	middle := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return max(0, middle-half), min(1, middle+half)
}
