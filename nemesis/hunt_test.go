package nemesis

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"elenchus/nemesis/clockshim"
	"elenchus/nemesis/hostclock"
)

// drawBounded draws options for a plan with clock faults and leases.
func drawBounded(t *rapid.T) PlanOptions {
	return PlanOptions{
		Seed: rapid.Uint64().Draw(t, "seed"), Nodes: five[:rapid.IntRange(1, 5).Draw(t, "nodes")],
		Length:    time.Duration(rapid.Int64Range(int64(time.Second), int64(2*time.Minute)).Draw(t, "length")),
		Term:      time.Duration(rapid.Int64Range(0, int64(2*time.Second)).Draw(t, "term")),
		LeaseTerm: time.Duration(rapid.Int64Range(0, int64(5*time.Second)).Draw(t, "lease")),
		Hunt:      rapid.SampledFrom([]float64{0, -1, 0.5, 1}).Draw(t, "hunt"),
		Kinds:     rapid.SampledFrom([][]string{{Clock}, {Partition, Clock}, {Partition, Kill, Pause, Clock}}).Draw(t, "kinds"),
		Clocks: ClockBounds{
			Drift:   clockshim.Rate(rapid.Int64Range(int64(leastDrift), int64(clockshim.Nominal)).Draw(t, "drift")),
			MaxStep: time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "step")),
			Wall:    rapid.Bool().Draw(t, "wall"),
		},
	}
}

// Planned clock faults keep within their bounds. Checking pairs is enough, since no two faults move clocks at once.
func TestPlannedClocksKeepTheirBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := drawBounded(t)
		if len(o.Nodes) < 3 {
			o.Kinds = []string{Clock}
			o.Weights = map[string]int{"clock rate minority": 0, "clock step minority": 0}
		}
		s, err := Plan(o)
		if err != nil && o.Clocks.MaxStep < hostclock.MinStep {
			return // nothing can be planned that could be seen
		}
		if err != nil {
			t.Fatal(err)
		}
		const n = clockshim.Nominal
		var before Fault
		for _, f := range s.Faults {
			if f.Kind != Clock {
				continue
			}
			if end, _ := before.End(); before.ID != "" && f.At < end {
				t.Errorf("%s begins before %s ends", f, before)
			}
			before = f
			if f.Move.Rate != 0 {
				if f.Move.Rate > n+o.Clocks.Drift || f.Move.Rate*(n+o.Clocks.Drift) < n*n {
					t.Errorf("%s: the bound is %d ppb", f, o.Clocks.Drift)
				}
				if off := math.Abs(float64(f.Move.Rate-n)) / float64(n) * float64(f.For); o.Clocks.Wall && off > float64(o.Clocks.MaxStep)+1 {
					t.Errorf("%s moves wall clocks by %v, the bound is %v", f, off, o.Clocks.MaxStep)
				}
			}
			if far := max(f.Move.Step.Abs(), f.Move.Strobe.Abs()); far > max(o.Clocks.MaxStep, time.Millisecond) {
				t.Errorf("%s: the bound is %v", f, o.Clocks.MaxStep)
			}
			if err := hostclock.Shim.Fit(f.Move); err != nil {
				t.Errorf("%s: %v", f, err)
			}
		}
	})
}

// Hunts are planned only where there are leases, completely, one after another, and apart from all other faults.
func TestHunts(t *testing.T) {
	count := map[string]int{}
	for seed := range uint64(60) {
		for _, wall := range []bool{false, true} {
			o := PlanOptions{Seed: seed, Nodes: five, Length: time.Minute, LeaseTerm: time.Second, Clocks: ClockBounds{MaxStep: 100 * time.Millisecond, Wall: wall}}
			s, err := Plan(o)
			if err != nil {
				t.Fatal(err)
			}
			hunts := map[string][2]time.Duration{}
			for _, f := range s.Faults {
				hunt, part, isHunt := strings.Cut(f.ID, "-")
				if !isHunt {
					continue
				}
				span, known := hunts[hunt]
				if !known {
					span[0] = f.At
				}
				hunts[hunt] = [2]time.Duration{span[0], max(span[1], f.At+f.For)}
				count[part+" "+Form{Kind: f.Kind, Shape: f.Shape, Groups: f.Groups}.Name()]++
			}
			if len(hunts) < 3 {
				t.Errorf("seed %d: only %d hunts in a minute:\n%s", seed, len(hunts), s.Format())
			}
			for hunt, span := range hunts {
				for _, f := range s.Faults {
					if !strings.HasPrefix(f.ID, hunt+"-") && f.At < span[1] && f.At+f.For > span[0] {
						t.Errorf("seed %d: %s disturbs %s, from %v to %v", seed, f, hunt, span[0], span[1])
					}
				}
			}
		}
	}
	for _, want := range []string{
		"clock clock rate leader", "clock clock rate followers", "clock clock step leader", "clock clock step followers",
		"cut partition isolate leader", "cut partition one-way rest -> leader", "kill kill minority", "kill kill leader",
		"kill kill follower", "pause pause leader",
	} {
		if count[want] == 0 {
			t.Errorf("%q never came", want)
		}
	}
	none, err := Plan(PlanOptions{Nodes: five, Length: time.Minute})
	if err != nil || slices.ContainsFunc(none.Faults, func(f Fault) bool { return strings.HasPrefix(f.ID, "h") }) {
		t.Errorf("hunts without leases: %v, %v", none, err)
	}
}

// A slow leader is cut off only once its clock has been seen to be slow, and for long enough that the others can
// elect.
func TestHuntsLastLongEnough(t *testing.T) {
	for _, term := range []time.Duration{200 * time.Millisecond, time.Second, 4 * time.Second} {
		o := PlanOptions{Nodes: five, Length: time.Minute, LeaseTerm: term, Hunt: 1, Kinds: []string{Partition, Clock},
			Clocks: ClockBounds{Drift: clockshim.Nominal / 2}}
		s, err := Plan(o)
		if err != nil {
			t.Fatal(err)
		}
		at := map[string]Fault{}
		for _, f := range s.Faults {
			at[f.ID] = f
		}
		for id, clock := range at {
			hunt, isClock := strings.CutSuffix(id, "-clock")
			if !isClock {
				continue
			}
			cut := at[hunt+"-cut"]
			if cut.At < clock.At+settle || clock.At+clock.For < cut.At+cut.For-2*grain {
				t.Errorf("%s does not last for all of %s", clock, cut)
			}
			if cut.For < term*3/2+settle {
				t.Errorf("term %v: %s is over before a lease on a slow clock is", term, cut)
			}
		}
	}
}

func TestPausesAroundTheTerm(t *testing.T) {
	seen := map[time.Duration]int{}
	for seed := range uint64(50) {
		s, err := Plan(PlanOptions{Seed: seed, Nodes: five, Length: time.Minute, LeaseTerm: time.Second, Kinds: []string{Pause}})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range s.Faults {
			seen[f.For]++
		}
	}
	for _, want := range []float64{0.5, 0.95, 1.05, 2, 5} {
		if seen[time.Duration(want*float64(time.Second))] < 10 {
			t.Errorf("pauses of %v terms: %v", want, seen)
		}
	}
}

func TestPlanRefusesAbsurdClocks(t *testing.T) {
	for _, test := range []struct {
		name string
		o    PlanOptions
		want string
	}{
		{"a kernel's tick", PlanOptions{Clocks: ClockBounds{Drift: clockshim.Nominal / 5, Way: hostclock.Kernel}},
			"clocks that run 20% apart: rate 0.833333334 is not between 0.900000000 and 1.100000000"},
		{"too fast for anybody", PlanOptions{Clocks: ClockBounds{Drift: 20 * clockshim.Nominal}},
			"clocks that run 2000% apart: rate 21.000000000: ten times"},
		{"too far", PlanOptions{Clocks: ClockBounds{MaxStep: math.MaxInt64}}, "the limit is 87600h0m0s"},
		{"too little", PlanOptions{Clocks: ClockBounds{Drift: 1000}}, "clocks that run 0.0001% apart: that is too little"},
		{"more hunts than time", PlanOptions{Hunt: 1.5}, "hunts for 1.5 of the time: 1 is all of it"},
		{"a hunt that nobody knows", PlanOptions{Only: []string{"blackot"}}, `unknown hunt "blackot" (did you mean "blackout"?)`},
		{"a negative term", PlanOptions{LeaseTerm: -1}, "lease term -1ns: it must not be negative"},
		{"neither rates nor steps", PlanOptions{Clocks: ClockBounds{Drift: -1, MaxStep: -1}},
			`kind "clock": no form of it is possible`},
	} {
		test.o.Nodes, test.o.Kinds = five, []string{Clock}
		if _, err := Plan(test.o); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
}

// Elections are hunted if requested, with or without leases, and all faults of one hunt are over before the next
// hunt.
func TestHuntsForElections(t *testing.T) {
	count := map[string]int{}
	for seed := range uint64(60) {
		for _, lease := range []time.Duration{0, time.Second} {
			o := PlanOptions{Seed: seed, Nodes: five, Length: time.Minute, LeaseTerm: lease, Elections: true, Hunt: 1}
			s, err := Plan(o)
			if err != nil {
				t.Fatal(err)
			}
			full, _ := o.withDefaults()
			room := full.lacks(full.schedule()) // for what hunts would leave out
			if len(s.Kinds()) != len(full.Kinds) {
				t.Errorf("seed %d: only %v are planned", seed, s.Kinds())
			}
			ends := map[string]time.Duration{}
			for _, f := range s.Faults {
				hunt, part, isHunt := strings.Cut(f.ID, "-")
				if !isHunt && !room {
					t.Fatalf("seed %d: %s though all of the time is for hunts", seed, f)
				}
				if !isHunt {
					continue
				}
				for other, end := range ends {
					if other != hunt && f.At < end {
						t.Errorf("seed %d: %s begins before %s is over, at %v", seed, f, other, end)
					}
				}
				ends[hunt] = max(ends[hunt], f.At+f.For)
				count[part+" "+Form{Kind: f.Kind, Shape: f.Shape, Groups: f.Groups}.Name()]++
				if lease == 0 && f.Kind == Clock {
					t.Errorf("seed %d: %s without leases", seed, f)
				}
			}
		}
	}
	for _, want := range []string{
		"kill kill leader", "first partition isolate follower", "cut partition isolate leader",
		"cut partition halves leader", "kill kill all", "one kill follower", "two kill minority", "pause pause all",
		"pause pause follower", "deaf partition one-way rest -> leader", "some pause followers", "more pause follower",
		"away partition isolate follower", "one partition halves", "two partition halves", "three partition isolate leader",
		"one partition split leader,follower | rest",
	} {
		if count[want] == 0 {
			t.Errorf("%q never came: %v", want, count)
		}
	}
	with, err := Plan(PlanOptions{Seed: 1, Nodes: five, Length: time.Minute, LeaseTerm: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	without, err := Plan(PlanOptions{Seed: 1, Nodes: five, Length: time.Minute, LeaseTerm: time.Second, Kinds: kindNames()})
	if err != nil || string(with.Format()) != string(without.Format()) {
		t.Errorf("a plan without elections depends on whether kinds are named: %v", err)
	}
}

// A successor that is to be killed when the first leader's cut ends is killed before that end, and a follower is
// reconnected only after the leader was cut off.
func TestHuntsForElectionsMeet(t *testing.T) {
	meetings := 0
	for seed := range uint64(40) {
		s, err := Plan(PlanOptions{Seed: seed, Nodes: five, Length: time.Minute, Elections: true, Hunt: 1,
			Kinds: []string{Partition, Kill}})
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range s.Faults {
			if i == 0 {
				continue
			}
			before := s.Faults[i-1]
			hunt, _, _ := strings.Cut(f.ID, "-")
			if end, _ := before.End(); strings.HasPrefix(before.ID, hunt+"-") && f.At >= end-moment && f.At < end {
				meetings++
			}
		}
	}
	if meetings < 100 {
		t.Errorf("only %d faults begin just before the one before them ends", meetings)
	}
}

// Hunts that are asked for by name are planned, and no others.
func TestOnlyHunts(t *testing.T) {
	o := PlanOptions{Nodes: five, Length: time.Minute, LeaseTerm: time.Second, Hunt: 1, Only: []string{"halves", "reboot"}}
	s, err := Plan(o)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, f := range s.Faults {
		_, part, _ := strings.Cut(f.ID, "-")
		seen[part] = true
	}
	if len(seen) != 4 || !seen["one"] || !seen["two"] || !seen["cut"] || !seen["kill"] {
		t.Errorf("planned %v", seen)
	}
	o.LeaseTerm = 0
	if s, err = Plan(o); err != nil || slices.ContainsFunc(s.Faults, func(f Fault) bool { return strings.HasSuffix(f.ID, "-kill") }) {
		t.Errorf("an attack on leases was planned without leases: %v", err)
	}
}
