package shrink

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"elenchus/harness/sim"
	"elenchus/nemesis"
	"elenchus/results/history"
)

// Leaving out one thing after the other gets stuck where a failure takes a coincidence: every smaller run draws anew,
// and misses it. A sketch goes the other way. It keeps what is likely to matter, the kinds of faults in their order and
// the settings, and puts a handful of operations near them, at times drawn at random. Most sketches do not fail; but
// they are small, so that hundreds are played in the time of one run as it was, and one that fails is worth all that
// could have been left out before.

// How many sketches are tried before that is given up: of a run that is full of operations, and of one that is not.
const (
	sketchesMax  = 1500
	sketchesMore = 200
)

// sketches are tried as long as they help and the run is not yet small.
func (s *shrinker) sketches() {
	for !s.over(0) && s.size.large() && s.best.Load.Script != nil {
		limit := uint64(sketchesMore)
		if s.size.Operations > callsMax {
			limit = sketchesMax
		}
		base, v, round := s.best, s.violation, uint64(len(s.result.Steps))
		i := s.first(func(yield func(candidate) bool) {
			for k := range limit {
				if !yield(candidate{s.sketch(base, &v, rand.New(rand.NewPCG(round, k))), fmt.Sprintf("sketch %d", k+1)}) {
					return
				}
			}
		})
		if i < 0 {
			return
		}
	}
}

// callsMax is how many operations a sketch has at most, unless there are more nodes.
const callsMax = 6

// large reports whether there is more than a reader follows at a glance.
func (s Size) large() bool { return s.Operations > 2 || s.Faults > 1 }

// sketch draws a small plan in the manner of another.
func (s *shrinker) sketch(base *sim.Plan, v *sim.Violation, r *rand.Rand) *sim.Plan {
	c := base.Clone()
	if r.IntN(3) == 0 { // with the draws of the plan those are elected whom its faults are aimed at
		c.Seed = r.Uint64()
	}
	if r.IntN(2) == 0 {
		for _, a := range accidents {
			a.reset(c)
		}
	}
	for n := faults(c); n > 1; n = faults(c) {
		if r.IntN(3) > 0 {
			break
		}
		at := r.IntN(n)
		c = withoutFaults(c, at, at+1)
	}
	switch r.IntN(4) {
	case 0, 1:
		s.revive(c)
	case 2:
		retime(c, r)
	}
	if r.IntN(2) == 0 {
		c.Load.Script = pulse(base, c, v, r)
	} else {
		c.Load.Script = sketchCalls(base, c, v, r)
	}
	end := time.Duration(0)
	for _, at := range moments(c) {
		end = max(end, at)
	}
	c.Length = max(base.Length, end+400*ms)
	c.Schedule.Length = c.Length
	c.Schedule.Sort()
	return c
}

// revive gives the faults of a plan back the roles and triggers that they had before it was frozen: so they still meet
// the leader, whoever that is, and the moment that they are about.
func (s *shrinker) revive(c *sim.Plan) {
	if s.origin.Nodes() != c.Nodes() {
		return
	}
	revived := make(map[string]bool)
	for i := range c.Schedule.Faults {
		f := &c.Schedule.Faults[i]
		for _, o := range s.origin.Schedule.Faults {
			if o.ID == f.ID {
				*f, revived[f.ID] = o, true
			}
		}
	}
	for i := range c.Faults {
		f := &c.Faults[i]
		for _, o := range s.origin.Faults {
			if o.ID == f.ID {
				*f, revived[f.ID] = o, true
			}
		}
	}
	c.Triggers = slices.DeleteFunc(slices.Clone(s.origin.Triggers), func(t sim.Trigger) bool { return !revived[t.Fault] })
	c.Length = max(c.Length, s.origin.Length)
}

// live reports whether what the plan's faults do depends on the run.
func live(p *sim.Plan) bool {
	role := func(targets []string) bool {
		return slices.ContainsFunc(targets, func(t string) bool { return !slices.Contains(p.Schedule.Nodes, t) })
	}
	return len(p.Triggers) > 0 ||
		slices.ContainsFunc(p.Schedule.Faults, func(f nemesis.Fault) bool { return slices.ContainsFunc(f.Groups, role) }) ||
		slices.ContainsFunc(p.Faults, func(f sim.Fault) bool { return role(f.Targets) })
}

// retime draws when the faults begin, in the order that they have, and how long they last.
func retime(c *sim.Plan, r *rand.Rand) {
	type fault struct{ at, lasts *time.Duration }
	var list []fault
	for i := range c.Schedule.Faults {
		list = append(list, fault{&c.Schedule.Faults[i].At, &c.Schedule.Faults[i].For})
	}
	for i := range c.Faults {
		f := fault{&c.Faults[i].At, nil}
		if !c.Faults[i].Kind.Instant() {
			f.lasts = &c.Faults[i].For
		}
		list = append(list, f)
	}
	slices.SortStableFunc(list, func(a, b fault) int { return int(*a.at - *b.at) })
	before, now := time.Duration(0), time.Duration(0)
	for i, f := range list {
		gap := *f.at - before
		before = *f.at
		switch {
		case i == 0 && r.IntN(2) == 0:
			gap = 10*ms + time.Duration(r.Int64N(int64(c.Length)))
		case i > 0 && r.IntN(2) == 0:
			gap = span(r)
		}
		now += gap
		*f.at = now
		if f.lasts != nil && r.IntN(2) == 0 {
			*f.lasts = span(r)
		}
	}
}

// span is a duration from 0.1 ms to 0.4 s, each of its orders of magnitude as likely as the others. Floats may round
// differently on another processor, so there are none.
func span(r *rand.Rand) time.Duration {
	low := 100 * time.Microsecond << r.IntN(12)
	return (low + time.Duration(r.Int64N(int64(low)))).Truncate(10 * time.Microsecond)
}

// pulse is an update before a moment at which something changes, and a question to every node behind it: the least with
// which clients can notice what went wrong there. Some of the questions are updates themselves.
func pulse(base, c *sim.Plan, v *sim.Violation, r *rand.Rand) []sim.Call {
	var updates []sim.Call
	for _, call := range base.Load.Script {
		if call.Op.Func.Mutates() {
			updates = append(updates, call)
		}
	}
	if len(updates) == 0 {
		return sketchCalls(base, c, v, r)
	}
	r.Shuffle(len(updates), func(i, j int) { updates[i], updates[j] = updates[j], updates[i] })
	near := append(moments(&sim.Plan{Schedule: c.Schedule, Faults: c.Faults}), v.At)
	at := near[r.IntN(len(near))]
	first := plainer(updates[0])
	first.Client, first.At = r.IntN(c.Nodes()), max(0, at-span(r))
	calls := []sim.Call{first}
	mixed, later := r.IntN(3) == 0, at+span(r)
	for node := range c.Nodes() {
		call := sim.Call{Op: history.Op{Func: history.Read, Key: first.Op.Key}}
		if k := node + 1; mixed && k < len(updates) && r.IntN(2) == 0 {
			call = plainer(updates[k])
			call.Op.Key = first.Op.Key
		}
		call.Client, call.At = node, later
		calls = append(calls, call)
	}
	return calls
}

// plainer is a call with a write in the place of a compare-and-set, which needs a past.
func plainer(call sim.Call) sim.Call {
	call.Nth = 0
	if call.Op.Func == history.CAS {
		call.Op.Func, call.Op.Expect = history.Write, nil
	}
	return call
}

// sketchCalls are a few of the operations of the plan, most of them near a fault, and most on one register. Those
// by which the failure showed are likely to be among them, when they were.
func sketchCalls(base, c *sim.Plan, v *sim.Violation, r *rand.Rand) []sim.Call {
	all := base.Load.Script
	calls := []sim.Call{}
	if len(all) == 0 {
		return calls
	}
	chosen := r.Perm(len(all))[:r.IntN(min(len(all), callsMax)+1)]
	vital := 0
	if v.Answer != nil && r.IntN(4) > 0 {
		for _, i := range []int{v.Answer.Operation, v.Answer.Before} {
			if i >= 0 && i < len(all) {
				chosen = append([]int{i}, chosen...)
				vital++
			}
		}
	}
	if len(chosen) == 0 {
		return calls
	}
	key, oneKey := all[chosen[0]].Op.Key, r.IntN(4) > 0
	near := append(moments(&sim.Plan{Schedule: c.Schedule, Faults: c.Faults}), v.At)
	for k, i := range chosen {
		call := plainer(all[i])
		if oneKey {
			call.Op.Key = key
		}
		if k < vital && r.IntN(2) == 0 {
			calls = append(calls, call)
			continue
		}
		call.Client %= c.Nodes()
		if r.IntN(2) == 0 {
			call.Client = r.IntN(c.Nodes())
		}
		switch r.IntN(4) {
		case 0: // as it was
		case 1:
			call.At = time.Duration(r.Int64N(int64(c.Length)))
		default:
			call.At = near[r.IntN(len(near))]
			if d := span(r); r.IntN(2) == 0 {
				call.At += d
			} else {
				call.At = max(0, call.At-d)
			}
		}
		calls = append(calls, call)
	}
	slices.SortStableFunc(calls, func(a, b sim.Call) int { return int(a.At - b.At) })
	return calls
}
