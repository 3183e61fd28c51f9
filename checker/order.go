package checker

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"elenchus/checker/register"
	"elenchus/results/history"
	"elenchus/results/verdict"
)

// orderer decides registers with unique values by package register, and verifies its proofs. It keeps its memory from
// one key to the next.
type orderer struct {
	checker register.Checker
	monitor register.Monitor
	ops     []register.Op
	from    []int32 // which operation of the history each of ops is
	order   []int32
}

// load translates what was known of ops when the event seq had just happened. It reports false for histories of things
// that are no registers.
func (o *orderer) load(ops []history.Operation, seq int64) bool {
	o.ops, o.from = slices.Grow(o.ops[:0], len(ops)), slices.Grow(o.from[:0], len(ops))
	for i := range ops {
		op := &ops[i]
		if op.CallSeq > seq {
			continue
		}
		if op.Outcome == history.OK && op.ReturnSeq > seq {
			before := pending(*op)
			op = &before
		}
		var ok bool
		if o.ops, ok = register.Append(o.ops, op); !ok {
			return false
		}
		if len(o.ops) > len(o.from) {
			o.from = append(o.from, int32(i))
		}
	}
	return true
}

// decide decides a key; unknown means that it is not one for this method. Errors say that a proof does not hold, which
// is a defect of this program.
func (o *orderer) decide(ops []history.Operation) (verdict.Status, error) {
	if !o.load(ops, never) {
		return verdict.Unknown, nil
	}
	switch o.checker.Decide(o.ops) {
	case register.Valid:
		o.order = o.checker.Order(o.order[:0])
		if err := register.Verify(o.ops, o.order); err != nil {
			return verdict.Unknown, fmt.Errorf("verify the order that was found: %w", err)
		}
		return verdict.Valid, nil
	case register.Violated:
		return verdict.Violated, nil
	}
	return verdict.Unknown, nil
}

// illegal reports whether a few operations have no legal order.
func (o *orderer) illegal(ops []history.Operation) bool {
	return o.load(ops, never) && o.checker.Decide(o.ops) == register.Violated
}

// explain finds the first answer that no order explains and a minimal core of what was known then, in time O(n log n).
func (o *orderer) explain(ops []history.Operation) (*Explanation, []history.Operation, error) {
	last := o.firstObjection(ops)
	switch {
	case last < 0 && o.monitor.Decision() == register.Abstained: // an update that did not match repeats a value
		return nil, nil, fmt.Errorf("find the answer that completes the violation: %s", o.monitor.Reason())
	case last < 0:
		return nil, nil, errors.New("find the answer that completes the violation: there is none")
	}
	seq := ops[last].ReturnSeq
	if !o.load(ops, seq) || o.checker.Decide(o.ops) != register.Violated {
		return nil, nil, fmt.Errorf("decide what was known at %s: it is not violated", seconds(ops[last].Return))
	}
	e := &Explanation{Prefix: len(o.ops), Last: ops[last].ID}
	var core []history.Operation
	for _, w := range o.checker.Core(nil) {
		op := ops[o.from[w.Op]]
		if op.Outcome == history.OK && op.ReturnSeq > seq {
			op = pending(op)
		}
		if w.AsWrite {
			op = weakened(op)
		}
		core = append(core, op)
	}
	slices.SortFunc(core, func(a, b history.Operation) int { return cmp.Compare(a.CallSeq, b.CallSeq) })
	core = shrink(core, o.illegal)
	e.Core = ids(core)
	return e, core, nil
}

// firstObjection is the operation, by index, whose completion left no legal order, or -1.
func (o *orderer) firstObjection(ops []history.Operation) int {
	type completion struct {
		seq int64
		op  int32
	}
	var completions []completion
	for i := range ops {
		if ops[i].Outcome == history.OK {
			completions = append(completions, completion{ops[i].ReturnSeq, int32(i)})
		}
	}
	slices.SortFunc(completions, func(a, b completion) int { return cmp.Compare(a.seq, b.seq) })
	m := &o.monitor
	m.Reset()
	tickets := make([]register.Ticket, len(ops))
	next := 0
	for _, c := range completions {
		for ; next < len(ops) && ops[next].CallSeq < c.seq; next++ {
			op := &ops[next]
			tickets[next] = invoke(m, &op.Op, op.CallSeq)
			if op.Outcome == history.Unknown {
				m.Unknown(tickets[next], op.CallSeq)
			}
		}
		op := &ops[c.op]
		if complete(m, tickets[c.op], &op.Op, op.Outcome, &op.Result, c.seq) == register.Violated {
			return int(c.op)
		}
	}
	return -1
}
