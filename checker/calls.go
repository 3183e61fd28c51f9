package checker

import (
	"cmp"
	"maps"
	"slices"

	"elenchus/checker/register"
	"elenchus/results/history"
)

// watched are the operations that are under way.
type watched struct {
	invoked   int
	byProcess map[int]*call
	unused    []*call
}

// call is an operation between invocation and completion.
type call struct {
	op       history.Operation
	register *registerWatch
	pending  register.Pending
}

// begin takes note of an invocation.
func (w *watched) begin(e *history.Event) *call {
	if w.byProcess == nil {
		w.byProcess = make(map[int]*call)
	}
	var c *call
	if n := len(w.unused); n > 0 {
		c, w.unused = w.unused[n-1], w.unused[:n-1]
	} else {
		c = new(call)
	}
	c.op = history.Begun(e, w.invoked)
	w.invoked++
	w.byProcess[e.Process] = c
	return c
}

// end is the operation that e completes, completed; nil if there is none.
func (w *watched) end(e *history.Event) *call {
	c := w.byProcess[e.Process]
	if c == nil {
		return nil
	}
	delete(w.byProcess, e.Process)
	c.op.End(e)
	return c
}

// free gives an operation back.
func (w *watched) free(c *call) { w.unused = append(w.unused, c) }

// rest are the operations that never completed, in order of invocation.
func (w *watched) rest() []*call {
	return slices.SortedFunc(maps.Values(w.byProcess), func(a, b *call) int { return cmp.Compare(a.op.ID, b.op.ID) })
}
