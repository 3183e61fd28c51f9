package checker

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// shown shows operations to a watcher in the order in which a Stream does.
func shown[W Watcher](w W, ops []history.Operation) W {
	ordered := slices.Clone(ops)
	slices.SortStableFunc(ordered, func(a, b history.Operation) int {
		if a.Completed() != b.Completed() {
			return cmp.Compare(boolInt(b.Completed()), boolInt(a.Completed()))
		}
		return cmp.Compare(a.Return, b.Return)
	})
	for i := range ordered {
		w.Observe(&ordered[i])
	}
	return w
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// checkDurability looks at all keys of some operations.
func checkDurability(ops []history.Operation) (verdict.Check, []verdict.Finding) {
	var keys []keyVerdict
	for _, k := range SplitByKey(ops) {
		keys = append(keys, keyVerdict{durable: durableOf(k, nil)})
	}
	return durabilityCheck(keys, 0)
}

// checkLists looks at all keys of some operations.
func checkLists(ops []history.Operation) (verdict.Check, []verdict.Finding) {
	failed := failedByKey(ops)
	var keys []keyVerdict
	for _, k := range SplitByKey(ops) {
		keys = append(keys, keyVerdict{listed: listedOf(k, failed[k.Key], nil)})
	}
	return listsCheck(keys, 0)
}

// A long history of registers that are linearizable is not read again; of another only the keys that matter are held.
func TestStreamReadsAgainWhatItMust(t *testing.T) {
	key := func(name string, seed uint64, wrong float64) []history.Operation {
		g := generated{clients: 4, steps: 6000, unknown: 0.01, funcs: registerFuncs, wrong: wrong}
		ops := g.make(rand.New(rand.NewPCG(seed, 3)))
		for i := range ops {
			ops[i].Op.Key = name
		}
		return ops
	}
	for _, tt := range []struct {
		name string
		ops  []history.Operation
		want verdict.Status
		read int // how often it is read again
	}{
		{"valid", merge(key("x", 1, 0), key("y", 2, 0)), verdict.Valid, 0},
		{"one is violated", merge(key("x", 1, 0), key("y", 2, 0.01)), verdict.Violated, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all, times := events(tt.ops), 0
			s := NewStream(Input{})
			for i := range all {
				s.Observe(&all[i])
			}
			v, lin, err := s.Finish(t.Context(), Ending{Complete: true}, Deciding{
				Searcher: SearchHere(registerModel()),
				Again: func(each func(*history.Event)) error {
					times++
					for i := range all {
						each(&all[i])
					}
					return nil
				},
			})
			if err != nil || v.Safety.Status != tt.want || times != tt.read || len(lin.Keys) != 2 {
				t.Errorf("%s, read again %d times, %d keys, %v", v.Safety.Status, times, len(lin.Keys), err)
			}
			if lin.Keys[0].Status != verdict.Valid || lin.Keys[0].By != ByOrder || lin.Keys[1].Status != tt.want {
				t.Errorf("%+v", lin.Keys)
			}
		})
	}
}

// A history that is not the same when it is read again is not judged.
func TestStreamNoticesAnotherHistory(t *testing.T) {
	all := events(newScript(t, "x").do(0, write(1)).do(1, read(), 1).ops)
	s := NewStream(Input{})
	for i := range all {
		s.Observe(&all[i])
	}
	_, _, err := s.Finish(t.Context(), Ending{Complete: true}, Deciding{
		Searcher: SearchHere(registerModel()),
		Again:    func(each func(*history.Event)) error { each(&all[0]); return nil },
	})
	if err == nil || !strings.Contains(err.Error(), "it has 1 operations now, and had 2 before") {
		t.Errorf("%v", err)
	}
}
