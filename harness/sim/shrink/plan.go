package shrink

import (
	"slices"
	"time"

	"elenchus/harness/sim"
	"elenchus/nemesis"
)

// trimmed is the plan without what came after the failure, which did not matter.
func trimmed(p *sim.Plan, r *sim.Result) *sim.Plan {
	c := p.Clone()
	if c.Load.Script != nil {
		c.Load.Script = r.Script() // calls that were made, at the times at which they were
	}
	at := r.Violation.At
	if r.Violation.AtEnd() || at >= c.Length {
		return c // how the run ends is part of the failure
	}
	c.Length = at.Truncate(ms) + ms
	cut(c)
	return c
}

// cut takes out of the plan whatever is behind its end.
func cut(p *sim.Plan) {
	p.Schedule.Length = p.Length
	p.Schedule.Faults = slices.DeleteFunc(p.Schedule.Faults, func(f nemesis.Fault) bool { return f.At >= p.Length })
	p.Faults = slices.DeleteFunc(p.Faults, func(f sim.Fault) bool { return f.At >= p.Length })
	for i := range p.Schedule.Faults {
		if f := &p.Schedule.Faults[i]; f.At+f.For > p.Length {
			f.For = 0 // until everything is healed, which is then
		}
	}
	for i := range p.Faults {
		if f := &p.Faults[i]; f.At+f.For > p.Length {
			f.For = 0
		}
	}
	if p.Load.Script != nil {
		p.Load.Script = slices.DeleteFunc(p.Load.Script, func(c sim.Call) bool { return c.At >= p.Length })
	}
}

// faults is how many the plan has, of both kinds.
func faults(p *sim.Plan) int { return len(p.Schedule.Faults) + len(p.Faults) }

// withoutFaults leaves out the faults from one place to another.
func withoutFaults(p *sim.Plan, from, to int) *sim.Plan {
	c := p.Clone()
	n := len(c.Schedule.Faults)
	c.Schedule.Faults = slices.Delete(c.Schedule.Faults, min(from, n), min(to, n))
	c.Faults = slices.Delete(c.Faults, max(from-n, 0), max(to-n, 0))
	return c
}

// withoutCalls leaves out the calls for which drop holds.
func withoutCalls(p *sim.Plan, drop func(i int, c *sim.Call) bool) *sim.Plan {
	c := p.Clone()
	kept := []sim.Call{}
	for i := range p.Load.Script {
		if !drop(i, &p.Load.Script[i]) {
			kept = append(kept, p.Load.Script[i])
		}
	}
	c.Load.Script = kept
	return c
}

// withoutNode is the plan for a cluster with one node less. Its clients go with it.
func withoutNode(p *sim.Plan, gone int) *sim.Plan {
	n := p.Nodes()
	c := p.Clone()
	c.Clocks = slices.Delete(c.Clocks, gone, gone+1)
	old := p.Schedule.Nodes
	c.Schedule.Nodes = slices.Clone(old[:n-1])
	renamed := func(name string) string {
		i := slices.Index(old, name)
		if i > gone {
			i--
		}
		return old[i]
	}
	rename := func(targets []string) []string {
		out := []string{}
		for _, name := range targets {
			if name != old[gone] {
				out = append(out, renamed(name))
			}
		}
		return out
	}
	c.Schedule.Faults = c.Schedule.Faults[:0]
	for _, f := range p.Schedule.Faults {
		var left [][]string
		for _, g := range f.Groups {
			if g = rename(g); len(g) > 0 {
				left = append(left, g)
			}
		}
		if f.Shape == nemesis.Ring && n-1 < 3 { // two nodes are no ring
			continue
		}
		if len(left) == len(f.Groups) {
			f.Groups = left
			c.Schedule.Faults = append(c.Schedule.Faults, f)
		}
	}
	c.Faults = c.Faults[:0]
	for _, f := range p.Faults {
		if f.Targets = rename(f.Targets); len(f.Targets) > 0 {
			c.Faults = append(c.Faults, f)
		}
	}
	script := []sim.Call{}
	for _, call := range p.Load.Script {
		node := call.Client % n
		if node == gone {
			continue
		}
		if node > gone {
			node--
		}
		call.Client = call.Client/n*(n-1) + node
		script = append(script, call)
	}
	if p.Load.Script != nil {
		c.Load.Script = script
	}
	return c
}

// moments are the times at which something of the plan begins, in order and each once.
func moments(p *sim.Plan) []time.Duration {
	times := []time.Duration{0}
	for i := range p.Schedule.Faults {
		f := &p.Schedule.Faults[i]
		times = append(times, f.At)
		if f.For != 0 {
			times = append(times, f.At+f.For)
		}
	}
	for i := range p.Faults {
		f := &p.Faults[i]
		times = append(times, f.At)
		if f.For != 0 {
			times = append(times, f.At+f.For)
		}
	}
	for i := range p.Load.Script {
		times = append(times, p.Load.Script[i].At)
	}
	slices.Sort(times)
	return slices.Compact(times)
}

// without is the plan with a span of time taken out that ends at an instant. What began in it begins at its end.
func without(p *sim.Plan, end, span time.Duration) *sim.Plan {
	c := p.Clone()
	moved := func(t time.Duration) time.Duration {
		switch {
		case t >= end:
			return t - span
		case t > end-span:
			return end - span
		}
		return t
	}
	for i := range c.Schedule.Faults {
		f := &c.Schedule.Faults[i]
		f.At, f.For = moved(f.At), lasting(f.At, f.For, moved)
	}
	for i := range c.Faults {
		f := &c.Faults[i]
		f.At, f.For = moved(f.At), lasting(f.At, f.For, moved)
	}
	for i := range c.Load.Script {
		c.Load.Script[i].At = moved(c.Load.Script[i].At)
	}
	c.Length = max(moved(c.Length), ms)
	cut(c)
	return c
}

// lasting is how long a fault lasts when its beginning and its end are moved: zero stays zero, and nothing else is.
func lasting(at, d time.Duration, moved func(time.Duration) time.Duration) time.Duration {
	if d == 0 {
		return 0
	}
	return max(moved(at+d)-moved(at), 100*time.Microsecond)
}
