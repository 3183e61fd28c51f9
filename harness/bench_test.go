package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"elenchus/harness/bench"
	"elenchus/results"
	"elenchus/results/verdict"
)

func TestReadsAreMeasuredSideBySide(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	args := []string{"bench", "reads", "--nodes", "3", "--time", "400ms", "--rounds", "2", "--clients", "4", "--seed", "7"}
	p := r.exits(verdict.ExitValid, args...)
	p.says("lease against quorum", "lease against log", "elenchus "+strings.Join(args, " "))
	r.nothingIsLeft()

	dir, err := results.Open(r.results, results.Latest)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(dir.Path(benchFile))
	if err != nil {
		t.Fatal(err)
	}
	var report bench.Report
	if err := json.Unmarshal(data, &report); err != nil {
		t.Fatal(err)
	}
	if report.Rounds != 2 || len(report.Ways) != 3 {
		t.Errorf("%+v", report)
	}
	for _, w := range report.Ways {
		if w.Reads == 0 || w.Failed > 0 || len(w.Samples) != 2 || w.P50 <= 0 || w.Rates.Low <= 0 {
			t.Errorf("%+v", w)
		}
	}
	if table, err := os.ReadFile(dir.Path(benchSummary)); err != nil || !strings.Contains(p.stdout(), string(table)) {
		t.Errorf("%v: what is kept is not what was shown:\n%s", err, table)
	}
	r.exits(verdict.ExitValid, "list", "runs").says(dir.Name(), "bench reads", "measured")
	r.exits(verdict.ExitUsage, "check").says("is a benchmark", benchSummary)
	r.exits(verdict.ExitValid, "bench", "reads", "--json", "--nodes", "1", "--time", "100ms", "--rounds", "1").says(`"ratios"`)
}

func TestWrongBenchmarksAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"--rounds", "0", "--clients", "-1", "--keys", "0"}, []string{"--rounds must be from 1", "--clients", "--keys"}},
		{[]string{"--time", "1s", "--rounds", "100"}, []string{"a round must last"}},
		{[]string{"--lease", "none"}, []string{"--reads lease needs a lease"}},
	} {
		code, _, stderr := call(t, nil, append([]string{"bench", "reads"}, c.args...)...)
		if code != verdict.ExitUsage {
			t.Errorf("%v: exit code %d", c.args, code)
		}
		for _, want := range c.want {
			if !strings.Contains(stderr, want) {
				t.Errorf("%v: %q is not in %q", c.args, want, stderr)
			}
		}
	}
}
