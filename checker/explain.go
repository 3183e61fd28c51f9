package checker

import (
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// Explanation is why the operations on a register have no legal order.
type Explanation struct {
	// Prefix is the number of operations up to and including the completion after which no order exists any more: all
	// that came before it was fine. Last is that operation's ID.
	Prefix, Last int

	// Core are the IDs of operations that have no legal order by themselves, in order of invocation. Taking away any
	// one of them, an update together with what saw its value, leaves an order, unless the budget did not suffice to
	// find that out. A compare-and-set whose expected value is not written in the core stands for a plain write, and of
	// lists only those elements count that are appended in it, or by nobody.
	Core []int

	// Order is the longest legal order of the core that exists: the operations of the core that are missing in it are
	// those that cannot be placed.
	Order []int
}

// checkMax is what one check of the many that an explanation takes may take. A check that takes longer counts as
// "perhaps legal", which costs brevity and never truth.
const checkMax = 2 * time.Second

// explain explains a violated key by the deadline, as far as it gets. Nil means that it did not even find the prefix.
func explain(model porcupine.Model, ops []history.Operation, deadline time.Time) *Explanation {
	illegal := func(ops []history.Operation) bool {
		left := min(time.Until(deadline), checkMax)
		if left <= 0 {
			return false
		}
		status, _ := decide(model, ops, left)
		return status == verdict.Violated
	}
	prefix, last, ok := shortestPrefix(ops, illegal)
	if !ok {
		return nil
	}
	e := &Explanation{Prefix: len(prefix), Last: last.ID}
	core := prefix
	if _, unique := firstSeen(prefix); unique {
		core = shrink(prefix, illegal)
	}
	e.Core = ids(core)
	e.Order = longestOrder(model, core, deadline)
	return e
}

// shortestPrefix finds the first completion after which ops have no legal order, by bisection: what is illegal stays so
// whatever follows. Operations that are still outstanding there may or may not take effect. It fails only when checks
// run out of budget.
func shortestPrefix(ops []history.Operation, illegal func([]history.Operation) bool,
) (prefix []history.Operation, last history.Operation, ok bool) {
	var completed []history.Operation
	for _, op := range ops {
		if op.Outcome == history.OK {
			completed = append(completed, op)
		}
	}
	slices.SortFunc(completed, func(a, b history.Operation) int { return int(a.ReturnSeq - b.ReturnSeq) })
	if len(completed) == 0 || !illegal(upTo(ops, completed[len(completed)-1].ReturnSeq)) {
		return nil, history.Operation{}, false
	}
	legal, bad := -1, len(completed)-1 // completions up to legal have an order, those up to bad have none
	for legal+1 < bad {
		mid := (legal + bad) / 2
		if illegal(upTo(ops, completed[mid].ReturnSeq)) {
			bad = mid
		} else {
			legal = mid
		}
	}
	last = completed[bad]
	return upTo(ops, last.ReturnSeq), last, true
}

// upTo is what was known of ops when the event seq had just happened.
func upTo(ops []history.Operation, seq int64) []history.Operation {
	var out []history.Operation
	for _, op := range ops {
		switch {
		case op.CallSeq > seq:
			continue
		case op.Outcome == history.OK && op.ReturnSeq > seq:
			if !op.Op.Func.Mutates() {
				continue
			}
			op = pending(op)
		}
		out = append(out, op)
	}
	return out
}

// pending is op before its answer.
func pending(op history.Operation) history.Operation {
	op.Outcome, op.Result, op.By = history.Unknown, history.Result{}, history.Witness{}
	op.Reason, op.Return, op.ReturnSeq = history.ReasonNoCompletion, 0, -1
	return op
}

// longestOrder is the longest legal order that the search found for operations that have none altogether.
func longestOrder(model porcupine.Model, ops []history.Operation, deadline time.Time) []int {
	left := min(time.Until(deadline), checkMax)
	if left <= 0 {
		return nil
	}
	ivs, _ := intervals(ops)
	_, info := porcupine.CheckOperationsVerbose(model, porcupineOperations(ivs), left)
	var longest []int
	for _, partition := range info.PartialLinearizationsOperations() {
		for _, order := range partition {
			found := make([]int, len(order))
			for i, op := range order {
				found[i] = op.Metadata.(history.Operation).ID
			}
			// Porcupine lists them in no particular order, and a verdict must not depend on chance.
			if n := len(found) - len(longest); n > 0 || n == 0 && slices.Compare(found, longest) < 0 {
				longest = found
			}
		}
	}
	return longest
}

func ids(ops []history.Operation) []int {
	out := make([]int, len(ops))
	for i, op := range ops {
		out[i] = op.ID
	}
	return out
}
