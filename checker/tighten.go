package checker

import (
	"math"

	"elenchus/results/history"
)

// never is the return of an operation that may take effect at any time after its call.
const never = math.MaxInt64

// interval is an operation with the time in which it took effect, if it did: an instant between Call and Return, both
// included, in sequence numbers of the history. Return is never for an update of unknown outcome that nothing bounds.
type interval struct {
	op        history.Operation
	call, ret int64
}

// intervals are the operations of one key as the search takes them. When their values are unique they are tightened,
// which changes how long the search takes but not what it finds.
func intervals(ops []history.Operation) (ivs []interval, tightened bool) {
	bounds, unique := firstSeen(ops)
	ivs = make([]interval, 0, len(ops))
	for _, op := range ops {
		iv := interval{op: op, call: op.CallSeq, ret: op.ReturnSeq}
		if op.Outcome != history.OK {
			iv.ret = never
			if unique {
				bound, seen := bounds[op.Op.Value]
				if !seen {
					continue
				}
				if bound > iv.call { // else it was seen before it was asked for: the search shall say so
					iv.ret = bound
				}
			}
		}
		ivs = append(ivs, iv)
	}
	return ivs, unique
}

// firstSeen gives for each value the return of the first other operation that proves it to have been in the register,
// and reports whether values are unique among ops, all of one key. It is the heart of tightening, which does two things
// to updates of unknown outcome:
//
// An update whose value was seen took effect, and did so before the first operation that saw it returned. Its return
// can be moved there.
//
// An update whose value was never seen can be left out. If the history has a legal order with it, take all such updates
// out of that order: what any other operation saw consists of values that were seen, in the order in which they got
// there, so none of the left-out updates was between them; each of the others finds the same state as before. If the
// history has a legal order without it, it can be put at the end, where nobody looks.
//
// "Seen" includes the chain of compare-and-set: a cas from 3 to 4 whose 4 was seen has seen 3, even if its own outcome
// is unknown. The argument needs every result to show all of what it depends on, which holds because a cas that does
// not match reports what it found and an append returns the whole list; and values that never recur.
func firstSeen(ops []history.Operation) (bounds map[int64]int64, unique bool) {
	bounds = make(map[int64]int64, len(ops))
	writers := make(map[int64]history.Operation, len(ops))
	lower := func(v, at int64) bool {
		old, ok := bounds[v]
		if ok && old <= at {
			return false
		}
		bounds[v] = at
		return true
	}
	var seen []int64
	for _, op := range ops {
		if op.Op.Func.Mutates() {
			if _, twice := writers[op.Op.Value]; twice {
				return nil, false
			}
			writers[op.Op.Value] = op
		}
		if op.Outcome == history.OK {
			for _, v := range sees(op) {
				if lower(v, op.ReturnSeq) {
					seen = append(seen, v)
				}
			}
		}
	}
	for len(seen) > 0 { // follow the chains
		v := seen[len(seen)-1]
		seen = seen[:len(seen)-1]
		w, ok := writers[v]
		if ok && w.Outcome != history.OK && w.Op.Func == history.CAS && w.Op.Expect != nil {
			if lower(*w.Op.Expect, bounds[v]) {
				seen = append(seen, *w.Op.Expect)
			}
		}
	}
	return bounds, true
}

// sees lists the values that an operation that completed ok proves to have been in the register when it took effect.
func sees(op history.Operation) []int64 {
	switch {
	case op.Op.Func == history.CAS && op.Result.Matched && op.Op.Expect != nil:
		return []int64{*op.Op.Expect}
	case op.Op.Func == history.Append && len(op.Result.Values) > 0: // without the element that it appended itself
		if n := len(op.Result.Values); op.Result.Values[n-1] == op.Op.Value {
			return op.Result.Values[:n-1]
		}
	}
	return op.Result.Values
}
