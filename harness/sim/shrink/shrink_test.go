package shrink

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"elenchus/harness/sim"
)

// failing is a plan whose run is not linearizable: nodes answer reads from whatever they have applied.
func failing(t *testing.T) *sim.Plan {
	t.Helper()
	w := sim.New(sim.Options{})
	for seed := uint64(1); seed < 100; seed++ {
		p := draw(t, seed, sim.DrawOptions{Reads: "local", Workloads: []string{"register"}, Nodes: []int{4}})
		if r, err := w.Run(p); err == nil && r.Violation != nil && r.Violation.Invariant == "linearizability" {
			return p
		}
	}
	t.Fatal("no seed fails")
	return nil
}

func draw(t *testing.T, seed uint64, o sim.DrawOptions) *sim.Plan {
	t.Helper()
	p, err := sim.Draw(seed, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Whatever is kept fails in the same way, in a world of its own, too, and is smaller than what was kept before.
func TestEveryStepKeepsTheFailure(t *testing.T) {
	other := sim.New(sim.Options{})
	kept := 0
	plan := failing(t)
	before := encoded(t, plan)
	result, err := Run(context.Background(), plan, Options{Workers: 2, Candidates: 4000, kept: func(p *sim.Plan) {
		kept++
		r, err := other.Run(p)
		if err != nil || r.Violation == nil || r.Violation.Invariant != "linearizability" {
			t.Errorf("plan %d that was kept: %v, %v", kept, err, r.Violation)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if encoded(t, plan) != before {
		t.Error("the plan that was to be shrunk is another one now")
	}
	if kept != len(result.Steps) || kept < 10 {
		t.Errorf("%d plans were kept in %d steps", kept, len(result.Steps))
	}
	last := result.Before
	for i, s := range result.Steps {
		if i > 0 && s.Size.weight() >= last.weight() {
			t.Errorf("step %d (%s) weighs %d, the one before %d", i, s.What, s.Size.weight(), last.weight())
		}
		last = s.Size
	}
	a, b := result.After, result.Before
	if a.Operations >= b.Operations/4 || a.Faults > 1 || a.Messages >= b.Messages || a.Nodes > b.Nodes {
		t.Errorf("from %v to %v", b, a)
	}
	if len(result.Plan.Load.Script) < 1 || len(result.Plan.Load.Script) > 5 {
		t.Errorf("a stale read takes an update, and a read of the script or of the end: %v", result.Plan.Load.Script)
	}
}

// The result depends on the plan and on how many candidates are played, and not on who plays them.
func TestShrinkingRepeatsItself(t *testing.T) {
	plan := failing(t)
	var first *Result
	for _, workers := range []int{1, 3} {
		result, err := Run(context.Background(), plan, Options{Workers: workers, Candidates: 400})
		if err != nil {
			t.Fatal(err)
		}
		if result.Candidates != 400 || result.Finished {
			t.Errorf("%d candidates, finished: %v", result.Candidates, result.Finished)
		}
		if first == nil {
			first = result
			continue
		}
		if encoded(t, first.Plan) != encoded(t, result.Plan) || encoded(t, first.Steps) != encoded(t, result.Steps) {
			t.Errorf("with 1 worker: %v\nwith %d: %v", first.After, workers, result.After)
		}
	}
}

func TestRunsThatPassAreNotShrunk(t *testing.T) {
	_, err := Run(context.Background(), draw(t, 3, sim.DrawOptions{Style: "calm"}), Options{})
	if !errors.Is(err, ErrPasses) {
		t.Errorf("got %v", err)
	}
}

// Whoever has no patience gets the smallest run so far, which fails.
func TestTheSmallestSoFar(t *testing.T) {
	plan := failing(t)
	ctx, cancel := context.WithCancel(context.Background())
	result, err := Run(ctx, plan, Options{kept: func(*sim.Plan) { cancel() }})
	if err != nil {
		t.Fatal(err)
	}
	if result.Finished || len(result.Steps) == 0 || len(result.Steps) > 2 {
		t.Errorf("%d steps, finished: %v", len(result.Steps), result.Finished)
	}
	r, err := sim.New(sim.Options{}).Run(result.Plan)
	if err != nil || r.Violation == nil || *r.Violation != result.Violation {
		t.Errorf("%v, %v; want %v", err, r.Violation, result.Violation)
	}
	if result, err = Run(context.Background(), plan, Options{Budget: time.Nanosecond}); err != nil || result.Finished {
		t.Errorf("no time at all: %v, %+v", err, result)
	}
}

func TestOptionsSayAllThatIsWrongWithThem(t *testing.T) {
	_, err := Run(context.Background(), draw(t, 1, sim.DrawOptions{}), Options{
		Workers: -1, Budget: -time.Second, Candidates: -1, NodesMin: -1,
	})
	for _, word := range []string{"workers", "budget", "candidates", "nodes min"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("nothing about %s in %v", word, err)
		}
	}
}

// Whatever is left out of a plan, it is a valid plan.
func TestReductionsAreValidPlans(t *testing.T) {
	w := sim.New(sim.Options{Checker: sim.NoChecker{}})
	for seed := uint64(1); seed <= 30; seed++ {
		p, _, err := w.Frozen(draw(t, seed, sim.DrawOptions{}))
		if err != nil {
			t.Fatal(err)
		}
		whole := encoded(t, p)
		n := p.Nodes()
		for gone := range n {
			c := withoutNode(p, gone)
			if err := c.Validate(); err != nil || c.Nodes() != n-1 {
				t.Errorf("seed %d without node %d: %v", seed, gone+1, err)
			}
			for _, call := range c.Load.Script {
				if call.Client%(n-1) >= n-1 {
					t.Errorf("seed %d without node %d: client %d", seed, gone+1, call.Client)
				}
			}
		}
		times := moments(p)
		for i := 1; i < len(times); i += 7 {
			c := without(p, times[i], times[i]-times[i-1])
			if err := c.Validate(); err != nil {
				t.Errorf("seed %d without %v before %v: %v", seed, times[i]-times[i-1], times[i], err)
			}
		}
		for i := range faults(p) {
			c := withoutFaults(p, i, i+1)
			if err := c.Validate(); err != nil || faults(c) != faults(p)-1 {
				t.Errorf("seed %d without fault %d: %v", seed, i, err)
			}
		}
		for i := range p.Schedule.Faults {
			for _, f := range simplerScheduled(p, p.Schedule.Faults[i]) {
				c := p.Clone()
				c.Schedule.Faults[i] = f
				if err := c.Validate(); err != nil {
					t.Errorf("seed %d: %v for %v: %v", seed, f, p.Schedule.Faults[i], err)
				}
			}
		}
		if encoded(t, p) != whole {
			t.Fatalf("seed %d: a reduction has changed the plan that it was made from", seed)
		}
	}
}

// Clients keep their nodes when another node goes.
func TestWithoutNodeKeepsClientsWhereTheyAre(t *testing.T) {
	p, _, err := sim.New(sim.Options{Checker: sim.NoChecker{}}).Frozen(draw(t, 5, sim.DrawOptions{Nodes: []int{4}}))
	if err != nil {
		t.Fatal(err)
	}
	c := withoutNode(p, 1)
	var left []sim.Call
	for _, call := range p.Load.Script {
		if call.Client%4 != 1 {
			left = append(left, call)
		}
	}
	if len(left) == len(p.Load.Script) || len(left) != len(c.Load.Script) {
		t.Fatalf("%d calls, %d of these at other nodes, %d are left", len(p.Load.Script), len(left), len(c.Load.Script))
	}
	moved := []int{0, -1, 1, 2}
	for i := range left {
		if got, want := c.Load.Script[i].Client%3, moved[left[i].Client%4]; got != want {
			t.Errorf("a call at node %d is at node %d now", left[i].Client%4+1, got+1)
		}
	}
}

// Settings are at their defaults when they were put there.
func TestSettingsGoBack(t *testing.T) {
	names := make(map[string]bool)
	for _, k := range slices.Concat(accidents, settings) {
		names[k.name] = true
		p := draw(t, 2, sim.DrawOptions{Style: "swarm"})
		k.reset(p)
		if k.away(p) {
			t.Errorf("%s is not as usual after it was reset", k.name)
		}
	}
	for _, g := range groups {
		for _, name := range g {
			if !names[name] {
				t.Errorf("there is no setting %q", name)
			}
		}
	}
}
