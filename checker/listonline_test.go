package checker

import (
	"math/rand/v2"
	"slices"
	"testing"

	"elenchus/checker/register"
	"elenchus/results/history"
	"elenchus/results/verdict"
)

// spoil damages an answer that shows a list in one of the ways in which replicated lists go wrong.
func spoil(op *history.Operation, rng *rand.Rand) {
	vs := slices.Clone(op.Result.Values)
	n := len(vs)
	switch i := rng.IntN(n + 1); rng.IntN(6) {
	case 0: // an old version
		vs = vs[:i]
	case 1: // one element is lost
		if i < n {
			vs = slices.Delete(vs, i, i+1)
		}
	case 2: // or there twice
		if n > 0 {
			vs = slices.Insert(vs, i, vs[rng.IntN(n)])
		}
	case 3: // two are in another order
		if n > 1 {
			j := rng.IntN(n)
			i = min(i, n-1)
			vs[i], vs[j] = vs[j], vs[i]
		}
	case 4: // one was never asked for, or not yet, or in vain
		vs = slices.Insert(vs, i, 1+rng.Int64N(12))
	default: // an append is answered by somebody else's list
		if op.Op.Func == history.Append && n > 0 {
			vs = vs[:n-1]
		}
	}
	op.Result.Values = vs
}

// smallList draws the history of a list in which some answers are damaged, some appends are unknown, and some failed.
func smallList(rng *rand.Rand) []history.Operation {
	g := generated{clients: 2 + rng.IntN(3), steps: 8 + rng.IntN(30), unknown: 0.3, funcs: listFuncs}
	ops := g.make(rng)
	for i := range ops {
		switch op := &ops[i]; {
		case op.Outcome == history.OK && rng.IntN(10) == 0:
			spoil(op, rng)
		case op.Outcome == history.Unknown && op.Completed() && rng.IntN(3) == 0:
			op.Outcome = history.Fail
		}
	}
	return ops
}

// The monitor objects to the first event after which neither the checker of whole lists nor a search finds an order,
// and to no other. Elements are unique, so both of them are exact.
func TestListMonitorIsExact(t *testing.T) {
	objections, clean := 0, 0
	for seed := range uint64(smallHistories) {
		rng := rand.New(rand.NewPCG(seed, 17))
		ops := smallList(rng)
		var online Online
		objected, last := false, int64(-1)
		for _, e := range events(ops) {
			good := online.Observe(&e)
			if good == objected && objected {
				t.Fatalf("seed %d: it changes its mind at %d:\n%s", seed, e.Seq, accounts(ops))
			}
			if !good && !objected {
				objected, last = true, e.Seq
			}
		}
		if !objected {
			clean++
			last = 1 << 40
		} else {
			objections++
		}
		_, why := online.Decision("x")
		if legal := legalList(t, ops, last); legal == objected {
			t.Fatalf("seed %d: objected %v at %d (%s), legal %v:\n%s", seed, objected, last, why, legal, accounts(ops))
		}
		if objected && !legalList(t, ops, last-1) {
			t.Fatalf("seed %d: objected at %d (%s), too late:\n%s", seed, last, why, accounts(ops))
		}
	}
	if objections < smallHistories/4 || clean < smallHistories/4 {
		t.Errorf("%d objections, %d none: the test does not test both sides", objections, clean)
	}
}

// legalList decides what was known of a list after the event seq in two ways that know nothing of the monitor.
func legalList(t *testing.T, ops []history.Operation, seq int64) bool {
	t.Helper()
	var known []history.Operation
	for _, op := range ops {
		if op.Outcome == history.Fail && op.ReturnSeq > seq {
			op = pending(op)
		}
		if op.Outcome != history.Fail {
			known = append(known, op)
		}
	}
	keys := SplitByKey(upTo(known, seq))
	if len(keys) == 0 {
		return true
	}
	legal := untightened(keys[0].Ops)
	if decided := decideList(keys[0].Ops) == verdict.Valid; decided != legal {
		t.Fatalf("the search says legal: %v, the order %v:\n%s", legal, decided, accounts(ops))
	}
	return legal
}

// Every sort of damage is seen at the answer that shows it, and called what it is.
func TestListMonitorAccounts(t *testing.T) {
	two := func(t *testing.T) *script { return newScript(t, "x").do(0, appendOp(1), 1).do(0, appendOp(2), 1, 2) }
	tests := []struct {
		name string
		ops  []history.Operation
		want string // of the last event; empty is no objection
	}{
		{"fine", two(t).do(1, read(), 1, 2).ops, ""},
		{"lost", two(t).do(1, appendOp(3), 1, 3).ops, "2 is missing, which had been in the list before"},
		{"stale", two(t).do(1, read(), 1).ops, "2 is missing, which had been in the list before"},
		{"empty again", two(t).do(1, read()).ops, "2 is missing, which had been in the list before"},
		{"not stale", newScript(t, "x").do(0, appendOp(1), 1).call(1, read()).do(0, appendOp(2), 1, 2).
			ret(1, ok, false, 1).ops, ""},
		{"lost after it was seen", newScript(t, "x").call(0, appendOp(1)).do(1, read(), 1).do(2, read()).ops,
			"1 is missing, which had been in the list before"},
		{"duplicate", two(t).do(1, read(), 1, 2, 1).ops, "1 is there twice"},
		{"duplicate of what is new", newScript(t, "x").call(0, appendOp(1)).do(1, read(), 1, 1).ops, "1 is there twice"},
		{"reordered", newScript(t, "x").call(0, appendOp(1)).call(1, appendOp(2)).do(2, read(), 1, 2).
			do(3, read(), 2, 1).ops, "2 comes before 1, and had come after it"},
		{"forked", newScript(t, "x").call(0, appendOp(1)).call(1, appendOp(2)).call(2, read()).call(3, read()).
			ret(2, ok, false, 1).ret(3, ok, false, 2).ops, "element 1 is 2, and had been 1"},
		{"nowhere", two(t).do(1, read(), 1, 2, 7).ops, "7 was seen, which nobody had asked to append"},
		{"not asked for yet", newScript(t, "x").do(1, read(), 1).ops, "1 was seen, which was never written or " +
			"certainly replaced long ago"},
		{"failed", newScript(t, "x").call(0, appendOp(1)).ret(0, history.Fail, false).do(1, read(), 1).ops,
			"1 was seen, which nobody had asked to append"},
		{"failed after it was seen", newScript(t, "x").call(0, appendOp(1)).do(1, read(), 1).
			ret(0, history.Fail, false).ops, "1 was seen, but its append failed"},
		{"own answer", two(t).do(1, appendOp(3), 1, 2).ops, "the list does not end with 3"},
		{"late and unknown", newScript(t, "x").call(0, appendOp(1)).ret(0, history.Unknown, false).do(1, read()).
			do(1, read(), 1).ops, ""},
		{"read of nothing known", two(t).call(1, read()).ret(1, history.Unknown, false).ops, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var online Online
			all := events(tt.ops)
			for i := range all {
				if good := online.Observe(&all[i]); good != (tt.want == "" || i < len(all)-1) {
					t.Errorf("event %d: %v", i, good)
				}
			}
			if _, why := online.Decision("x"); tt.want != why && tt.want != "" {
				t.Errorf("it says %q, not %q", why, tt.want)
			}
		})
	}
}

// A failed append leaves no trace: its element may be appended again. One that did not fail may not.
func TestListMonitorAbstains(t *testing.T) {
	again := newScript(t, "x").call(0, appendOp(1)).ret(0, history.Fail, false).do(0, appendOp(1), 1).do(1, read(), 1)
	twice := newScript(t, "x").call(0, appendOp(1)).do(1, appendOp(1), 1).do(1, read(), 7)
	known := newScript(t, "x").do(0, appendOp(1), 1).do(1, appendOp(1), 1).do(1, read(), 7)
	mixed := newScript(t, "x").do(0, appendOp(1), 1).do(0, write(2)).do(1, read(), 7)
	for _, tt := range []struct {
		s    *script
		want register.Decision
		why  string
	}{
		{again, register.Valid, ""},
		{twice, register.Abstained, "1 is appended twice"},
		{known, register.Abstained, "1 is appended twice"},
		{mixed, register.Abstained, "there is a write among the appends"},
	} {
		var online Online
		for _, e := range events(tt.s.ops) {
			online.Observe(&e)
		}
		got, why := online.Decision("x")
		if got != tt.want {
			t.Errorf("%s:\n%s", got, accounts(tt.s.ops))
		}
		contains(t, "reason", why, tt.why)
	}
}

// Memory is that of the longest answer and of what nobody has seen: nothing is kept of reads.
func TestListMonitorForgets(t *testing.T) {
	s := newScript(t, "x").do(0, appendOp(1), 1)
	for range 1000 {
		s.do(0, read(), 1).call(1, appendOp(2)).ret(1, history.Fail, false)
	}
	var online Online
	for _, e := range events(s.ops) {
		online.Observe(&e)
	}
	l := &online.keys["x"].list
	if len(l.longest) != 1 || len(l.place) != 1 || len(l.asked) != 0 || len(online.open) != 0 {
		t.Errorf("it remembers %d elements, %d places, %d appends, %d operations",
			len(l.longest), len(l.place), len(l.asked), len(online.open))
	}
}
