package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"elenchus/harness/lab/local"
	"elenchus/results/verdict"
)

// call runs "elenchus args…" with nothing of a lab, and returns its exit code and what it printed.
func call(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.Command(self(t))
	cmd.Args = append([]string{"elenchus"}, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(append(os.Environ(), envAsProgram+"=1", raceOptions), env...)
	var out, err strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &err
	_ = cmd.Run() // the exit code says it
	return cmd.ProcessState.ExitCode(), out.String(), err.String()
}

func TestWrongUsageIsRefusedBeforeAnythingStarts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const head = "elenchus-schedule 1\nnodes n1 n2 n3\nlength 5s\n"
	typo := file("typo", head+"at 1s for 2s partitoin isolate n1\n")
	nodes := file("nodes", "elenchus-schedule 1\nnodes n1 n2 n3 n4\nlength 5s\nat 1s for 2s kill n4\n")
	clocks := file("clocks", head+"at 1s for 2s clock rate n1 -1%\n")
	version := file("version", "elenchus-schedule 2\nnodes n1\nlength 5s\n")
	empty := file("empty", "")
	badLab := file("lab.toml", "name = \"x\"\n[[host]]\nnam = \"n1\"\n")

	runs := filepath.Join(dir, "runs")
	for _, name := range []string{"17.138Z-register-seed7", "18.138Z-register-seed7", "19.138Z-append-seed8"} {
		if err := os.MkdirAll(filepath.Join(runs, "20261121T0451"+name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name string
		env  []string
		args []string
		want []string
	}{
		{"unknown command", nil, []string{"tset"}, []string{`unknown command "tset": did you mean elenchus test?`}},
		{"command that is like no other", nil, []string{"frobnicate"},
			[]string{"unknown command \"frobnicate\": elenchus has test, sim, replay, shrink, mutants, check, export, bench, " +
				"envelope, lab, list, help (see elenchus --help)"}},
		{"help for an unknown command", nil, []string{"help", "chekc"}, []string{"did you mean elenchus check?"}},
		{"help for an unknown subcommand", nil, []string{"help", "lab", "dwon"}, []string{"did you mean elenchus lab down?"}},
		{"unknown subcommand", nil, []string{"lab", "upp"}, []string{`unknown command "upp": did you mean elenchus lab up?`}},
		{"unknown option", nil, []string{"test", "--time-limits", "5s"},
			[]string{"unknown option --time-limits: did you mean --time-limit? (see elenchus test --help)"}},
		{"option like no other", nil, []string{"check", "--frobnicate"}, []string{"unknown option --frobnicate (see elenchus check"}},
		{"unknown option of a subcommand", nil, []string{"lab", "up", "--x"}, []string{"-x", "elenchus lab up --help"}},
		{"unknown judge", nil, []string{"sim", "--judge", "everybody"}, []string{"--judge", `"everybody"`, "clients"}},
		{"limit below zero", nil, []string{"sim", "--cpu-limit", "-1s"}, []string{"--cpu-limit must be from"}},
		{"all that is wrong with a hunt", nil,
			[]string{"mutants", "run", "--seeds", "-1", "--budget", "1ms", "--workers", "-2"},
			[]string{"--seeds must be", "--budget must be", "--workers must be"}},
		{"all that does not go together in a hunt", nil, []string{"mutants", "run", "--lab", "moon", "--clean", "x"},
			[]string{`"moon"`, "--clean"}},
		{"hunt without seeds", nil, []string{"mutants", "run", "--seeds", "0"}, []string{"--seeds must be from 1"}},
		{"mutants without sources", nil, []string{"mutants", "list"}, []string{"mutants are built from the sources"}},
		{"mutant and node", nil, []string{"test", "--mutant", "x", "--node-binary", "y"}, []string{"leave --node-binary out"}},
		{"swarm in the simulator", nil, []string{"test", "--swarm", "--lab", "sim"}, []string{"--swarm is for labs with hosts"}},
		{"too many retries", nil, []string{"test", "--retry", "2"}, []string{"--retry must be at most 100%"}},
		{"unknown workload", nil, []string{"test", "--workload", "regster"}, []string{`"regster"`, "register, append"}},
		{"unknown nemesis", nil, []string{"test", "--nemesis", "kil"}, []string{`"kil"`, `did you mean "kill"`}},
		{"unknown reads", nil, []string{"test", "--reads", "dirty"}, []string{`"dirty"`, "lease, quorum, log, local"}},
		{"unknown lease", nil, []string{"test", "--lease", "sundial"}, []string{`"sundial"`, "rate", "wall", "none"}},
		{"lease reads without a lease", nil, []string{"test", "--lease", "none"}, []string{"--reads lease needs a lease"}},
		{"all that is wrong with a lease", nil, []string{"test", "--lease-term", "100ms", "--drift-bound", "-1", "--max-offset", "1s",
			"--election-timeout", "200ms"},
			[]string{"ends before it is renewed", "--drift-bound", "--max-offset", "heartbeat"}},
		{"lease without a term", nil, []string{"test", "--lease-term", "0s", "--window", "0"}, []string{"--lease-term must be from", "--window"}},
		{"unknown lab", nil, []string{"test", "--lab", "cloud"}, []string{`"cloud"`, "local, inventory, vagrant"}},
		{"all that is wrong", nil, []string{"test", "--workload", "x", "--reads", "y", "--rate", "-1"},
			[]string{`"x"`, `"y"`, "--rate"}},
		{"option behind an argument", nil, []string{"check", "latest", "--json"}, []string{"--json", "options go first"}},
		{"argument where none goes", nil, []string{"test", "now"}, []string{`unexpected argument "now"`}},
		{"too many arguments", nil, []string{"check", "a", "b"}, []string{`unexpected argument "b"`}},
		{"value that is none", nil, []string{"test", "--time-limit", "5"},
			[]string{`--time-limit: "5" is not a length of time such as 500ms`}},
		{"number that is none", nil, []string{"test", "--nodes", "x"}, []string{`--nodes: "x" is not a number`}},
		{"option without a value", nil, []string{"test", "--workload"}, []string{"--workload needs a value"}},
		{"name that no lab can have", nil, []string{"lab", "up", "--lab-name", "Bad Name"}, []string{`"Bad Name"`, "a-z"}},
		{"directory that is no run", nil, []string{"check", dir}, []string{dir, "no manifest.json in it"}},
		{"file that is no run", nil, []string{"check", empty}, []string{"empty: there is no history in the file"}},
		{"too many nodes", nil, []string{"test", "--nodes", "10"}, []string{"1 to 9", "10"}},
		{"no clients", nil, []string{"test", "--concurrency", "0n"}, []string{"--concurrency", `"0n"`}},
		{"bad variable", []string{"ELENCHUS_SEED=abc"}, []string{"test", "--dry-run"},
			[]string{`ELENCHUS_SEED: "abc" is not a whole number`, "which --seed takes"}},
		{"bad variable of a file", []string{"ELENCHUS_SCHEDULE=" + filepath.Join(dir, "none")},
			[]string{"test", "--dry-run"}, []string{"none", "no such file"}},
		{"misspelt fault", nil, []string{"test", "--nodes", "3", "--schedule", typo},
			[]string{typo + ":4:14: ", `did you mean "partition"`, "\n\tat 1s for 2s partitoin isolate n1\n\t             ^\n"}},
		{"clocks with no drift to speak of", nil, []string{"test", "--nemesis", "clock", "--clock-drift", "0", "--dry-run"},
			[]string{"--clock-drift", "2%", "none"}},
		{"clocks that stand still", nil, []string{"test", "--nemesis", "clock", "--clock-drift", "1e9", "--dry-run"},
			[]string{"clocks that run 1e+11% apart", "ten times the real one"}},
		{"steps of nothing", nil, []string{"test", "--nemesis", "clock", "--clock-step", "0s", "--dry-run"}, []string{"--clock-step"}},
		{"more hunts than time", nil, []string{"test", "--hunt", "150%", "--dry-run"}, []string{"--hunt", "at most 100%", `"150%"`}},
		{"clocks that nothing moves", nil,
			[]string{"test", "--nemesis", "partition", "--clock-drift", "20%", "--clock-step", "2s", "--dry-run"},
			[]string{"--clock-drift is for faults of clocks: add clock to --nemesis", "--clock-step is for faults of clocks: "}},
		{"clocks of a schedule", nil, []string{"test", "--nodes", "3", "--schedule", clocks, "--clock-drift", "20%"},
			[]string{"--schedule says which faults there are: leave --clock-drift out"}},
		{"hunts in a schedule", nil, []string{"test", "--nodes", "3", "--schedule", clocks, "--hunt", "1", "--hunts", "slow",
			"--hunt-elections"}, []string{"leave --hunt out", "leave --hunts out", "leave --hunt-elections out"}},
		{"hunts without their faults", nil, []string{"test", "--nemesis", "kill", "--hunts", "slow", "--dry-run"},
			[]string{"hunt slow needs partition: add it to --nemesis", "hunt slow needs clock: add it to --nemesis"}},
		{"hunts without leases", nil, []string{"test", "--reads", "log", "--hunts", "deaf", "--dry-run"},
			[]string{"hunt deaf needs reads that rest on leases"}},
		{"hunts without time", nil, []string{"test", "--hunts", "deaf", "--hunt", "none", "--dry-run"}, []string{"leave --hunts out"}},
		{"nothing to hunt", nil, []string{"test", "--hunt", "50%", "--nemesis", "none", "--dry-run"},
			[]string{"there is nothing to hunt with 5 nodes, --reads lease and --nemesis none"}},
		{"nobody to be elected", nil, []string{"test", "--nodes", "2", "--hunt-elections", "--dry-run"},
			[]string{"hunts need at least 3 nodes: give more --nodes, or leave --hunt and --hunt-elections out"}},
		{"schedule for other nodes", nil, []string{"test", "--nodes", "3", "--schedule", nodes}, []string{nodes, "n4"}},
		{"schedule of the future", nil, []string{"test", "--schedule", version}, []string{version + ":1:"}},
		{"schedule without anything", nil, []string{"test", "--schedule", empty}, []string{empty}},
		{"schedule and nemesis", nil, []string{"test", "--schedule", typo, "--nemesis", "kill"}, []string{"--nemesis"}},
		{"inventory without file", nil, []string{"test", "--lab", "inventory"}, []string{"--inventory FILE"}},
		{"inventory with a wrong field", nil, []string{"test", "--lab", "inventory", "--inventory", badLab},
			[]string{badLab, "line 3, column 1", `"host.nam"`}},
		{"inventory that is not there", nil, []string{"test", "--lab", "inventory", "--inventory", dir + "/no.toml"},
			[]string{"no.toml", "no such file"}},
		{"node program that is not there", []string{"ELENCHUS_NODE_BINARY=" + dir + "/no"}, []string{"test"},
			[]string{dir + "/no", "--node-binary"}},
		{"run that is not there", nil, []string{"check", "nothing"}, []string{"no run in results/runs yet", "elenchus test", "--results"}},
		{"run that is misspelt", nil, []string{"check", "--results", runs, "20261121T045117.137Z-register-seed7"},
			[]string{"there is no run", runs, "did you mean 20261121T045117.138Z-register-seed7?"}},
		{"part of a run's name", nil, []string{"check", "--results", runs, "seed7"},
			[]string{"did you mean 20261121T045118.138Z-register-seed7 or 20261121T045117.138Z-register-seed7?"}},
		{"run unlike any other", nil, []string{"check", "--results", runs, "x"},
			[]string{"20261121T045119.138Z-append-seed8, 20261121T045118.138Z-register-seed7"}},
		{"file that is not there", nil, []string{"check", "--results", runs, dir + "/no.edn"},
			[]string{"there is no file and no directory", dir + "/no.edn"}},
		{"file that is not there, and no run", nil, []string{"check", "no.edn"}, []string{`there is no file and no directory "no.edn"`}},
		{"no latest run", nil, []string{"check", "--results", runs}, []string{"has no latest run; the newest is 20261121T045119"}},
		{"command that is not there", nil, []string{"lab", "exec", "n1"}, []string{"say what to run"}},
		{"lab up of somebody else's hosts", nil, []string{"lab", "up", "--lab", "vagrant"}, []string{"vagrant up"}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			code, stdout, stderr := call(t, tc.env, tc.args...)
			if code != 64 {
				t.Errorf("exit code %d, want 64", code)
			}
			if stdout != "" {
				t.Errorf("standard output should stay empty, is %q", stdout)
			}
			if !strings.HasPrefix(stderr, "elenchus: ") {
				t.Errorf("the message does not say who speaks: %q", stderr)
			}
			for _, want := range tc.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("%q is not in the message:\n%s", want, stderr)
				}
			}
		})
	}
}

// Nothing outlives a local lab, so without one there is nothing to do for some commands, and that is no failure. Those
// that need hosts fail.
func TestLabCommandsWithoutALab(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"lab heal --lab-name nobody", verdict.ExitValid, "lab nobody is not up: nothing to heal"},
		{"lab heal --json --lab-name nobody", verdict.ExitValid, `"outstanding": []`},
		{"lab leftovers --lab-name nobody", verdict.ExitValid, "lab nobody is not up: nothing was left behind"},
		{"lab leftovers --json --lab-name nobody", verdict.ExitValid, `"found": []`},
		{"lab down --lab-name nobody", verdict.ExitValid, "lab nobody is not up: nothing to take down"},
		{"lab status --lab-name nobody", verdict.ExitValid, "lab nobody is not up"},
		{"lab exec --lab-name nobody -- true", verdict.ExitHarness, "lab nobody is not up (elenchus lab up starts it"},
		{"lab exec --lab-name nobody n1 -- true", verdict.ExitHarness, "lab nobody is not up"},
		{"lab doctor --lab-name nobody", verdict.ExitHarness, "lab nobody is not up"},
	} {
		code, stdout, stderr := call(t, nil, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(stdout+stderr, c.want) {
			t.Errorf("%s: exit code %d, no %q in\n%s%s", c.args, code, c.want, stdout, stderr)
		}
	}
}

// keyPattern is what all keys of our JSON look like.
var keyPattern = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

func TestJSONForScriptsHasKeysOfOneKind(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"list", "workloads", "--json"}, {"list", "nemeses", "--json"}, {"list", "runs", "--json"},
		{"list", "labs", "--json"}, {"list", "recipes", "--json"},
		{"lab", "status", "--json"}, {"test", "--dry-run", "--json", "--seed", "7"},
	} {
		code, stdout, stderr := call(t, nil, args...)
		var answer any
		if err := json.Unmarshal([]byte(stdout), &answer); code != 0 || err != nil || answer == nil {
			t.Errorf("%v: exit code %d, %v: %s%s", args, code, err, stdout, stderr)
		}
		wantKeys(t, strings.Join(args, " "), answer)
	}
	wantKeys(t, "state of a lab", jsonOf(t, local.State{Hosts: []local.HostState{{}}, User: "x"}))
}

func jsonOf(t *testing.T, v any) (answer any) {
	t.Helper()
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func wantKeys(t *testing.T, where string, v any) {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			wantKeys(t, where, e)
		}
	case map[string]any:
		for k, e := range v {
			if !keyPattern.MatchString(k) {
				t.Errorf("%s has a key %q", where, k)
			}
			wantKeys(t, where+"."+k, e)
		}
	}
}

func TestHelpIsThere(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"elenchus test [command options]":     {"help", "test"},
		"elenchus lab doctor":                 {"help", "lab", "doctor"},
		"elenchus [global options] command":   {"help"},
		"elenchus check [command options]":    {"check", "--help"},
		"--prefix":                            {"help", "check"},
		"elenchus list runs [command options": {"list", "runs", "--help"},
	} {
		code, stdout, stderr := call(t, nil, args...)
		if code != 0 || !strings.Contains(stdout, want) || stderr != "" {
			t.Errorf("%v: exit code %d, %q is not in\n%s%s", args, code, want, stdout, stderr)
		}
	}
}

func TestEnvironmentSetsOptionsAndTheCommandLineWins(t *testing.T) {
	t.Parallel()
	env := []string{"ELENCHUS_SEED=9", "ELENCHUS_NODES=3", "ELENCHUS_TIME_LIMIT=7s", "ELENCHUS_NEMESIS=pause",
		"ELENCHUS_DRY_RUN=true"}
	code, fromEnv, stderr := call(t, env, "test")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	for _, want := range []string{"seed 9\n", "nodes n1 n2 n3\n", "length 7s\n", " pause ", "\nf1: at ", "[f1=="} {
		if !strings.Contains(fromEnv, want) {
			t.Errorf("%q is not in the schedule:\n%s", want, fromEnv)
		}
	}
	_, fromFlags, _ := call(t, nil, "test", "--seed", "9", "--nodes", "3", "--time-limit", "7s", "--nemesis", "pause",
		"--dry-run")
	if fromFlags != fromEnv {
		t.Errorf("options give another schedule than variables:\n%s\n%s", fromFlags, fromEnv)
	}
	if _, both, _ := call(t, env, "test", "--seed", "10"); !strings.Contains(both, "seed 10\n") {
		t.Errorf("the option did not win:\n%s", both)
	}
}
