package writeonce

import (
	"fmt"

	"elenchus/results/history"
)

// Kind is what an operation has shown.
type Kind uint8

// The kinds of operations.
const (
	// Nothing is a read that found nothing.
	Nothing Kind = iota
	// Saw is a read that found Value, or a proposal that came too late and was told so.
	Saw
	// Won is a proposal of Value that was told to be the first.
	Won
	// Open is a proposal of Value of unknown outcome: it may take effect at any time after Call, or never.
	Open
	// Impossible is an operation with an answer that no such object gives: a read of several values, or a proposal that
	// came too late for nothing.
	Impossible
)

// Op is one operation on one object. It took effect at an instant between Call and Return, both included; any clock or
// counter will do that all operations share. The Return of what is Open means nothing.
type Op struct {
	Call, Return int64
	Value        int64
	Kind         Kind
}

// saw reports whether the operation proves that Value was chosen.
func (o *Op) saw() bool { return o.Kind == Saw || o.Kind == Won }

// String shows the operation as in "[3 7] saw 5" or "[3 …] open 5".
func (o *Op) String() string {
	switch o.Kind {
	case Nothing:
		return fmt.Sprintf("[%d %d] nothing", o.Call, o.Return)
	case Saw:
		return fmt.Sprintf("[%d %d] saw %d", o.Call, o.Return, o.Value)
	case Won:
		return fmt.Sprintf("[%d %d] won %d", o.Call, o.Return, o.Value)
	case Open:
		return fmt.Sprintf("[%d …] open %d", o.Call, o.Value)
	}
	return fmt.Sprintf("[%d %d] impossible", o.Call, o.Return)
}

// Append appends what op says of its object to ops, in sequence numbers of its history. Operations that say nothing are
// left out: those that failed, and reads without an answer. It reports false, and appends nothing, for what is no
// operation on a write-once object: any update but a compare-and-set from absent.
func Append(ops []Op, op *history.Operation) ([]Op, bool) {
	proposal := op.Op.Func == history.CAS && op.Op.Expect == nil
	if op.Op.Func.Mutates() && !proposal {
		return ops, false
	}
	o := Op{Call: op.CallSeq, Return: op.ReturnSeq, Value: op.Op.Value}
	seen := op.Result.Values
	switch {
	case op.Outcome == history.Fail, op.Outcome == history.Unknown && !proposal:
		return ops, true
	case op.Outcome == history.Unknown:
		o.Kind = Open
	case op.Result.Matched:
		o.Kind = Won
	case len(seen) == 1:
		o.Kind, o.Value = Saw, seen[0]
	case len(seen) == 0 && !proposal:
		o.Kind = Nothing
	default:
		o.Kind = Impossible
	}
	return append(ops, o), true
}
