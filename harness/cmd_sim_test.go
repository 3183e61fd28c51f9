package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"elenchus/harness/sim"
	"elenchus/results"
	"elenchus/results/verdict"
)

// simulate runs "elenchus sim args… --json" and returns what came of it.
func simulate(t *testing.T, wantCode int, args ...string) sim.Summary {
	t.Helper()
	code, stdout, stderr := call(t, nil, append([]string{"sim", "--json"}, args...)...)
	if code != wantCode {
		t.Fatalf("exit code %d, want %d\n%s%s", code, wantCode, stdout, stderr)
	}
	var s sim.Summary
	if err := json.Unmarshal([]byte(stdout), &s); err != nil {
		t.Fatalf("%v in %q", err, stdout)
	}
	return s
}

func TestSimFindsNothingInTheReference(t *testing.T) {
	t.Parallel()
	s := simulate(t, verdict.ExitValid, "--seeds", "1-60", "--workers", "2", "--twice")
	if s.Runs != 60 || s.Next != 61 || s.Stats.Faults == 0 || s.Stats.OK < 2000 || s.Interrupted {
		t.Errorf("%+v", s)
	}
	alone := simulate(t, verdict.ExitValid, "--seeds", "1-60", "--workers", "1")
	if s.Fingerprint != alone.Fingerprint {
		t.Errorf("fingerprint %x with two workers, %x with one", s.Fingerprint, alone.Fingerprint)
	}
	if calm := simulate(t, verdict.ExitValid, "--seeds", "7", "--nemesis", "none"); calm.Stats.Faults+calm.Stats.Crashes != 0 {
		t.Errorf("faults where none were wanted: %+v", calm.Stats)
	}
}

// A rule that only an observer of all nodes sees broken has a story, and its cause where that can be shown.
func TestSimTellsWhatWasBroken(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "runs")
	s := simulate(t, verdict.ExitViolated, "--outside", "--reads", "lease", "--style", "recipes", "--seeds", "1-300", "--keep", "4",
		"--workers", "2", "--results", dir)
	told, causes := 0, 0
	for _, f := range s.Failures {
		if f.Directory == "" || f.Kind == "stuck" {
			continue
		}
		v, err := (results.Run{Dir: f.Directory}).LoadVerdict()
		if err != nil || len(v.Safety.Findings) == 0 {
			t.Fatalf("%v: %+v", err, v.Safety)
		}
		for _, found := range v.Safety.Findings {
			told++
			causes += len(found.Causes)
			if found.Name == "" || len(found.Story) < 2 {
				t.Errorf("seed %d: %+v", f.Seed, found)
			}
		}
	}
	if told < 2 || causes == 0 {
		t.Errorf("%d findings, %d causes", told, causes)
	}
}

// A run that fails leaves a directory like any other run, and the line in it that repeats it does.
func TestSimLeavesRunsThatFail(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "runs")
	args := []string{"--reads", "local", "--nodes", "3,5", "--workload", "register", "--results", dir}
	s := simulate(t, verdict.ExitViolated, append(args, "--seeds", "1-200", "--until-failure")...)
	if s.Failed != 1 || len(s.Failures) != 1 || s.Failures[0].Kind != "linearizability" || !s.Failures[0].Outside {
		t.Fatalf("%+v", s.Failures)
	}
	run := results.Run{Dir: s.Failures[0].Directory}
	for _, path := range []string{
		run.History(), run.Faults(), run.SchedulePlanned(), run.SchedulePlayed(), run.Report(), run.Path(results.SimulatedFile),
		run.Path(results.InvariantsFile), run.Observations("n1"), run.HarnessLog(),
	} {
		if info, err := os.Stat(path); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", path, err)
		}
	}
	v, err := run.LoadVerdict()
	if err != nil || v.Safety.Status != verdict.Violated || v.Harness.Status != verdict.Healthy ||
		v.Liveness.Status != verdict.Valid {
		t.Errorf("%v: %+v", err, v)
	}
	if code, _, stderr := call(t, nil, "check", run.Dir); code != verdict.ExitViolated {
		t.Errorf("check exits with %d: %s", code, stderr)
	}
	manifest, err := run.LoadManifest()
	if err != nil || manifest.Lab != "sim" {
		t.Fatalf("%v: %+v", err, manifest)
	}
	words := strings.Fields(manifest.Repeat)
	if words[0] != "elenchus" || words[1] != "sim" {
		t.Fatalf("repeat: %q", manifest.Repeat)
	}
	again := simulate(t, verdict.ExitViolated, append(words[2:], "--results", dir, "--keep", "0")...)
	if again.Failures[0].Hash != s.Failures[0].Hash {
		t.Errorf("hash %s, and again %s", s.Failures[0].Hash, again.Failures[0].Hash)
	}
}

// A broken invariant is in the verdict of the run, and stays there when it is checked again.
func TestSimBrokenInvariantIsInTheVerdict(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "runs")
	s := simulate(t, verdict.ExitViolated, "--outside", "--nemesis", "partition,kill,disk-wipe,clock", "--seeds",
		"1-3000", "--until-failure", "--results", dir)
	f := s.Failures[0]
	run := results.Run{Dir: f.Directory}
	v, err := run.LoadVerdict()
	if err != nil {
		t.Fatal(err)
	}
	if f.Kind == "stuck" {
		if v.Liveness.Status != verdict.Violated {
			t.Errorf("stuck, and the verdict is %+v", v.Liveness)
		}
		return
	}
	if len(v.Safety.Findings) == 0 || v.Safety.Findings[0].Checker != f.Kind {
		t.Errorf("%s, and the verdict is %+v", f.Kind, v.Safety)
	}
	if code, _, stderr := call(t, nil, "check", run.Dir); code != verdict.ExitViolated {
		t.Errorf("check exits with %d: %s", code, stderr)
	}
}

func TestSimResumes(t *testing.T) {
	t.Parallel()
	state := filepath.Join(t.TempDir(), "campaign.json")
	whole := simulate(t, verdict.ExitValid, "--seeds", "1-40")
	part := whole
	part.Next, part.Runs, part.Fingerprint, part.Stats, part.Styles, part.Simulated = 1, 0, 0, sim.Stats{}, nil, 0
	// The first half is that of a campaign that was stopped there.
	half := simulate(t, verdict.ExitValid, "--seeds", "1-20")
	part.Next, part.Runs, part.Fingerprint, part.Stats, part.Simulated = 21, half.Runs, half.Fingerprint, half.Stats,
		half.Simulated
	data, err := json.Marshal(part)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(state, data, 0o600); err != nil {
		t.Fatal(err)
	}
	rest := simulate(t, verdict.ExitValid, "--seeds", "1-40", "--resume", state)
	if rest.Runs != 40 || rest.Fingerprint != whole.Fingerprint || rest.Stats != whole.Stats || rest.Next != 41 {
		t.Errorf("in two parts: %+v\nin one: %+v", rest, whole)
	}
	again := simulate(t, verdict.ExitValid, "--seeds", "1-40", "--resume", state)
	if again.Runs != 40 || again.Fingerprint != whole.Fingerprint {
		t.Errorf("what was done was done again: %+v", again)
	}
	if code, _, stderr := call(t, nil, "sim", "--seeds", "1-50", "--resume", state); code != verdict.ExitUsage ||
		!strings.Contains(stderr, "the seeds 1 to 40") {
		t.Errorf("another campaign goes on with this one's state: %d, %s", code, stderr)
	}
}

func TestSimRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"ends before it begins":      {"--seeds", "9-3"},
		"neither a seed":             {"--seeds", "many"},
		"1 to 9 nodes, not 0":        {"--nodes", "0"},
		"no number of nodes":         {"--nodes", "3,x"},
		"unknown workload":           {"--workload", "bank"},
		`unknown kind of fault "bo"`: {"--nemesis", "kill,bo"},
		"--style is one of":          {"--style", "baroque"},
		"--reads is one of":          {"--reads", "dirty"},
		"--time-limit must be from":  {"--time-limit", "10ms"},
		"--workers must be from":     {"--workers", "0"},
		"--keep must be from":        {"--keep", "-1"},
		"not the state of":           {"--resume", broken},
	} {
		code, _, stderr := call(t, nil, append([]string{"sim"}, args...)...)
		if code != verdict.ExitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit code %d, %q lacks %q", args, code, stderr, want)
		}
	}
	code, _, stderr := call(t, nil, "sim", "--seeds", "9-3", "--nodes", "x", "--nemesis", "bo")
	for _, want := range []string{"--seeds", "--nodes", "--nemesis"} {
		if code != verdict.ExitUsage || !strings.Contains(stderr, want) {
			t.Errorf("not all that is wrong is told: %s", stderr)
		}
	}
}

// Ctrl-C ends a campaign with all that it has found, and it can go on from there.
func TestSimIsInterrupted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := &rig{t: t, dir: dir, env: []string{envAsProgram + "=1", raceOptions}}
	state := filepath.Join(dir, "campaign.json")
	p := r.start("sim", "--seeds", "1-1000000000", "--resume", state, "--workers", "2")
	p.until(`[1-9][0-9]* of 1000000000 runs`)
	p.signal(syscall.SIGINT, false)
	if code := p.wait(); code != verdict.ExitHarness {
		t.Errorf("exit code %d", code)
	}
	p.says("interrupted: seeds 1 to ", "nothing was found")
	s, err := loadCampaign(state)
	if err != nil || s.Runs == 0 || s.Next != s.Runs+1 || !s.Interrupted {
		t.Errorf("%v: %+v", err, s)
	}
}

// Whoever sees a failure can type what plays it again: the seed as soon as it has failed, and in the end the command.
func TestSimSaysWhichSeedsFail(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "runs")
	args := []string{"--reads", "local", "--nodes", "3", "--workload", "register"}
	code, stdout, stderr := call(t, nil, append([]string{"sim", "--seeds", "1-30", "--keep", "1", "--results", dir}, args...)...)
	if code != verdict.ExitViolated {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	first := regexp.MustCompile(`failed: seed (\d+) \((\S+)\)`).FindStringSubmatch(stderr)
	if first == nil || !regexp.MustCompile(`seed `+first[1]+`: .*\(`+first[2]+`\)`).MatchString(stdout) {
		t.Fatalf("it did not say which seed failed, or said another in the end:\n%s%s", stderr, stdout)
	}
	if want := "seed " + first[1] + ": playing it again"; !strings.Contains(stderr, want) {
		t.Errorf("%q is not in\n%s", want, stderr)
	}
	repeat := regexp.MustCompile(`(?m)^  repeat    elenchus (replay .*)$`).FindStringSubmatch(stdout)
	if repeat == nil || !strings.Contains(stdout, "elenchus shrink "+strings.TrimPrefix(repeat[1], "replay ")) {
		t.Fatalf("no command repeats it:\n%s", stdout)
	}
	code, again, stderr := call(t, nil, strings.Fields(repeat[1])...)
	if code != verdict.ExitViolated || !strings.Contains(again, first[2]) {
		t.Errorf("%s: exit code %d\n%s%s", repeat[1], code, again, stderr)
	}
}

// One run says nothing about how many there will be in a minute.
func TestSimShowsRatesOnceThereAreAny(t *testing.T) {
	s := sim.Summary{From: 1, To: 200, Runs: 1, Simulated: 2 * time.Second, Elapsed: 3 * time.Millisecond}
	if got, want := simStatus(&s), "1 of 200 runs  0 failed"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	s.Runs, s.Elapsed, s.Simulated = 100, 2*time.Second, 200*time.Second
	if got, want := simStatus(&s), "100 of 200 runs (3000/min, 100× real time)  0 failed"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
