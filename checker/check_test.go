package checker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// goodRun is the input of a run in which everything went well.
func goodRun(t *testing.T) Input {
	t.Helper()
	main := newScript(t, "x").do(0, write(1)).do(1, read(), 1).do(2, read(), 1).ops
	final := newScript(t, "x").do(0, read(), 1).do(1, read(), 1).do(2, read(), 1).ops
	for i := range final {
		final[i].Phase = history.PhaseFinal
	}
	in := Input{
		Run:     "test",
		History: history.Log{Events: events(merge(main, final)), Complete: true},
		Faults: history.FaultLog{Complete: true, Events: []history.FaultEvent{
			{ID: "f1", Kind: "kill", Played: "n1", Step: history.FaultApply, Status: history.FaultInstalled,
				End: time.Millisecond},
			{ID: "f1", Kind: "kill", Played: "n1", Step: history.FaultRevert, Status: history.FaultReverted,
				Begin: 4500 * time.Microsecond, End: 5 * time.Millisecond},
		}},
		Facts: Facts{
			Nodes: []string{"n1", "n2", "n3"}, Funcs: []history.Func{history.Read, history.Write},
			WantedKinds: []string{"kill"},
			Plan: &Plan{Until: time.Second, Faults: []PlannedFault{
				{ID: "f1", Kind: "kill", At: time.Millisecond, For: 4 * time.Millisecond},
			}},
			UniqueValues: true, Observations: true, Collected: true, TimeLimit: time.Second,
			Recovery: Recovery{Attempted: true, Recovered: true, Took: time.Second, Deadline: time.Minute},
		},
	}
	for _, n := range in.Facts.Nodes {
		in.Nodes = append(in.Nodes, observed(n,
			history.Observation{Boot: "1", Node: n, Kind: history.ObservedElected, Ballot: "1." + n},
			history.Observation{Boot: "1", Node: n, Kind: history.ObservedApplied, Slot: 1, IDs: []string{"1:1"}},
			history.Observation{Boot: "1", Node: n, Kind: history.ObservedApplied, Slot: 2},
		))
	}
	return in
}

func observed(node string, obs ...history.Observation) NodeObservations {
	return NodeObservations{Node: node, Log: history.ObservationLog{Observations: obs}}
}

// before puts operations on another key in front of a run's.
func before(in *Input, ops []history.Operation) {
	in.History.Events = events(merge(ops, history.Operations(in.History.Events)))
}

// judge decides the keys and the verdict.
func judge(in Input) verdict.Verdict {
	ops := history.Operations(in.History.Events)
	in.Linearizability = Linearize(context.Background(), registerModel(), ops, history.Windows(in.Faults.Events),
		Budget{})
	return Check(context.Background(), in)
}

func everything(v verdict.Verdict) string {
	var s []string
	s = append(s, v.Safety.Reasons...)
	for _, f := range v.Safety.Findings {
		s = append(s, f.Summary)
		s = append(s, f.Details...)
	}
	s = append(s, v.Liveness.Reasons...)
	s = append(s, v.Coverage.Reasons...)
	return strings.Join(append(s, v.Harness.Reasons...), "\n")
}

func TestAxes(t *testing.T) {
	plan := func(in *Input, f PlannedFault) { in.Facts.Plan.Faults = append(in.Facts.Plan.Faults, f) }
	fault := func(in *Input, step history.FaultStep, status history.FaultStatus) {
		plan(in, PlannedFault{ID: "f9", Kind: "pause", At: 6 * time.Millisecond, For: time.Millisecond})
		in.Faults.Events = append(in.Faults.Events,
			history.FaultEvent{ID: "f9", Kind: "pause", Played: "n2", Step: step,
				Status: status, Begin: 6 * time.Millisecond, End: 6 * time.Millisecond, Error: "no such process"})
	}
	const (
		v, x, u = verdict.Valid, verdict.Violated, verdict.Unknown
		s, e, n = verdict.Sufficient, verdict.Vacuous, verdict.None
		h, f, i = verdict.Healthy, verdict.Failed, verdict.Interrupted
	)
	lax := func(in *Input) { in.Thresholds.InEffectPerKind = -1 }
	prefix := func(in *Input) {
		in.History.Complete = false
		in.Prefix = []*history.Damage{{File: "history.jsonl", Line: 3, Err: history.ErrChecksum}}
	}
	tests := []struct {
		name                                string
		change                              func(in *Input)
		safety, liveness, coverage, harness verdict.Status
		want                                string // among the reasons and findings
	}{
		{"good", func(*Input) {}, v, v, s, h, ""},
		{"no history", func(in *Input) { in.History = history.Log{Complete: true} },
			verdict.None, x, e, h, "there are no operations"},
		{"cut history", func(in *Input) { in.History.Complete = false }, u, v, s, f, "the history breaks off"},
		{"unreadable history", func(in *Input) { in.History = history.Log{}; in.HistoryErr = errors.New("no such file") },
			u, u, n, f, "the history cannot be read: no such file"},
		{"damaged history", func(in *Input) {
			in.History = history.Log{}
			in.HistoryErr = fmt.Errorf("read: %w", &history.Damage{File: "history.jsonl", Line: 812, Err: history.ErrChecksum})
		}, u, u, n, f, "line 812 of history.jsonl is damaged (checksum does not match), and the 811 lines before it are whole: " +
			"put an undamaged copy of the file back, or have what stands before that line judged alone with elenchus check --prefix"},
		{"beginning of a damaged history", func(in *Input) { prefix(in) }, u, u, n, f,
			"only the lines before line 3 of the history, which is damaged, were judged"},
		{"violation in the beginning of a damaged history", func(in *Input) {
			before(in, newScript(t, "y").do(0, write(1)).do(1, read()).ops)
			prefix(in)
		}, x, u, n, f, "line 3 of history.jsonl is damaged (checksum does not match): nothing from there on was judged"},
		{"unreadable fault log", func(in *Input) { in.Faults = history.FaultLog{}; in.FaultsErr = errors.New("f:7: bad") },
			v, v, n, f, "not judged: the fault log cannot be read"},
		{"cut fault log", func(in *Input) { in.Faults.Complete = false }, v, v, s, f, "the fault log has no end"},
		{"planned fault that is not on record", func(in *Input) { plan(in, PlannedFault{ID: "f2", Kind: "kill", At: time.Second}) },
			v, v, s, f, "fault f2 (kill) was planned for 1.000 s, and nothing is on record of it"},
		{"planned fault after the end", func(in *Input) { plan(in, PlannedFault{ID: "f2", Kind: "kill", At: time.Second + 1}) },
			v, v, s, h, ""},
		{"fault that was not planned", func(in *Input) { in.Facts.Plan.Faults = nil; in.Thresholds.InEffectPerKind = -1 },
			v, v, s, f, "fault f1 (kill) is on record, and was not planned"},
		{"fault of another kind", func(in *Input) { in.Facts.Plan.Faults[0].Kind = "pause" },
			v, v, s, f, "fault f1 was planned as a pause, and is on record as a kill"},
		{"unreadable plan", func(in *Input) { in.Facts.Plan, in.Facts.PlanErr = nil, errors.New("p:1: bad"); lax(in) },
			v, v, s, f, "the planned schedule cannot be read: p:1: bad"},
		{"unknown plan", func(in *Input) { in.Facts.Plan = nil; lax(in) }, v, v, s, h, ""},
		{"torn fault log", func(in *Input) { in.Faults.Truncated = true }, v, v, s, f, "fault log ends in the middle"},
		{"fault not proven", func(in *Input) { fault(in, history.FaultApply, history.FaultFailed) },
			v, v, s, f, "fault f9 (pause n2) could not be proven at 0.006 s of its apply: no such process"},
		{"fault skipped", func(in *Input) { fault(in, history.FaultApply, history.FaultSkipped) }, v, v, s, h, ""},
		{"fault never reverted", func(in *Input) { fault(in, history.FaultApply, history.FaultInstalled) },
			v, v, s, f, "fault f9 (pause n2) was never reverted"},
		{"kind seen too briefly", func(in *Input) { in.Facts.Plan = nil }, v, v, e, h,
			"kill faults seen in effect for 0.004 s, at least 0.017 s wanted"},
		{"kind seen more briefly than planned", func(in *Input) { in.Facts.Plan.Faults[0].For = 20 * time.Millisecond }, v, v, e, h,
			"kill faults seen in effect for 0.004 s, at least 0.005 s wanted"},
		{"kind not known to have lasted", func(in *Input) { in.Faults.Events[1].Status = history.FaultSkipped }, v, v, e, h,
			"kill faults seen in effect for 0.000 s, at least 0.001 s wanted"},
		{"kind not seen", func(in *Input) { in.Facts.WantedKinds = append(in.Facts.WantedKinds, "partition") },
			v, v, e, h, "partition faults seen to take effect: 0, at least 1 wanted"},
		{"no cas", func(in *Input) { in.Facts.Funcs = append(in.Facts.Funcs, history.CAS) },
			v, v, e, h, "cas answered ok in the main phase: 0"},
		{"too little under fault", func(in *Input) { in.Thresholds.UnderFault = 3 },
			v, v, e, h, "while a fault was in effect: 2, at least 3 wanted"},
		{"nothing demanded", func(in *Input) {
			in.Facts.Funcs = history.Funcs
			in.Facts.WantedKinds = []string{"clock"}
			in.Thresholds = Thresholds{-1, -1, -1, -1, -1, -1}
		}, v, v, s, h, ""},
		{"not recovered", func(in *Input) {
			in.Facts.Recovery.Recovered = false
			in.Facts.Recovery.Missing = []string{"n2 is waiting for a lock"}
		}, v, x, s, h, "n2 is waiting for a lock"},
		{"not recovered, sick harness", func(in *Input) {
			in.Facts.Recovery.Recovered = false
			in.Facts.HarnessErrors = []string{"ssh to n2: broken pipe"}
		}, v, u, s, f, "ssh to n2: broken pipe"},
		{"a node ended by itself", func(in *Input) { in.Nodes[1].Ended = []string{"panic: oh"} },
			v, x, s, h, "n2 ended by itself: panic: oh"},
		{"a node ended by itself, and the run with it", func(in *Input) {
			in.Nodes[1].Ended = []string{"panic: oh", "it did not start: why"}
			in.Facts.Recovery.Recovered = false
			in.Facts.HarnessErrors = []string{"fault f2 could not be reverted"}
		}, v, x, s, f, "n2 ended by itself: it did not start: why"},
		{"no time to recover", func(in *Input) { in.Facts.Recovery = Recovery{} },
			v, u, s, h, "ended before the system was given the time"},
		{"node not read", func(in *Input) {
			in.Facts.Nodes = append(in.Facts.Nodes, "n4")
			in.Facts.Observations = false
		},
			v, x, s, h, "nothing was read from n4"},
		{"node without an update after the heal", func(in *Input) {
			in.History.Events = append(in.History.Events, recovery(in, history.OK, "n1", history.Fail, "n2")...)
		}, v, x, s, h, "none of 1 update to n2 after everything was healed was answered ok (because)"},
		{"interrupted", func(in *Input) { in.Facts.Interrupted = true }, v, v, s, i, "interrupted by a signal"},
		{"interrupted before collecting", func(in *Input) { in.Facts.Interrupted = true; in.Facts.Collected = false },
			v, v, s, i, "were not collected"},
		{"not collected", func(in *Input) { in.Facts.Collected = false }, v, v, s, f, "were not collected"},
		{"no observations of a node", func(in *Input) { in.Nodes = in.Nodes[:2] },
			v, v, s, f, "the observations of n3 are missing"},
		{"damaged observations", func(in *Input) { in.Nodes[1].Err = errors.New("line 3") },
			v, v, s, f, "observations of n2 cannot be read: line 3"},
		{"observations that begin too late", func(in *Input) {
			in.Nodes[1].Log.Lost = []history.Loss{{Segments: 2}, {Before: 1, Segments: 1}}
		}, v, v, s, f, "observations of n2 begin too late: they exceeded their limit, and the first 3 parts"},
		{"observations that were not written", func(in *Input) {
			in.Nodes[1].Log.Lost = []history.Loss{{Lines: 2, Reason: "no space left"}, {Before: 1, Lines: 5}}
		}, v, v, s, f, "7 observations of n2 could not be written: no space left"},
		{"repeated value", func(in *Input) {
			in.History.Events = in.History.Events[2:]
			before(in, newScript(t, "x").do(0, write(1)).do(1, write(1)).ops)
		}, v, v, s, f, `promised unique values, but value 1 is written to "x" twice`},
		{"stale read", func(in *Input) {
			before(in, newScript(t, "y").do(0, write(1)).do(1, read()).ops)
		}, x, v, s, h, "still found nothing"},
		{"stale read under a fault", func(in *Input) {
			before(in, newScript(t, "y").do(0, write(1)).do(1, read()).ops)
		}, x, v, s, h, "Fault f1 (kill n1) was in effect, from 0.001 s to 0.004 s."},
		{"violation in a cut history of a failed run", func(in *Input) {
			in.History.Events = events(newScript(t, "y").do(0, write(1)).do(1, read()).ops)
			in.History.Complete = false
		}, x, u, e, f, "still found nothing"},
		{"disagreement", func(in *Input) { in.Nodes[2].Log.Observations[2].IDs = []string{"2:1"} },
			x, v, s, h, "different commands on different nodes: n1 (incarnation 1) applied a no-op, and n3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := goodRun(t)
			tt.change(&in)
			got := judge(in)
			gotAxes := fmt.Sprint(got.Safety.Status, got.Liveness.Status, got.Coverage.Status, got.Harness.Status)
			if want := fmt.Sprint(tt.safety, tt.liveness, tt.coverage, tt.harness); gotAxes != want {
				t.Errorf("got  %s\nwant %s\n%s", gotAxes, want, everything(got))
			}
			contains(t, "reasons", everything(got), tt.want)
		})
	}
}

func TestUncheckedKeysAreUnknown(t *testing.T) {
	in := goodRun(t)
	v := Check(context.Background(), in)
	if v.Safety.Status != verdict.Unknown || v.ExitCode() != verdict.ExitUnknown {
		t.Errorf("%+v", v.Safety)
	}
	contains(t, "reasons", everything(v), "linearizability of x, with 6 operations, is not decided: it was not checked")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if v := Check(ctx, in); v.Safety.Status != verdict.Unknown {
		t.Errorf("stopped: %+v", v.Safety)
	}
}

// However a run breaks off, what is left of it is never valid, and a violation that was seen stays one.
func TestCutHistoryIsNeverValid(t *testing.T) {
	for seed := range uint64(30) {
		g := generated{clients: 4, steps: 120, unknown: 0.1, wrong: 0.02, funcs: registerFuncs}
		whole := events(g.make(rand.New(rand.NewPCG(seed, 7))))
		violated := false
		for n := 0; n <= len(whole); n += 7 {
			in := goodRun(t)
			in.History = history.Log{Events: whole[:n]}
			v := judge(in)
			if v.Safety.Status == verdict.Valid || v.ExitCode() == verdict.ExitValid {
				t.Fatalf("seed %d cut at %d: %s", seed, n, v.Safety.Status)
			}
			if violated && v.Safety.Status != verdict.Violated {
				t.Fatalf("seed %d cut at %d: the violation went away", seed, n)
			}
			violated = v.Safety.Status == verdict.Violated
		}
	}
}

func TestAgreement(t *testing.T) {
	applied := func(boot string, slots ...uint64) []history.Observation {
		var out []history.Observation
		for _, s := range slots {
			out = append(out, history.Observation{
				Boot: boot, Kind: history.ObservedApplied, Slot: s, IDs: []string{fmt.Sprint("1:", s)},
			})
		}
		return out
	}
	other := func(obs []history.Observation) []history.Observation { obs[0].IDs = []string{"9:9", "9:8"}; return obs }
	catchUp := []history.Observation{{Boot: "a", Kind: history.ObservedCaughtUp, First: 3, Slot: 7}}
	snapshot := []history.Observation{{Boot: "a", Kind: history.ObservedSnapshotInstalled, First: 3, Slot: 7}}
	many := applied("a", 1, 2, 3, 4, 5, 6, 7, 8, 9)
	for i := range many {
		many[i].IDs = []string{"7:7"}
	}
	join := func(parts ...[]history.Observation) (out []history.Observation) {
		for _, p := range parts {
			out = append(out, p...)
		}
		return out
	}
	type obs [][]history.Observation
	tests := []struct {
		name  string
		nodes obs
		want  string
		found int
	}{
		{"same", obs{applied("a", 1, 2, 3), applied("b", 1, 2)}, "", 0},
		{"restarted from a snapshot", obs{join(applied("a", 1, 2, 3), applied("b", 3, 4)),
			applied("c", 1, 2, 3, 4)}, "", 0},
		{"replayed differently", obs{join(applied("a", 1, 2), other(applied("b", 1)))},
			"n1 (incarnation a) applied 1:1, and n1 (incarnation b) applied 9:9, 9:8", 1},
		{"gap", obs{applied("a", 1, 2, 4)}, "Node n1 applied slot 4 right after slot 2", 1},
		{"back", obs{applied("a", 1, 2, 2)}, "applied slot 2 right after slot 2", 1},
		{"snapshot", obs{join(applied("a", 1, 2), snapshot, applied("a", 8, 9))}, "", 0},
		{"only caught up", obs{join(applied("a", 1, 2), catchUp, applied("a", 8, 9))},
			"n1 applied slot 8 right after slot 2", 1},
		{"snapshot with a hole", obs{join(applied("a", 1, 2), snapshot, applied("a", 3, 5))},
			"applied slot 5 right after slot 3", 1},
		{"snapshot not so far", obs{join(applied("a", 1, 2), snapshot, applied("a", 9))},
			"applied slot 9 right after slot 2", 1},
		{"many", obs{applied("a", 1, 2, 3, 4, 5, 6, 7, 8, 9), many}, "4 findings of the same kind",
			agreementFindingsMax},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var nodes []NodeObservations
			for i, seen := range tt.nodes {
				nodes = append(nodes, observed(fmt.Sprintf("n%d", i+1), seen...))
			}
			c, findings, clashes := checkAgreement(nodes)
			if len(findings) != tt.found || len(clashes) != tt.found || (c.Status == verdict.Violated) != (tt.found > 0) {
				t.Fatalf("%s, %+v", c.Status, findings)
			}
			text := ""
			for _, f := range findings {
				text += f.Summary + strings.Join(f.Details, " ")
			}
			contains(t, "finding", text, tt.want)
		})
	}
	// What a node could not write down is no gap in what it applied, but only there, and only forward.
	for before, want := range map[int]int{2: 0, 1: 1, 3: 1} {
		n := observed("n1", applied("a", 1, 2, 7, 8)...)
		n.Log.Lost = []history.Loss{{Before: before, Boot: "a", Lines: 4}}
		if _, findings, _ := checkAgreement([]NodeObservations{n}); len(findings) != want {
			t.Errorf("lines lost before %d: %+v", before, findings)
		}
	}
	back := observed("n1", applied("a", 1, 2, 1)...)
	back.Log.Lost = []history.Loss{{Before: 2, Boot: "a", Lines: 4}}
	if _, findings, _ := checkAgreement([]NodeObservations{back}); len(findings) != 1 {
		t.Errorf("a slot applied twice, and lines lost between: %+v", findings)
	}
	if c, _, _ := checkAgreement(nil); c.Status != verdict.None {
		t.Errorf("agreement of nothing is %s", c.Status)
	}
}

// recovery are updates after the heal, by outcome and node.
func recovery(in *Input, what ...any) []history.Event {
	last := in.History.Events[len(in.History.Events)-1]
	var out []history.Event
	for i := 0; i < len(what); i += 2 {
		e := history.Event{Seq: last.Seq + int64(i) + 1, Time: last.Time + time.Duration(i+1), Type: history.Invoke,
			Process: 900 + i, Node: what[i+1].(string), Phase: history.PhaseRecovery,
			Op: history.Op{Func: history.Write, Key: "z", Value: int64(i)}}
		ret := e
		ret.Seq, ret.Time, ret.Type = e.Seq+1, e.Time+1, what[i].(history.Type)
		if ret.Type != history.OK {
			ret.Reason = "because"
		}
		out = append(out, e, ret)
	}
	return out
}

func TestFaultLiveness(t *testing.T) {
	op := func(f history.Func, call, ret int) history.Operation {
		return history.Operation{Op: history.Op{Func: f}, Outcome: ok, Call: time.Duration(call), Return: time.Duration(ret)}
	}
	const r, w = history.Read, history.Write
	ops := []history.Operation{op(r, 0, 5), op(w, 8, 12), op(r, 13, 14), op(w, 18, 30), op(r, 41, 42), op(w, 44, 49),
		op(w, 55, 60)}
	step := func(id, kind, node string, s history.FaultStep, status history.FaultStatus, from, to int) history.FaultEvent {
		return history.FaultEvent{ID: id, Kind: kind, Played: node, Step: s, Status: status, Begin: time.Duration(from),
			End: time.Duration(to)}
	}
	const a, b = history.FaultApply, history.FaultRevert
	faults := []history.FaultEvent{
		step("f1", "kill", "n1", a, history.FaultInstalled, 9, 10),
		step("f2", "kill", "", a, history.FaultSkipped, 20, 20),
		step("f3", "pause", "n2", a, history.FaultInstalled, 34, 35),
		step("f1", "kill", "n1", b, history.FaultReverted, 40, 43),
		step("f3", "pause", "n2", b, history.FaultReverted, 50, 58),
		step("f4", "pause", "n3", a, history.FaultInstalled, 60, 61),
	}
	ns := func(d time.Duration) *time.Duration { return &d }
	got := shown(newSilences(faults, Recovery{}), ops).finish(70)
	want := []verdict.FaultLiveness{
		{ID: "f1", Fault: "kill n1", Lasted: 30, OKs: 3, LongestSilence: 16, ReadSilence: 26, UpdateSilence: 18, FirstUpdate: ns(6)},
		{ID: "f3", Fault: "pause n2", Lasted: 15, OKs: 2, LongestSilence: 7, ReadSilence: 8, UpdateSilence: 14},
		{ID: "f4", Fault: "pause n3", Lasted: 9, OKs: 0, LongestSilence: 9, ReadSilence: 9, UpdateSilence: 9},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	kinds := byKind(got, history.Windows(faults))
	wantKinds := []verdict.KindLiveness{
		{Kind: "kill", Faults: 1, ReadSilence: 26, UpdateSilence: 18, FirstUpdate: ns(6)},
		{Kind: "pause", Faults: 2, ReadSilence: 9, UpdateSilence: 14},
	}
	if d := cmp.Diff(wantKinds, kinds); d != "" {
		t.Errorf("by kind (-want +got):\n%s", d)
	}
	// 13…14, 18…30, 41…42 and 44…49 lie within faults; 8…12 began before one.
	if n := shown(newUnderFaults(history.Windows(faults)), ops).ok; n != 4 {
		t.Errorf("%d operations under a fault, want 4", n)
	}
	// f1 and f3 overlap, but are of two kinds; f4 was never seen to end.
	for kind, want := range map[string]time.Duration{"kill": 30, "pause": 15, "partition": 0} {
		if got := inEffect(kind, history.Windows(faults)); got != want {
			t.Errorf("%s in effect for %d, want %d", kind, got, want)
		}
	}
	faults = append(faults, step("f5", "pause", "n1", a, history.FaultInstalled, 38, 40),
		step("f5", "pause", "n1", b, history.FaultReverted, 55, 56))
	if got := inEffect("pause", history.Windows(faults)); got != 20 {
		t.Errorf("two that overlap in effect for %d, want 20", got)
	}
}

func TestCounts(t *testing.T) {
	s := newScript(t, "x").do(0, write(1)).call(1, cas(1, 2)).ret(1, ok, true).call(1, cas(9, 3)).ret(1, ok, false, 2)
	s.call(2, write(4)).ret(2, history.Fail, false).call(3, cas(4, 5))
	got := fmt.Sprint(shown(new(outcomes), s.ops).finish())
	want := fmt.Sprint([]verdict.OperationCount{
		{Phase: "main", Func: "write", OK: 1, Fail: 1},
		{Phase: "main", Func: "cas", OK: 2, Mismatch: 1, Unknown: 1},
	})
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	event := func(kind string, step history.FaultStep, status history.FaultStatus) history.FaultEvent {
		return history.FaultEvent{Kind: kind, Step: step, Status: status}
	}
	got = fmt.Sprint(countFaults([]history.FaultEvent{
		event("z", history.FaultApply, history.FaultInstalled), event("z", history.FaultRevert, history.FaultFailed),
		event("a", history.FaultApply, history.FaultSkipped), event("kill", history.FaultApply, history.FaultFailed),
	}, []string{"pause", "kill"}))
	want = fmt.Sprint([]verdict.FaultCount{
		{Kind: "pause", Wanted: true}, {Kind: "kill", Wanted: true, Failed: 1},
		{Kind: "a", Skipped: 1}, {Kind: "z", Installed: 1, Failed: 1},
	})
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
