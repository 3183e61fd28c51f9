package checker

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"elenchus/results/history"
)

// SearchAlone has Porcupine decide every key, cheapest first, as if there were no other way: what [Linearize] is
// measured against. Nothing is explained. Raw leaves out what unique values say about updates of unknown outcome, so
// that histories are searched as other tools would ([Budget] has no part in that but Key and Total).
func SearchAlone(ctx context.Context, model porcupine.Model, ops []history.Operation, budget Budget, raw bool,
) Linearizability {
	begin := time.Now()
	d := newDriver(func(Budget) (solver, error) { return local{inProcess{model: model, raw: raw}}, nil }, nil, budget)
	d.alone = true
	defer d.stop()
	keys := ByKey(ops)
	order, costs := make([]int, keys.Len()), make([]float64, keys.Len())
	for i := range order {
		order[i], costs[i] = i, keys.At(i).cost()
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(costs[a], costs[b]) })
	results := make([]KeyResult, keys.Len())
	for _, i := range order {
		results[i] = d.bySearch(ctx, keys.At(i))
	}
	return Linearizability{Keys: results, Elapsed: time.Since(begin)}
}

// asRecorded are the operations of one key as they were.
func asRecorded(ops []history.Operation) []interval {
	ivs := make([]interval, len(ops))
	for i, op := range ops {
		ivs[i] = interval{op: op, call: op.CallSeq, ret: op.ReturnSeq}
		if op.Outcome != history.OK {
			ivs[i].ret = never
		}
	}
	return ivs
}
