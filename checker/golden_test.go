package checker

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

var updateGoldens = flag.Bool("update", false, "write testdata/verdicts.json.gz anew")

const (
	goldenFile  = "testdata/verdicts.json.gz"
	goldenSeeds = 250
)

// Verdicts on random runs, with everything that is said of them, are what they were when goldenFile was written, by a
// checker that held whole histories in memory.
func TestGoldenVerdicts(t *testing.T) {
	if *updateGoldens {
		verdicts := make([]json.RawMessage, goldenSeeds)
		for seed := range verdicts {
			verdicts[seed] = plain(t, judge(goldenRun(uint64(seed))))
		}
		writeGoldens(t, verdicts)
	}
	want := goldens(t)
	for how, judge := range map[string]func(Input) verdict.Verdict{"in memory": judge, "stream": judgeStream} {
		t.Run(how, func(t *testing.T) {
			for seed := range want {
				if got := plain(t, judge(goldenRun(uint64(seed)))); !bytes.Equal(got, want[seed]) {
					t.Errorf("run %d (-want +got):\n%s", seed, cmp.Diff(pretty(want[seed]), pretty(got)))
				}
			}
		})
	}
}

// judgeStream is judge of a history that goes by, and that is read again where it must be.
func judgeStream(in Input) verdict.Verdict {
	how := Ending{Complete: in.History.Complete, Truncated: in.History.Truncated, Err: in.HistoryErr, Prefix: in.Prefix}
	events := in.History.Events
	in.History, in.HistoryErr, in.Prefix = history.Log{}, nil, nil
	s := NewStream(in)
	again := func(each func(*history.Event)) error {
		for _, e := range events {
			each(&e) // of which nothing must be kept
		}
		return nil
	}
	_ = again(s.Observe)
	v, _, err := s.Finish(context.Background(), how, Deciding{Searcher: SearchHere(registerModel()), Again: again})
	if err != nil {
		panic(err)
	}
	return v
}

// goldens are the verdicts that are wanted.
func goldens(t *testing.T) []json.RawMessage {
	t.Helper()
	file, err := os.Open(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzip, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(unzip)
	if err != nil {
		t.Fatal(err)
	}
	var want []json.RawMessage
	if err := json.Unmarshal(data, &want); err != nil || len(want) != goldenSeeds {
		t.Fatalf("%d verdicts, want %d: %v", len(want), goldenSeeds, err)
	}
	return want
}

func writeGoldens(t *testing.T, verdicts []json.RawMessage) {
	t.Helper()
	data, err := json.Marshal(verdicts)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	zip := gzip.NewWriter(&file)
	if _, err := zip.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(goldenFile, file.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func pretty(text json.RawMessage) string {
	var out bytes.Buffer
	_ = json.Indent(&out, text, "", " ")
	return out.String()
}

// plain is a verdict without how long it took.
func plain(t *testing.T, v verdict.Verdict) json.RawMessage {
	t.Helper()
	for i := range v.Safety.Checks {
		v.Safety.Checks[i].Elapsed = 0
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// goldenRun is a run in which chance decides what is done and what goes wrong: registers, registers whose values
// repeat, lists, and keys that are both, on three nodes, with faults, elections and an end of its own kind.
func goldenRun(seed uint64) Input {
	rng := rand.New(rand.NewPCG(seed, 77))
	ops := goldenHistory(rng)
	log := history.Log{Events: events(ops), Complete: rng.IntN(12) > 0}
	end := time.Duration(len(log.Events)) * time.Millisecond
	in := Input{
		Run: "golden", History: log, Faults: goldenFaults(rng, end),
		Facts: Facts{
			Nodes: []string{"n1", "n2", "n3"}, Funcs: registerFuncs, WantedKinds: []string{"pause", "partition"},
			TimeLimit: end, Reads: []string{"lease", "quorum", "local", ""}[rng.IntN(4)],
			UniqueValues: rng.IntN(4) > 0, Observations: rng.IntN(2) > 0, Collected: rng.IntN(12) > 0,
			Imported: rng.IntN(6) == 0, Interrupted: rng.IntN(12) == 0,
			Recovery: Recovery{Attempted: rng.IntN(8) > 0, Recovered: rng.IntN(8) > 0, HealedAt: end * 3 / 4,
				Took: time.Second, Deadline: time.Minute, Missing: []string{"n3: no answer"}},
		},
	}
	if rng.IntN(10) == 0 {
		in.Facts.Stopped = "an answer was wrong"
	}
	if rng.IntN(10) == 0 {
		in.Prefix = []*history.Damage{{File: "history.jsonl", Line: 40, Err: history.ErrChecksum}}
	}
	if rng.IntN(15) == 0 {
		in.History, in.HistoryErr = history.Log{}, &history.Damage{File: "history.jsonl", Line: 9, Err: history.ErrChecksum}
	}
	if rng.IntN(3) > 0 {
		in.Nodes = goldenNodes(rng, end)
	}
	return in
}

// goldenHistory mixes histories of some keys event by event.
func goldenHistory(rng *rand.Rand) []history.Operation {
	type side struct {
		events []history.Event
		ops    []history.Operation
	}
	var sides []side
	processes, total := 0, 0
	for k := range 1 + rng.IntN(4) {
		g := generated{clients: 2 + rng.IntN(4), steps: 20 + rng.IntN(120), unknown: 0.08, funcs: registerFuncs}
		switch rng.IntN(6) {
		case 0:
			g.funcs = listFuncs
		case 1:
			g.domain, g.steps = 12, 60
		case 2:
			g.funcs = append(slices.Clone(registerFuncs), history.Append)
		case 3:
			g.steps = 1200 // longer than those that are searched, too
		}
		if rng.IntN(3) == 0 {
			g.wrong = 0.03
		}
		ops := g.make(rng)
		most := 0
		for i := range ops {
			op := &ops[i]
			most = max(most, op.Process)
			op.Process += processes
			op.Op.Key = fmt.Sprintf("k%d", k)
			op.Node = fmt.Sprintf("n%d", 1+op.Process%3)
			op.By = history.Witness{Slot: uint64(i), Ballot: fmt.Sprintf("%d.n%d", 1+i/20, 1+i%3), Leader: op.Node}
			if op.Outcome == history.Unknown {
				op.By = history.Witness{}
				op.Reason = "timeout"
				if rng.IntN(3) == 0 && !op.Op.Func.Mutates() {
					op.Outcome, op.Reason = history.Fail, "not the leader"
				}
			}
			if !op.Completed() {
				op.Reason = history.ReasonNoCompletion
			}
		}
		processes += most + 1
		sides = append(sides, side{events: events(ops), ops: ops})
		total += len(ops)
	}
	var mixed []history.Event
	for len(sides) > 0 {
		i := rng.IntN(len(sides))
		for range 1 + rng.IntN(6) {
			if len(sides[i].events) > 0 {
				mixed = append(mixed, sides[i].events[0])
				sides[i].events = sides[i].events[1:]
			}
		}
		if len(sides[i].events) == 0 {
			sides = slices.Delete(sides, i, i+1)
		}
	}
	phases := []history.Phase{history.PhaseSetup, history.PhaseMain, history.PhaseRecovery, history.PhaseFinal}
	phase := make(map[int]history.Phase) // of the open operation of each process
	for i := range mixed {
		e := &mixed[i]
		e.Seq, e.Time = int64(i), time.Duration(i+1)*time.Millisecond
		if e.Type == history.Invoke {
			at := 1 + min(2, 3*i/len(mixed)*i/len(mixed)*2)
			if i < 5 {
				at = 0
			}
			phase[e.Process] = phases[at]
		}
		e.Phase = phase[e.Process]
	}
	ops := history.Operations(mixed)
	if rng.IntN(4) == 0 {
		loseAtTheEnd(ops)
	}
	return ops
}

// loseAtTheEnd has all final reads of the first key show its first value.
func loseAtTheEnd(ops []history.Operation) {
	key := ops[0].Op.Key
	first := slices.IndexFunc(ops, func(op history.Operation) bool {
		return op.Op.Key == key && op.Op.Func == history.Write && op.Outcome == history.OK
	})
	for i := range ops {
		if op := &ops[i]; first >= 0 && op.Op.Key == key && op.Phase == history.PhaseFinal &&
			op.Op.Func == history.Read && op.Outcome == history.OK {
			op.Result.Values = []int64{ops[first].Op.Value}
		}
	}
}

func goldenFaults(rng *rand.Rand, end time.Duration) history.FaultLog {
	log := history.FaultLog{Complete: rng.IntN(12) > 0}
	for f := range rng.IntN(5) {
		e := history.FaultEvent{ID: fmt.Sprintf("f%d", f), Kind: []string{"pause", "partition", "kill"}[rng.IntN(3)],
			Played: fmt.Sprintf("n%d", 1+rng.IntN(3)), Step: history.FaultApply, Status: history.FaultInstalled,
			Targets: []string{"n1"}, Begin: time.Duration(rng.Int64N(int64(end)))}
		e.End = e.Begin + time.Duration(rng.Int64N(int64(end/10)))
		if rng.IntN(6) == 0 {
			e.Status = history.FaultSkipped
		}
		log.Events = append(log.Events, e)
		if rng.IntN(5) == 0 {
			continue
		}
		e.Step, e.Status = history.FaultRevert, history.FaultReverted
		if rng.IntN(8) == 0 {
			e.Status, e.Error = history.FaultFailed, "no such process"
		}
		e.Begin = e.End + time.Duration(rng.Int64N(int64(end/2)))
		e.End = e.Begin + time.Duration(rng.Int64N(int64(end/10)))
		log.Events = append(log.Events, e)
	}
	return log
}

// goldenNodes were each elected some times.
func goldenNodes(rng *rand.Rand, end time.Duration) []NodeObservations {
	var out []NodeObservations
	for n := range 3 {
		self := fmt.Sprintf("n%d", n+1)
		d := newDiary(self, self)
		at := 0
		for range rng.IntN(6) {
			at += 1 + rng.IntN(1+int(end/time.Millisecond)/4)
			d.at(at, "1", self, history.ObservedElected, fmt.Sprintf("%d.%s", 1+rng.IntN(8), self))
			at += 1 + rng.IntN(1+int(end/time.Millisecond)/4)
			d.at(at, "1", self, []string{history.ObservedDeposed, history.ObservedLeaseLost}[rng.IntN(2)], "")
		}
		if rng.IntN(8) == 0 {
			d.n.When = nil
		}
		out = append(out, d.n)
	}
	return out
}

// TestGoldenRunsAreOfEverySort keeps the goldens from being all alike.
func TestGoldenRunsAreOfEverySort(t *testing.T) {
	sorts := map[string]int{}
	for _, text := range goldens(t) {
		var v verdict.Verdict
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatal(err)
		}
		sorts["safety "+string(v.Safety.Status)]++
		sorts["liveness "+string(v.Liveness.Status)]++
		sorts["coverage "+string(v.Coverage.Status)]++
		sorts["harness "+string(v.Harness.Status)]++
		for _, f := range v.Safety.Findings {
			sorts[f.Checker+": "+f.Name]++
		}
		if d := v.Coverage.DeposedReads; d != nil && d.Answered > 0 && d.Forwarded > 0 {
			sorts["reads at deposed leaders"]++
		}
	}
	t.Log(sorts)
	for _, sort := range []string{
		"safety valid", "safety violated", "safety unknown", "liveness valid", "liveness violated", "liveness unknown",
		"coverage vacuous", "coverage none", "harness healthy", "harness failed", "harness interrupted",
		"linearizability: stale read", "linearizability: value from nowhere", "durability: acknowledged write lost",
		"lists: applied twice", "reads at deposed leaders",
	} {
		if sorts[sort] == 0 {
			t.Errorf("there is no %q", sort)
		}
	}
}
