package checker

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

func TestLists(t *testing.T) {
	type told struct{ name, summary string }
	tests := []struct {
		name   string
		script func(s *script)
		want   []told
	}{
		{"fine", func(s *script) {
			s.call(0, appendOp(1)).call(1, appendOp(2))
			s.ret(0, ok, false, 2, 1).ret(1, history.Unknown, false).do(2, read(), 2, 1)
		}, nil},
		{"stale", func(s *script) {
			s.do(0, appendOp(1), 1).do(1, appendOp(2), 1, 2).do(2, read(), 1).do(1, read(), 1, 2)
		}, []told{{nameStale, "The append of 2 to x by process 1 at n2 was acknowledged at 0.004 s, but a read by process 2 " +
			"at n3 that began at 0.005 s got the list without it, [1]; process 1 at n2 saw it again at 0.008 s."}}},
		{"stale at whoever appended", func(s *script) { s.do(0, appendOp(1), 1).do(0, read()).do(1, read(), 1) },
			[]told{{nameStale, "but a read by the same process that began at 0.003 s found no list at all"}}},
		{"stale by the system's own word", func(s *script) {
			s.do(0, appendOp(1), 1).do(1, read()).do(2, read()).do(1, read(), 1)
			s.ops[0].By.Slot, s.ops[1].By.Slot, s.ops[2].By.Slot = 5, 4, 4
		}, []told{{nameStale, "process 1 at n2 saw it again"}}},
		{"stale while another sees it", func(s *script) {
			s.do(0, appendOp(1), 1).call(1, read()).do(2, read()).ret(1, ok, false, 1).do(0, read(), 1)
		}, []told{{nameStale, "a read by process 2 at n3"}}},
		{"lost", func(s *script) { s.do(0, appendOp(1), 1).do(1, appendOp(2), 2).do(1, read(), 2) },
			[]told{{nameElementLost, "The append of 1 to x by process 0 at n1 was acknowledged at 0.002 s, but an append by " +
				"process 1 at n2 that began at 0.003 s got the list without it, [2], and nobody ever saw it again."}}},
		{"lost after it was seen", func(s *script) {
			s.call(0, appendOp(1)).do(1, read(), 1).do(2, read()).do(3, read())
		}, []told{{nameElementGone, "Element 1 of x had been seen by process 1 at n2 at 0.003 s"}}},
		{"resurrected", func(s *script) {
			s.call(0, appendOp(1)).do(1, read(), 1).do(2, read()).do(3, read()).do(1, read(), 1)
		}, []told{{nameResurrected, "Element 1 of x had been seen by process 1 at n2 at 0.003 s, but a read by process 2 at " +
			"n3 that began at 0.004 s found no list at all; it is back in the answer to process 1 at n2 at 0.009 s."}}},
		{"resurrected behind another", func(s *script) {
			s.do(0, appendOp(1), 1).do(1, appendOp(2), 2).do(1, read(), 2, 1)
		}, []told{{nameResurrected, "it is back in the answer to process 1 at n2 at 0.006 s"}}},
		{"duplicated", func(s *script) { s.do(0, appendOp(1), 1).do(1, read(), 1, 1) },
			[]told{{nameAppliedTwice, "Process 0 at n1 asked once to append 1 to x, at 0.001 s, but it is there twice in the " +
				"list x as process 1 at n2 saw it at 0.004 s, as element 1 and as element 2."}}},
		{"reordered", func(s *script) {
			s.call(0, appendOp(1)).call(1, appendOp(2)).do(2, read(), 1, 2).do(3, read(), 2, 1)
		}, []told{{nameReordered, "Element 2 comes before 1 in the list x as process 3 at n4 saw it at 0.006 s, and after " +
			"it in the answer to process 2 at n3 at 0.004 s."}}},
		{"forked", func(s *script) {
			s.call(0, appendOp(1)).call(1, appendOp(2)).call(2, read()).call(3, read()).ret(2, ok, false, 1)
			s.ret(3, ok, false, 2)
		}, []told{{nameForked, "There are two versions of x: element 1 is 2 in the answer to process 3 at n4 at 0.006 s, " +
			"and 1 in the answer to process 2 at n3 at 0.005 s."}}},
		{"phantom", func(s *script) { s.do(0, appendOp(1), 1).do(1, read(), 1, 8) },
			[]told{{nameElementNowhere, "Element 8, which nobody ever appended, is in the list x"}}},
		{"failed", func(s *script) { s.call(0, appendOp(1)).ret(0, history.Fail, false).do(1, read(), 1) },
			[]told{{nameElementFailed, "The append of 1 by process 0 at n1 had been answered with a failure (because) at " +
				"0.002 s, but the element is in the list x"}}},
		{"seen too early", func(s *script) { s.do(1, read(), 3).do(0, appendOp(3), 3) },
			[]told{{nameElementFuture, "but nobody asked to append it before 0.003 s"}}},
		{"another's answer", func(s *script) {
			s.call(0, appendOp(1)).call(1, appendOp(2)).ret(0, ok, false, 2).ret(1, ok, false, 2)
		}, []told{{nameOwnAnswer, "was acknowledged at 0.003 s with the list as it was afterwards, [2], which does not end " +
			"with 1."}}},
		{"not a list", func(s *script) { s.do(0, appendOp(1), 1).do(1, write(2)).do(1, read(), 2) }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScript(t, "x")
			tt.script(s)
			_, findings := checkLists(s.ops)
			if len(findings) != len(tt.want) {
				t.Fatalf("got %+v, want %+v", findings, tt.want)
			}
			for i, f := range findings {
				if f.Name != tt.want[i].name {
					t.Errorf("it is called %q, not %q", f.Name, tt.want[i].name)
				}
				contains(t, "finding", f.Summary, tt.want[i].summary)
				suffices(t, s.ops, f)
			}
			if legal := untightened(SplitByKey(s.ops)[0].Ops); !legal != (len(findings) > 0) {
				t.Errorf("the search says legal: %v", legal)
			}
		})
	}
}

// suffices makes sure that the few operations that a finding on a list tells of have no legal order by themselves: as
// far as their own elements, and those that nobody appended, go.
func suffices(t *testing.T, ops []history.Operation, f verdict.Finding) {
	t.Helper()
	if n := len(f.Table); n == 0 || n > 4 || n != len(f.Operations) {
		t.Fatalf("%q tells of %d operations, and names %v", f.Summary, n, f.Operations)
	}
	var told, outside []history.Operation
	for _, r := range f.Table {
		if r.Role == "" {
			t.Errorf("%q says nothing of the part of %s", f.Summary, r.What)
		}
		told = append(told, ops[r.Operation])
	}
	var others []int64
	for _, op := range ops {
		if op.Op.Func == history.Append && !slices.Contains(f.Operations, op.ID) {
			others = append(others, op.Op.Value)
			outside = append(outside, op)
		}
	}
	keys := SplitByKey(withoutElements(told, others))
	if len(keys) != 1 || untightened(keys[0].Ops) {
		t.Errorf("%q: what it tells of is legal by itself, without\n%s:\n%s", f.Summary, accounts(outside), accounts(told))
	}
}

// The list check finds something exactly in those lists that have no legal order, and what it tells of suffices.
func TestListCheckIsExact(t *testing.T) {
	names := make(map[string]int)
	legal := 0
	for seed := range uint64(6000) {
		g := generated{clients: 2 + int(seed%3), steps: 10 + int(seed%35), unknown: 0.2, wrong: 0.04, funcs: listFuncs}
		rng := rand.New(rand.NewPCG(seed, 9))
		ops := g.make(rng)
		if seed%2 == 0 {
			damage(ops, rng)
		}
		keys := SplitByKey(ops)
		if len(keys) != 1 {
			continue
		}
		if _, ok := newList(keys[0], nil); !ok {
			continue
		}
		_, findings := checkLists(ops)
		if want := untightened(keys[0].Ops); want != (len(findings) == 0) {
			t.Fatalf("seed %d: legal is %v, found %+v:\n%s", seed, want, findings, accounts(ops))
		} else if want {
			legal++
		}
		decidedByOrder(t, seed, keys[0].Ops, len(findings) == 0)
		for _, f := range findings {
			names[f.Name]++
			suffices(t, ops, f)
		}
	}
	t.Logf("%d legal lists, and %v", legal, names)
	for _, name := range []string{nameStale, nameElementLost, nameElementGone, nameResurrected, nameAppliedTwice,
		nameReordered, nameForked, nameElementNowhere, nameElementFailed, nameOwnAnswer} {
		if names[name] == 0 {
			t.Errorf("%s was never found", name)
		}
	}
	if legal < 500 {
		t.Errorf("only %d legal lists", legal)
	}
}

// decidedByOrder makes sure that a list is decided by its order as it should be, and that a core is one.
func decidedByOrder(t *testing.T, seed uint64, ops []history.Operation, legal bool) {
	t.Helper()
	if (decideList(ops) == verdict.Valid) != legal {
		t.Fatalf("seed %d: legal is %v, by order %s:\n%s", seed, legal, decideList(ops), accounts(ops))
	}
	if legal {
		return
	}
	e, core, err := explainList(ops)
	if err != nil {
		t.Fatalf("seed %d: %v:\n%s", seed, err, accounts(ops))
	}
	if n := len(core); n == 0 || n > 4 || n != len(e.Core) || untightened(core) {
		t.Errorf("seed %d: a core that is legal, or of %d operations:\n%s", seed, n, accounts(core))
	}
	if last, _ := byID(ops, e.Last); untightened(upTo(ops, last.ReturnSeq)) ||
		!untightened(upTo(ops, last.ReturnSeq-1)) {
		t.Errorf("seed %d: the answer of operation %d does not complete the violation:\n%s", seed, e.Last, accounts(ops))
	}
}

// The verifier refuses whatever is no legal order.
func TestListOrdersAreVerified(t *testing.T) {
	s := newScript(t, "x")
	s.do(0, appendOp(1), 1).do(1, read(), 1).do(1, appendOp(2), 1, 2).call(2, read()).do(0, read(), 1, 2)
	s.ret(2, ok, false, 1, 2)
	order, found := listOrder(s.ops)
	if !found || verifyList(s.ops, order) != nil {
		t.Fatalf("%v: %v", order, verifyList(s.ops, order))
	}
	for name, wrong := range map[string][]int{
		"twice": {0, 0, 1, 2, 3, 4}, "missing": {0, 1, 2, 3}, "other state": {0, 2, 1, 3, 4}, "none": nil,
	} {
		if verifyList(s.ops, wrong) == nil {
			t.Errorf("%s: %v is a legal order", name, wrong)
		}
	}
	s.do(0, read(), 1, 2).do(1, read(), 1, 2)
	if verifyList(s.ops, []int{0, 1, 2, 3, 4, 6, 5}) == nil {
		t.Error("an operation may come after one that was called when it had returned")
	}
}

// damage does to a list what nodes might.
func damage(ops []history.Operation, rng *rand.Rand) {
	from := rng.IntN(len(ops) + 1)
	victim := int64(1 + rng.IntN(len(ops)+1))
	kind := rng.IntN(4)
	for i := from; i < len(ops); i++ {
		op := &ops[i]
		values := slices.Clone(op.Result.Values)
		at := slices.Index(values, victim)
		switch {
		case op.Outcome != history.OK || at < 0:
			if kind == 3 && op.Op.Func == history.Append && op.Op.Value == victim && op.Outcome == history.Unknown {
				op.Outcome, op.ReturnSeq, op.Reason = history.Fail, op.CallSeq, "because"
			}
			continue
		case kind == 0: // lost
			values = slices.Delete(values, at, at+1)
		case kind == 1: // twice
			values = slices.Insert(values, 0, victim)
		case kind == 2 && at > 0: // out of order
			values[at], values[at-1] = values[at-1], values[at]
		}
		op.Result.Values = values
	}
}

// A violated list is told of by the answer that completes the violation, in few operations, and only once.
func TestListsAreToldOnce(t *testing.T) {
	s := newScript(t, "y")
	for v := range int64(20) {
		seen := make([]int64, v+1)
		for i := range seen {
			seen[i] = int64(i) + 1
		}
		s.do(int(v%3), appendOp(v+1), seen...)
	}
	s.do(0, read(), s.ops[17].Result.Values...).do(1, read(), s.ops[19].Result.Values...)
	in := goodRun(t)
	before(&in, s.ops)
	v := judge(in)
	if len(v.Safety.Findings) != 1 {
		t.Fatalf("%+v", v.Safety.Findings)
	}
	f := v.Safety.Findings[0]
	if f.Checker != CheckLinearizability || f.Name != nameStale || len(f.Table) != 2 {
		t.Errorf("%+v", f)
	}
	contains(t, "summary", f.Summary, "The append of 20 to y", "[1 2 … 15 16 17 18] (18 elements)")
	contains(t, "details", strings.Join(f.Details, "\n"),
		"The 2 operations in the table alone have no legal order, whatever else is in the list besides element 20.")
	if _, ok := listPlainly(KeyHistory{Key: "y"}, nil, history.Operation{}); ok {
		t.Error("nothing is a list")
	}
	if got := fmt.Sprintln(elements([]int64{1}), elements([]int64{1, 2}), elements([]int64{1, 2, 3})); got !=
		"element 1 elements 1 and 2 elements 1, 2 and 3\n" {
		t.Error(got)
	}
}
