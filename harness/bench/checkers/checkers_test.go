package checkers

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"elenchus/checker"
	"elenchus/harness/sim"
	"elenchus/results/verdict"
)

func TestEveryDeciderIsGivenEveryHistory(t *testing.T) {
	o := Options{From: 1, To: 6, Budget: 2 * time.Second}
	if err := o.Validate(); err != nil {
		t.Fatal(err)
	}
	report, err := Run(context.Background(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Sets) != 2*len(o.Draw.Workloads) || len(o.Draw.Workloads) < 2 {
		t.Fatalf("%d sets of %v", len(report.Sets), o.Draw.Workloads)
	}
	for _, s := range report.Sets {
		if s.Runs != 6 || s.Operations < s.Runs || s.Unknown == 0 || s.OperationsMax > s.Operations {
			t.Errorf("%s, %s: %+v", s.Workload, s.System, s)
		}
		for i, d := range s.Deciders {
			if d.Valid+d.Violated+d.Undecided != s.Runs || d.Keys != s.Deciders[0].Keys ||
				d.KeysByOrder+d.KeysTightened+d.KeysSearched+d.KeysUndecided != d.Keys {
				t.Errorf("%s, %s: %+v", s.Workload, s.System, d)
			}
			if d.Median > d.P99 || d.P99 > d.Max || d.Max > d.CPU {
				t.Errorf("%s, %s, %s: times %v, %v, %v of %v", s.Workload, s.System, d.Name, d.Median, d.P99, d.Max, d.CPU)
			}
			if i >= 2 && d.KeysByOrder > 0 {
				t.Errorf("%s, %s: %s decided by order", s.Workload, s.System, d.Name)
			}
		}
		if first := s.Deciders[0]; s.System == Sound && first.Violated > 0 || s.System == Stale && first.Violated == 0 {
			t.Errorf("%s, %s: %d of %d runs are violated", s.Workload, s.System, first.Violated, s.Runs)
		}
	}
	var table bytes.Buffer
	if err := report.Table(&table); err != nil {
		t.Fatal(err)
	}
	for _, d := range deciders {
		if n := strings.Count(table.String(), d.name); n < len(report.Sets) {
			t.Errorf("%q is in the table %d times:\n%s", d.name, n, &table)
		}
	}
}

func TestDisagreementsAreErrors(t *testing.T) {
	of := func(status verdict.Status) checker.Linearizability {
		return checker.Linearizability{Keys: []checker.KeyResult{
			{Key: "r0", Status: verdict.Valid}, {Key: "r1", Status: status},
		}}
	}
	decided := slices.Repeat([]checker.Linearizability{of(verdict.Violated)}, len(deciders))
	decided[2] = of(verdict.Unknown)
	if err := agree(decided); err != nil {
		t.Errorf("a decider that came to no decision disagrees: %v", err)
	}
	decided[3] = of(verdict.Valid)
	if err := agree(decided); err == nil || !strings.Contains(err.Error(), "r1") {
		t.Errorf("a valid and a violated decision on r1: %v", err)
	}
}

func TestOptionsListAllProblems(t *testing.T) {
	o := Options{From: 2, To: 1, Budget: -time.Second, Draw: sim.DrawOptions{Reads: "lease", Workloads: []string{"no"}}}
	err := o.Validate()
	for _, want := range []string{"seeds", "budget", "reads", "no"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("nothing is said of %s: %v", want, err)
		}
	}
}

func TestInterruptedKeepsWhatIsComplete(t *testing.T) {
	o := Options{From: 1, To: 1}
	if err := o.Validate(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	shown := 0
	report, err := Run(ctx, o, func(string, ...any) {
		if shown++; shown == 2 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || len(report.Sets) != 1 {
		t.Errorf("%d sets, error %v", len(report.Sets), err)
	}
}

func TestQuantiles(t *testing.T) {
	times := []time.Duration{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for percent, want := range map[int]time.Duration{0: 1, 50: 5, 99: 10, 100: 10} {
		if got := quantile(times, percent); got != want {
			t.Errorf("quantile %d is %d, not %d", percent, got, want)
		}
	}
	if quantile(nil, 50) != 0 {
		t.Error("nothing has a quantile")
	}
}
