package synthetic

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"elenchus/checker/register"
	"elenchus/results/history"
)

// Operations puts histories together into one, of keys k0, k1, … and with processes and sequence numbers as a run has
// them.
func Operations(h Histories) []history.Operation {
	type event struct {
		at      int64
		key, op int
		ret     bool
	}
	var events []event
	for k, ops := range h {
		for i, op := range ops {
			events = append(events, event{op.Call, k, i, false})
			if !op.Unknown {
				events = append(events, event{op.Return, k, i, true})
			}
		}
	}
	slices.SortFunc(events, func(a, b event) int {
		if a.at == b.at && a.ret != b.ret { // what returns at the instant of a call overlaps with it
			if a.ret {
				return 1
			}
			return -1
		}
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.key, b.key), cmp.Compare(a.op, b.op))
	})
	ops := make([]history.Operation, 0, len(events)/2+1)
	ids := make([][]int, len(h))
	var idle []int // processes that can be used again
	processes := 0
	for seq, e := range events {
		at := time.Duration(seq) * time.Microsecond
		if e.ret {
			op := &ops[ids[e.key][e.op]]
			op.Return, op.ReturnSeq = at, int64(seq)
			idle = append(idle, op.Process)
			continue
		}
		if len(idle) == 0 {
			idle = append(idle, processes)
			processes++
		}
		op := operation(&h[e.key][e.op], fmt.Sprintf("k%d", e.key))
		op.ID, op.Call, op.CallSeq = len(ops), at, int64(seq)
		op.Process, op.Node, op.Phase = idle[len(idle)-1], "n1", history.PhaseMain
		idle = idle[:len(idle)-1]
		ids[e.key] = append(ids[e.key], op.ID)
		ops = append(ops, op)
	}
	return ops
}

// operation is what a client asked for and learned. A CAS that did not match comes as a read of what it found.
func operation(op *register.Op, key string) history.Operation {
	o := history.Operation{Op: history.Op{Func: history.Read, Key: key}, Outcome: history.OK, ReturnSeq: -1}
	if op.Kind != register.Read {
		o.Op.Func, o.Op.Value = history.Write, op.Writes
	}
	if op.Kind == register.CAS {
		o.Op.Func = history.CAS
		if !op.Absent {
			o.Op.Expect = &op.Sees
		}
	}
	switch {
	case op.Unknown:
		o.Outcome, o.Reason = history.Unknown, history.ReasonNoCompletion
	case op.Kind == register.CAS:
		o.Result.Matched = true
	case op.Kind == register.Read && !op.Absent:
		o.Result.Values = []int64{op.Sees}
	}
	return o
}
