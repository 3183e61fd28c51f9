package checker

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

const ok = history.OK

func TestPlantedAnomalies(t *testing.T) {
	tests := []struct {
		name   string
		script func(s *script)
		wants  []string // in the finding's sentence
		core   int
	}{
		{"stale read", func(s *script) {
			s.do(0, write(1)).do(1, read(), 1).do(0, write(2)).do(1, read(), 2)
			s.do(2, read(), 1)
		}, []string{"The write of 2 to x by process 0 at n1 was acknowledged at 0.006 s, " +
			"but a read by process 2 at n3 that began at 0.009 s still saw 1."}, 3},
		{"lost write", func(s *script) {
			s.do(0, write(1)).do(1, read(), 1).do(0, write(2)).do(1, read(), 1).do(2, read(), 1)
		}, []string{"The write of 2 to x by process 0 at n1 was acknowledged at 0.006 s, but nobody ever saw it: " +
			"a read by process 1 at n2 that began at 0.007 s still saw 1."}, 3},
		{"wiped register", func(s *script) {
			s.do(0, write(1)).do(1, read(), 1).do(1, read())
		}, []string{"a read by process 1 at n2 that began at 0.005 s still found nothing."}, 2},
		{"back and forth", func(s *script) {
			s.call(0, write(1)).call(1, write(2)).do(2, read(), 1).do(2, read(), 2).do(2, read(), 1)
		}, []string{"Register x had already been seen to be 2 by process 2 at n3 at 0.006 s", "still saw 1"}, 5},
		{"phantom", func(s *script) { s.do(0, write(1)).do(1, read(), 7) },
			[]string{"Process 1 at n2 saw 7 in x at 0.004 s, but nobody ever wrote 7."}, 1},
		{"failed and seen", func(s *script) {
			s.call(0, write(3)).ret(0, history.Fail, false).do(1, read(), 3)
		}, []string{"saw 3 in x", "the write of 3 had been answered with a failure (because) at 0.002 s"}, 1},
		{"written by a cas that did not match", func(s *script) {
			s.do(0, write(1)).call(1, cas(5, 2)).ret(1, ok, false, 1).do(2, read(), 2)
		}, []string{"Process 2 at n3 saw 2 in x at 0.006 s, but the only request to write 2 was a cas by process 1 at n2, " +
			"which was answered at 0.004 s that it did not match (it found 1)."}, 1},
		{"from the future", func(s *script) { s.do(1, read(), 3).do(0, write(3)) },
			[]string{"saw 3 in x at 0.002 s, but nobody asked to write 3 before 0.003 s"}, 1},
		{"two cas from one value", func(s *script) {
			s.do(0, write(1)).call(1, cas(1, 2)).ret(1, ok, true).call(2, cas(1, 3)).ret(2, ok, true)
		}, []string{"Two cas on x both replaced the same value: cas x 1→2 by process 1 at n2",
			"cas x 1→3 by process 2 at n3"}, 3},
		{"cas from a value that was replaced", func(s *script) {
			s.do(0, write(1)).call(1, cas(1, 2)).call(0, write(3)).do(2, read(), 3).ret(1, ok, true).do(2, read(), 2)
		}, []string{"The cas x 1→2 by process 1 at n2 matched, but between 1 and 2 the register was 3: that was asked for at " +
			"0.004 s, when 1 had been there already, and was seen by process 2 at n3 at 0.006 s, before the read by process 2 " +
			"at n3 that began at 0.008 s saw 2."}, 5},
		{"cas mismatch against nothing", func(s *script) {
			s.do(0, write(1)).call(1, cas(5, 2)).ret(1, ok, false)
		}, []string{"a cas by process 1 at n2 that began at 0.003 s still found nothing."}, 2},
		{"unknown write comes and goes", func(s *script) {
			s.do(0, write(1)).call(1, write(2)).ret(1, history.Unknown, false)
			s.do(0, read(), 2).do(0, read(), 1)
		}, []string{"still saw 1"}, 4},
		{"lost element", func(s *script) {
			s.do(0, appendOp(1), 1).do(0, appendOp(2), 1, 2).do(1, appendOp(3), 1, 3).do(2, read(), 1, 3)
		}, []string{"The append of 2 to x by process 0 at n1 was acknowledged at 0.004 s, but an append by process 1 at n2",
			"got the list without it, [1 3], and nobody ever saw it again."}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScript(t, "x")
			tt.script(s)
			lin := Linearize(context.Background(), registerModel(), s.ops, nil, Budget{})
			if len(lin.Keys) != 1 || lin.Keys[0].Status != verdict.Violated {
				t.Fatalf("%+v", lin)
			}
			r := lin.Keys[0]
			if r.Explanation == nil || len(r.Explanation.Core) != tt.core {
				t.Errorf("explanation %+v, want a core of %d", r.Explanation, tt.core)
			}
			keys, failed := SplitByKey(s.ops), failedByKey(s.ops)
			f, _ := linearizabilityFinding(keys[0], failed["x"], r)
			contains(t, "finding", f.Summary, tt.wants...)
			if f.File != "linearizability/x.html" || !bytes.Contains(r.Picture, []byte("scrollIntoView({inline: 'center'")) {
				t.Errorf("picture %q of %d bytes", f.File, len(r.Picture))
			}
			if strings.HasSuffix(f.Summary, "..") || !strings.HasSuffix(f.Summary, ".") {
				t.Errorf("not a sentence: %q", f.Summary)
			}
			t.Log(f.Summary + "\n" + strings.Join(f.Details, "\n"))
		})
	}
}

// One stale read among two thousand operations with unknown outcomes comes back as a handful.
func TestNeedleInAHaystack(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	g := generated{clients: 4, steps: 5000, unknown: 0.03, funcs: append(registerFuncs, history.Read)}
	ops := g.make(rng)
	victim := -1
	for i, op := range ops {
		if i > 1400 && op.Op.Func == history.Read && op.Outcome == ok {
			victim = i
			break
		}
	}
	if status, _ := decide(registerModel(), SplitByKey(ops)[0].Ops, time.Minute); status != verdict.Valid {
		t.Fatalf("the haystack is %s", status)
	}
	ops[victim].Result.Values = []int64{ops[900].Op.Value}
	for i := 900; len(sees(ops[victim])) == 0 || ops[victim].Result.Values[0] == 0; i++ {
		if ops[i].Op.Func == history.Write && ops[i].Outcome == ok {
			ops[victim].Result.Values = []int64{ops[i].Op.Value}
		}
	}
	lin := Linearize(context.Background(), registerModel(), ops, []history.FaultWindow{
		{ID: "f1", Kind: "kill", Played: "<n2>", Status: history.FaultInstalled, From: 0, To: history.Forever},
	}, Budget{Key: time.Minute, Explain: time.Minute})
	r := lin.Keys[0]
	if r.Status != verdict.Violated || r.Explanation == nil {
		t.Fatalf("%+v", r)
	}
	if len(r.Explanation.Core) > 4 || r.Explanation.Last != ops[victim].ID {
		t.Errorf("core of %d operations, last %d, want %d", len(r.Explanation.Core), r.Explanation.Last, ops[victim].ID)
	}
	if len(r.Picture) == 0 || len(r.Picture) > 4<<20 {
		t.Errorf("picture of %d bytes", len(r.Picture))
	}
	f, _ := linearizabilityFinding(SplitByKey(ops)[0], nil, r)
	t.Log(f.Summary, lin.Elapsed, len(r.Picture))
}

// hopeless is an illegal history whose search nobody can afford: many overlapping writes of few values, none unique.
func hopeless() []history.Operation {
	var ops []history.Operation
	const n = 40
	for i := range n {
		ops = append(ops, history.Operation{
			ID: i, Process: i, Node: "n1", Phase: history.PhaseMain, Outcome: history.Unknown,
			Op:      history.Op{Func: history.Append, Key: "hard", Value: int64(1 + i%20)},
			CallSeq: int64(i), Call: time.Duration(i), ReturnSeq: -1,
		})
	}
	return append(ops, history.Operation{
		ID: n, Process: n, Node: "n1", Phase: history.PhaseMain, Outcome: ok,
		Op:     history.Op{Func: history.Read, Key: "hard"},
		Result: history.Result{Values: []int64{99}}, CallSeq: n, ReturnSeq: n + 1, Call: n, Return: n + 1,
	})
}

func TestExhaustedBudgetIsUnknown(t *testing.T) {
	easy := newScript(t, "easy").do(0, write(1)).do(1, read(), 1).ops
	ops := merge(hopeless(), easy)
	lin := Linearize(context.Background(), registerModel(), ops, nil, Budget{Key: 50 * time.Millisecond})
	if k := lin.Keys[0]; k.Key != "hard" || k.Status != verdict.Unknown {
		t.Errorf("%+v", k)
	}
	if k := lin.Keys[1]; k.Status != verdict.Valid {
		t.Errorf("%+v", k)
	}
	contains(t, "reason", lin.Keys[0].Reason, "no decision within 50ms")

	lin = Linearize(context.Background(), registerModel(), ops, nil, Budget{Total: time.Nanosecond})
	contains(t, "reason", lin.Keys[0].Reason, "used up")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	lin = Linearize(ctx, registerModel(), ops, nil, Budget{})
	for _, k := range lin.Keys {
		if k.Status != verdict.Unknown {
			t.Errorf("stopped, but %+v", k)
		}
	}
}

// runWorker has this test program be the worker.
func runWorker(ctx context.Context, t *testing.T, ops []history.Operation, budget Budget) map[string]KeyResult {
	t.Helper()
	t.Setenv(workerEnv, "1")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]KeyResult)
	for _, k := range RunWorker(ctx, []string{exe}, ops, nil, budget).Keys {
		out[k.Key] = k
	}
	return out
}

// searched begins a history that only a search can decide, because a value repeats.
func searched(t *testing.T, key string) *script {
	t.Helper()
	return newScript(t, key).do(0, write(1)).do(0, write(1))
}

// A search that dies takes its own key with it and no other.
func TestDeathOfTheWorker(t *testing.T) {
	good := searched(t, "good").ops
	bad := searched(t, "bad").do(1, read(), 2).ops
	more := searched(t, "more").do(1, read(), 1).do(1, read(), 1).do(1, read(), 1).ops
	tests := []struct{ key, reason string }{
		{"exit", "exit status 7"},
		{"panic", "no such register"},
		{"hoard", "more than its 256 MiB of memory"},
	}
	for _, tt := range tests {
		t.Run(tt.key, func(t *testing.T) {
			dying := searched(t, tt.key).do(1, read(), 1).ops
			got := runWorker(context.Background(), t, merge(more, dying, good, bad),
				Budget{Memory: 256 << 20, Key: time.Minute})
			want := map[string]verdict.Status{
				"good": verdict.Valid, "bad": verdict.Violated, "more": verdict.Valid, tt.key: verdict.Unknown,
			}
			for key, status := range want {
				if got[key].Status != status {
					t.Errorf("%s: %s (%s), want %s", key, got[key].Status, got[key].Reason, status)
				}
			}
			contains(t, "reason", got[tt.key].Reason, tt.reason)
			if e := got["bad"].Explanation; e == nil || len(e.Core) != 3 || len(got["bad"].Picture) == 0 {
				t.Errorf("the violation is not explained: %+v", e)
			}
		})
	}
}

func TestStoppedWorker(t *testing.T) {
	good := searched(t, "good").ops
	hang := searched(t, "hang").do(1, read(), 1).ops
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	got := runWorker(ctx, t, merge(hang, good), Budget{Key: 10 * time.Minute})
	if got["good"].Status != verdict.Valid || got["hang"].Status != verdict.Unknown {
		t.Errorf("%+v", got)
	}
	contains(t, "reason", got["hang"].Reason, "the check was stopped")
}

func TestNoWorker(t *testing.T) {
	ops := searched(t, "x").ops
	for _, argv := range [][]string{nil, {"/does/not/exist"}, {"true"}, {"false"}} {
		lin := RunWorker(context.Background(), argv, ops, nil, Budget{})
		if k := lin.Keys[0]; k.Status != verdict.Unknown || !strings.Contains(k.Reason, "checking process") {
			t.Errorf("%v: %+v", argv, k)
		}
	}
}

// A worker whose parent is gone does not search on.
func TestWorkerEndsWithItsParent(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), workerEnv+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hang := `{"Key":{"Key":"hang","Ops":[{"Op":{"Func":"read","Key":"hang"},"Outcome":"ok","ReturnSeq":1}]},` +
		`"Budget":9000000000000}`
	if _, err := stdin.Write([]byte(hang)); err != nil {
		t.Fatal(err)
	}
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	if err := cmd.Wait(); err != nil {
		t.Errorf("worker: %v", err)
	}
}

// Pictures hold text that clients and schedules chose: none of it may become markup.
func TestPicturesAreEscaped(t *testing.T) {
	const evil = `</script><script>alert("x")</script><img src=x onerror=alert(1)>`
	s := newScript(t, evil).do(0, write(1)).do(1, read(), 7)
	for i := range s.ops {
		s.ops[i].Node = evil
	}
	lin := Linearize(context.Background(), registerModel(), s.ops, []history.FaultWindow{
		{ID: evil, Kind: evil, Played: evil, Status: history.FaultInstalled, To: history.Forever},
	}, Budget{})
	page := string(lin.Keys[0].Picture)
	if page == "" {
		t.Fatal("no picture")
	}
	if strings.Contains(page, "<img src=x") || strings.Contains(page, `</script><script>alert`) {
		t.Error("markup in the page")
	}
	// Porcupine's page puts metadata into innerHTML: it must be escaped once more, inside of the JSON.
	if !strings.Contains(page, `\u0026lt;img src=x`) {
		t.Error("metadata is not escaped for innerHTML")
	}
}
