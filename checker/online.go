package checker

import (
	"elenchus/checker/register"
	"elenchus/results/history"
)

// Online decides registers while a run goes on: after every event it knows whether the history so far is linearizable,
// and so it objects to the first completion that no order explains, and to no other. It knows nothing of keys that are
// appended to or whose values repeat. The zero value is ready; it serves one goroutine at a time.
//
// Memory grows with keys, with what overlaps, and with updates of unknown outcome that nobody has seen yet.
type Online struct {
	keys map[string]*register.Monitor
	open map[int]register.Ticket // of each process with an outstanding operation
}

// Observe takes the next event of a valid history and reports whether its key is linearizable so far.
func (o *Online) Observe(e *history.Event) bool {
	if o.keys == nil {
		o.keys, o.open = make(map[string]*register.Monitor), make(map[int]register.Ticket)
	}
	if e.Type == history.End {
		return true
	}
	m := o.keys[e.Op.Key]
	if m == nil {
		m = new(register.Monitor)
		o.keys[e.Op.Key] = m
	}
	if e.Type == history.Invoke {
		o.open[e.Process] = invoke(m, &e.Op, e.Seq)
		return m.Decision() != register.Violated
	}
	t := o.open[e.Process]
	delete(o.open, e.Process)
	return complete(m, t, &e.Op, e.Type, &e.Result, e.Seq) != register.Violated
}

// Decision is what is known of a key, and in terms of values why.
func (o *Online) Decision(key string) (register.Decision, string) {
	m := o.keys[key]
	if m == nil {
		return register.Valid, ""
	}
	return m.Decision(), m.Reason()
}

// decider is a [register.Monitor] or a [register.Proof]; T stands for an outstanding operation.
type decider[T any] interface {
	Invoke(op *register.Op) T
	Done(t T, at int64) bool
	Found(t T, at, value int64) bool
	FoundNothing(t T, at int64) bool
	Impossible(t T, at int64) bool
	Fail(t T, at int64) bool
	Unknown(t T, at int64)
	Abstain(reason string)
	Decision() register.Decision
}

// invoke tells m of an invocation.
func invoke[T any](m decider[T], op *history.Op, seq int64) T {
	o := register.Op{Call: seq, Writes: op.Value}
	switch op.Func {
	case history.Write:
		o.Kind = register.Write
	case history.CAS:
		o.Kind, o.Absent = register.CAS, op.Expect == nil
		if !o.Absent {
			o.Sees = *op.Expect
		}
	case history.Append:
		m.Abstain("it is appended to")
	}
	return m.Invoke(&o)
}

// complete tells m of the completion of an operation that [invoke] told it of.
func complete[T any](m decider[T], t T, op *history.Op, outcome history.Type, res *history.Result,
	seq int64,
) register.Decision {
	switch {
	case outcome == history.Unknown && op.Func.Mutates():
		m.Unknown(t, seq)
	case outcome != history.OK:
		m.Fail(t, seq)
	case op.Func == history.Write, op.Func == history.CAS && res.Matched:
		m.Done(t, seq)
	case len(res.Values) == 0:
		m.FoundNothing(t, seq)
	case len(res.Values) == 1:
		m.Found(t, seq, res.Values[0])
	default:
		m.Impossible(t, seq)
	}
	return m.Decision()
}
