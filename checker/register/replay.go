package register

import (
	"fmt"
	"math"
)

// Replay verifies a linearization of one register while both it and the history are still being made: it is [Verify]
// for histories of any length. Somebody tells it of every invocation and completion, in order of time, and somebody
// else which operation is the next in the linearization. An update may be placed before it completes; whether it then
// took effect is looked at when it does.
//
// It remembers the operations that are not both completed and placed. The zero value is ready. Like Verify it shares
// nothing with the code that finds linearizations, and knows nothing of blocks or of unique values.
type Replay struct {
	ops      slab[replayed]
	now      int64
	content  int64
	present  bool
	begun    bool
	lastCall int64 // of those that were placed
	missing  int   // operations that completed, must be placed, and are not
	err      error
}

// replayed is an operation. It counts as one of unknown outcome until it is completed.
type replayed struct {
	op        Op
	completed bool // nothing more will be heard of it
	placed    bool
	free      bool // it is none: the number is unused
}

// Invoke takes note of a new operation, and names it. Of op Kind (Read, Write or CAS), Call, Writes, and for a CAS Sees
// and Absent matter.
func (r *Replay) Invoke(op *Op) int32 {
	if !r.begun {
		r.begun, r.now, r.lastCall = true, math.MinInt64, math.MinInt64
	}
	r.pass(op.Call)
	o := replayed{op: *op}
	o.op.Unknown = true
	return r.ops.take(o)
}

// Done completes a Write, or a CAS that matched.
func (r *Replay) Done(id int32, at int64) {
	r.pass(at)
	o := &r.ops.items[id]
	o.op.Unknown, o.op.Return = false, at
	r.complete(id)
}

// Saw completes a Read, or a CAS that did not match, with what it found; absent says that it found nothing.
func (r *Replay) Saw(id int32, at, value int64, absent bool) {
	r.pass(at)
	o := &r.ops.items[id]
	op := &o.op
	if op.Kind == CAS && op.Absent == absent && (absent || op.Sees == value) {
		r.fail("%v did not match what it expected", op)
	}
	if op.Kind != Read && o.placed {
		r.fail("%v is in the order, but had no effect", op)
	}
	*op = Op{Kind: Read, Call: op.Call, Return: at, Sees: value, Absent: absent}
	r.complete(id)
}

// Fail completes an operation that certainly had no effect, or a Read without an answer.
func (r *Replay) Fail(id int32, at int64) {
	r.pass(at)
	o := &r.ops.items[id]
	if o.placed {
		r.fail("%v is in the order, but had no effect", &o.op)
		return
	}
	r.give(id)
}

// Unknown completes an update that may have taken effect, or may yet.
func (r *Replay) Unknown(id int32, at int64) {
	r.pass(at)
	r.complete(id)
}

// Place puts an operation behind all that are in the linearization already.
func (r *Replay) Place(id int32) {
	if id < 0 || int(id) >= len(r.ops.items) || r.ops.items[id].free || r.ops.items[id].placed {
		r.fail("operation %d does not exist or is placed twice", id)
		return
	}
	o := &r.ops.items[id]
	op := &o.op
	if !op.Unknown && op.Return < r.lastCall {
		r.fail("%v returned before one in front of it was called at %d", op, r.lastCall)
	}
	r.lastCall = max(r.lastCall, op.Call)
	fits := r.present != op.Absent && (op.Absent || r.content == op.Sees)
	switch {
	case op.Kind == Write, op.Kind == CAS && fits:
		r.present, r.content = true, op.Writes
	case op.Kind == Read && fits && !op.Unknown:
	default:
		r.fail("%v does not fit: the register was %d (present: %v)", op, r.content, r.present)
	}
	o.placed = true
	if o.completed {
		if !op.Unknown {
			r.missing--
		}
		r.give(id)
	}
}

// Err says what is wrong with the linearization so far, if anything is.
func (r *Replay) Err() error { return r.err }

// Finish says what is wrong with the linearization, now that it is whole.
func (r *Replay) Finish() error {
	if r.missing > 0 {
		r.fail("%d operations are missing", r.missing)
	}
	return r.err
}

// complete takes note that nothing more will be heard of an operation.
func (r *Replay) complete(id int32) {
	o := &r.ops.items[id]
	if o.completed || o.free {
		r.fail("%v completes twice", &o.op)
		return
	}
	o.completed = true
	switch {
	case o.placed:
		r.give(id)
	case !o.op.Unknown:
		r.missing++
	}
}

// pass verifies that time does not go back: what is placed before it completes was in time for that reason alone.
func (r *Replay) pass(at int64) {
	if at < r.now {
		r.fail("an event at %d follows one at %d", at, r.now)
	}
	r.now = at
}

func (r *Replay) give(id int32) {
	r.ops.items[id].free = true
	r.ops.give(id)
}

func (r *Replay) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}
