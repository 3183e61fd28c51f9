package checker

import (
	"time"

	"github.com/anishathalye/porcupine"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// porcupineOperations makes the search's input of intervals. The model's inputs are [history.Op], its outputs
// [history.Operation]. Sequence numbers rather than times order the operations: they have no ties, except where
// tightening bounds an update by the return of its observer, and Porcupine rightly takes those two as concurrent.
func porcupineOperations(ivs []interval) []porcupine.Operation {
	clients := make(map[int]int) // renumbered densely, because pictures have a row for every number up to the largest
	out := make([]porcupine.Operation, len(ivs))
	for i, iv := range ivs {
		c, ok := clients[iv.op.Process]
		if !ok {
			c = len(clients)
			clients[iv.op.Process] = c
		}
		out[i] = porcupine.Operation{
			ClientId: c, Input: iv.op.Op, Output: iv.op, Call: iv.call, Return: iv.ret, Metadata: iv.op,
		}
	}
	return out
}

// decide searches for a legal order of the operations of one key, which must have been through [ByKey].
func decide(model porcupine.Model, ops []history.Operation, budget time.Duration) (_ verdict.Status, tightened bool) {
	ivs, tightened := intervals(ops)
	return search(model, ivs, budget), tightened
}

// search searches for a legal order of intervals of one key.
func search(model porcupine.Model, ivs []interval, budget time.Duration) verdict.Status {
	// Porcupine takes a budget of zero for no limit.
	switch porcupine.CheckOperationsTimeout(model, porcupineOperations(ivs), max(budget, time.Nanosecond)) {
	case porcupine.Ok:
		return verdict.Valid
	case porcupine.Illegal:
		return verdict.Violated
	}
	return verdict.Unknown
}
