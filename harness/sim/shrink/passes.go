package shrink

import (
	"fmt"
	"iter"
	"slices"
	"time"

	"elenchus/harness/sim"
	"elenchus/nemesis"
	"elenchus/results/history"
	"elenchus/results/verdict"
)

// search tries every kind of reduction, again and again until none helps: first with the draws as they are, then with
// some other draws for every candidate, and then with more.
func (s *shrinker) search() {
	s.pass = "accidents"
	s.spellOut()
	passes := []struct {
		name string
		try  func(s *shrinker)
	}{
		{"faults", (*shrinker).lessFaults},
		{"accidents", (*shrinker).lessAccidents},
		{"sketches", (*shrinker).sketches},
		{"clients", (*shrinker).lessClients},
		{"keys", (*shrinker).lessKeys},
		{"operations", (*shrinker).lessCalls},
		{"nodes", (*shrinker).lessNodes},
		{"simpler faults", (*shrinker).simplerFaults},
		{"settings", (*shrinker).usualSettings},
		{"pauses", (*shrinker).lessTime},
		{"the end", (*shrinker).spellEnd},
		{"simpler operations", (*shrinker).simplerCalls},
		{"rarer messages", (*shrinker).quieter},
	}
	for tries := 0; ; {
		before := s.size.weight()
		for _, p := range passes {
			s.pass, s.seeds = p.name, tries
			s.progress(true)
			p.try(s)
			if s.over(0) {
				return
			}
		}
		s.pass, s.seeds = "other draws", 0
		s.otherDraws(2 * tries)
		if s.size.weight() < before {
			continue
		}
		if tries >= s.opts.Seeds {
			s.evenTimes()
			s.result.Finished = !s.over(0)
			return
		}
		tries = min(max(1, tries*4), s.opts.Seeds)
	}
}

// greedy tries candidates made from the best plan so far. Whenever one is kept it goes on with those that follow, made
// from the new plan, and then with those before, until none of a whole round is kept.
func (s *shrinker) greedy(candidates func(p *sim.Plan) iter.Seq[candidate]) {
	from := 0
	for {
		place := s.first(rotated(candidates(s.best), from))
		if place < 0 {
			return
		}
		from += place // less than that when it has wrapped around; then the round begins a little later
	}
}

// rotated is a sequence from one of its elements on, and then those before it.
func rotated(all iter.Seq[candidate], from int) iter.Seq[candidate] {
	return func(yield func(candidate) bool) {
		var before []candidate
		for c := range all {
			if len(before) < from {
				before = append(before, c)
			} else if !yield(c) {
				return
			}
		}
		for _, c := range before {
			if !yield(c) {
				return
			}
		}
	}
}

// thin leaves out parts of a list: halves, quarters, and so on to single elements.
func (s *shrinker) thin(length func(p *sim.Plan) int, without func(p *sim.Plan, from, to int) candidate) {
	for size := max(1, length(s.best)); ; size = (size + 1) / 2 {
		for from := 0; from < length(s.best) && !s.over(0); {
			base, at := s.best, from
			i := s.first(func(yield func(candidate) bool) {
				for n := length(base); at < n; at += size {
					if !yield(without(base, at, min(at+size, n))) {
						return
					}
				}
			})
			if i < 0 {
				break
			}
			from += i * size // what was there before could not be left out; the rest has moved up
		}
		if size <= 1 {
			return
		}
	}
}

// spellOut makes faults of the plan from processes that died by accident.
func (s *shrinker) spellOut() {
	if s.best.Process.CrashPPM == 0 && s.best.Disk.ErrorPPM == 0 {
		return
	}
	r, err := sim.New(sim.Options{Trace: true}).Run(s.best)
	if err != nil {
		return
	}
	deaths := r.Deaths()
	for _, after := range []time.Duration{0, 1} {
		p := s.best.Clone()
		p.Process.CrashPPM, p.Disk.ErrorPPM = 0, 0
		for i, d := range deaths {
			f := sim.Fault{
				ID: fmt.Sprintf("d%d", i+1), At: d.At + after, Kind: sim.FaultCrash,
				Targets: []string{p.Schedule.Nodes[d.Node-1]},
			}
			if d.Until != 0 {
				f.For = d.Until - f.At
			}
			p.Faults = append(p.Faults, f)
		}
		cut(p)
		if o := s.play(s.worlds[0], p); o.kind != "" { // even if it is larger: later passes shrink it
			s.keep("deaths as faults", o)
			return
		}
	}
}

func (s *shrinker) lessFaults() {
	s.thin(faults, func(p *sim.Plan, from, to int) candidate {
		return candidate{withoutFaults(p, from, to), "without " + faultNames(p, from, to)}
	})
}

func faultNames(p *sim.Plan, from, to int) string {
	if to-from > 3 {
		return fmt.Sprintf("%d faults", to-from)
	}
	text := ""
	for i := from; i < to; i++ {
		if text != "" {
			text += ", "
		}
		if n := len(p.Schedule.Faults); i < n {
			f := &p.Schedule.Faults[i]
			text += f.ID + " (" + f.Kind + " " + f.Detail() + ")"
		} else {
			f := &p.Faults[i-n]
			text += f.ID + " (" + string(f.Kind) + ")"
		}
	}
	return text
}

func (s *shrinker) lessAccidents() {
	s.greedy(func(p *sim.Plan) iter.Seq[candidate] { return resets(p, accidents) })
}

// resets puts settings back to what is usual: all of them, then one by one.
func resets(p *sim.Plan, list []setting) iter.Seq[candidate] {
	return func(yield func(candidate) bool) {
		all := p.Clone()
		count := 0
		for _, k := range list {
			if k.away(p) {
				count++
				k.reset(all)
			}
		}
		if count > 1 && !yield(candidate{all, "all as usual"}) {
			return
		}
		for _, k := range list {
			if !k.away(p) {
				continue
			}
			c := p.Clone()
			k.reset(c)
			if !yield(candidate{c, "as usual: " + k.name}) {
				return
			}
		}
	}
}

func (s *shrinker) lessClients() {
	s.greedy(thinBy(func(c *sim.Call) int { return c.Client }, func(client int) string {
		return fmt.Sprintf("without client %d", client)
	}))
}

func (s *shrinker) lessKeys() {
	s.greedy(thinBy(func(c *sim.Call) string { return c.Op.Key }, func(key string) string { return "without key " + key }))
}

// thinBy leaves out all calls that have something in common.
func thinBy[T comparable](of func(c *sim.Call) T, what func(T) string) func(p *sim.Plan) iter.Seq[candidate] {
	return func(p *sim.Plan) iter.Seq[candidate] {
		return func(yield func(candidate) bool) {
			seen := make(map[T]bool)
			for i := range p.Load.Script {
				value := of(&p.Load.Script[i])
				if seen[value] {
					continue
				}
				seen[value] = true
				c := withoutCalls(p, func(_ int, c *sim.Call) bool { return of(c) == value })
				if !yield(candidate{c, what(value)}) {
					return
				}
			}
		}
	}
}

func (s *shrinker) lessCalls() {
	s.thin(func(p *sim.Plan) int { return len(p.Load.Script) }, func(p *sim.Plan, from, to int) candidate {
		c := withoutCalls(p, func(i int, _ *sim.Call) bool { return i >= from && i < to })
		return candidate{c, fmt.Sprintf("without %s", verdict.Count(to-from, "operation"))}
	})
}

func (s *shrinker) lessNodes() {
	s.greedy(func(p *sim.Plan) iter.Seq[candidate] {
		return func(yield func(candidate) bool) {
			for i := p.Nodes() - 1; i >= 0 && p.Nodes() > s.opts.NodesMin; i-- {
				if !yield(candidate{withoutNode(p, i), "without node " + p.Schedule.Nodes[i]}) {
					return
				}
			}
		}
	})
}

// simplerFaults are faults with fewer targets, that last shorter or to the end, of a simpler kind or shape.
func (s *shrinker) simplerFaults() {
	s.greedy(func(p *sim.Plan) iter.Seq[candidate] {
		return func(yield func(candidate) bool) {
			for i := range p.Schedule.Faults {
				for _, f := range simplerScheduled(p, p.Schedule.Faults[i]) {
					c := p.Clone()
					c.Schedule.Faults[i] = f
					c.Schedule.Sort()
					if !yield(candidate{c, f.ID + " as " + f.String()}) {
						return
					}
				}
			}
			for i := range p.Faults {
				if !simplerOwn(p, i, yield) {
					return
				}
			}
		}
	})
}

// simplerScheduled are simpler faults in the place of one of the schedule.
func simplerScheduled(p *sim.Plan, f nemesis.Fault) []nemesis.Fault {
	var list []nemesis.Fault
	if f.Kind == nemesis.Partition && f.Shape != nemesis.Isolate {
		for _, node := range p.Schedule.Nodes {
			one := f
			one.Shape, one.Groups = nemesis.Isolate, [][]string{{node}}
			list = append(list, one)
		}
	}
	for g := range f.Groups {
		for i := range f.Groups[g] {
			if len(f.Groups[g]) > 1 && f.Shape != nemesis.Ring { // a ring is of all nodes
				less := f
				less.Groups = slices.Clone(f.Groups)
				less.Groups[g] = slices.Delete(slices.Clone(f.Groups[g]), i, i+1)
				list = append(list, less)
			}
		}
	}
	for _, d := range shorter(f.For) {
		other := f
		other.For = d
		list = append(list, other)
	}
	return list
}

// shorter are simpler durations: to the end of the run, or none where that is over at once, and shorter ones.
func shorter(d time.Duration) []time.Duration {
	if d == 0 {
		return nil
	}
	list := []time.Duration{0}
	for _, share := range []time.Duration{8, 4, 2} {
		if part := (d / share).Truncate(ms / 10); part > 0 {
			list = append(list, part)
		}
	}
	if part := d.Truncate(ms); part > 0 && part < d {
		list = append(list, part)
	}
	return list
}

// simplerOwn tries simpler faults in the place of one of the simulator's own kinds.
func simplerOwn(p *sim.Plan, i int, yield func(candidate) bool) bool {
	f := p.Faults[i]
	if same, ok := f.Scheduled(); ok {
		c := p.Clone()
		c.Faults = slices.Delete(c.Faults, i, i+1)
		c.Schedule.Faults = append(c.Schedule.Faults, same)
		c.Schedule.Sort()
		if !yield(candidate{c, f.ID + " as " + same.String()}) {
			return false
		}
	}
	var list []sim.Fault
	for k := range f.Targets {
		if len(f.Targets) > 1 {
			less := f
			less.Targets = slices.Delete(slices.Clone(f.Targets), k, k+1)
			list = append(list, less)
		}
	}
	if !f.Kind.Instant() {
		for _, d := range shorter(f.For) {
			other := f
			other.For = d
			list = append(list, other)
		}
	}
	for _, f := range list {
		c := p.Clone()
		c.Faults[i] = f
		if !yield(candidate{c, f.ID + " as " + f.String()}) {
			return false
		}
	}
	return true
}

// usualSettings are the defaults in the place of what was drawn: all, by groups, one by one.
func (s *shrinker) usualSettings() {
	s.greedy(func(p *sim.Plan) iter.Seq[candidate] {
		return func(yield func(candidate) bool) {
			for _, g := range groups {
				c, away := p.Clone(), false
				for _, k := range settings {
					if slices.Contains(g, k.name) && k.away(p) {
						away = true
						k.reset(c)
					}
				}
				if away && !yield(candidate{c, fmt.Sprintf("as usual: %s and its like", g[0])}) {
					return
				}
			}
			resets(p, settings)(yield)
		}
	})
	s.greedy(usualClocks)
}

// usualClocks are clocks that are right.
func usualClocks(p *sim.Plan) iter.Seq[candidate] {
	return func(yield func(candidate) bool) {
		all := p.Clone()
		clear(all.Clocks)
		if !yield(candidate{all, "all clocks right"}) {
			return
		}
		for i := range p.Clocks {
			if p.Clocks[i] == (sim.Clock{}) {
				continue
			}
			c := p.Clone()
			c.Clocks[i] = sim.Clock{}
			if !yield(candidate{c, "the clock of " + p.Schedule.Nodes[i] + " right"}) {
				return
			}
		}
	}
}

// lessTime takes spans out of the run in which nothing of the plan begins, or less of them.
func (s *shrinker) lessTime() {
	s.greedy(func(p *sim.Plan) iter.Seq[candidate] {
		return func(yield func(candidate) bool) {
			if c := s.healed(p); c != nil && !yield(candidate{c, "faults that end before the run does"}) {
				return
			}
			times := moments(p)
			times = append(times, p.Length)
			for i := 1; i < len(times); i++ {
				gap := times[i] - times[i-1]
				for _, share := range []time.Duration{1, 2, 5} {
					span := gap / share
					if span < ms {
						break
					}
					what := fmt.Sprintf("%v less before %v", span.Round(ms/10), times[i].Round(ms/10))
					if !yield(candidate{without(p, times[i], span), what}) {
						return
					}
				}
			}
		}
	})
}

// spellEnd makes calls of the script from what the clients do behind the end of the run, where it is there that it
// fails, so that they can be left out.
func (s *shrinker) spellEnd() {
	c := s.healed(s.best)
	if c == nil {
		return
	}
	r, err := s.worlds[0].Run(s.best)
	if err != nil {
		return
	}
	n := c.Nodes()
	first := 0
	for _, call := range c.Load.Script {
		first = max(first, call.Client/n+1)
	}
	for i := range r.History {
		if op := &r.History[i]; op.Phase != history.PhaseMain {
			client := first*n + slices.Index(c.Schedule.Nodes, op.Node)
			c.Load.Script = append(c.Load.Script, sim.Call{Client: client, At: op.Call, Op: op.Op})
		}
	}
	s.first(func(yield func(candidate) bool) {
		yield(candidate{c, "what clients do in the end as a part of the run"})
	})
}

// healed is a plan for a run that fails behind its end, when everything was healed: the end comes later, and the
// faults are over when they were. So nobody reads everything once more in between.
func (s *shrinker) healed(p *sim.Plan) *sim.Plan {
	if s.violation.AtEnd() || s.violation.At < p.Length {
		return nil
	}
	c := p.Clone()
	for i := range c.Schedule.Faults {
		f := &c.Schedule.Faults[i]
		if _, reverted := f.End(); !reverted {
			f.For = p.Length - f.At
		}
	}
	for i := range c.Faults {
		if f := &c.Faults[i]; f.For == 0 && !f.Kind.Instant() {
			f.For = p.Length - f.At
		}
	}
	c.Length = s.violation.At.Truncate(ms) + ms
	c.Schedule.Length = c.Length
	return c
}

// evenTimes begins things at whole milliseconds: all of them, or one.
func (s *shrinker) evenTimes() {
	s.pass, s.seeds = "even times", 0
	s.greedy(func(p *sim.Plan) iter.Seq[candidate] {
		return func(yield func(candidate) bool) {
			for _, grain := range []time.Duration{10 * ms, ms} {
				c := p.Clone()
				for i := range c.Schedule.Faults {
					c.Schedule.Faults[i].At = c.Schedule.Faults[i].At.Truncate(grain)
				}
				for i := range c.Faults {
					c.Faults[i].At = c.Faults[i].At.Truncate(grain)
				}
				for i := range c.Load.Script {
					c.Load.Script[i].At = c.Load.Script[i].At.Truncate(grain)
				}
				cut(c)
				if !yield(candidate{c, fmt.Sprintf("times in steps of %v", grain)}) {
					return
				}
			}
			for i := range p.Schedule.Faults {
				if at := p.Schedule.Faults[i].At; at%ms != 0 {
					c := p.Clone()
					c.Schedule.Faults[i].At = at.Truncate(ms)
					if !yield(candidate{c, fmt.Sprintf("a fault at %v", at.Truncate(ms))}) {
						return
					}
				}
			}
			for i := range p.Faults {
				if at := p.Faults[i].At; at%ms != 0 {
					c := p.Clone()
					c.Faults[i].At = at.Truncate(ms)
					if !yield(candidate{c, fmt.Sprintf("a fault at %v", at.Truncate(ms))}) {
						return
					}
				}
			}
			for i := range p.Load.Script {
				if at := p.Load.Script[i].At; at%ms != 0 {
					c := p.Clone()
					c.Load.Script[i].At = at.Truncate(ms)
					if !yield(candidate{c, fmt.Sprintf("a call at %v", at.Truncate(ms))}) {
						return
					}
				}
			}
		}
	})
}

// simplerCalls are reads and writes in the place of other operations, of fewer clients, on fewer keys.
func (s *shrinker) simplerCalls() {
	s.greedy(func(p *sim.Plan) iter.Seq[candidate] {
		return func(yield func(candidate) bool) {
			for i := range p.Load.Script {
				call := p.Load.Script[i]
				for _, other := range simplerCall(p, call) {
					c := p.Clone()
					c.Load.Script[i] = other
					if !yield(candidate{c, fmt.Sprintf("%v of client %d in the place of %v of client %d", other.Op,
						other.Client, call.Op, call.Client)}) {
						return
					}
				}
			}
		}
	})
}

func simplerCall(p *sim.Plan, call sim.Call) []sim.Call {
	var list []sim.Call
	first := p.Load.Script[0]
	if call.Op.Key != first.Op.Key {
		other := call
		other.Op.Key = first.Op.Key
		list = append(list, other)
	}
	if same := call.Client % p.Nodes(); same != call.Client {
		other := call
		other.Client = same
		list = append(list, other)
	}
	if call.Client != first.Client {
		other := call
		other.Client = first.Client
		list = append(list, other)
	}
	if call.Op.Func == history.CAS {
		other := call
		other.Op.Func, other.Op.Expect = history.Write, nil
		list = append(list, other)
	}
	return list
}

// quieter lets nodes send fewer messages: heartbeats, renewals and retries are rarer.
func (s *shrinker) quieter() {
	s.greedy(func(p *sim.Plan) iter.Seq[candidate] {
		return func(yield func(candidate) bool) {
			for _, factor := range []time.Duration{10, 3, 2} {
				for _, d := range []struct {
					name  string
					field func(p *sim.Plan) *time.Duration
					usual time.Duration
				}{
					{"renewals", func(p *sim.Plan) *time.Duration { return &p.Node.LeaseRenew }, 300 * ms},
					{"heartbeats", func(p *sim.Plan) *time.Duration { return &p.Node.HeartbeatInterval }, 100 * ms},
					{"retries", func(p *sim.Plan) *time.Duration { return &p.Node.RetryInterval }, 200 * ms},
					{"elections", func(p *sim.Plan) *time.Duration { return &p.Node.ElectionTimeout }, 600 * ms},
				} {
					c := p.Clone()
					at := d.field(c)
					if *at == 0 {
						*at = d.usual
					}
					*at *= factor
					if !yield(candidate{c, fmt.Sprintf("%s %d times as rare", d.name, factor)}) {
						return
					}
				}
			}
		}
	})
}

// otherDraws plays the plan as it is with other seeds.
func (s *shrinker) otherDraws(count int) {
	s.first(func(yield func(candidate) bool) {
		for k := range count {
			c := *s.best
			c.Seed = uint64(k + 1)
			if !yield(candidate{&c, fmt.Sprintf("seed %d", c.Seed)}) {
				return
			}
		}
	})
}
