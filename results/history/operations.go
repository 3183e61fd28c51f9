package history

import (
	"fmt"
)

// ReasonNoCompletion is the reason of operations that were never completed.
const ReasonNoCompletion = "the run ended before an answer"

// Operations pairs each invocation of a valid history with its completion, in order of invocation. An operation that
// was never completed is unknown.
func Operations(events []Event) []Operation {
	p := pairing{ops: make([]Operation, 0, len(events)/2+1)}
	for i := range events {
		p.add(&events[i])
	}
	return p.ops
}

// pairing makes operations of events, one after the other.
type pairing struct {
	ops  []Operation
	open map[int]int // process → index of its outstanding operation
}

func (p *pairing) add(e *Event) {
	if p.open == nil {
		p.open = make(map[int]int)
	}
	switch e.Type {
	case Invoke:
		p.open[e.Process] = len(p.ops)
		p.ops = append(p.ops, Begun(e, len(p.ops)))
	case OK, Fail, Unknown:
		i, ok := p.open[e.Process]
		if !ok {
			return
		}
		delete(p.open, e.Process)
		p.ops[i].End(e)
	}
}

// Begun is the operation that e invokes, as long as it has no completion. Its ID is the number of those before it.
func Begun(e *Event, id int) Operation {
	return Operation{
		ID: id, Process: e.Process, Node: e.Node, Phase: e.Phase, Op: e.Op,
		Outcome: Unknown, Reason: ReasonNoCompletion, Call: e.Time, CallSeq: e.Seq, ReturnSeq: -1,
	}
}

// End completes the operation with what e says of it.
func (o *Operation) End(e *Event) {
	o.Outcome, o.Result, o.Reason, o.By = e.Type, e.Result, e.Reason, e.By
	o.Return, o.ReturnSeq = e.Time, e.Seq
}

// Mutates reports whether the operation may change its register.
func (f Func) Mutates() bool { return f == Write || f == CAS || f == Append }

// UniqueValues verifies what workloads promise unless they say otherwise: that no two operations write the same value
// to the same key, whatever came of them. The error names the first two that do.
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
