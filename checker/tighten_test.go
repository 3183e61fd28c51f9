package checker

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// untightened decides without the help of unique values.
func untightened(ops []history.Operation) bool {
	return porcupine.CheckOperations(registerModel(), porcupineOperations(asRecorded(ops)))
}

func small(rng *rand.Rand) []history.Operation {
	g := generated{
		clients: 2 + rng.IntN(3), steps: 10 + rng.IntN(40), unknown: 0.3, wrong: 0.05,
		funcs: [][]history.Func{
			registerFuncs,
			{history.Read, history.CAS},
			listFuncs,
			history.Funcs,
		}[rng.IntN(4)],
	}
	keys := SplitByKey(g.make(rng))
	if len(keys) == 0 {
		return nil
	}
	return keys[0].Ops
}

// smallHistories is how many random histories the properties below are tried on.
const smallHistories = 8000

// Tightening never changes the decision.
func TestTighteningChangesNothing(t *testing.T) {
	illegal, tightenedOnes := 0, 0
	for seed := range uint64(smallHistories) {
		ops := small(rand.New(rand.NewPCG(seed, 1)))
		status, tightened := decide(registerModel(), ops, time.Minute)
		legal := untightened(ops)
		if (status == verdict.Valid) != legal || status == verdict.Unknown {
			t.Fatalf("seed %d: %s, but legal is %v:\n%s", seed, status, legal, accounts(ops))
		}
		if !legal {
			illegal++
		}
		if tightened {
			tightenedOnes++
		}
	}
	if illegal < smallHistories/10 || illegal > smallHistories*9/10 || tightenedOnes != smallHistories {
		t.Errorf("%d of %d histories illegal, %d tightened: the test does not test both sides",
			illegal, smallHistories, tightenedOnes)
	}
}

// What shrinking may take away can be spared by every legal history.
func TestShrinkingKeepsLegalHistoriesLegal(t *testing.T) {
	tried := 0
	for seed := range uint64(smallHistories) {
		rng := rand.New(rand.NewPCG(seed, 2))
		ops := small(rng)
		if !untightened(ops) {
			continue
		}
		pick := func(n int) bool { return rng.IntN(n) == 0 }
		for range 3 {
			vs := slices.DeleteFunc(values(ops), func(int64) bool { return !pick(3) })
			spare := slices.DeleteFunc(spareable(ops), func(int) bool { return !pick(2) })
			for what, rest := range map[string][]history.Operation{
				fmt.Sprintf("values %v", vs):        withoutValues(ops, vs),
				fmt.Sprintf("operations %v", spare): withoutOperations(ops, spare),
			} {
				tried++
				if !untightened(rest) {
					t.Fatalf("seed %d: illegal without %s:\n%s\nwas legal:\n%s", seed, what, accounts(rest),
						accounts(ops))
				}
			}
			ops = withoutValues(ops, vs) // and once more, with what was weakened
		}
	}
	if tried < smallHistories {
		t.Errorf("only %d removals tried", tried)
	}
}

// An explanation's prefix is illegal, and legal without its last answer; its core is illegal, and small.
func TestExplanationsHold(t *testing.T) {
	explained, operations := 0, 0
	for seed := range uint64(smallHistories / 4) {
		ops := small(rand.New(rand.NewPCG(seed, 3)))
		if untightened(ops) {
			continue
		}
		e := explain(registerModel(), ops, time.Now().Add(time.Minute))
		if e == nil {
			t.Fatalf("seed %d: no explanation", seed)
		}
		last := ops[slices.IndexFunc(ops, func(op history.Operation) bool { return op.ID == e.Last })]
		prefix := upTo(ops, last.ReturnSeq)
		if untightened(prefix) || len(prefix) != e.Prefix {
			t.Fatalf("seed %d: the prefix is legal:\n%s", seed, accounts(prefix))
		}
		if before := upTo(ops, last.ReturnSeq-1); !untightened(before) {
			t.Fatalf("seed %d: the prefix is not the shortest:\n%s", seed, accounts(before))
		}
		core := shrink(prefix, func(ops []history.Operation) bool { return !untightened(ops) })
		if untightened(core) || len(e.Core) == 0 {
			t.Fatalf("seed %d: the core is legal:\n%s", seed, accounts(core))
		}
		if len(e.Order) >= len(e.Core) {
			t.Fatalf("seed %d: all %d operations of the core have an order: %v", seed, len(e.Core), e.Order)
		}
		explained++
		operations += len(e.Core)
	}
	if explained < 100 {
		t.Errorf("only %d histories explained", explained)
	}
	t.Logf("%d histories explained with %.1f operations on average", explained, float64(operations)/float64(explained))
}

func accounts(ops []history.Operation) string {
	s := ""
	for _, op := range ops {
		s += fmt.Sprintf("#%d [%d %d] %s\n", op.ID, op.CallSeq, op.ReturnSeq, account(op))
	}
	return s
}

// Without unique values nothing may be assumed: two writes of 1, one of them lost, are two operations.
func TestRepeatedValuesAreNotTightened(t *testing.T) {
	for seed := range uint64(1000) {
		rng := rand.New(rand.NewPCG(seed, 4))
		g := generated{clients: 3, steps: 40, funcs: registerFuncs, unknown: 0.2, wrong: 0.05, domain: 3}
		ops := SplitByKey(g.make(rng))[0].Ops
		status, tightened := decide(registerModel(), ops, time.Minute)
		if (status == verdict.Valid) != untightened(ops) {
			t.Fatalf("seed %d: %s", seed, status)
		}
		if repeated := history.UniqueValues(ops) != nil; repeated == tightened {
			t.Fatalf("seed %d: tightened %v, repeated values %v", seed, tightened, repeated)
		}
	}
}
