package checker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// frail is a solver to which histories of more than most operations are too much. It keeps to that and to no time, so
// that tests do not depend on the machine.
type frail struct {
	local
	most  int
	dies  bool  // of what is too much, as from lack of memory
	tried []int // the operations of all histories that it was asked to decide
}

func (f *frail) solve(ctx context.Context, req request) (KeyResult, error) {
	n := len(req.Key.Ops)
	if req.Explain {
		return f.local.solve(ctx, req)
	}
	f.tried = append(f.tried, n)
	if n > f.most && f.dies {
		return KeyResult{}, fmt.Errorf("%w: it was too much", errKilled)
	}
	if n > f.most {
		return KeyResult{Key: req.Key.Key, Ops: n, Status: verdict.Unknown, By: BySearch, Reason: "it is too much"}, nil
	}
	req.Budget = time.Hour
	return f.local.solve(ctx, req)
}

// frailly decides a key with such a solver and all the time in the world.
func frailly(ops []history.Operation, f *frail) KeyResult {
	f.local = local{inProcess{model: registerModel()}}
	d := newDriver(func(Budget) (solver, error) { return f, nil }, nil, Budget{Key: time.Hour, Total: time.Hour, Second: -1})
	return d.decide(context.Background(), ByKey(ops))[0]
}

// early is a history whose 30th answer is stale, and to which much more happens. Its values repeat from the beginning,
// or later or never.
func early(t *testing.T, repeat, more int) []history.Operation {
	t.Helper()
	s := newScript(t, "x")
	value := func(i int64) int64 {
		if int(i) >= repeat {
			return 1 + (i+1)/4%7
		}
		return i + 100
	}
	for i := range int64(29) {
		if i%2 == 0 {
			s.do(0, write(value(i)))
		} else {
			s.do(1, read(), value(i-1))
		}
	}
	s.do(1, read(), value(26))
	for i := range int64(more) {
		s.do(0, write(value(50+i)))
	}
	return s.ops
}

// A history that is too much as a whole is cut to the shortest prefix that is violated.
func TestShortestPrefixConvicts(t *testing.T) {
	for _, dies := range []bool{false, true} {
		f := &frail{most: 100, dies: dies}
		r := frailly(early(t, 0, 500), f)
		if r.Status != verdict.Violated || r.Answers != 30 || r.By != BySearch || r.Ops != 530 {
			t.Errorf("%s on the first %d answers of %d, by %s (%s), tried %v", r.Status, r.Answers, r.Ops, r.By, r.Reason,
				f.tried)
		}
		if e := r.Explanation; e == nil || e.Last != 29 || e.Prefix != 30 || len(r.Picture) == 0 {
			t.Errorf("explained by %+v, picture of %d bytes", e, len(r.Picture))
		}
		if len(f.tried) > 12 || slices.Max(f.tried[1:]) > 100 {
			t.Errorf("it took %v", f.tried)
		}
	}
}

// What comes before the first value that repeats is decided by order, without a search of anything but the core.
func TestUniquePrefixConvicts(t *testing.T) {
	f := &frail{most: 5}
	r := frailly(early(t, 50, 500), f)
	if r.Status != verdict.Violated || r.By != ByOrder || r.Answers < 30 || slices.Max(f.tried) > 5 {
		t.Errorf("%s on the first %d answers, by %s (%s), tried %v", r.Status, r.Answers, r.By, r.Reason, f.tried)
	}
	if e := r.Explanation; e == nil || e.Last != 29 || len(e.Core) != 3 || len(r.Picture) == 0 {
		t.Errorf("explained by %+v, picture of %d bytes", e, len(r.Picture))
	}
	if r = frailly(early(t, 1000, 500), f); r.Status != verdict.Violated || r.Answers != 0 {
		t.Errorf("%s on the first %d answers: values are unique, and the whole can be decided", r.Status, r.Answers)
	}
}

// The same with Porcupine: forty writes without an answer, which nobody ever saw, and a stale read. The search of the
// whole must try them in all orders, because a value repeats at the end. No machine can do that in an hour.
func TestPrefixConvictsWhereTheWholeExhaustsItsBudget(t *testing.T) {
	s := newScript(t, "x")
	for i := range 40 {
		s.call(100+i, write(int64(1000+i)))
	}
	s.do(0, write(1)).do(1, read(), 1).do(0, write(2)).do(1, read(), 2).do(1, read(), 1)
	s.do(0, write(3)).do(0, write(3))
	budget := Budget{Key: 100 * time.Millisecond, Total: time.Second}
	if alone := SearchAlone(context.Background(), registerModel(), s.ops, budget, false).Keys[0]; alone.Status !=
		verdict.Unknown || !strings.Contains(alone.Reason, "no decision within 100ms") {
		t.Fatalf("the whole is %s (%s)", alone.Status, alone.Reason)
	}
	budget = Budget{Key: time.Minute} // which is not needed
	lin := Linearize(context.Background(), registerModel(), s.ops, nil, budget)
	r := lin.Keys[0]
	if r.Status != verdict.Violated || r.Answers != 6 || r.Explanation == nil || len(r.Explanation.Core) != 3 {
		t.Fatalf("%s (%s) on the first %d answers: %+v", r.Status, r.Reason, r.Answers, r.Explanation)
	}
	in := goodRun(t)
	before(&in, s.ops)
	in.Linearizability = lin
	f := judge(in).Safety.Findings[0]
	contains(t, "summary", f.Summary, "The write of 2 to x", "still saw 1")
	contains(t, "details", strings.Join(f.Details, "\n"), "up to the 6th of its answers")
}

// When no prefix that can be decided is violated, it is known how far the history is linearizable.
func TestUnknownSaysHowFar(t *testing.T) {
	good := early(t, 0, 500)
	good[29].Result.Values = []int64{good[28].Op.Value}
	for _, tt := range []struct {
		most int
		want string
	}{
		{100, "it is too much; it is linearizable up to the answer at 0.200 s, the 100th of 530"},
		{16, "it is too much; it is linearizable up to the answer at 0.032 s, the 16th of 530"},
		{5, "it is too much; it is linearizable up to the answer at 0.010 s, the 5th of 530"},
		{0, "it is too much; it is linearizable up to the answer at 0.004 s, the 2nd of 530"}, // by order
	} {
		f := &frail{most: tt.most}
		r := frailly(good, f)
		if r.Status != verdict.Unknown || r.Reason != tt.want || r.Answers != 0 {
			t.Errorf("%s: %q, tried %v", r.Status, r.Reason, f.tried)
		}
	}
	f := &frail{most: 100, dies: true}
	if r := frailly(good, f); r.Status != verdict.Unknown || len(f.tried) > 3+prefixDeathsMax+4 ||
		!strings.Contains(r.Reason, "was killed: it was too much; it is linearizable up to") {
		t.Errorf("%s: %q, tried %v", r.Status, r.Reason, f.tried)
	}
	// Where the values begin to repeat, the search takes over from the order.
	late := early(t, 50, 500)
	late[29].Result.Values = []int64{late[28].Op.Value}
	f = &frail{most: 40}
	if r := frailly(late, f); !strings.Contains(r.Reason, "up to the answer at 0.080 s, the 40th of 530") {
		t.Errorf("%s: %q, tried %v", r.Status, r.Reason, f.tried)
	}
}

// A violation of a prefix is one of the whole, and how far a history is said to be linearizable it is.
func TestPrefixesAgreeWithTheWhole(t *testing.T) {
	violated, unknown := 0, 0
	for seed := range uint64(smallHistories / 4) {
		rng := rand.New(rand.NewPCG(seed, 21))
		g := generated{clients: 3, steps: 20 + rng.IntN(40), unknown: 0.2, wrong: 0.03, funcs: registerFuncs,
			domain: 4 + rng.Int64N(8)}
		keys := SplitByKey(g.make(rng))
		if len(keys) == 0 || len(keys[0].Ops) < 4 {
			continue
		}
		ops := keys[0].Ops
		r := frailly(ops, &frail{most: rng.IntN(len(ops))})
		switch r.Status {
		case verdict.Violated:
			violated++
			if prefix := r.decided(keys[0]).Ops; untightened(prefix) || untightened(ops) {
				t.Fatalf("seed %d: the first %d answers are legal:\n%s", seed, r.Answers, accounts(ops))
			}
		case verdict.Unknown:
			unknown++
		default:
			if !untightened(ops) {
				t.Fatalf("seed %d: %s:\n%s", seed, r.Status, accounts(ops))
			}
		}
	}
	if violated < 100 || unknown < 100 {
		t.Errorf("%d violated, %d unknown: the test does not test both sides", violated, unknown)
	}
}

func TestOrdinal(t *testing.T) {
	for n, want := range map[int]string{1: "1st", 2: "2nd", 3: "3rd", 4: "4th", 11: "11th", 12: "12th", 13: "13th",
		21: "21st", 111: "111th", 122: "122nd", 0: "0th"} {
		if got := ordinal(n); got != want {
			t.Errorf("%d is the %q", n, got)
		}
	}
}
