package checker

import (
	"slices"

	"elenchus/results/history"
)

// shrink takes away operations of one key, whose values are unique and which have no legal order, as long as the rest
// has none either. Only such things are taken away that every legal order could spare: that what remains is illegal
// then proves that the whole was.
//
//   - An operation that only looks (a read; a cas that did not match), and an update whose value nobody saw: whoever
//     comes after either finds the same state without it.
//   - A value with all that saw it. Between its update and the last that saw it nothing else can have happened, because
//     values never recur; the next update starts afresh. A cas that builds on the value becomes a plain write first,
//     which demands less.
//   - An element of a list, with its append, out of every answer: a legal order of the whole stays one, of a list that
//     never had it.
func shrink(ops []history.Operation, illegal func([]history.Operation) bool) []history.Operation {
	ops = slices.Clone(ops)
	without := withoutValues
	if isPureList(ops) {
		without = withoutElements
	}
	for {
		before, weaker := len(ops), countCAS(ops)
		ops = reduce(ops, values(ops), without, illegal)
		ops = reduce(ops, spareable(ops), withoutOperations, illegal)
		if len(ops) == before && countCAS(ops) == weaker {
			return ops
		}
	}
}

// reduce removes as many of the items as it can, in chunks that halve until single items are tried: few checks where
// almost everything can go, as is the rule.
func reduce[T any](ops []history.Operation, items []T, without func([]history.Operation, []T) []history.Operation,
	illegal func([]history.Operation) bool,
) []history.Operation {
	for size := len(items); size >= 1; size /= 2 {
		for at := 0; at < len(items); {
			chunk := items[at:min(at+size, len(items))]
			if rest := without(ops, chunk); len(rest) < len(ops) && illegal(rest) {
				ops = rest
				items = slices.Delete(items, at, at+len(chunk))
			} else {
				at += len(chunk)
			}
		}
	}
	return ops
}

// values are the values that ops write, in order of invocation.
func values(ops []history.Operation) []int64 {
	var vs []int64
	for _, op := range ops {
		if op.Op.Func.Mutates() {
			vs = append(vs, op.Op.Value)
		}
	}
	return vs
}

func countCAS(ops []history.Operation) int {
	n := 0
	for _, op := range ops {
		if op.Op.Func == history.CAS {
			n++
		}
	}
	return n
}

// withoutValues takes away the updates that wrote vs and everything that saw one of them.
func withoutValues(ops []history.Operation, vs []int64) []history.Operation {
	gone := make(map[int64]bool, len(vs))
	for _, v := range vs {
		gone[v] = true
	}
	seesGone := func(op history.Operation) bool {
		return slices.ContainsFunc(op.Result.Values, func(v int64) bool { return gone[v] })
	}
	// An append that saw a value goes with it, and so does then everything that saw what it appended. An append sees
	// only what was there before, so the closure is complete when nothing is added any more.
	for grown := true; grown; {
		grown = false
		for _, op := range ops {
			if op.Op.Func == history.Append && !gone[op.Op.Value] && seesGone(op) {
				gone[op.Op.Value] = true
				grown = true
			}
		}
	}
	var rest []history.Operation
	for _, op := range ops {
		writes := op.Op.Func.Mutates() && !onlyLooks(op)
		switch {
		case writes && gone[op.Op.Value], seesGone(op):
			continue
		case writes && op.Op.Func == history.CAS && op.Op.Expect != nil && gone[*op.Op.Expect]:
			op = weakened(op)
		}
		rest = append(rest, op)
	}
	return rest
}

// isPureList reports whether ops do nothing but to append and to read.
func isPureList(ops []history.Operation) bool {
	lists := false
	for _, op := range ops {
		switch op.Op.Func {
		case history.Append:
			lists = true
		case history.Read:
		default:
			return false
		}
	}
	return lists
}

// withoutElements takes elements out of a list: their appends, and what answers show of them.
func withoutElements(ops []history.Operation, vs []int64) []history.Operation {
	gone := func(v int64) bool { return slices.Contains(vs, v) }
	var rest []history.Operation
	for _, op := range ops {
		if op.Op.Func == history.Append && gone(op.Op.Value) {
			continue
		}
		if slices.ContainsFunc(op.Result.Values, gone) {
			op.Result.Values = slices.DeleteFunc(slices.Clone(op.Result.Values), gone)
		}
		rest = append(rest, op)
	}
	return rest
}

// weakened is a cas as the write that it was, if it took effect.
func weakened(op history.Operation) history.Operation {
	op.Op = history.Op{Func: history.Write, Key: op.Op.Key, Value: op.Op.Value}
	op.Result = history.Result{}
	return op
}

// onlyLooks reports whether op certainly changed nothing.
func onlyLooks(op history.Operation) bool {
	return op.Op.Func == history.Read || op.Outcome == history.OK && op.Op.Func == history.CAS && !op.Result.Matched
}

// spareable are the IDs of the operations that can be left out by themselves.
func spareable(ops []history.Operation) []int {
	seen, _ := firstSeen(ops)
	var out []int
	for _, op := range ops {
		if _, ok := seen[op.Op.Value]; !ok || onlyLooks(op) {
			out = append(out, op.ID)
		}
	}
	return out
}

func withoutOperations(ops []history.Operation, ids []int) []history.Operation {
	gone := make(map[int]bool, len(ids))
	for _, id := range ids {
		gone[id] = true
	}
	return slices.DeleteFunc(slices.Clone(ops), func(op history.Operation) bool { return gone[op.ID] })
}
