package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"elenchus/harness/sim/shrink"
	"elenchus/results"
	"elenchus/results/verdict"
)

// failingRun simulates runs whose nodes answer reads from whatever they have applied, until one fails.
func failingRun(t *testing.T, dir string) results.Run {
	t.Helper()
	s := simulate(t, verdict.ExitViolated, "--reads", "local", "--nodes", "3", "--workload", "register", "--seeds", "1-100",
		"--until-failure", "--results", dir)
	return results.Run{Dir: s.Failures[0].Directory}
}

func TestShrinkLeavesTheSmallestRun(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "runs")
	big := failingRun(t, dir)
	code, stdout, stderr := call(t, nil, "shrink", "--json", "--candidates", "3000", "--results", dir, big.Name())
	if code != verdict.ExitViolated {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	var done struct {
		Of, Directory, Picture, Hash string
		Result                       shrink.Result
	}
	if err := json.Unmarshal([]byte(stdout), &done); err != nil {
		t.Fatalf("%v in %q", err, stdout)
	}
	if done.Of != big.Name() || done.Result.After.Operations >= done.Result.Before.Operations/4 {
		t.Errorf("%+v", done)
	}
	small := results.Run{Dir: done.Directory}
	for _, path := range []string{
		small.History(), small.SchedulePlanned(), small.SchedulePlayed(), small.Path(results.SimulatedFile),
		small.Path(results.ShrinkFile), done.Picture,
	} {
		if info, err := os.Stat(path); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", path, err)
		}
	}
	v, err := small.LoadVerdict()
	if err != nil || v.Safety.Status != verdict.Violated || v.Harness.Status != verdict.Healthy {
		t.Errorf("%v: %+v", err, v)
	}
	page, err := os.ReadFile(small.Report())
	if err != nil || strings.Count(string(page), results.PictureFile) < 2 {
		t.Errorf("%v: the report does not lead to the picture", err)
	}
	manifest, err := small.LoadManifest()
	if err != nil || manifest.Repeat != "elenchus replay "+small.Name() {
		t.Errorf("%v: repeated by %q", err, manifest.Repeat)
	}
	// The smallest run is a run like any other: it is the same again when it is played again.
	code, stdout, _ = call(t, nil, "replay", "--json", "--results", dir, small.Name())
	var again replayed
	if err := json.Unmarshal([]byte(stdout), &again); err != nil || code != verdict.ExitViolated || again.Equal == nil ||
		!*again.Equal || again.Hash != done.Hash || again.Violation.Invariant != done.Result.Violation.Invariant {
		t.Errorf("exit code %d, %v: %s", code, err, stdout)
	}
}

func TestShrinkOfARunThatPasses(t *testing.T) {
	t.Parallel()
	code, stdout, _ := call(t, nil, "shrink", "--results", t.TempDir(), "7")
	if code != verdict.ExitValid || !strings.Contains(stdout, "seed 7 does not fail") {
		t.Errorf("exit code %d: %s", code, stdout)
	}
}

func TestReplayIsTheSameRun(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "runs")
	first := failingRun(t, dir)
	code, stdout, stderr := call(t, nil, "replay", "--results", dir)
	if code != verdict.ExitViolated || !strings.Contains(stdout, "equal to the recorded one") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	// Somebody else's plan gives another hash, and the command says so.
	plan, err := os.ReadFile(first.Path(results.SimulatedFile))
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Replace(string(plan), `"patience_ns": `, `"patience_ns": 1`, 1)
	if err := os.WriteFile(first.Path(results.SimulatedFile), []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, _ = call(t, nil, "replay", "--results", dir, first.Name())
	if code != verdict.ExitHarness || !strings.Contains(stdout, "this is another run") {
		t.Errorf("exit code %d: %s", code, stdout)
	}
	if err := os.WriteFile(first.Path(results.SimulatedFile), []byte(`{"schema":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr = call(t, nil, "replay", "--results", dir, first.Name()); code != verdict.ExitUsage ||
		!strings.Contains(stderr, "0 nodes") {
		t.Errorf("an empty plan: exit code %d: %s", code, stderr)
	}
}

func TestReplayOfASeed(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "runs")
	code, stdout, _ := call(t, nil, "replay", "--json", "--write", "--results", dir, "--nodes", "3", "11")
	var first replayed
	if err := json.Unmarshal([]byte(stdout), &first); err != nil || code != verdict.ExitValid || first.Equal != nil {
		t.Fatalf("exit code %d, %v: %s", code, err, stdout)
	}
	run := results.Run{Dir: first.Directory}
	if _, err := os.Stat(run.Path(results.PictureFile)); err != nil {
		t.Error(err)
	}
	s := simulate(t, verdict.ExitValid, "--nodes", "3", "--seeds", "11")
	if code, stdout, _ = call(t, nil, "replay", "--results", dir); code != verdict.ExitValid ||
		!strings.Contains(stdout, "hash "+first.Hash+", equal") || s.Stats.Events != first.Stats.Events {
		t.Errorf("exit code %d: %s", code, stdout)
	}
}

func TestBisectTime(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "runs")
	failingRun(t, dir)
	args := []string{"replay", "--bisect-time", "--points", "4", "--samples", "20", "--resolution", "100ms", "--results", dir}
	code, stdout, stderr := call(t, nil, append(args, "--json")...)
	var r bisected
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || code != verdict.ExitViolated || len(r.Points) < 5 {
		t.Fatalf("exit code %d, %v: %s%s", code, err, stdout, stderr)
	}
	code, stdout, _ = call(t, nil, args...)
	if code != verdict.ExitViolated || !strings.Contains(stdout, "P(fail)") || strings.Count(stdout, "…") < 5 {
		t.Errorf("exit code %d: %s", code, stdout)
	}
	code, stdout, _ = call(t, nil, "replay", "--bisect-time", "7")
	if code != verdict.ExitValid || !strings.Contains(stdout, "no moment of no return") {
		t.Errorf("exit code %d: %s", code, stdout)
	}
}

func TestWrongReplaysAndShrinks(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "runs")
	if code, _, stderr := call(t, nil, "replay", "--write", "--results", dir, "3"); code != verdict.ExitValid {
		t.Fatal(stderr)
	}
	for _, c := range []struct{ args, want string }{
		{"replay --lab mars 3", "unknown world"},
		{"replay 12x", "is no seed"},
		{"replay 99999999999999999999999", "is no seed"},
		{"replay nobody", "there is no run"},
		{"replay --sead 3", "unknown option --sead"},
		{"replay 3 4", "unexpected argument"},
		{"replay 3 --lab sim", "options go first"},
		{"replay --nodes 0 3", "nodes"},
		{"replay --nemesis fire 3", "fire"},
		{"replay --points 3 3", "--bisect-time"},
		{"replay --write --bisect-time 3", "--write"},
		{"replay --bisect-time --lab local 3", "only one future"},
		{"replay --bisect-time --samples 0 3", "--samples"},
		{"replay --node-binary x 3", "--lab local"},
		{"replay --planned 3", "--planned"},
		{"replay --nodes 3 latest", "has its plan already"},
		{"shrink --budget 0s 3", "--budget"},
		{"shrink --workers 0 3", "--workers"},
		{"shrink --candidates -1 3", "--candidates"},
		{"shrink --nodes-min 0 3", "--nodes-min"},
		{"shrink nobody", "there is no run"},
		{"shrink --nodes 3 latest", "has its plan already"},
		{"shrink --wat", "unknown option"},
	} {
		words := strings.Fields(c.args)
		args := append([]string{words[0], "--results", dir}, words[1:]...)
		code, _, stderr := call(t, nil, args...)
		if code != verdict.ExitUsage || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit code %d: %s", c.args, code, stderr)
		}
	}
}

// A lab plays a schedule from a file that is gone afterwards, and the run can be repeated without it.
func TestReplayInALabLeavesNothingBesideTheRun(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := r.start("replay", "--lab", "local", "--nodes", "3", "--nemesis", "pause", "7")
	p.wait()
	dir, m, _ := r.outcome()
	entries, err := os.ReadDir(r.results)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != dir.Name() && e.Name() != results.Latest {
			t.Errorf("%s is beside the run", e.Name())
		}
	}
	if _, err := os.Stat(dir.SchedulePlanned()); err != nil || !strings.Contains(m.Repeat, "--schedule="+dir.SchedulePlanned()) {
		t.Errorf("%v: repeated by %s", err, m.Repeat)
	}
}

// A sweep has no plan of its own, and the newest run that has one is named.
func TestASweepIsNotPlayedAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "runs")
	if code, _, stderr := call(t, nil, "replay", "--write", "--results", dir, "3"); code != verdict.ExitValid {
		t.Fatal(stderr)
	}
	run, err := results.Open(dir, results.Latest)
	if err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := call(t, nil, "envelope", "--lab", "sim", "--bounds", "0%", "--drifts", "0%,50%", "--probes", "1",
		"--results", dir); code == verdict.ExitUsage {
		t.Fatal(stderr)
	}
	for _, args := range [][]string{{"replay"}, {"shrink"}, {"replay", "--bisect-time"}, {"replay", "--lab", "local"}} {
		code, _, stderr := call(t, nil, append(args, "--results", dir)...)
		if code != verdict.ExitUsage || !strings.Contains(stderr, "is a sweep") || !strings.Contains(stderr, run.Name()) {
			t.Errorf("%v: exit code %d: %s", args, code, stderr)
		}
	}
}

// The schedule of a lab's run is played in the simulator, and what was left behind is said.
func TestReplayOfALabsRun(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "runs")
	if code, _, stderr := call(t, nil, "replay", "--write", "--results", dir, "--nodes", "3", "3"); code != 0 {
		t.Fatal(stderr)
	}
	run, err := results.Open(dir, results.Latest)
	if err != nil {
		t.Fatal(err)
	}
	// What the simulator has left is made that of a lab, but for its plan.
	manifest, err := run.LoadManifest()
	if err != nil {
		t.Fatal(err)
	}
	manifest.Lab, manifest.Config.Options = "local", map[string]string{"node-flags": "--log-level=debug"}
	if err := run.SaveManifest(manifest); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(run.Path(results.SimulatedFile)); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := call(t, nil, "replay", "--results", dir, run.Name())
	if code != verdict.ExitValid || !strings.Contains(stdout, "not taken along: the option --log-level=debug") ||
		!strings.Contains(stdout, "nothing was found") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	for _, args := range [][]string{{"shrink"}, {"replay", "--bisect-time"}, {"replay", "--lab", "local"}} {
		code, _, stderr := call(t, nil, append(args, "--results", dir, run.Name())...)
		if code != verdict.ExitUsage || !strings.Contains(stderr, "local lab") {
			t.Errorf("%v: exit code %d: %s", args, code, stderr)
		}
	}
}
