package history

import (
	"cmp"
	"maps"
	"slices"
)

// Calls pairs invocations with completions while the events of a valid history go by. It holds only the outstanding
// operations. T is the user's data per operation. The zero value is ready to use.
type Calls[T any] struct {
	invoked   int
	byProcess map[int]*Call[T]
	unused    []*Call[T]
}

// Call is an operation from its invocation until it is freed.
type Call[T any] struct {
	Operation
	With T
}

// Invoked returns the number of operations so far.
func (c *Calls[T]) Invoked() int { return c.invoked }

// Begin records an invocation.
func (c *Calls[T]) Begin(e *Event) *Call[T] {
	if c.byProcess == nil {
		c.byProcess = make(map[int]*Call[T])
	}
	var call *Call[T]
	if n := len(c.unused); n > 0 {
		call, c.unused = c.unused[n-1], c.unused[:n-1]
	} else {
		call = new(Call[T])
	}
	call.begin(e, c.invoked)
	c.invoked++
	c.byProcess[e.Process] = call
	return call
}

// End returns the operation that e completes, with its outcome filled in; nil if there is none. Free it after use.
func (c *Calls[T]) End(e *Event) *Call[T] {
	call := c.byProcess[e.Process]
	if call == nil {
		return nil
	}
	delete(c.byProcess, e.Process)
	call.end(e)
	return call
}

// Free recycles an operation that nobody refers to any more.
func (c *Calls[T]) Free(call *Call[T]) {
	clear := Call[T]{}
	*call = clear
	c.unused = append(c.unused, call)
}

// Rest removes and returns the operations that have not completed, in order of invocation: at the end of a history,
// those without a completion, whose outcome is unknown.
func (c *Calls[T]) Rest() []*Call[T] {
	rest := slices.SortedFunc(maps.Values(c.byProcess), func(a, b *Call[T]) int { return cmp.Compare(a.ID, b.ID) })
	c.byProcess = nil
	return rest
}

// begin turns o into the operation invoked by e, without a completion. Its ID is the number of earlier operations.
func (o *Operation) begin(e *Event, id int) {
	*o = Operation{
		ID: id, Process: e.Process, Node: e.Node, Phase: e.Phase, Op: e.Op,
		Outcome: Unknown, Reason: ReasonNoCompletion, Call: e.Time, CallSeq: e.Seq, ReturnSeq: -1,
	}
}

// end completes the operation with the outcome in e.
func (o *Operation) end(e *Event) {
	o.Outcome, o.Result, o.Reason, o.By = e.Type, e.Result, e.Reason, e.By
	o.Return, o.ReturnSeq = e.Time, e.Seq
}
