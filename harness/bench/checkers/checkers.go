// Package checkers measures what it takes to decide histories, and how often that fails: simulated runs with faults,
// whose histories every decider is given in turn.
//
// Two systems are simulated: the reference as it is, and the same with reads that any node answers from its own state,
// which are stale under faults. Histories of the first show what a checker costs that has nothing to find, those of the
// second whether it finds it: a search that looks for an order has to exhaust all of them where there is none.
package checkers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"elenchus/checker"
	"elenchus/harness/cpulimit"
	"elenchus/harness/sim"
	"elenchus/results/history"
	"elenchus/results/verdict"
	"elenchus/workloads"
)

// Options say what to play, and how long a decision may take. The zero value of every field but From and To is usable.
type Options struct {
	From, To uint64          // seeds, both included
	Draw     sim.DrawOptions // Workloads: each of them by itself (default: those of workloads.Drawn); Reads is set here

	// Budget is for how long one history may be searched (default 1 s). Decisions by order need none.
	Budget time.Duration
}

// Validate fills in defaults and lists everything that is wrong.
func (o *Options) Validate() error {
	if o.Budget == 0 {
		o.Budget = time.Second
	}
	if o.Draw.Workloads == nil {
		o.Draw.Workloads = workloads.Drawn()
	}
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(o.From <= o.To && o.To-o.From < runsMax, "seeds: %d to %d is no range of up to %d", o.From, o.To, runsMax)
	check(o.Budget > 0, "budget: %v is not positive", o.Budget)
	check(o.Draw.Reads == "", "reads: they are what is compared, and cannot be given")
	return errors.Join(append(errs, o.Draw.Validate())...)
}

// runsMax bounds a campaign: processor times of all histories are kept.
const runsMax = 1_000_000

// Systems that are simulated.
const (
	Sound = "the system as it is"
	Stale = "any node answers reads from its own state"
)

var systems = []string{Sound, Stale}

// decider is a way to decide a history.
type decider struct {
	name   string
	decide func(ctx context.Context, ops []history.Operation, budget time.Duration) checker.Linearizability
}

// deciders are the ways that are compared. The first is what elenchus check does, but for the process of its own.
var deciders = []decider{
	{"check", func(ctx context.Context, ops []history.Operation, budget time.Duration) checker.Linearizability {
		return checker.Linearize(ctx, workloads.Model(), ops, nil,
			checker.Budget{Key: budget, Total: budget, Explained: -1})
	}},
	{"without second opinions", func(ctx context.Context, ops []history.Operation, budget time.Duration,
	) checker.Linearizability {
		return checker.Linearize(ctx, workloads.Model(), ops, nil,
			checker.Budget{Key: budget, Total: budget, Explained: -1, Second: -1})
	}},
	{"Porcupine, tightened", func(ctx context.Context, ops []history.Operation, budget time.Duration,
	) checker.Linearizability {
		return checker.SearchAlone(ctx, workloads.Model(), ops, checker.Budget{Key: budget, Total: budget}, false)
	}},
	{"Porcupine alone", func(ctx context.Context, ops []history.Operation, budget time.Duration) checker.Linearizability {
		return checker.SearchAlone(ctx, workloads.Model(), ops, checker.Budget{Key: budget, Total: budget}, true)
	}},
}

// Sets is how many sets of runs the options ask for: one for every workload and system.
func (o *Options) Sets() int { return len(o.Draw.Workloads) * len(systems) }

// Run plays the seeds of every workload with both systems, and has every decider decide every history. When ctx ends,
// the report has what was complete by then, besides the error. show is told what happens now.
//
// Processor time is that of the whole process, so nothing else may go on in it meanwhile.
func Run(ctx context.Context, o Options, show func(string, ...any)) (Report, error) {
	report := Report{Schema: Schema, From: o.From, To: o.To, Budget: o.Budget}
	world := sim.New(sim.Options{Checker: sim.NoChecker{}, ClientsOnly: true})
	for _, workload := range o.Draw.Workloads {
		for _, system := range systems {
			draw := o.Draw
			draw.Workloads = []string{workload}
			if system == Stale {
				draw.Reads = "local"
			}
			set := newSet(workload, system)
			for seed := o.From; seed <= o.To; seed++ {
				if show != nil {
					show("%s, %s: run %d of %d", workload, system, seed-o.From+1, o.To-o.From+1)
				}
				err := set.play(ctx, world, draw, seed, o.Budget)
				if ctx.Err() != nil { // what was not decided then does not count
					return report, ctx.Err()
				}
				if err != nil {
					return report, fmt.Errorf("seed %d of %s: %w", seed, workload, err)
				}
			}
			set.finish()
			report.Sets = append(report.Sets, *set)
		}
	}
	return report, nil
}

// play adds one run.
func (s *Set) play(ctx context.Context, world *sim.World, draw sim.DrawOptions, seed uint64, budget time.Duration,
) error {
	plan, err := sim.Draw(seed, draw)
	if err != nil {
		return err
	}
	result, err := world.Run(plan)
	if err != nil {
		return err
	}
	ops := result.History
	s.Runs++
	s.Operations += len(ops)
	s.OperationsMax = max(s.OperationsMax, len(ops))
	for i := range ops {
		if ops[i].Outcome == history.Unknown {
			s.Unknown++
		}
	}
	decided := make([]checker.Linearizability, len(deciders))
	for i, d := range deciders {
		begin := cpulimit.Used()
		decided[i] = d.decide(ctx, ops, budget)
		s.Deciders[i].add(decided[i], cpulimit.Used()-begin)
	}
	return agree(decided)
}

// agree makes sure that no other decider has come to another decision on a key than the first.
func agree(decided []checker.Linearizability) error {
	for i, d := range decided[1:] {
		for k, key := range d.Keys {
			first := decided[0].Keys[k]
			if key.Status != first.Status && key.Status != verdict.Unknown && first.Status != verdict.Unknown {
				return fmt.Errorf("%s: %s by %q, and %s by %q", key.Key, first.Status, deciders[0].name, key.Status,
					deciders[i+1].name)
			}
		}
	}
	return nil
}

// add takes in the decision on one history.
func (d *Decider) add(lin checker.Linearizability, spent time.Duration) {
	d.times = append(d.times, spent)
	d.CPU += spent
	status := verdict.Valid
	for _, k := range lin.Keys {
		d.Keys++
		switch {
		case k.Status == verdict.Unknown:
			d.KeysUndecided++
		case k.By == checker.ByOrder:
			d.KeysByOrder++
		case k.Tightened:
			d.KeysTightened++
		default:
			d.KeysSearched++
		}
		if k.Status == verdict.Violated || k.Status == verdict.Unknown && status == verdict.Valid {
			status = k.Status
		}
	}
	switch status {
	case verdict.Violated:
		d.Violated++
	case verdict.Unknown:
		d.Undecided++
	default:
		d.Valid++
	}
}

// finish computes what all runs come to.
func (s *Set) finish() {
	for i := range s.Deciders {
		d := &s.Deciders[i]
		slices.Sort(d.times)
		d.Median, d.P99, d.Max = quantile(d.times, 50), quantile(d.times, 99), quantile(d.times, 100)
	}
}

// quantile is the smallest of sorted times that so many percent do not exceed.
func quantile(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, (len(sorted)*percent+99)/100-1)]
}
