package checker

import (
	"fmt"

	"elenchus/checker/register"
	"elenchus/results/history"
)

// Online decides registers and lists while a run goes on: after every event it knows whether the history so far is
// linearizable, and so it objects to the first completion that no order explains, and to no other. It knows nothing of
// keys that are both written and appended to, or whose values repeat otherwise than in attempts at one request. The
// zero value is ready; it serves one goroutine at a time.
//
// Memory grows with keys, with the longest answer of each list, with requests, with what overlaps, and with updates of
// unknown outcome that nobody has seen yet.
type Online struct {
	keys map[string]*onlineKey
	open map[int]onlineCall // of each process with an outstanding operation

	requests map[history.Request]*onlineRequest
}

// onlineKey is a key that is watched both as a register and as a list. One of the two abstains at the first update at
// the latest; until then nothing can be in either, and they agree.
type onlineKey struct {
	register register.Monitor
	list     listMonitor
}

// onlineCall is what each of the two wants to know again when the operation completes.
type onlineCall struct {
	ticket register.Ticket
	floor  int
}

// DecidesOnline reports whether [Online] knows what an operation does to a register or to a list.
func DecidesOnline(f history.Func) bool {
	return f == history.Read || f == history.Write || f == history.CAS || f == history.Append
}

// Observe takes the next event of a valid history and reports whether its key is linearizable so far.
func (o *Online) Observe(e *history.Event) bool {
	if o.keys == nil {
		o.keys, o.open = make(map[string]*onlineKey), make(map[int]onlineCall)
	}
	if e.Type == history.End {
		return true
	}
	k := o.keys[e.Op.Key]
	if k == nil {
		k = new(onlineKey)
		o.keys[e.Op.Key] = k
	}
	switch {
	case !e.Op.Request.IsZero():
		o.attempt(k, e)
	case e.Type == history.Invoke:
		o.open[e.Process] = k.invoke(e)
	default:
		c := o.open[e.Process]
		delete(o.open, e.Process)
		k.complete(c, e)
	}
	decision, _ := k.decision()
	return decision != register.Violated
}

func (k *onlineKey) invoke(e *history.Event) onlineCall {
	return onlineCall{invoke(&k.register, &e.Op, e.Seq), k.list.invoke(&e.Op)}
}

func (k *onlineKey) complete(c onlineCall, e *history.Event) {
	complete(&k.register, c.ticket, &e.Op, e.Type, &e.Result, e.Seq)
	k.list.complete(&e.Op, c.floor, e.Type, e.Result.Values)
}

// Decision is what is known of a key, and in terms of values why.
func (o *Online) Decision(key string) (register.Decision, string) {
	k := o.keys[key]
	if k == nil {
		return register.Valid, ""
	}
	return k.decision()
}

func (k *onlineKey) decision() (register.Decision, string) {
	switch d := k.register.Decision(); {
	case d != register.Abstained:
		return d, k.register.Reason()
	case !k.list.abstained:
		return k.list.decision(), k.list.reason
	}
	return register.Abstained, fmt.Sprintf("as a register: %s; as a list: %s", k.register.Reason(), k.list.reason)
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
	case history.Read:
	case history.Write:
		o.Kind = register.Write
	case history.CAS:
		o.Kind, o.Absent = register.CAS, op.Expect == nil
		if !o.Absent {
			o.Sees = *op.Expect
		}
	case history.Append:
		m.Abstain("it is appended to")
	default:
		m.Abstain(fmt.Sprintf("there is a %s, which no register knows", op.Func))
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
