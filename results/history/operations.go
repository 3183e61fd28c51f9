package history

import (
	"fmt"
)

// ReasonNoCompletion is the reason of operations that never completed.
const ReasonNoCompletion = "the run ended before an answer"

// Operations pairs each invocation of a valid history with its completion, in order of invocation. An operation
// without a completion is unknown.
func Operations(events []Event) []Operation {
	ops := make([]Operation, 0, len(events)/2+1)
	open := make(map[int]int) // process → index of its outstanding operation
	for i := range events {
		switch e := &events[i]; e.Type {
		case Invoke:
			open[e.Process] = len(ops)
			ops = append(ops, Operation{})
			ops[len(ops)-1].begin(e, len(ops)-1)
		case OK, Fail, Unknown:
			if i, ok := open[e.Process]; ok {
				delete(open, e.Process)
				ops[i].end(e)
			}
		}
	}
	return ops
}

// Mutates reports whether the operation may change its register.
func (f Func) Mutates() bool { return f == Write || f == CAS || f == Append }

// UniqueValues verifies what workloads guarantee unless they say otherwise: that no two operations write the same
// value to the same key, whatever their outcome. The error names the first two that do.
func UniqueValues(ops []Operation) error {
	type place struct {
		key   string
		value int64
	}
	first := make(map[place]Operation, len(ops))
	for _, op := range ops {
		if !op.Op.Func.Mutates() {
			continue
		}
		p := place{op.Op.Key, op.Op.Value}
		if f, ok := first[p]; ok {
			return fmt.Errorf("value %d is written to %q twice: by process %d (seq %d) and by process %d (seq %d)",
				p.value, p.key, f.Process, f.CallSeq, op.Process, op.CallSeq)
		}
		first[p] = op
	}
	return nil
}
