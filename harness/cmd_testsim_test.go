package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"elenchus/results"
	"elenchus/results/envelope"
	"elenchus/results/verdict"
)

// simulatedRun runs a command that leaves a directory, and opens that.
func simulatedRun(t *testing.T, wantCode int, args ...string) (dir results.Run, stdout string) {
	t.Helper()
	root := filepath.Join(t.TempDir(), "runs")
	code, stdout, stderr := call(t, nil, append(slices.Clone(args), "--results", root)...)
	if code != wantCode {
		t.Fatalf("%v: exit code %d, want %d\n%s%s", args, code, wantCode, stdout, stderr)
	}
	dir, err := results.Open(root, results.Latest)
	if err != nil {
		t.Fatal(err)
	}
	return dir, stdout
}

// same checks that a file of two runs is the same.
func same(t *testing.T, path func(results.Run) string, a, b results.Run) {
	t.Helper()
	one, err := os.ReadFile(path(a))
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(path(b))
	if err != nil || len(one) == 0 || !bytes.Equal(one, other) {
		t.Errorf("%s has %d bytes, and the second time %d, or they differ: %v", filepath.Base(path(a)), len(one), len(other), err)
	}
}

// A simulated test leaves what a test in a lab leaves, and is the same every time.
func TestATestInTheSimulator(t *testing.T) {
	t.Parallel()
	args := []string{"test", "--lab", "sim", "--nodes", "5", "--nemesis", "all", "--seed", "3"}
	first, stdout := simulatedRun(t, verdict.ExitValid, args...)
	again, _ := simulatedRun(t, verdict.ExitValid, args...)
	for _, path := range []func(results.Run) string{
		results.Run.History, results.Run.Faults, results.Run.SchedulePlayed, results.Run.SchedulePlanned,
	} {
		same(t, path, first, again)
	}
	m, err := first.LoadManifest()
	if err != nil || m.Lab != simLab || m.Config.Lease == nil || m.Config.Lease.Mode != "rate" || m.Config.Rate != 200 ||
		m.PlayedUntil == 0 || m.Config.Options["hash"] == "" || !strings.Contains(m.Repeat, "test --lab sim") {
		t.Errorf("%v: %+v", err, m)
	}
	v, err := first.LoadVerdict()
	if err != nil || v.Coverage.DeposedReads == nil || v.Coverage.DeposedReads.Attempted == 0 || v.Coverage.Leaders < 3 {
		t.Errorf("%v: what the nodes dated has no place on the axis of the run: %+v", err, v.Coverage)
	}
	if !strings.Contains(stdout, "VALID") {
		t.Errorf("%s", stdout)
	}
	if code, _, stderr := call(t, nil, "check", first.Dir); code != verdict.ExitValid {
		t.Errorf("check: %d, %s", code, stderr)
	}
}

func TestTheSimulatorCatchesSomething(t *testing.T) {
	t.Parallel()
	_, stdout := simulatedRun(t, verdict.ExitViolated, "test", "--lab", "sim", "--reads", "local", "--seed", "3")
	if !strings.Contains(stdout, "still saw") {
		t.Errorf("%s", stdout)
	}
}

// A run that fails fast stops at the first answer that nothing explains, and stops there again when it is replayed.
func TestTheSimulatorFailsFast(t *testing.T) {
	t.Parallel()
	for _, workload := range []string{"register", "append"} {
		dir, stdout := simulatedRun(t, verdict.ExitViolated, "test", "--lab", "sim", "--reads", "local", "--seed", "3",
			"--workload", workload, "--fail-fast")
		m, err := dir.LoadManifest()
		if err != nil || m.Stopped == nil || m.Interrupted || !strings.Contains(stdout, "stopped   early: at ") {
			t.Fatalf("%s: %v, stopped at %+v, interrupted %v\n%s", workload, err, m.Stopped, m.Interrupted, stdout)
		}
		v, err := dir.LoadVerdict()
		if err != nil || v.Harness.Status != verdict.Healthy || v.Coverage.Status != verdict.None {
			t.Errorf("%s: %v, harness %+v, coverage %s", workload, err, v.Harness, v.Coverage.Status)
		}
		if code, stdout, stderr := call(t, nil, "replay", dir.Dir); !strings.Contains(stdout, "this is the same run") {
			t.Errorf("%s: replay: %d, %s%s", workload, code, stdout, stderr)
		}
		code, _, stderr := call(t, nil, "replay", "--write", "--results", filepath.Dir(dir.Dir), dir.Dir)
		again, err := results.Open(filepath.Dir(dir.Dir), results.Latest)
		if err != nil {
			t.Fatal(err)
		}
		if m2, err := again.LoadManifest(); err != nil || m2.Stopped == nil || *m2.Stopped != *m.Stopped || again == dir {
			t.Errorf("%s: replay --write: %d, %v, %s\n%s", workload, code, err, again.Dir, stderr)
		}
	}
}

// A schedule that is edited by hand, or comes from a lab, is played as it stands.
func TestASchedulePlayedInTheSimulator(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "my.schedule")
	text := "elenchus-schedule 1\nseed 7\nnodes n1 n2 n3\nlength 8s\n" +
		"at 2s for 2s partition isolate leader\nat 5s for 1s kill n2,n3\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	dir, _ := simulatedRun(t, verdict.ExitValid, "test", "--lab", "sim", "--nodes", "3", "--schedule", file, "--seed", "4")
	played, err := os.ReadFile(dir.SchedulePlayed())
	if err != nil || !strings.Contains(string(played), "at 2s for 2s partition isolate n") ||
		!strings.Contains(string(played), "at 5s for 1s kill n2,n3") {
		t.Errorf("%v: %s", err, played)
	}
	if m, err := dir.LoadManifest(); err != nil || !strings.Contains(m.Repeat, "--schedule "+dir.SchedulePlanned()+" ") {
		t.Errorf("%v: the file may be gone by then, and the run is repeated by %s", err, m.Repeat)
	}
	if code, _, stderr := call(t, nil, "export", "--format", "porcupine", dir.Dir); code != verdict.ExitUsage ||
		!strings.Contains(stderr, "choose one with --key (r0, r1, ") {
		t.Errorf("export of many registers: %d, %s", code, stderr)
	}
	code, stdout, stderr := call(t, nil, "test", "--lab", "sim", "--nodes", "3", "--schedule", file, "--dry-run")
	if code != verdict.ExitValid || !strings.Contains(stdout, "partition isolate leader") {
		t.Errorf("dry run: %d, %s%s", code, stdout, stderr)
	}
}

// What has no meaning without hosts is refused, all of it at once.
func TestWhatTheSimulatorCannotDoIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"test", "--lab", "sim", "--node-binary", "x", "--node-flag=--window=8", "--rootless"},
			[]string{"--node-binary does not go with --lab sim", "--node-flag", "--rootless"}},
		{[]string{"test", "--lab", "sim", "--recovery-timeout", "1s"}, []string{"follows from the configuration"}},
		{[]string{"test", "--lab", "sim", "--lab-name", "x", "--break-lock"}, []string{"--lab-name", "--break-lock"}},
		{[]string{"test", "--lab", "sim", "--inventory", "x"}, []string{"--inventory goes with"}},
		{[]string{"test", "--lab", "sim", "--concurrency", "7"}, []string{"shared out evenly among 5"}},
		{[]string{"test", "--lab", "sim", "--nodes", "10"}, []string{"--nodes must be from 1 to 9"}},
		{[]string{"test", "--lab", "sim", "--time-limit", "1h"}, []string{"--time-limit must be from 1s to 10m0s"}},
		{[]string{"test", "--lab", "sim", "--nemesis", "flood"}, []string{"--nemesis"}},
		{[]string{"envelope", "--lab", "sim", "--nodes", "9"}, []string{"of its own"}},
		{[]string{"envelope", "--lab", "sim", "--node-binary", "x"}, []string{"--node-binary"}},
		{[]string{"bench", "reads", "--lab", "sim"}, []string{"lab sim has no hosts"}},
		{[]string{"lab", "up", "--lab", "sim"}, []string{"lab sim has no hosts"}},
	} {
		code, _, stderr := call(t, nil, c.args...)
		if code != verdict.ExitUsage {
			t.Errorf("%v: exit code %d: %s", c.args, code, stderr)
		}
		for _, want := range c.want {
			if !strings.Contains(stderr, want) {
				t.Errorf("%v: %q is not in %q", c.args, want, stderr)
			}
		}
	}
}

// Leases hold where they must and break where they may, also where nodes are simulated; and the same seed makes the
// same attacks.
func TestTheEnvelopeOfSimulatedNodes(t *testing.T) {
	t.Parallel()
	for _, mode := range [][]string{
		{"--bounds", "0%,30%", "--drifts", "0%,30%,80%"},
		{"--mode", "wall", "--bounds", "100ms,300ms", "--drifts", "0s,100ms,800ms"},
	} {
		args := append([]string{"envelope", "--lab", "sim", "--probes", "3", "--seed", "7"}, mode...)
		first, stdout := simulatedRun(t, verdict.ExitValid, args...)
		again, _ := simulatedRun(t, verdict.ExitValid, args...)
		probes := func(r results.Run) string { return r.Path(envelope.ProbesFile) }
		same(t, probes, first, again)
		same(t, results.Run.Faults, first, again)
		if !strings.Contains(stdout, "Observation and arithmetic agree.") || !strings.Contains(stdout, "3/3 ✗") {
			t.Errorf("%s", stdout)
		}
		picture := first.Path(envelope.PictureFile)
		if err := os.Remove(picture); err != nil {
			t.Fatal(err)
		}
		if code, _, stderr := call(t, nil, "check", first.Dir); code != verdict.ExitValid {
			t.Errorf("check: %d, %s", code, stderr)
		}
		if _, err := os.Stat(picture); err != nil {
			t.Error(err)
		}
	}
}
