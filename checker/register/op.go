package register

import (
	"fmt"

	"elenchus/results/history"
)

// Kind is what an operation did to the register, which can be less than it was asked to do.
type Kind uint8

// The kinds of operations.
const (
	// Read found Sees (or nothing) and changed nothing. A compare-and-set that did not match is a Read of what it found.
	Read Kind = iota
	// Write replaced whatever was there by Writes.
	Write
	// CAS found Sees (or nothing) and replaced it by Writes.
	CAS
	// Impossible is an operation with an answer that no register ever gives, such as a compare-and-set that did not
	// match although it found what it expected.
	Impossible
)

// Op is one operation on one register. It took effect at an instant between Call and Return, both included; any clock
// or counter will do that all operations share. A Read of unknown outcome says nothing and must be left out.
type Op struct {
	Call, Return int64
	Sees         int64 // Read, CAS: the value that was there
	Writes       int64 // Write, CAS: the value that is there afterwards
	Kind         Kind
	Absent       bool // Read, CAS: nothing was there, and Sees means nothing
	Unknown      bool // Write, CAS: it may have taken effect at any time after Call, or never; Return means nothing
}

func (o *Op) updates() bool { return o.Kind == Write || o.Kind == CAS }

// String shows the operation as in "[3 7] cas 1→2" or "[3 …] write 5".
func (o *Op) String() string {
	span := fmt.Sprintf("[%d %d]", o.Call, o.Return)
	if o.Unknown {
		span = fmt.Sprintf("[%d …]", o.Call)
	}
	sees := "absent"
	if !o.Absent {
		sees = fmt.Sprint(o.Sees)
	}
	switch o.Kind {
	case Read:
		return fmt.Sprintf("%s read %s", span, sees)
	case Write:
		return fmt.Sprintf("%s write %d", span, o.Writes)
	case CAS:
		return fmt.Sprintf("%s cas %s→%d", span, sees, o.Writes)
	}
	return span + " impossible"
}

// Append appends what op says of its register to ops, in sequence numbers of its history. Operations that say nothing
// are left out: those that failed, and reads without an answer. It reports false, and appends nothing, for what is not
// an operation on a register of single values: an append.
func Append(ops []Op, op *history.Operation) ([]Op, bool) {
	o := Op{Call: op.CallSeq, Return: op.ReturnSeq, Writes: op.Op.Value, Unknown: op.Outcome == history.Unknown}
	if op.Op.Func == history.Append {
		return ops, false
	}
	if op.Outcome == history.Fail || o.Unknown && !op.Op.Func.Mutates() {
		return ops, true
	}
	seen := op.Result.Values
	switch {
	case op.Op.Func == history.Write:
		o.Kind = Write
	case op.Op.Func == history.CAS && (o.Unknown || op.Result.Matched):
		o.Kind, o.Absent = CAS, op.Op.Expect == nil
		if !o.Absent {
			o.Sees = *op.Op.Expect
		}
	case len(seen) > 1, op.Op.Func == history.CAS && found(seen, op.Op.Expect):
		o.Kind = Impossible
	case len(seen) == 1:
		o.Sees = seen[0]
	default:
		o.Absent = true
	}
	return append(ops, o), true
}

// found reports whether what a compare-and-set saw is what it expected.
func found(seen []int64, expect *int64) bool {
	if expect == nil {
		return len(seen) == 0
	}
	return len(seen) == 1 && seen[0] == *expect
}
