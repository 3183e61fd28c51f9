package workloads

import (
	"math/rand/v2"
	"testing"

	"github.com/anishathalye/porcupine"

	"elenchus/results/history"
)

// The session workload repeats requests in all the ways that retries and duplicates come about: while an attempt is
// under way elsewhere, after a timeout, after an answer, when the session has gone on, and long after it was left. Only
// then is a session's next number used, one after the other, and no process has a session of a request.
func TestSessionsAreRepeatedInAllWays(t *testing.T) {
	const nodes, workers = 5, 10
	w, err := Lookup("session")
	if err != nil {
		t.Fatal(err)
	}
	g, err := w.New(Options{Seed: 7, Workers: workers, Nodes: nodes})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	system := atomicRegisters{}
	first := map[history.Request]Answer{}
	latest, lastUse := map[uint64]uint64{}, map[uint64]int{}
	open := map[int]history.Op{} // of each worker
	count := map[string]int{}
	for i := range 40_000 {
		worker := rng.IntN(workers)
		if op, busy := open[worker]; busy {
			delete(open, worker)
			g.Observe(worker, op, answerTo(rng, system, first, op))
			continue
		}
		op := g.Next(worker)
		open[worker] = op
		if op.Func == history.Read {
			count["read"]++
			continue
		}
		r := op.Request
		if r.Client%2 == 0 || w.Session(int(r.Client)) == r.Client || w.Session(worker)%2 == 1 {
			t.Fatalf("request %v has the session of a process", r)
		}
		answer, known := first[r]
		switch {
		case latest[r.Client] < r.Seq:
			if r.Seq != latest[r.Client]+1 {
				t.Fatalf("request %v comes after %d", r, latest[r.Client])
			}
			latest[r.Client] = r.Seq
			count["new"]++
		case latest[r.Client] > r.Seq:
			count["when the session has gone on"]++
		case i-lastUse[r.Client] > 1000:
			count["long after"]++
		case known && answer.Type == history.OK:
			count["after its answer"]++
		default:
			count["without an answer"]++
		}
		for other, o := range open {
			if other != worker && o.Request == r {
				count["at two nodes at once"]++
				break
			}
		}
		lastUse[r.Client] = i
	}
	t.Log(count)
	for _, kind := range []string{"read", "new", "when the session has gone on", "long after", "after its answer",
		"without an answer", "at two nodes at once"} {
		if count[kind] < 200 {
			t.Errorf("%d of 20,000 operations are of the kind: %s", count[kind], kind)
		}
	}
	latestOps := g.(Repeater).Latest()
	if len(latestOps) != len(latest) {
		t.Errorf("%d sessions are known, and there were %d", len(latestOps), len(latest))
	}
	for _, op := range latestOps {
		if op.Request.Seq != latest[op.Request.Client] {
			t.Errorf("the latest request of its session is %v, and not %d", op.Request, latest[op.Request.Client])
		}
	}
}

// answerTo executes each request once, and loses some answers.
func answerTo(rng *rand.Rand, system atomicRegisters, first map[history.Request]Answer, op history.Op) Answer {
	if op.Func == history.Read {
		return system.do(op)
	}
	a, known := first[op.Request]
	if !known {
		a = system.do(op)
		first[op.Request] = a
	}
	if rng.IntN(8) == 0 {
		return Answer{Type: history.Unknown}
	}
	return a
}

// Sessions that were left long ago are forgotten, so that a run of days needs no more memory than one of an hour.
func TestOldSessionsAreForgotten(t *testing.T) {
	g := newGenerator(t, "session", Options{Seed: 7, Workers: 2}).(*session)
	system := atomicRegisters{}
	first := map[history.Request]Answer{}
	rng := rand.New(rand.NewPCG(3, 4))
	drive(g, 2, 250_000, func(_ int, op history.Op) Answer { return answerTo(rng, system, first, op) })
	if n := len(g.sessions); n != sessionsKept || len(g.byClient) != n || g.clients <= sessionsKept {
		t.Errorf("%d of %d sessions are kept, %d by client", n, g.clients, len(g.byClient))
	}
}

func TestWriteOnceModel(t *testing.T) {
	win := func(v int64) history.Operation {
		return history.Operation{Op: history.Op{Func: history.CAS, Key: "k", Value: v}, Outcome: history.OK,
			Result: history.Result{Matched: true}}
	}
	late := func(v int64, saw ...int64) history.Operation {
		return history.Operation{Op: history.Op{Func: history.CAS, Key: "k", Value: v}, Outcome: history.OK,
			Result: history.Result{Values: saw}}
	}
	lost := history.Operation{Op: history.Op{Func: history.CAS, Key: "k", Value: 9}, Outcome: history.Unknown}
	read := func(saw ...int64) history.Operation {
		return history.Operation{Op: history.Op{Func: history.Read, Key: "k"}, Outcome: history.OK,
			Result: history.Result{Values: saw}}
	}
	for _, tt := range []struct {
		name  string
		ops   []history.Operation
		legal bool
	}{
		{"nothing, then the first", []history.Operation{read(), win(1), late(2, 1), read(1)}, true},
		{"two winners", []history.Operation{win(1), win(2)}, false},
		{"another value", []history.Operation{win(1), late(2, 3)}, false},
		{"its own value, though it came late", []history.Operation{win(1), late(2, 2)}, false},
		{"too late for nothing", []history.Operation{late(2)}, false},
		{"nothing afterwards", []history.Operation{win(1), read()}, false},
		{"a lost proposal is seen", []history.Operation{lost, read(), read(9), late(2, 9)}, true},
		{"a lost proposal comes too late", []history.Operation{win(1), lost, read(1)}, true},
		{"a lost proposal is seen and gone", []history.Operation{lost, read(9), read()}, false},
	} {
		if got := porcupine.CheckOperations(WriteOnceModel(), inTurn(tt.ops)); got != tt.legal {
			t.Errorf("%s: linearizable is %v", tt.name, got)
		}
	}
}

// inTurn are operations one after the other; those of unknown outcome last for ever.
func inTurn(list []history.Operation) []porcupine.Operation {
	out := ops(list...)
	for i := range out {
		out[i].Call = int64(2 * i)
		if list[i].Outcome == history.OK {
			out[i].Return = int64(2*i + 1)
		}
	}
	return out
}
