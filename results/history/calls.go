package history

import (
	"cmp"
	"maps"
	"slices"
)

// Calls pairs the events of a valid history with one another as they go by. It holds the operations that are under way
// and no others. T is what its user wants to know of each besides. The zero value is ready.
type Calls[T any] struct {
	invoked   int
	byProcess map[int]*Call[T]
	unused    []*Call[T]
}

// Call is an operation between its invocation and when it is given back.
type Call[T any] struct {
	Operation
	With T
}

// Invoked is how many operations there were so far.
func (c *Calls[T]) Invoked() int { return c.invoked }

// Begin takes note of an invocation.
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

// End is the operation that e completes, with what e says of it; nil if there is none. It is to be given back.
func (c *Calls[T]) End(e *Event) *Call[T] {
	call := c.byProcess[e.Process]
	if call == nil {
		return nil
	}
	delete(c.byProcess, e.Process)
	call.end(e)
	return call
}

// Free gives an operation back that nobody refers to any more.
func (c *Calls[T]) Free(call *Call[T]) {
	clear := Call[T]{}
	*call = clear
	c.unused = append(c.unused, call)
}

// Rest are the operations that have not completed, in order of invocation: in the end, those of unknown outcome that
// nobody answered. There are none left afterwards.
func (c *Calls[T]) Rest() []*Call[T] {
	rest := slices.SortedFunc(maps.Values(c.byProcess), func(a, b *Call[T]) int { return cmp.Compare(a.ID, b.ID) })
	c.byProcess = nil
	return rest
}

// begin makes o the operation that e invokes, as long as it has no completion. Its ID is the number of those before it.
func (o *Operation) begin(e *Event, id int) {
	*o = Operation{
		ID: id, Process: e.Process, Node: e.Node, Phase: e.Phase, Op: e.Op,
		Outcome: Unknown, Reason: ReasonNoCompletion, Call: e.Time, CallSeq: e.Seq, ReturnSeq: -1,
	}
}

// end completes the operation with what e says of it.
func (o *Operation) end(e *Event) {
	o.Outcome, o.Result, o.Reason, o.By = e.Type, e.Result, e.Reason, e.By
	o.Return, o.ReturnSeq = e.Time, e.Seq
}
