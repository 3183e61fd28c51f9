package sim

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"elenchus/results/history"
)

// lists draws histories of one list, most of them nearly legal: what a correct list would have answered, with some
// answers, outcomes and times changed.
func lists(t *rapid.T) []history.Operation {
	var ops []history.Operation
	var list []int64
	seq := int64(0)
	for i := range rapid.IntRange(1, 9).Draw(t, "ops") {
		op := history.Operation{
			ID: i, Process: i, Op: history.Op{Func: history.Read, Key: "k"}, Outcome: history.OK, CallSeq: seq, ReturnSeq: seq + 1,
		}
		seq += 2
		if rapid.Bool().Draw(t, "append") {
			op.Op.Func, op.Op.Value = history.Append, int64(i+1)
		}
		if op.Op.Func == history.Append && rapid.IntRange(0, 4).Draw(t, "lost") > 0 {
			list = append(list[:len(list):len(list)], op.Op.Value)
		}
		op.Result.Values = list
		switch rapid.IntRange(0, 12).Draw(t, "twist") {
		case 0:
			op.Outcome, op.ReturnSeq, op.Result = history.Unknown, -1, history.Result{}
		case 1:
			op.Result.Values = list[:rapid.IntRange(0, len(list)).Draw(t, "short")]
		case 2:
			op.Outcome, op.Result = history.Fail, history.Result{}
		case 3:
			op.Result.Values = append(append([]int64{}, list...), rapid.Int64Range(1, 9).Draw(t, "strange"))
		}
		ops = append(ops, op)
	}
	// Let neighbours overlap: a call moves in front of an earlier return.
	for range rapid.IntRange(0, 6).Draw(t, "overlaps") {
		i := rapid.IntRange(0, len(ops)-1).Draw(t, "which")
		j := rapid.IntRange(0, len(ops)-1).Draw(t, "before")
		if ops[j].ReturnSeq > 0 && ops[i].CallSeq > ops[j].ReturnSeq {
			ops[i].CallSeq, ops[j].ReturnSeq = ops[j].ReturnSeq, ops[i].CallSeq
		}
	}
	for i := range ops {
		ops[i].Call, ops[i].Return = time.Duration(ops[i].CallSeq), time.Duration(ops[i].ReturnSeq)
	}
	return ops
}

// The quick decision on lists is that of the search.
func TestListsAreDecidedAsBySearch(t *testing.T) {
	legal, illegal := 0, 0
	search := newQuick().search
	rapid.Check(t, func(t *rapid.T) {
		ops := lists(t)
		want := search.Check(ops)
		got := NewChecker().Check(ops)
		if want.Undecided != nil || got.Undecided != nil {
			t.Fatalf("not decided: %v, %v", want, got)
		}
		if want.Violated != got.Violated {
			t.Fatalf("the search says %q, the quick decision %q of %+v", want.Violated, got.Violated, ops)
		}
		if want.Violated == "" {
			legal++
		} else {
			illegal++
		}
	})
	if legal == 0 || illegal == 0 {
		t.Errorf("%d legal histories, %d illegal ones", legal, illegal)
	}
}

// What simulated clients see is judged as the checker of lab runs would.
func TestQuickCheckerAgreesOnRuns(t *testing.T) {
	w := New(Options{Checker: NoChecker{}})
	quick := NewChecker()
	search := newQuick().search
	for seed := uint64(1); seed <= 30; seed++ {
		r := run(t, w, draw(t, seed, DrawOptions{}))
		if a, b := quick.Check(r.History), search.Check(r.History); a.Violated != b.Violated {
			t.Errorf("seed %d: %+v and %+v", seed, a, b)
		}
		// Take an update away that somebody saw, and both must notice.
		for i := range r.History {
			op := &r.History[i]
			if op.Outcome == history.OK && op.Op.Func == history.Read && len(op.Result.Values) > 0 {
				op.Result.Values = []int64{1 << 40}
				break
			}
		}
		if a, b := quick.Check(r.History), search.Check(r.History); a.Violated == "" || a.Violated != b.Violated {
			t.Errorf("seed %d: a value that nobody wrote: %+v and %+v", seed, a, b)
		}
	}
}
