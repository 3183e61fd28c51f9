package checker

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"elenchus/checker/register"
	"elenchus/results/history"
	"elenchus/results/verdict"
)

// smallRegister draws the history of a register, sometimes with repeated values.
func smallRegister(rng *rand.Rand) []history.Operation {
	g := generated{
		clients: 2 + rng.IntN(3), steps: 10 + rng.IntN(40), unknown: 0.3, wrong: 0.08,
		funcs: [][]history.Func{registerFuncs, {history.Read, history.CAS}}[rng.IntN(2)],
	}
	if rng.IntN(10) == 0 {
		g.domain = 30
	}
	keys := SplitByKey(g.make(rng))
	if len(keys) == 0 {
		return nil
	}
	return keys[0].Ops
}

// Deciding by order and by search come to the same, and so do their explanations: the same answer completes the
// violation. Deciding by order abstains exactly where values repeat.
func TestOrderAgreesWithSearch(t *testing.T) {
	var o orderer
	violated, abstained := 0, 0
	for seed := range uint64(smallHistories) {
		ops := smallRegister(rand.New(rand.NewPCG(seed, 11)))
		status, err := o.decide(ops)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		unique := history.UniqueValues(slices.DeleteFunc(slices.Clone(ops), onlyLooks)) == nil
		if (status == verdict.Unknown) == unique {
			t.Fatalf("seed %d: %s, but unique is %v:\n%s", seed, status, unique, accounts(ops))
		}
		if !unique {
			abstained++
			continue
		}
		if legal := untightened(ops); legal != (status == verdict.Valid) {
			t.Fatalf("seed %d: %s, but legal is %v:\n%s", seed, status, legal, accounts(ops))
		}
		if status == verdict.Violated {
			violated++
			if history.UniqueValues(ops) == nil { // with those of updates that did not match
				sameExplanation(t, &o, seed, ops)
			}
		}
	}
	if violated < smallHistories/10 || violated > smallHistories*9/10 || abstained < smallHistories/100 {
		t.Errorf("%d of %d violated, %d abstained: the test does not test all sides", violated, smallHistories, abstained)
	}
}

func sameExplanation(t *testing.T, o *orderer, seed uint64, ops []history.Operation) {
	t.Helper()
	e, core, err := o.explain(ops)
	if err != nil {
		t.Fatalf("seed %d: %v\n%s", seed, err, accounts(ops))
	}
	_, last, _ := shortestPrefix(ops, func(ops []history.Operation) bool { return !untightened(ops) })
	if e.Last != last.ID || e.Prefix != len(upTo(ops, last.ReturnSeq)) {
		t.Fatalf("seed %d: completed by %d with %d operations, want %d with %d:\n%s", seed,
			e.Last, e.Prefix, last.ID, len(upTo(ops, last.ReturnSeq)), accounts(ops))
	}
	if untightened(core) || !slices.Equal(ids(core), e.Core) {
		t.Fatalf("seed %d: the core is legal:\n%s\nof\n%s", seed, accounts(core), accounts(ops))
	}
	minimal(t, seed, core)
}

// minimal verifies that a core is legal without any one of its definite operations. An update goes with those that saw
// its value; what builds on it by compare-and-set becomes a write.
func minimal(t *testing.T, seed uint64, core []history.Operation) {
	t.Helper()
	for _, op := range core {
		if op.Outcome != history.OK {
			continue
		}
		rest := withoutOperations(core, []int{op.ID})
		if !onlyLooks(op) {
			rest = withoutValues(core, []int64{op.Op.Value})
		}
		if !untightened(rest) {
			t.Fatalf("seed %d: illegal even without %s:\n%s", seed, outcome(op), accounts(core))
		}
	}
}

// Watching a history event by event comes to the same as deciding it, with failed operations and several keys.
func TestOnlineAgreesWithOrder(t *testing.T) {
	objections := 0
	for seed := range uint64(1500) {
		rng := rand.New(rand.NewPCG(seed, 12))
		var parts [][]history.Operation
		for range 3 {
			g := generated{clients: 3, steps: 40, unknown: 0.2, wrong: 0.02, funcs: registerFuncs}
			parts = append(parts, g.make(rng))
		}
		all := merge(parts...)
		for i := range all {
			if all[i].Outcome == history.Unknown && all[i].Completed() && rng.IntN(3) == 0 {
				all[i].Outcome = history.Fail
			}
		}
		all = distinctKeys(all, parts)
		var online Online
		bad := map[string]int64{}
		for _, e := range events(all) {
			if _, was := bad[e.Op.Key]; !online.Observe(&e) && !was {
				bad[e.Op.Key] = e.Seq
				objections++
			}
		}
		for _, k := range SplitByKey(all) {
			seq, objected := bad[k.Key]
			if objected == untightened(k.Ops) {
				_, why := online.Decision(k.Key)
				t.Fatalf("seed %d: objected %v at %d (%s):\n%s", seed, objected, seq, why, accounts(k.Ops))
			}
		}
	}
	if objections < 200 {
		t.Errorf("only %d objections", objections)
	}
}

// distinctKeys gives the operations of each part a key of their own.
func distinctKeys(all []history.Operation, parts [][]history.Operation) []history.Operation {
	i := 0
	for p, part := range parts {
		for range part {
			all[i].Op.Key = string(rune('a' + p))
			i++
		}
	}
	return all
}

// What is no register with unique values makes Online abstain, and impossible answers make it object.
func TestOnlineLimits(t *testing.T) {
	tests := []struct {
		name string
		ops  []history.Operation
		want register.Decision
		why  string
	}{
		{"mixed", newScript(t, "x").do(0, appendOp(1), 1).do(0, write(2)).do(0, read(), 7).ops, register.Abstained,
			"appended to"},
		{"repeated", newScript(t, "x").call(0, write(1)).do(1, write(1)).do(1, read(), 7).ops, register.Abstained, "twice"},
		{"two values", newScript(t, "x").do(0, read(), 1, 2).ops, register.Violated, "impossible"},
		{"mismatch of a match", newScript(t, "x").do(0, write(1)).call(0, cas(1, 2)).ret(0, ok, false, 1).ops,
			register.Violated, "expected"},
		{"failed and seen", newScript(t, "x").call(0, write(1)).do(1, read(), 1).ret(0, history.Fail, false).ops,
			register.Violated, "had no effect"},
		{"read without an answer", newScript(t, "x").call(0, read()).ret(0, history.Unknown, false).ops,
			register.Valid, ""},
	}
	for _, tt := range tests {
		var online Online
		for _, e := range append(events(tt.ops), history.Event{Type: history.End}) {
			online.Observe(&e)
		}
		if got, why := online.Decision("x"); got != tt.want || !strings.Contains(why, tt.why) {
			t.Errorf("%s: %v, %q", tt.name, got, why)
		}
	}
	if got, why := new(Online).Decision("y"); got != register.Valid || why != "" {
		t.Errorf("unheard of: %v, %q", got, why)
	}
}

// liar decides by search, but says something else.
type liar struct {
	local
	says func(request) (KeyResult, error)
}

func (l liar) solve(_ context.Context, req request) (KeyResult, error) { return l.says(req) }

// No verdict hides that two ways to decide disagree, and a violation counts only when a search confirms it.
func TestConfirmation(t *testing.T) {
	valid := newScript(t, "x").do(0, write(1)).do(1, read(), 1).ops
	bad := newScript(t, "x").do(0, write(1)).do(1, read(), 2).ops
	as := func(s verdict.Status, reason string) func(request) (KeyResult, error) {
		return func(req request) (KeyResult, error) {
			return KeyResult{Key: "x", Status: s, Reason: reason, By: BySearch, Explanation: req.Known}, nil
		}
	}
	fail := func(request) (KeyResult, error) { return KeyResult{}, errors.New("out of order") }
	tests := []struct {
		name   string
		ops    []history.Operation
		says   func(request) (KeyResult, error)
		budget Budget
		want   verdict.Status
		by     Method
		reason string
	}{
		{"confirmed", valid, as(verdict.Valid, ""), Budget{}, verdict.Valid, ByOrder, ""},
		{"second opinion differs", valid, as(verdict.Violated, ""), Budget{}, verdict.Unknown, ByOrder, "disagree"},
		{"not asked", valid, as(verdict.Violated, ""), Budget{Second: -1}, verdict.Valid, ByOrder, ""},
		{"no second opinion", valid, as(verdict.Unknown, "slow"), Budget{}, verdict.Valid, ByOrder, ""},
		{"nobody to ask", valid, fail, Budget{}, verdict.Valid, ByOrder, ""},
		{"violation confirmed", bad, as(verdict.Violated, ""), Budget{}, verdict.Violated, ByOrder, ""},
		{"core is legal", bad, as(verdict.Valid, ""), Budget{}, verdict.Valid, BySearch, ""},
		{"core not decided", bad, as(verdict.Unknown, "slow"), Budget{}, verdict.Unknown, BySearch,
			"confirm by a search that 1 operation is violated: slow; slow"},
		{"nobody to confirm", bad, fail, Budget{}, verdict.Unknown, BySearch, "out of order; out of order"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			start := func(Budget) (solver, error) { return liar{says: tt.says}, nil }
			k := linearize(context.Background(), start, tt.ops, nil, tt.budget).Keys[0]
			if k.Status != tt.want || k.By != tt.by {
				t.Errorf("%s by %s (%s), want %s by %s", k.Status, k.By, k.Reason, tt.want, tt.by)
			}
			contains(t, "reason", k.Reason, tt.reason)
		})
	}
}

// Keys decided by order are confirmed, explained and drawn in the worker.
func TestWorkerConfirms(t *testing.T) {
	good := newScript(t, "good").do(0, write(1)).do(1, read(), 1).ops
	bad := newScript(t, "bad").do(0, write(1)).call(0, cas(1, 2)).ret(0, ok, true).call(0, cas(2, 3)).ret(0, ok, true).
		do(1, read(), 1).ops
	got := runWorker(context.Background(), t, merge(good, bad), Budget{})
	if k := got["good"]; k.Status != verdict.Valid || k.By != ByOrder {
		t.Errorf("%s by %s: %s", k.Status, k.By, k.Reason)
	}
	k := got["bad"]
	if k.Status != verdict.Violated || k.By != ByOrder || k.Explanation == nil || len(k.Picture) == 0 {
		t.Fatalf("%s by %s: %s, %+v", k.Status, k.By, k.Reason, k.Explanation)
	}
	if e := k.Explanation; len(e.Core) != 3 || len(e.Order) != 2 || e.Prefix != 4 {
		t.Errorf("%+v", e)
	}
}

// A proof that does not hold is never a verdict.
func TestUnprovenOrder(t *testing.T) {
	ops := newScript(t, "x").do(0, write(1)).do(1, read(), 1).ops
	var o orderer
	if _, _, err := o.explain(ops); err == nil || !strings.Contains(err.Error(), "there is none") {
		t.Errorf("a legal history was explained: %v", err)
	}
}

// A key that is too much for any search is decided, and its violation explained with a few operations.
func TestLongKey(t *testing.T) {
	g := generated{clients: 60, steps: 40_000, unknown: 0.05, funcs: append(registerFuncs, history.Read, history.Read)}
	ops := g.make(rand.New(rand.NewPCG(5, 5)))
	lin := Linearize(context.Background(), registerModel(), ops, nil, Budget{Key: time.Minute})
	if k := lin.Keys[0]; k.Status != verdict.Valid || k.By != ByOrder {
		t.Fatalf("%s by %s: %s", k.Status, k.By, k.Reason)
	}
	stale(t, ops)
	lin = Linearize(context.Background(), registerModel(), ops, nil, Budget{Key: time.Minute, Explain: time.Minute})
	k := lin.Keys[0]
	if k.Status != verdict.Violated || k.By != ByOrder || k.Explanation == nil || len(k.Picture) == 0 {
		t.Fatalf("%s by %s: %s", k.Status, k.By, k.Reason)
	}
	if len(k.Explanation.Core) > 7 || len(k.Explanation.Order) != len(k.Explanation.Core)-1 {
		t.Errorf("%+v", k.Explanation)
	}
	f, _ := linearizabilityFinding(SplitByKey(ops)[0], nil, k)
	t.Log(f.Summary)
}

// stale makes a late read see what an early one saw.
func stale(t *testing.T, ops []history.Operation) {
	t.Helper()
	looks := func(op history.Operation) bool {
		return op.Op.Func == history.Read && op.Outcome == ok && len(op.Result.Values) == 1
	}
	early := slices.IndexFunc(ops, looks)
	for i := len(ops) * 9 / 10; i < len(ops); i++ {
		if looks(ops[i]) {
			ops[i].Result = ops[early].Result
			return
		}
	}
	t.Fatal("no late read")
}
