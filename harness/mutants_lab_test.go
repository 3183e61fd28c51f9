package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"elenchus/harness/hunt"
	"elenchus/results/verdict"
)

// standIn is a script in the place of this program: $seed is the one that it is to test, $dir where runs are made. It
// leaves its arguments in the file args beside it.
func standIn(t *testing.T, script string) *labHunt {
	t.Helper()
	dir := t.TempDir()
	name := filepath.Join(dir, "program")
	head := `#!/bin/sh
echo "$*" >>"${0%/*}/args"
while [ $# -gt 0 ]; do case $1 in --seed) seed=$2;; --results) dir=$2;; esac; shift; done
mkdir -p "$dir/run-$seed"
`
	if err := os.WriteFile(name, []byte(head+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return &labHunt{program: name, node: "/a/node", results: filepath.Join(dir, "runs"), keep: filepath.Join(dir, "kept"),
		step: func(uint64, time.Duration, labRun) {}}
}

const (
	allGood = `echo '{"run":"run-'$seed'","safety":{"status":"valid"},"liveness":{"status":"valid"},` +
		`"coverage":{"status":"sufficient"},"harness":{"status":"healthy"}}'` + "\n"
	staleRead = `echo '{"run":"run-'$seed'","safety":{"status":"violated","findings":[{"checker":"linearizability",` +
		`"name":"stale read","summary":"It saw 5.","causes":[{"name":"clocks drifted apart"}]}]}}'; exit 1` + "\n"
	labBroke = `echo '{"run":"run-'$seed'","safety":{"status":"valid"},"harness":{"status":"failed",` +
		`"reasons":["a fault could not be proven","and so on"]}}'; exit 4` + "\n"
)

// files lists the names in a directory; none if it is not there.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Runs are kept on other file systems, too: a temporary directory is often one.
func TestLabHuntKeepsRunsElsewhere(t *testing.T) {
	l := standIn(t, staleRead)
	other, err := os.MkdirTemp("/dev/shm", "elenchus-test-") //nolint:usetesting // which is on another file system
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(other) })
	l.keep = filepath.Join(other, "kept")
	if s, err := l.start(t.Context(), 0, time.Hour, hunt.Start{}); err != nil || !s.Found() {
		t.Errorf("hunted %+v, %v", s, err)
	}
	if kept := files(t, l.keep); !slices.Equal(kept, []string{"run-1"}) {
		t.Errorf("kept %v", kept)
	}
}

// A hunt goes on from seed to seed, past what fails, until something is found.
func TestLabHuntFinds(t *testing.T) {
	l := standIn(t, "case $seed in 1000001) "+allGood+";; 1000002) "+labBroke+";; *) "+staleRead+";; esac")
	var steps []string
	l.step = func(seed uint64, _ time.Duration, came labRun) {
		steps = append(steps, fmt.Sprintf("%d %s%s", seed, came.check, came.failed))
	}
	s, err := l.start(t.Context(), 1, time.Hour, hunt.Start{})
	if err != nil {
		t.Fatal(err)
	}
	if s.From != 1000001 || s.Runs != 3 || s.Failed != 1 || s.Check != "linearizability" || s.Seed != 1000003 || s.CPU <= 0 {
		t.Errorf("hunted %+v", s)
	}
	if want := "stale read: It saw 5. → clocks drifted apart"; s.Message != want {
		t.Errorf("message %q; want %q", s.Message, want)
	}
	want := []string{"1000001 ", "1000002 a fault could not be proven; and so on", "1000003 linearizability"}
	if !slices.Equal(steps, want) {
		t.Errorf("steps %q; want %q", steps, want)
	}
	if kept := files(t, l.keep); !slices.Equal(kept, []string{"run-1000002", "run-1000003"}) {
		t.Errorf("kept %v", kept)
	}
	if left := files(t, l.results); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	args, err := os.ReadFile(filepath.Join(filepath.Dir(l.program), "args"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"test --lab local --swarm --fail-fast --json", "--node-binary /a/node", "--seed 1000001",
		"--time-limit 12s"} {
		if !strings.Contains(string(args), want) {
			t.Errorf("%q is not in the arguments %q", want, args)
		}
	}
}

// A budget that is too small for another test ends a hunt, and the last one fits into what is left.
func TestLabHuntKeepsToItsBudget(t *testing.T) {
	l := standIn(t, allGood)
	s, err := l.start(t.Context(), 0, time.Second, hunt.Start{})
	if err != nil || s.Runs != 1 || s.Found() || s.From != 1 {
		t.Errorf("hunted %+v, %v", s, err)
	}
	args, err := os.ReadFile(filepath.Join(filepath.Dir(l.program), "args"))
	if err != nil || !strings.Contains(string(args), "--time-limit 4s") {
		t.Errorf("called with %q, %v", args, err)
	}
}

// A lab that never works is a failure, as is a program that refuses its options; something that cannot be run is, too.
func TestLabHuntFails(t *testing.T) {
	for _, test := range []struct{ name, script, want string }{
		{"never works", "echo 'elenchus: no iptables' >&2; exit 4", "the lab failed 3 times in a row: no verdict, exit code 4: elenchus: no iptables"},
		{"always unhealthy", labBroke, "a fault could not be proven"},
		{"wrong usage", "echo 'elenchus: unknown option' >&2; exit 64", "unknown option"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := standIn(t, test.script).start(t.Context(), 0, time.Hour, hunt.Start{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the hunt says %v; want %q", err, test.want)
			}
		})
	}
	l := standIn(t, "")
	l.program = "/does/not/exist"
	if _, err := l.start(t.Context(), 0, time.Hour, hunt.Start{}); err == nil {
		t.Error("a program that is not there was run")
	}
}

// Whoever interrupts a hunt interrupts the test in it, which ends in order before the hunt does.
func TestLabHuntIsInterrupted(t *testing.T) {
	l := standIn(t, `trap 'touch "$dir/healed"; exit 4' INT
touch "$dir/begun"
while :; do sleep 0.01; done
`)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	go func() {
		for len(files(t, l.results)) < 2 {
			time.Sleep(5 * time.Millisecond)
		}
		interrupt()
	}()
	_, err := l.start(ctx, 0, time.Hour, hunt.Start{})
	if exit := (exitError{}); !errors.As(err, &exit) || exit.code != verdict.ExitHarness {
		t.Errorf("the hunt says %v", err)
	}
	if !slices.Contains(files(t, l.results), "healed") {
		t.Error("the test was not given the time to heal")
	}
}

func TestJudgeLabRun(t *testing.T) {
	good := verdict.Verdict{
		Safety: verdict.Safety{Status: verdict.Valid}, Liveness: verdict.Liveness{Status: verdict.Valid},
		Coverage: verdict.Coverage{Status: verdict.Sufficient}, Harness: verdict.Harness{Status: verdict.Healthy},
	}
	for _, test := range []struct {
		name                   string
		change                 func(v *verdict.Verdict)
		check, message, failed string
	}{
		{"good", func(*verdict.Verdict) {}, "", "", ""},
		{"vacuous", func(v *verdict.Verdict) { v.Coverage.Status = verdict.Vacuous }, "", "", ""},
		{"disagreement in a run that failed", func(v *verdict.Verdict) {
			v.Harness = verdict.Harness{Status: verdict.Failed, Reasons: []string{"x"}}
			v.Safety = verdict.Safety{Status: verdict.Violated, Findings: []verdict.Finding{{Checker: "agreement", Summary: "Two."}}}
		}, "agreement", "Two.", ""},
		{"a node that ended", func(v *verdict.Verdict) {
			v.Harness.Status = verdict.Failed
			v.Liveness = verdict.Liveness{Status: verdict.Violated, Ended: []verdict.Ended{{Node: "n2", Why: "panic: oh"}}}
		}, hunt.CheckEnded, "n2 ended by itself: panic: oh", ""},
		{"no recovery", func(v *verdict.Verdict) {
			v.Liveness = verdict.Liveness{Status: verdict.Violated, Reasons: []string{"it did not recover"}}
		}, hunt.CheckViolated, "it did not recover", ""},
		{"failed", func(v *verdict.Verdict) {
			v.Harness = verdict.Harness{Status: verdict.Failed, Reasons: []string{"a", "b\nc"}}
		}, "", "", "a; b"},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := good
			test.change(&v)
			came := judgeLabRun(&v)
			if came.check != test.check || came.message != test.message || came.failed != test.failed {
				t.Errorf("judged %+v; want %q, %q, %q", came, test.check, test.message, test.failed)
			}
		})
	}
}

func TestMergedRows(t *testing.T) {
	old := []*hunt.Row{{Name: "a", Digest: "1"}, {Name: "b", Digest: "1"}}
	all := merged(old, []*hunt.Row{nil, {Name: "b", Digest: "2"}, {Name: "c", Digest: "2"}})
	var got []string
	for _, r := range all {
		got = append(got, r.Name+r.Digest)
	}
	slices.Sort(got)
	if !slices.Equal(got, []string{"a1", "b2", "c2"}) {
		t.Errorf("merged %v", got)
	}
}

// Whatever a swarm draws is a command line that the program takes.
func TestSwarmsAreValid(t *testing.T) {
	for seed := range 40 {
		code, out, stderr := call(t, nil, "test", "--swarm", "--fail-fast", "--dry-run", "--seed", fmt.Sprint(seed))
		if code != 0 || !strings.Contains(out, "elenchus-schedule") || !strings.Contains(stderr, "drawn from seed") {
			t.Errorf("seed %d: exit code %d: %s", seed, code, stderr)
		}
	}
	code, out, stderr := call(t, nil, "test", "--swarm", "--dry-run", "--nodes", "4", "--reads", "quorum", "--lease", "none",
		"--nemesis", "kill", "--json")
	if code != 0 || !strings.Contains(out, `"n4"`) || strings.Contains(stderr, "--reads") || strings.Contains(out, `"partition"`) {
		t.Errorf("exit code %d, %s: %s", code, stderr, out)
	}
}

// What is known of a mutant is used again when a hunt with the present options would find out no more.
func TestWhatIsKnownOfAMutantIsEnough(t *testing.T) {
	h := &hunting{opts: hunt.Options{Starts: 1, Budget: 5 * time.Minute}}
	row := func(starts ...hunt.Start) *hunt.Row { return &hunt.Row{All: hunt.Hunt{Starts: starts}} }
	for _, test := range []struct {
		name string
		row  *hunt.Row
		want bool
	}{
		{"found", row(hunt.Start{Check: "agreement", CPU: time.Minute, Runs: 1}), true},
		{"found too late", row(hunt.Start{Check: "agreement", CPU: 20 * time.Minute, Runs: 1}), false},
		{"not found", row(hunt.Start{CPU: 5*time.Minute - labOverhead, Runs: 9}), true},
		{"not found so far", row(hunt.Start{CPU: time.Minute, Runs: 3}), false},
		{"not found with a larger budget", row(hunt.Start{CPU: time.Hour, Runs: 99}), true},
		{"never hunted", row(), false},
		{"outside", &hunt.Row{Outside: true}, true},
	} {
		if got := h.enough(test.row); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

// A hunt that was interrupted goes on with the next seed, and with the time that is left.
func TestLabHuntGoesOn(t *testing.T) {
	l := standIn(t, "case $seed in 4) "+staleRead+";; *) "+allGood+";; esac")
	s, err := l.start(t.Context(), 0, time.Hour, hunt.Start{From: 1, Runs: 2, Failed: 1, CPU: 30 * time.Minute})
	if err != nil || s.Runs != 4 || s.Failed != 1 || s.Seed != 4 || s.CPU < 30*time.Minute {
		t.Errorf("hunted %+v, %v", s, err)
	}
	s, err = l.start(t.Context(), 0, time.Hour, hunt.Start{From: 1, Runs: 1, CPU: time.Hour})
	if err != nil || s.Runs != 1 || s.Found() {
		t.Errorf("a hunt without time went on: %+v, %v", s, err)
	}
}

// Of several labs side by side each has other seeds, and what one finds ends the tests of the others.
func TestLabHuntInSeveralLabs(t *testing.T) {
	l := standIn(t, `case $seed in
3) while [ ! -e "$dir/begun-4" ] || [ ! -e "$dir/begun-5" ]; do sleep 0.01; done
`+staleRead+`;;
1|2) `+allGood+`;;
*) trap 'touch "$dir/ended-$seed"; exit 4' INT
touch "$dir/begun-$seed"; while :; do sleep 0.01; done;;
esac`)
	l.labs = 3
	s, err := l.start(t.Context(), 0, time.Hour, hunt.Start{})
	if err != nil || s.Seed != 3 || s.Runs != 3 || s.Check != "linearizability" {
		t.Errorf("hunted %+v, %v", s, err)
	}
	left := files(t, l.results)
	if !slices.Contains(left, "ended-4") || !slices.Contains(left, "ended-5") {
		t.Errorf("the other labs were not ended in order: %v", left)
	}
}

// A mutant that a hunt had no time for to the end is not one that was not found.
func TestConclusionOfAnUnfinishedHunt(t *testing.T) {
	missed := &hunt.Row{Name: "a", All: hunt.Hunt{Starts: []hunt.Start{{Runs: 3}}}}
	rows := []*hunt.Row{{Name: "b", Outside: true}, missed}
	for _, unfinished := range []bool{false, true} {
		h := &hunting{}
		if unfinished {
			h.unfinished = rows[1:]
		}
		if err := conclusion(h.finished(rows)); (err == nil) != unfinished {
			t.Errorf("unfinished %v: %#v", unfinished, err)
		}
	}
}
