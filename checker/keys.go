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

	requests  history.Requests // the attempts behind operations that have a request; of other keys, too
	writeOnce bool             // the run is about write-once objects
}

// Keys is a history by key: every register has its own, which is made when it is asked for, because operations are
// large and there may be millions. Operations that say nothing about a register are left out: those that failed, and
// reads that got no answer. Attempts at one request are one operation. Keys come in order of their first operation.
type Keys struct {
	ops      []history.Operation
	requests history.Requests

	names []string
	index [][]int32 // of each key, into ops
}

// ByKey sorts operations by key. It holds on to them.
func ByKey(ops []history.Operation) *Keys {
	ops, requests := history.Once(ops)
	k := &Keys{ops: ops, requests: requests}
	at := make(map[string]int)
	for i := range ops {
		n, ok := at[ops[i].Op.Key]
		if !ok {
			n = len(k.names)
			at[ops[i].Op.Key] = n
			k.names, k.index = append(k.names, ops[i].Op.Key), append(k.index, nil)
		}
		if says(&ops[i]) {
			k.index[n] = append(k.index[n], int32(i))
		}
	}
	return k
}

// Len is the number of keys.
func (k *Keys) Len() int { return len(k.names) }

// At is the history of the i-th key.
func (k *Keys) At(i int) KeyHistory {
	h := KeyHistory{Key: k.names[i], requests: k.requests}
	if len(k.index[i]) > 0 {
		h.Ops = make([]history.Operation, len(k.index[i]))
	}
	for j, op := range k.index[i] {
		h.Ops[j] = k.ops[op]
	}
	return h
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
