package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"elenchus/checker"
	"elenchus/results"
	"elenchus/results/foreign"
	"elenchus/results/history"
	"elenchus/results/verdict"
	"elenchus/workloads"
)

// Porcupine comes with a hundred histories of an etcd register, recorded by Jepsen, and says of each in its tests
// whether it is linearizable. The same verdicts come out here, of the logs and of what they become when they are
// exported for Jepsen and imported again.
//
// There is one difference that is no matter of taste: Porcupine knows that a cas which failed did not match, and
// Jepsen's checkers, whose meaning of :fail is that nothing happened, make no use of it. It decides none of these.
func TestVerdictsOfPorcupinesHistories(t *testing.T) {
	t.Parallel()
	dir, want := porcupinesVerdicts(t)
	for number, linearizable := range want {
		name := filepath.Join(dir, "test_data", "jepsen", "etcd_"+leftPad(number)+".log")
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		h, format, err := foreign.Read(bytes.NewReader(data), name, "", foreign.Options{})
		if err != nil || format != foreign.FormatPorcupine {
			t.Fatalf("read as %s: %v", format, err)
		}
		var edn bytes.Buffer
		if err := foreign.WriteJepsen(&edn, h.Events, nil); err != nil {
			t.Fatal(err)
		}
		again, _, err := foreign.Read(&edn, "again", "", foreign.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, events := range [][]history.Event{h.Events, again.Events} {
			if got := statusOf(t, events); got != linearizable {
				t.Errorf("etcd_%03d is %s, want %s", number, got, linearizable)
			}
		}
	}
}

func leftPad(number int) string {
	return strings.Repeat("0", 3-len(strconv.Itoa(number))) + strconv.Itoa(number)
}

func statusOf(t *testing.T, events []history.Event) verdict.Status {
	t.Helper()
	lin := checker.Linearize(t.Context(), workloads.Model(), history.Operations(events), nil,
		checker.Budget{Key: time.Hour, Total: time.Hour}) // a busy machine must not make a verdict unknown
	if len(lin.Keys) != 1 {
		t.Fatalf("%d keys, want one", len(lin.Keys))
	}
	return lin.Keys[0].Status
}

// porcupinesVerdicts reads what Porcupine's own tests say of its histories.
func porcupinesVerdicts(t *testing.T) (dir string, verdicts map[int]verdict.Status) {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/anishathalye/porcupine").Output()
	if err != nil {
		t.Fatalf("find porcupine: %v", err)
	}
	dir = strings.TrimSpace(string(out))
	tests, err := os.ReadFile(filepath.Join(dir, "porcupine_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	verdicts = map[int]verdict.Status{}
	for _, m := range regexp.MustCompile(`checkJepsen\(t, (\d+), (true|false)\)`).FindAllStringSubmatch(string(tests), -1) {
		number, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		verdicts[number] = map[string]verdict.Status{"true": verdict.Valid, "false": verdict.Violated}[m[2]]
	}
	if len(verdicts) < 90 {
		t.Fatalf("found the verdicts of %d histories only", len(verdicts))
	}
	return dir, verdicts
}

// Judging somebody's history leaves the latest run what it was; what was imported has a name.
func TestImportsDoNotBecomeTheLatestRun(t *testing.T) {
	t.Parallel()
	tested, _ := simulatedRun(t, verdict.ExitValid, "test", "--lab", "sim", "--nodes", "3", "--seed", "3", "--time-limit", "2s",
		"--nemesis", "none")
	root := filepath.Dir(tested.Dir)
	edn := filepath.Join(t.TempDir(), "other.edn")
	if err := os.WriteFile(edn, []byte(`{:process 0 :type :invoke :f :write :value 1}
{:process 0 :type :ok :f :write :value 1}
{:process 1 :type :invoke :f :read :value nil}
{:process 1 :type :ok :f :read :value 1}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{tested.History(), edn} {
		code, stdout, stderr := call(t, nil, "check", "--results", root, file)
		name := regexp.MustCompile(`\S+-import-\S+`).FindString(stdout)
		if code != verdict.ExitValid && code != verdict.ExitVacuous || name == "" {
			t.Fatalf("check %s: exit code %d\n%s%s", file, code, stdout, stderr)
		}
		if latest, err := results.Open(root, results.Latest); err != nil || latest.Name() != tested.Name() {
			t.Errorf("%v: after check %s the latest run is %s", err, file, latest.Name())
		}
		if again, _, stderr := call(t, nil, "check", "--results", root, filepath.Base(name)); again != code {
			t.Errorf("check %s: exit code %d, then %d\n%s", name, code, again, stderr)
		}
	}
}
