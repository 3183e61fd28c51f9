package checker

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// decideList decides a list of unique elements by their order. The longest answer says in which order appends took
// effect, and each answer how many had by then; whoever saw the same goes in the order of its call. If there is a legal
// order at all, this is one, see [checkLists]; so it is replayed, and what comes of that is the decision.
func decideList(ops []history.Operation) verdict.Status {
	order, ok := listOrder(ops)
	if !ok || verifyList(ops, order) != nil {
		return verdict.Violated
	}
	return verdict.Valid
}

// listOrder puts the operations on a list, by their index, in the only order that can be legal. Appends of unknown
// outcome that nobody saw are left out. It reports false if there is no such order.
func listOrder(ops []history.Operation) (order []int, ok bool) {
	var longest []int64
	for i := range ops {
		if ops[i].Outcome == history.OK && len(ops[i].Result.Values) > len(longest) {
			longest = ops[i].Result.Values
		}
	}
	place := make(map[int64]int, len(longest)) // of each element in the longest list, from 1
	for i, v := range longest {
		place[v] = i + 1
	}
	after := make(map[int]int, len(ops)) // how many appends had taken effect when an operation did, with its own
	appended := 0
	for i := range ops {
		op := &ops[i]
		at, seen := place[op.Op.Value]
		switch {
		case op.Op.Func == history.Read:
			after[i] = len(op.Result.Values)
		case seen:
			after[i] = at
			appended++
		case op.Outcome == history.OK:
			return nil, false // it did not see itself
		default:
			continue
		}
		order = append(order, i)
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(after[a], after[b]), cmp.Compare(looks(ops[a]), looks(ops[b])),
			cmp.Compare(ops[a].CallSeq, ops[b].CallSeq))
	})
	return order, appended == len(longest)
}

// looks is 1 for operations that come after the append that they saw.
func looks(op history.Operation) int {
	if op.Op.Func == history.Read {
		return 1
	}
	return 0
}

// verifyList performs operations in an order on a list, and makes sure that each saw what it says and that none had
// returned before one that comes earlier was called. It knows nothing of how the order was found.
func verifyList(ops []history.Operation, order []int) error {
	var state []int64
	done := make([]bool, len(ops))
	latest := int64(-1) // the latest call so far
	for _, i := range order {
		op := &ops[i]
		if done[i] {
			return fmt.Errorf("operation %d is there twice", op.ID)
		}
		done[i] = true
		if op.Op.Func == history.Append {
			state = append(state, op.Op.Value)
		}
		if op.Outcome == history.OK && !slices.Equal(op.Result.Values, state) {
			return fmt.Errorf("operation %d saw %v, and the list is %v", op.ID, op.Result, state)
		}
		if op.Outcome == history.OK && op.ReturnSeq < latest {
			return fmt.Errorf("operation %d had returned before an earlier one was called", op.ID)
		}
		latest = max(latest, op.CallSeq)
	}
	for i := range ops {
		if ops[i].Outcome == history.OK && !done[i] {
			return fmt.Errorf("operation %d is missing", ops[i].ID)
		}
	}
	return nil
}

// explainList finds the first answer of a violated list that no order explains, and a core: the operations of the
// account of it, with no more of the list than these appended, saw first or lack.
func explainList(ops []history.Operation) (*Explanation, []history.Operation, error) {
	illegal := func(ops []history.Operation) bool { return decideList(ops) == verdict.Violated }
	prefix, last, ok := shortestPrefix(ops, illegal)
	if !ok {
		return nil, nil, errors.New("find the answer that completes the violation: there is none")
	}
	l, ok := newList(KeyHistory{Key: last.Op.Key, Ops: prefix}, nil)
	if !ok {
		return nil, nil, errors.New("find what is wrong with a list: an element is appended twice")
	}
	p := l.account(last, true)
	if p.name == "" {
		return nil, nil, fmt.Errorf("find what is wrong with the list that was seen at %s: nothing is", seconds(last.Return))
	}
	core := shrink(p.core(), illegal)
	return &Explanation{Prefix: len(prefix), Last: last.ID, Core: ids(core)}, core, nil
}

// core are the operations of an account of a list, with nothing in the list but what matters.
func (p plainly) core() []history.Operation {
	matters := slices.Clone(p.values)
	var core []history.Operation
	for _, q := range p.parts {
		core = append(core, q.op)
		if q.op.Op.Func == history.Append {
			matters = append(matters, q.op.Op.Value)
		}
	}
	var rest []int64
	for _, op := range core {
		for _, v := range op.Result.Values {
			if !slices.Contains(matters, v) {
				rest = append(rest, v)
			}
		}
	}
	slices.SortFunc(core, func(a, b history.Operation) int { return cmp.Compare(a.CallSeq, b.CallSeq) })
	return withoutElements(core, rest)
}
