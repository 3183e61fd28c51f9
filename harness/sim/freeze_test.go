package sim

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"elenchus/nemesis"
)

// Frozen, a plan does to the same nodes what its roles meant, and its clients ask for the same at the same times.
func TestFrozenPlansRepeatTheRun(t *testing.T) {
	w := New(Options{Checker: NoChecker{}})
	frozenFaults := 0
	for seed := uint64(1); seed <= 40; seed++ {
		p := draw(t, seed, DrawOptions{})
		before, _ := json.Marshal(p)
		frozen, r, err := w.Frozen(p)
		if err != nil {
			t.Fatal(err)
		}
		stats, script := r.Stats, r.Script()
		if after, _ := json.Marshal(p); string(after) != string(before) {
			t.Fatalf("seed %d: freezing a plan has changed it", seed)
		}
		for i := range frozen.Faults {
			f := &frozen.Faults[i]
			aim := f.aim()
			frozenFaults++
			if resolved, err := aim.Resolve(p.Schedule.Nodes, 1, nemesis.Roles{}); err != nil ||
				!slices.Equal(resolved.Targets, f.Targets) {
				t.Errorf("seed %d: %s is aimed at %v", seed, f.ID, f.Targets)
			}
		}
		again := run(t, w, frozen)
		if again.Stats.Faults != stats.Faults || !equalCalls(again.Script(), script) {
			t.Errorf("seed %d: frozen, it has %d faults and %d calls; before %d and %d", seed, again.Stats.Faults,
				len(again.Script()), stats.Faults, len(script))
		}
	}
	if frozenFaults < 20 {
		t.Errorf("only %d faults", frozenFaults)
	}
}

func equalCalls(a, b []Call) bool {
	return slices.EqualFunc(a, b, func(x, y Call) bool {
		return x.Client == y.Client && x.At == y.At && x.Nth == y.Nth && x.Op.String() == y.Op.String()
	})
}

// Another seed from an instant on leaves the past as it was, and gives another future.
func TestReseedingKeepsThePast(t *testing.T) {
	const at = 700 * time.Millisecond
	until := func(p *Plan) (past, all []time.Duration) {
		for _, m := range run(t, New(Options{Checker: NoChecker{}, Trace: true}), p).Trace.Moments {
			if all = append(all, m.At); m.At < at {
				past = append(past, m.At)
			}
		}
		return past, all
	}
	for seed := uint64(1); seed <= 10; seed++ {
		p := draw(t, seed, DrawOptions{})
		past, whole := until(p)
		other := *p
		other.Reseed = &Reseed{At: at, Seed: 99}
		otherPast, otherWhole := until(&other)
		if !slices.Equal(past, otherPast) {
			t.Errorf("seed %d: the past has changed", seed)
		}
		if slices.Equal(whole, otherWhole) {
			t.Errorf("seed %d: the future has not changed", seed)
		}
		other.Reseed = &Reseed{At: at, Seed: seed}
		other.Reseed.At = -1
		if other.Validate() == nil {
			t.Error("a reseed before the beginning is valid")
		}
	}
}

// A brief run is the beginning of the whole one.
func TestBriefRunsEndWithTheirLength(t *testing.T) {
	p := draw(t, 4, DrawOptions{})
	whole := run(t, New(Options{Checker: NoChecker{}}), p)
	stats, calls := whole.Stats, len(whole.Script())
	brief := run(t, New(Options{Checker: NoChecker{}, Brief: true}), p)
	if len(brief.History) != calls || len(brief.Script()) != calls || brief.Simulated > p.Length ||
		brief.Stats.Events >= stats.Events {
		t.Errorf("%d operations in %v, %d events; all in all %d and %d", len(brief.History), brief.Simulated,
			brief.Stats.Events, calls, stats.Events)
	}
}

// Amounts are in units that people read.
func TestFaultsForPeople(t *testing.T) {
	for _, c := range []struct {
		fault Fault
		want  string
	}{
		{Fault{At: time.Second, Kind: FaultDiskSlow, Targets: []string{"n3"}, Amount: int64(50 * ms)}, "at 1s disk-slow n3 50ms"},
		{Fault{At: ms, For: ms, Kind: FaultLoss, Targets: []string{"n1", "n2"}, Amount: 200_000}, "at 1ms for 1ms loss n1,n2 20%"},
		{Fault{At: ms, Kind: FaultDiskWipe, Targets: []string{"n1"}, Amount: 1}, "at 1ms disk-wipe n1 and back"},
		{Fault{At: ms, Kind: FaultHold, Targets: []string{"n1"}}, "at 1ms hold n1"},
	} {
		if got := c.fault.String(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
