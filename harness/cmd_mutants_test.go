package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"elenchus/harness/hunt"
	"elenchus/harness/sim"
	"elenchus/results"
	"elenchus/results/verdict"
)

// callInTree runs "elenchus args…" where the sources are.
func callInTree(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.Command(self(t))
	cmd.Args = append([]string{"elenchus"}, args...)
	cmd.Env = append(os.Environ(), envAsProgram+"=1", raceOptions)
	var out, err strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &err
	_ = cmd.Run() // the exit code says it
	return cmd.ProcessState.ExitCode(), out.String(), err.String()
}

const ownPage = `# votes-for-nothing

A slot is chosen by one vote.

- Place: accepts
- Precedent: none, it is for a test
- Symptom: Everything.
- Axis: safety
- Faults: None.
- Workload: any
- Breaks: chosen-justified
- Masked: Nothing.
- Labs: sim, local
`

const ownPatch = `--- a/node/multipaxos/proposer.go
+++ b/node/multipaxos/proposer.go
@@ -1,1 +1,1 @@
-	if p.votes.len() >= m.members.quorum {
+	if p.votes.len() >= 1 {
`

func ownMutant(t *testing.T, patch string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	writeMutant(t, dir, "votes-for-nothing", patch)
	return dir
}

// writeMutant writes the folder of a mutant into a directory.
func writeMutant(t *testing.T, dir, name, patch string) {
	t.Helper()
	folder := filepath.Join(dir, name)
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	page := strings.Replace(ownPage, "votes-for-nothing", name, 1)
	for file, content := range map[string]string{"mutant.md": page, "mutant.patch": patch} {
		if err := os.WriteFile(filepath.Join(folder, file), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestListMutants(t *testing.T) {
	t.Parallel()
	code, out, stderr := callInTree(t, "mutants", "list", "--json")
	var list []struct {
		Name  string `json:"name"`
		Facts struct {
			Summary string `json:"summary"`
		} `json:"facts"`
	}
	if err := json.Unmarshal([]byte(out), &list); code != 0 || err != nil || len(list) < 50 {
		t.Fatalf("%d mutants, exit code %d, %v\n%s", len(list), code, err, stderr)
	}
	code, out, _ = callInTree(t, "mutants", "list", list[0].Name, list[1].Name)
	if code != 0 || !strings.Contains(out, "# "+list[0].Name+"\n") || !strings.Contains(out, "# "+list[1].Name+"\n") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	code, _, stderr = callInTree(t, "mutants", "list", "no-such-thing", "nor-this")
	if code != verdict.ExitUsage || !strings.Contains(stderr, `"no-such-thing"`) || !strings.Contains(stderr, `"nor-this"`) {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

// A mutant from anywhere is built, hunted and found, and what was measured is not measured again.
func TestRunMutants(t *testing.T) {
	t.Parallel()
	work := t.TempDir()
	rows, table := filepath.Join(work, "rows.json"), filepath.Join(work, "mutants.md")
	args := []string{"mutants", "run", "--dir", ownMutant(t, ownPatch), "--seeds", "2", "--client-seeds", "1", "--budget",
		"60s", "--resume", rows, "--table", table, "--json"}
	code, out, stderr := callInTree(t, args...)
	var found []hunt.Row
	if err := json.Unmarshal([]byte(out), &found); code != 0 || err != nil || len(found) != 1 {
		t.Fatalf("exit code %d, %v\n%s\n%s", code, err, out, stderr)
	}
	r := &found[0]
	if r.All.Found() != 2 || !r.Reached || !r.Propagated() || r.Clients == nil {
		t.Errorf("found %+v", r)
	}
	page, err := os.ReadFile(table)
	if err != nil || !strings.Contains(string(page), "| [votes-for-nothing](") {
		t.Errorf("the table is %v\n%s", err, page)
	}
	before, err := os.ReadFile(rows)
	if err != nil {
		t.Fatal(err)
	}
	if code, again, _ := callInTree(t, args...); code != 0 || again != out {
		t.Errorf("the second time exit code %d\n%s", code, again)
	}
	if after, err := os.ReadFile(rows); err != nil || string(after) != string(before) {
		t.Errorf("the second time something else was kept: %v", err)
	}
}

func TestPatchThatDoesNotApplyFailsTheBuild(t *testing.T) {
	t.Parallel()
	dir := ownMutant(t, strings.Replace(ownPatch, ".quorum {\n+", ".quorums {\n+", 1))
	code, _, stderr := callInTree(t, "mutants", "run", "--compile", "--dir", dir)
	if code != verdict.ExitViolated || !strings.Contains(stderr, "mutant.patch:3: ") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

// oneLinePatch replaces a line of a file by another.
func oneLinePatch(file, from, to string) string {
	return "--- a/" + file + "\n+++ b/" + file + "\n@@ -1,1 +1,1 @@\n-" + from + "\n+" + to + "\n"
}

// notInfected changes what nobody judges.
var notInfected = oneLinePatch("node/multipaxos/grant.go", `	return fmt.Sprintf("honours the lease of %v", m.grant.ballot)`,
	`	return fmt.Sprintf("respects the lease of %v", m.grant.ballot)`)

// An undetected mutant tells whether it was executed, and a detected one whether anybody but observers could see it: of
// each class one. TestRunMutants has one that clients see.
func TestClassesOfMutants(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	classes := []struct{ name, patch, blame string }{
		{"never-executed", oneLinePatch("node/multipaxos/lease_options.go",
			`		return 0, "leases are on monotonic clocks"`, `		return 0, "leases are on other clocks"`), "never executed"},
		{"not-infected", notInfected, "executed, and broke nothing"},
		{"not-propagated", oneLinePatch("node/multipaxos/status.go", `		Hash:      m.store.Hash(),`,
			`		Hash:      m.store.Hash() + uint64(m.opts.Self),`), "seen by observers alone"},
	}
	for _, class := range classes {
		writeMutant(t, dir, class.name, class.patch)
	}
	_, out, stderr := callInTree(t, "mutants", "run", "--dir", dir, "--seeds", "1", "--client-seeds", "1", "--budget", "2s",
		"--shrink", "0", "--json")
	var rows []hunt.Row
	if err := json.Unmarshal([]byte(out), &rows); err != nil || len(rows) != len(classes) {
		t.Fatalf("%v\n%s\n%s", err, out, stderr)
	}
	for _, class := range classes {
		for _, r := range rows {
			if r.Name == class.name && r.Blame() != class.blame {
				t.Errorf("%s: %s; want %s", r.Name, r.Blame(), class.blame)
			}
		}
	}
}

// A hunt says what it is doing, and when it is interrupted, what it has found out until then.
func TestSignalEndsAHuntOfMutants(t *testing.T) {
	t.Parallel()
	dir, rows := t.TempDir(), filepath.Join(t.TempDir(), "rows.json")
	writeMutant(t, dir, "a-found", ownPatch)
	writeMutant(t, dir, "b-endless", notInfected)
	r := &rig{t: t, dir: t.TempDir(), env: []string{envAsProgram + "=1", raceOptions}}
	cmd := exec.Command(self(t))
	cmd.Args = []string{"elenchus", "mutants", "run", "--dir", dir, "--seeds", "1000", "--budget", "1s", "--give-up", "0",
		"--client-seeds", "0", "--shrink", "0", "--resume", rows}
	p := r.startCommand(cmd)
	p.until("hunting 2 mutants in the simulator, from 1000 seeds each, with at most 1s of processor time per seed")
	p.until("0 of 2 done  a-found: building")
	p.until("1 of 2: a-found ")
	p.until(`1 of 2 done  b-endless: from seed ([2-9]|\d\d+) of 1000, found from 0`)
	p.signal(syscall.SIGTERM, false)
	if code := p.wait(); code != verdict.ExitHarness {
		t.Errorf("exit code %d", code)
	}
	p.says("interrupted: what was finished is in "+rows, "1 of 2 mutants hunted: 1 found, 0 not found\n",
		"b-endless is unfinished: found from 0 of the first ")
	data, err := os.ReadFile(rows)
	var kept []hunt.Row
	if err == nil {
		err = json.Unmarshal(data, &kept)
	}
	if err != nil || len(kept) != 1 || kept[0].Name != "a-found" {
		t.Errorf("%v: kept is\n%s", err, data)
	}
}

// A run with a mutant says so, and is played again, and made smaller, with the mutant that is in its directory.
func TestRunsOfMutantsArePlayedWithThem(t *testing.T) {
	t.Parallel()
	parent := ownMutant(t, ownPatch)
	mutant, runs := filepath.Join(parent, "votes-for-nothing"), filepath.Join(t.TempDir(), "runs")
	code, stdout, stderr := callInTree(t, "sim", "--mutant", mutant, "--seeds", "1-500", "--until-failure", "--json",
		"--results", runs)
	var s sim.Summary
	if err := json.Unmarshal([]byte(stdout), &s); code != verdict.ExitViolated || err != nil {
		t.Fatalf("sim: exit code %d, %v\n%s\n%s", code, err, stdout, stderr)
	}
	made := results.Run{Dir: s.Failures[0].Directory}
	if manifest, err := made.LoadManifest(); err != nil || manifest.Node.Mutant != "votes-for-nothing" ||
		!strings.Contains(manifest.Repeat, " --mutant "+mutant) || strings.Contains(manifest.Argv[0], "elenchus-mutant") {
		t.Fatalf("%v: the run is said to be of %+v", err, manifest)
	}
	if err := os.RemoveAll(parent); err != nil { // the run has its own
		t.Fatal(err)
	}
	for _, call := range []struct {
		code int
		want string
		args []string
	}{
		{verdict.ExitViolated, "votes-for-nothing was built into the nodes", []string{"check"}},
		{verdict.ExitViolated, "equal to the recorded one", []string{"replay"}},
		{verdict.ExitViolated, "smaller runs tried", []string{"shrink", "--candidates", "100"}},
		{verdict.ExitValid, "without the mutant votes-for-nothing", []string{"replay", "--mutant", "none"}},
	} {
		args := append(call.args, "--results", runs, made.Name())
		if code, out, stderr := callInTree(t, args...); code != call.code || !strings.Contains(out, call.want) {
			t.Errorf("%v: exit code %d\n%s\n%s", args, code, out, stderr)
		}
	}
	small, err := results.Open(runs, results.Latest)
	if err != nil || !strings.Contains(small.Name(), "shrunk") {
		t.Fatalf("%v: the latest run is %s", err, small.Name())
	}
	if manifest, err := small.LoadManifest(); err != nil || manifest.Node.Mutant != "votes-for-nothing" {
		t.Errorf("%v: the smaller run is said to be of %+v", err, manifest)
	}
}
