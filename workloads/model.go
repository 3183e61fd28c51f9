package workloads

import (
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/anishathalye/porcupine"

	"elenchus/results/history"
)

// Model is the register of protocols.md §1 as a sequential object for Porcupine: a sequence of elements, initially
// empty. Operations have a [history.Op] as Input and a [history.Operation] as Output, and are partitioned by key.
//
// An operation of unknown outcome may take effect at any time after its call, with any result. With a return at the
// end of time this is exact here, and needs no nondeterministic model: an operation linearized last changes nothing
// that anybody observed, so "it never happened" is covered.
func Model() porcupine.Model {
	return porcupine.Model{
		Partition: partitionByKey,
		Init:      func() any { return []int64(nil) },
		Step:      stepModel,
		Equal:     func(a, b any) bool { return slices.Equal(a.([]int64), b.([]int64)) },
		Hash:      hashModel,
		DescribeOperation: func(in, out any) string {
			return describe(in.(history.Op), out.(history.Operation))
		},
		DescribeState: func(state any) string { return history.Result{Values: state.([]int64)}.String() },
	}
}

func stepModel(state, in, out any) (bool, any) {
	before := state.([]int64)
	op, done := in.(history.Op), out.(history.Operation)
	known := done.Outcome == history.OK
	switch op.Func {
	case history.Read:
		return !known || slices.Equal(done.Result.Values, before), before
	case history.Write:
		return true, []int64{op.Value}
	case history.CAS:
		matches := matches(before, op.Expect)
		if known && (matches != done.Result.Matched || !matches && !slices.Equal(done.Result.Values, before)) {
			return false, before
		}
		if !matches {
			return true, before
		}
		return true, []int64{op.Value}
	case history.Append:
		after := append(slices.Clip(before), op.Value)
		return !known || slices.Equal(done.Result.Values, after), after
	}
	return false, before
}

// matches reports whether a CAS that expects expect would succeed on values.
func matches(values []int64, expect *int64) bool {
	if expect == nil {
		return len(values) == 0
	}
	return len(values) == 1 && values[0] == *expect
}

var modelSeed = maphash.MakeSeed()

func hashModel(state any) uint64 {
	var h maphash.Hash
	h.SetSeed(modelSeed)
	for _, v := range state.([]int64) {
		maphash.WriteComparable(&h, v)
	}
	return h.Sum64()
}

func partitionByKey(ops []porcupine.Operation) [][]porcupine.Operation {
	index := make(map[string]int)
	var parts [][]porcupine.Operation
	for _, op := range ops {
		key := op.Input.(history.Op).Key
		i, ok := index[key]
		if !ok {
			i = len(parts)
			index[key] = i
			parts = append(parts, nil)
		}
		parts[i] = append(parts[i], op)
	}
	return parts
}

func describe(op history.Op, done history.Operation) string {
	switch {
	case done.Outcome != history.OK:
		return fmt.Sprintf("%v → %s", op, done.Outcome)
	case op.Func == history.Write:
		return op.String()
	case op.Func == history.CAS && done.Result.Matched:
		return op.String() + " ✓"
	case op.Func == history.CAS:
		return fmt.Sprintf("%v ✗ found %v", op, done.Result)
	default:
		return fmt.Sprintf("%v → %v", op, done.Result)
	}
}
