package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"elenchus/checker"
	"elenchus/results"
	"elenchus/results/history"
	"elenchus/results/verdict"
	"elenchus/workloads"
	"elenchus/workloads/paxosclient"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == CheckWorker {
		if err := checker.WorkerMain(os.Stdin, os.Stdout, workloads.Model()); err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// registers is a correct replicated register that fits into one process: every node answers from the same state. With
// stale set, that node answers reads from the state as it was when it was cut off.
type registers struct {
	mu    sync.Mutex
	state map[string][]string
	stale map[string]map[string][]string // by node: what it still believes
}

func (r *registers) cutOff(node string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	snapshot := make(map[string][]string, len(r.state))
	for k, v := range r.state {
		snapshot[k] = v
	}
	r.stale = map[string]map[string][]string{node: snapshot}
}

// serve answers for one node in the node's own API.
func (r *registers) serve(node string) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		key, verb, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/v1/registers/"), "/")
		r.mu.Lock()
		defer r.mu.Unlock()
		before := r.state[key]
		answer := map[string]any{"outcome": "ok", "node": node, "values": []string{}}
		status := http.StatusOK
		switch {
		case req.Method == http.MethodGet:
			if old, ok := r.stale[node]; ok {
				before = old[key]
			}
			answer["values"] = append([]string{}, before...)
		case req.Method == http.MethodPut:
			r.state[key] = []string{string(body)}
		case verb == "append":
			r.state[key] = append(slices.Clip(before), string(body))
			answer["values"] = r.state[key]
		default:
			var cas struct {
				Expect *string
				Value  string
			}
			_ = json.Unmarshal(body, &cas)
			matched := cas.Expect == nil && len(before) == 0 || cas.Expect != nil && slices.Equal(before, []string{*cas.Expect})
			answer["matched"] = matched
			if matched {
				r.state[key] = []string{cas.Value}
			} else {
				answer["values"], status = append([]string{}, before...), http.StatusPreconditionFailed
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(answer)
	}
}

// plannedSchedule has one fault within the time that planted plays, and one after it.
const plannedSchedule = "elenchus-schedule 1\nnodes n1 n2 n3\nlength 10s\nat 250ms for 250ms kill n3\nat 9s kill n1\n"

// serveRegisters starts three nodes, and says where each is.
func serveRegisters(t *testing.T) (system *registers, urls map[string]string) {
	t.Helper()
	system, urls = &registers{state: map[string][]string{}}, map[string]string{}
	for _, name := range NodeNames(3) {
		server := httptest.NewServer(system.serve(name))
		t.Cleanup(server.Close)
		urls[name] = server.URL
	}
	return system, urls
}

// planted runs the register workload against the registers, with everything that a real run uses from the client's
// socket to the verdict, and returns the run's directory. After half of the time n1 is cut off.
func planted(t *testing.T, workload string, stale bool) results.Run {
	t.Helper()
	const limit = 2 * time.Second
	system, urls := serveRegisters(t)
	names := NodeNames(3)
	kind, err := workloads.Lookup(workload)
	if err != nil {
		t.Fatal(err)
	}
	gen, err := kind.New(workloads.Options{Seed: 1, Workers: 6, Nodes: 3})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := results.Create(t.TempDir(), workload+"-seed1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	h, err := history.Create(dir.History(), history.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	faults, err := history.CreateFaults(dir.Faults())
	if err != nil {
		t.Fatal(err)
	}
	l := &load{nodes: names, workers: 6, rate: 600, opTimeout: 10 * time.Second, history: h, gen: gen,
		dial: func(node string, process int) workloads.Client {
			return paxosclient.New(urls[node], uint64(process)+1)
		}}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if stale {
		time.AfterFunc(limit/2, func() { system.cutOff("n1") })
	}
	if err := l.run(ctx); err != nil {
		t.Fatal(err)
	}
	finalCtx, cancelFinal := context.WithTimeout(t.Context(), time.Minute)
	defer cancelFinal()
	if err := l.finalReads(finalCtx, gen.Keys()); err != nil {
		t.Fatal(err)
	}
	killed := func(step history.FaultStep, status history.FaultStatus, from, to time.Duration) history.FaultEvent {
		return history.FaultEvent{ID: "f1", Kind: "kill", Detail: "n3", Played: "n3", Step: step, Status: status, Begin: from,
			End: to}
	}
	if err := errors.Join(
		faults.Append(killed(history.FaultApply, history.FaultInstalled, limit/8, limit/8+1)),
		faults.Append(killed(history.FaultRevert, history.FaultReverted, limit/4, limit/4+1)),
		os.WriteFile(dir.SchedulePlanned(), []byte(plannedSchedule), 0o644)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []io.Closer{h, faults} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	m := &results.Manifest{Seed: 1, Lab: "test", State: results.StateCollected, PlayedUntil: limit,
		Config:   results.Config{Workload: workload, Funcs: kind.Funcs, TimeLimit: limit, UniqueValues: true},
		Recovery: results.Recovery{Attempted: true, Recovered: true, Deadline: time.Second},
	}
	for _, name := range names {
		m.Hosts = append(m.Hosts, results.Host{Name: name})
	}
	if err := dir.SaveManifest(m); err != nil {
		t.Fatal(err)
	}
	return dir
}

func check(t *testing.T, dir results.Run) verdict.Verdict {
	t.Helper()
	v, err := Check(t.Context(), dir, time.Minute, 1<<30, &UI{})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestStaleReadsAreCondemnedThroughTheWholePath(t *testing.T) {
	for _, workload := range []string{"register", "append"} {
		t.Run(workload, func(t *testing.T) {
			dir := planted(t, workload, true)
			v := check(t, dir)
			if v.Safety.Status != verdict.Violated || v.ExitCode() != verdict.ExitViolated || len(v.Safety.Findings) == 0 {
				t.Fatalf("stale reads at n1 went unnoticed: %+v", v.Safety)
			}
			if !strings.Contains(v.Safety.Findings[0].Summary, "n1") {
				t.Errorf("the finding does not name the node: %q", v.Safety.Findings[0].Summary)
			}
			if _, err := os.Stat(dir.Path(v.Safety.Findings[0].File)); err != nil {
				t.Errorf("the finding's picture: %v", err)
			}
			again := check(t, dir)
			if again.ExitCode() != v.ExitCode() || again.Safety.Status != v.Safety.Status {
				t.Errorf("a second check says %s, the first %s", again.Word(), v.Word())
			}
		})
	}
}

func TestCorrectRegistersAreValidThroughTheWholePath(t *testing.T) {
	for _, workload := range []string{"register", "append"} {
		t.Run(workload, func(t *testing.T) {
			if v := check(t, planted(t, workload, false)); v.ExitCode() != verdict.ExitValid {
				t.Errorf("verdict %s: %+v", v.Word(), v)
			}
		})
	}
}

func TestInterruptedCheckLeavesTheVerdictAlone(t *testing.T) {
	dir := planted(t, "register", false)
	check(t, dir)
	before, err := os.ReadFile(dir.Path(results.VerdictFile))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Check(ctx, dir, time.Minute, 1<<30, &UI{}); err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("an interrupted check ended with %v", err)
	}
	if after, err := os.ReadFile(dir.Path(results.VerdictFile)); err != nil || string(after) != string(before) {
		t.Errorf("an interrupted check changed the verdict: %v\n%s", err, after)
	}
}

// TestNemesisThatDiedIsNoticed: the record of a nemesis that did nothing, and ended in good order, is no record of a
// run in which there was nothing to do.
func TestNemesisThatDiedIsNoticed(t *testing.T) {
	dir := planted(t, "register", false)
	if err := os.Remove(dir.Faults()); err != nil {
		t.Fatal(err)
	}
	faults, err := history.CreateFaults(dir.Faults())
	if err == nil {
		err = faults.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	v := check(t, dir)
	const want = "fault f1 (kill) was planned for 0.250 s, and nothing is on record of it"
	if v.ExitCode() != verdict.ExitHarness || !slices.Equal(v.Harness.Reasons, []string{want}) {
		t.Errorf("verdict %s, harness %+v", v.Word(), v.Harness)
	}
}

// TestFlippedByte: of a damaged history nothing is judged, and the line is named; its beginning is judged if that is
// asked for, and the verdict says so.
func TestFlippedByte(t *testing.T) {
	for _, stale := range []bool{false, true} {
		dir := planted(t, "register", stale)
		text, err := os.ReadFile(dir.History())
		if err != nil {
			t.Fatal(err)
		}
		at := len(text) * 9 / 10
		text[at] ^= 1
		if err := os.WriteFile(dir.History(), text, 0o644); err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("line %d of", 1+strings.Count(string(text[:at]), "\n"))
		v := check(t, dir)
		if v.Safety.Status != verdict.Unknown || v.Liveness.Status != verdict.Unknown || v.Coverage.Status != verdict.None ||
			v.Harness.Status != verdict.Failed || v.Word() != "UNKNOWN" {
			t.Errorf("stale %v: %s: %+v", stale, v.Word(), v)
		}
		if reasons := strings.Join(v.Safety.Reasons, "\n"); !strings.Contains(reasons, line+" history.jsonl is damaged") ||
			!strings.Contains(reasons, "elenchus check --prefix") {
			t.Errorf("stale %v: %s", stale, reasons)
		}
		want, wantWord := verdict.Unknown, "UNKNOWN (PREFIX)"
		if stale {
			want, wantWord = verdict.Violated, "VIOLATED (PREFIX)"
		}
		v, err = CheckPrefix(t.Context(), dir, time.Minute, 1<<30, &UI{})
		if err != nil || v.Safety.Status != want || v.Word() != wantWord || len(v.Prefix) != 1 {
			t.Errorf("prefix, stale %v: %s, %+v, %v", stale, v.Word(), v, err)
		}
		if kept, err := dir.LoadVerdict(); err != nil || kept.Word() != wantWord {
			t.Errorf("the verdict on disk says %s, %v", kept.Word(), err)
		}
	}
}

// TestCheckSaysWhatItRead: the line about a check counts what was judged, and says what was not looked at.
func TestCheckSaysWhatItRead(t *testing.T) {
	dir := planted(t, "register", false)
	whole, err := os.ReadFile(dir.History())
	if err != nil {
		t.Fatal(err)
	}
	ends := strings.SplitAfter(string(whole), "\n")
	begun, _, found := strings.Cut(string(whole), ends[100])
	if !found {
		t.Fatal("the history has no 101 lines")
	}
	damaged := begun + strings.Replace(ends[100], `"seq"`, `"sep"`, 1) + strings.Join(ends[101:], "")
	operations := strings.Count(begun, `"invoke"`)
	for _, c := range []struct {
		what, history string
		check         func(context.Context, results.Run, time.Duration, int64, *UI) (verdict.Verdict, error)
		want          string
	}{
		{"whole", string(whole), Check, ` checked \d+ operations on [1-9]\d* keys in \S+\n$`},
		{"damaged", damaged, Check, fmt.Sprintf(` read %d operations of history.jsonl before line 101, which is damaged, `+
			`and judged none of them\n$`, operations)},
		{"damaged, its prefix", damaged, CheckPrefix, fmt.Sprintf(` checked %d operations on [1-9]\d* keys in \S+, `+
			`and nothing from line 101 of history.jsonl on, which is damaged\n$`, operations)},
		{"cut off", begun, Check, fmt.Sprintf(` checked %d operations on [1-9]\d* keys in \S+, and nothing of what followed, `+
			`because the history breaks off there\n$`, operations)},
		{"lost", "", Check, ` read 0 operations of the history, and judged none of them: open history: .*: no such file`},
	} {
		if err := os.WriteFile(dir.History(), []byte(c.history), 0o644); err != nil {
			t.Fatal(err)
		}
		if c.history == "" {
			if err := os.Remove(dir.History()); err != nil {
				t.Fatal(err)
			}
		}
		var said strings.Builder
		if _, err := c.check(t.Context(), dir, time.Minute, 1<<30, &UI{out: &said}); err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(c.want).MatchString(said.String()) {
			t.Errorf("%s: no %q in\n%s", c.what, c.want, said.String())
		}
	}
}

// TestHarnessKilledAnywhere cuts a run's files as a killed harness leaves them. What is left is never called valid.
func TestHarnessKilledAnywhere(t *testing.T) {
	for _, stale := range []bool{false, true} {
		dir := planted(t, "register", stale)
		whole, err := os.ReadFile(dir.History())
		if err != nil {
			t.Fatal(err)
		}
		m, err := dir.LoadManifest()
		if err != nil {
			t.Fatal(err)
		}
		m.State = results.StateRunning
		if err := dir.SaveManifest(m); err != nil {
			t.Fatal(err)
		}
		for _, share := range []int{0, 1, 35, 70, 99} {
			if err := os.WriteFile(dir.History(), whole[:len(whole)*share/100], 0o644); err != nil {
				t.Fatal(err)
			}
			v := check(t, dir)
			if code := v.ExitCode(); code != verdict.ExitUnknown && code != verdict.ExitViolated {
				t.Errorf("stale %v, %d%% of the history left: exit code %d (%s)", stale, share, code, v.Word())
			}
			if stale && share == 99 && v.Safety.Status != verdict.Violated {
				t.Errorf("the violation is hidden by the history's end: %s", v.Safety.Status)
			}
			if !stale && v.Safety.Status == verdict.Violated {
				t.Errorf("%d%% of a correct history is condemned: %+v", share, v.Safety.Findings)
			}
		}
	}
}
