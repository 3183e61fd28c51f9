package register

import (
	"fmt"
	"math"
)

// Verify replays order, which names operations of one register by number, and returns nil if it is a linearization of
// ops: every operation fits what the ones before it left in the register, none returned before one in front of it was
// called, none is there twice, and none is missing but updates of unknown outcome.
//
// It shares nothing with the code that finds orders. Who has read this function need not trust that code.
func Verify(ops []Op, order []int32) error {
	placed := make([]bool, len(ops))
	present, content := false, int64(0)
	lastCall := int64(math.MinInt64)
	for _, i := range order {
		if i < 0 || int(i) >= len(ops) || placed[i] {
			return fmt.Errorf("operation %d does not exist or is placed twice", i)
		}
		placed[i] = true
		op := &ops[i]
		if !op.Unknown && op.Return < lastCall {
			return fmt.Errorf("operation %d, %v, returned before one in front of it was called at %d", i, op, lastCall)
		}
		lastCall = max(lastCall, op.Call)
		fits := present != op.Absent && (op.Absent || content == op.Sees)
		switch {
		case op.Kind == Write, op.Kind == CAS && fits:
			present, content = true, op.Writes
		case op.Kind == Read && fits:
		default:
			return fmt.Errorf("operation %d, %v, does not fit: the register was %d (present: %v)", i, op, content, present)
		}
	}
	for i := range ops {
		if !placed[i] && !ops[i].Unknown {
			return fmt.Errorf("operation %d, %v, is missing", i, &ops[i])
		}
	}
	return nil
}
