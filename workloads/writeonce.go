package workloads

import (
	"fmt"

	"github.com/anishathalye/porcupine"

	"elenchus/results/history"
)

// Defaults of Options for the write-once workload. Once it is decided, an object only shows whether it stays so, which
// takes a few more operations; what happens while nothing is decided shows in many objects. A proposal that comes too
// late reads, too.
const (
	writeOnceKeys        = 2
	writeOnceKeyOps      = 14
	writeOnceReadPercent = 40
)

// newWriteOnce returns the write-once workload: objects that take the first value that is proposed, and keep it, as a
// single decree of Paxos does (Synod). A proposal is a compare-and-set from absent; one that comes too late says what
// was chosen. All workers propose values of their own for the same few objects.
func newWriteOnce(opts Options) (Generator, error) {
	if opts.ActiveKeys == 0 {
		opts.ActiveKeys = writeOnceKeys
	}
	return newPlain("write-once", history.CAS, opts, writeOnceReadPercent, writeOnceKeyOps)
}

// WriteOnceModel is a write-once object as a sequential object for Porcupine: nothing, or the value that was proposed
// first. Operations are as in [Model], and must be reads and compare-and-set from absent.
func WriteOnceModel() porcupine.Model {
	type object struct {
		decided bool
		value   int64
	}
	return porcupine.Model{
		Partition: partitionByKey,
		Init:      func() any { return object{} },
		Step: func(state, in, out any) (bool, any) {
			before, op, done := state.(object), in.(history.Op), out.(history.Operation)
			after := before
			if op.Func == history.CAS && !before.decided {
				after = object{true, op.Value}
			}
			if done.Outcome != history.OK {
				return true, after
			}
			if op.Func == history.CAS && done.Result.Matched {
				return !before.decided, after
			}
			seen := done.Result.Values
			if op.Func == history.Read && !before.decided {
				return len(seen) == 0, after
			}
			return before.decided && len(seen) == 1 && seen[0] == before.value, after
		},
		DescribeOperation: func(in, out any) string {
			return describe(in.(history.Op), out.(history.Operation))
		},
		DescribeState: func(state any) string {
			if o := state.(object); o.decided {
				return fmt.Sprint(o.value)
			}
			return "nothing"
		},
	}
}
