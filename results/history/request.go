package history

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Request identifies an update that a client may send several times: by its session, and by its place there, from 1.
// It is what the system itself goes by when it tells a repetition from something new. Operations with the same request
// are attempts at one update, each with an interval and an outcome of its own; the system must execute it once at most,
// and answer every attempt alike. The zero value is none: the operation is an update of its own.
type Request struct {
	Client, Seq uint64
}

// IsZero reports whether r is no request.
func (r Request) IsZero() bool { return r == Request{} }

// String formats the request as nodes do in their observations: "13:2".
func (r Request) String() string {
	return strconv.FormatUint(r.Client, 10) + ":" + strconv.FormatUint(r.Seq, 10)
}

// MarshalText implements [encoding.TextMarshaler].
func (r Request) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (r *Request) UnmarshalText(text []byte) error {
	client, seq, _ := strings.Cut(string(text), ":")
	var err1, err2 error
	r.Client, err1 = strconv.ParseUint(client, 10, 64)
	r.Seq, err2 = strconv.ParseUint(seq, 10, 64)
	if err1 != nil || err2 != nil || r.String() != string(text) {
		return fmt.Errorf("%q is no request, such as 13:2", text)
	}
	return nil
}

// Requests are the attempts at each request, in order of invocation.
type Requests map[Request][]Operation

// Once returns operations in which each request is there once, as the one update that its attempts ask for, and the
// attempts. Operations without a request are left as they are; if there are no others, the result is ops itself, and no
// attempts. Both are in order of invocation, if ops are.
//
// The update takes effect, if it does, between the first call of an attempt that is not known to have had no effect,
// and the first answer to any of them: whoever answers has executed it, then or before. It has that answer, and is
// known by the number of that first call. Without an answer its outcome is unknown, unless all attempts have failed.
//
// Nothing is lost by this as long as all attempts were answered alike, which is for the caller to compare. Any instant
// of the interval lies within that of an attempt that can have caused the execution: within the one called first,
// unless it was answered before all others, and then the interval is its own. Every other answered attempt returned
// after the first answer did, so that it has an instant behind the execution too.
func Once(ops []Operation) (once []Operation, requests Requests) {
	for i := range ops {
		if r := ops[i].Op.Request; !r.IsZero() {
			if requests == nil {
				requests = make(Requests)
			}
			requests[r] = append(requests[r], ops[i])
		}
	}
	if requests == nil {
		return ops, nil
	}
	once = make([]Operation, 0, len(ops))
	merged := make(map[Request]Operation, len(requests))
	for r, attempts := range requests {
		merged[r] = onceOf(attempts)
	}
	for i := range ops {
		op := ops[i]
		if r := op.Op.Request; !r.IsZero() {
			if op.ID != merged[r].ID {
				continue
			}
			op = merged[r]
		}
		once = append(once, op)
	}
	return once, requests
}

// onceOf is the update that attempts ask for.
func onceOf(attempts []Operation) Operation {
	var first, answered *Operation
	for i := range attempts {
		a := &attempts[i]
		if a.Outcome == Fail {
			continue
		}
		if first == nil {
			first = a
		}
		if a.Outcome == OK && (answered == nil || a.ReturnSeq < answered.ReturnSeq) {
			answered = a
		}
	}
	switch {
	case first == nil:
		return attempts[0]
	case answered == nil:
		return *first
	}
	op := *answered
	op.ID, op.Call, op.CallSeq = first.ID, first.Call, first.CallSeq
	return op
}

// Odd are the first two attempts at a request that ask for different things, which no client may do.
func (r Requests) Odd() (a, b Operation, found bool) {
	for _, attempts := range r {
		for _, other := range attempts[1:] {
			if !other.Op.equal(&attempts[0].Op) && (!found || other.ID < b.ID) {
				a, b, found = attempts[0], other, true
			}
		}
	}
	return a, b, found
}

// Discord are two answers to one request that are not the same, the first that the request ever got and another; of
// all such pairs the one that was complete first.
func (r Requests) Discord() (first, other Operation, found bool) {
	for _, attempts := range r {
		a, b, differ := discord(attempts)
		if differ && (!found || b.ReturnSeq < other.ReturnSeq) {
			first, other, found = a, b, true
		}
	}
	return first, other, found
}

// discord finds the first answer and the first that is not the same.
func discord(attempts []Operation) (first, other Operation, found bool) {
	answered := make([]Operation, 0, len(attempts))
	for _, a := range attempts {
		if a.Outcome == OK {
			answered = append(answered, a)
		}
	}
	slices.SortFunc(answered, func(a, b Operation) int { return cmp.Compare(a.ReturnSeq, b.ReturnSeq) })
	for _, b := range answered {
		if !b.Result.Equal(answered[0].Result) {
			return answered[0], b, true
		}
	}
	return Operation{}, Operation{}, false
}

// Latest is the latest request of each session as its first attempt asks for it, in order of the sessions' first
// attempts: those that the system is bound to answer however late they are repeated.
func (r Requests) Latest() []Op {
	latest := make(map[uint64]uint64)
	begun := make(map[uint64]int)
	for request, attempts := range r {
		latest[request.Client] = max(latest[request.Client], request.Seq)
		if at, known := begun[request.Client]; !known || attempts[0].ID < at {
			begun[request.Client] = attempts[0].ID
		}
	}
	var out []Op
	for client, seq := range latest {
		out = append(out, r[Request{client, seq}][0].Op)
	}
	slices.SortFunc(out, func(a, b Op) int { return cmp.Compare(begun[a.Request.Client], begun[b.Request.Client]) })
	return out
}
