package checker

import (
	"math"
	"slices"

	"elenchus/results/history"
)

// KeyHistory is what happened to one register, in order of invocation.
type KeyHistory struct {
	Key string
	Ops []history.Operation
}

// SplitByKey gives every register its own history. Operations that say nothing about it are left out: those that
// failed, and reads that got no answer. Keys come in order of their first operation.
func SplitByKey(ops []history.Operation) []KeyHistory {
	index := make(map[string]int)
	var keys []KeyHistory
	var counts []int // so that keys get exactly the room they need: operations are large
	for i := range ops {
		k, ok := index[ops[i].Op.Key]
		if !ok {
			k = len(keys)
			index[ops[i].Op.Key] = k
			keys, counts = append(keys, KeyHistory{Key: ops[i].Op.Key}), append(counts, 0)
		}
		if says(&ops[i]) {
			counts[k]++
		}
	}
	for i := range ops {
		if k := index[ops[i].Op.Key]; says(&ops[i]) {
			if keys[k].Ops == nil {
				keys[k].Ops = make([]history.Operation, 0, counts[k])
			}
			keys[k].Ops = append(keys[k].Ops, ops[i])
		}
	}
	return keys
}

// says reports whether an operation says anything about its register.
func says(op *history.Operation) bool {
	return op.Outcome == history.OK || op.Outcome == history.Unknown && op.Op.Func.Mutates()
}

// cost estimates how long a search takes: proportional to the operations, and 1.8 times as long for each further one
// that overlaps (measured with Porcupine on registers with unique values). Only its order matters.
func (k KeyHistory) cost() float64 {
	return float64(len(k.Ops)) * math.Pow(1.8, float64(min(k.overlap(), 200)))
}

// overlap is the greatest number of operations that may be under way at once, updates of unknown outcome forever.
func (k KeyHistory) overlap() int {
	type edge struct {
		at   int64
		call bool
	}
	var edges []edge
	for i := range k.Ops {
		op := &k.Ops[i]
		edges = append(edges, edge{op.CallSeq, true})
		if op.Outcome == history.OK {
			edges = append(edges, edge{op.ReturnSeq, false})
		}
	}
	slices.SortFunc(edges, func(a, b edge) int { return int(a.at - b.at) })
	open, most := 0, 0
	for _, e := range edges {
		if e.call {
			open++
			most = max(most, open)
		} else {
			open--
		}
	}
	return most
}
