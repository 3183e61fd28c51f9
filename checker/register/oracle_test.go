package register

import (
	"math"
	"math/rand/v2"

	"github.com/anishathalye/porcupine"
)

// legal searches for a linearization in the plainest way: whatever may come next is tried next, and updates of unknown
// outcome may be left to the end of time, where nobody looks. It is for up to eight operations or so.
func legal(ops []Op) bool {
	return explore(ops, 0, false, 0)
}

func explore(ops []Op, placed uint, present bool, content int64) bool {
	soonest := int64(math.MaxInt64) // what is called after this cannot come next
	left := false
	for i := range ops {
		if placed&(1<<i) == 0 && !ops[i].Unknown {
			soonest = min(soonest, ops[i].Return)
			left = true
		}
	}
	if !left {
		return true
	}
	for i := range ops {
		op := &ops[i]
		if placed&(1<<i) != 0 || op.Call > soonest {
			continue
		}
		matches := op.Absent == !present && (op.Absent || op.Sees == content)
		var ok bool
		switch {
		case op.Kind == Write, op.Kind == CAS && matches:
			ok = explore(ops, placed|1<<i, true, op.Writes)
		case op.Kind == Read && matches:
			ok = explore(ops, placed|1<<i, present, content)
		}
		if ok {
			return true
		}
	}
	return false
}

// model is the register for Porcupine, with an Op as input and output.
var model = porcupine.Model{
	Init: func() any { return cell{} },
	Step: func(state, in, _ any) (bool, any) {
		s, op := state.(cell), in.(Op)
		matches := s == cell{!op.Absent, op.Sees} || op.Absent && !s.present
		switch {
		case op.Kind == Write, op.Kind == CAS && matches:
			return true, cell{true, op.Writes}
		case op.Kind == CAS && op.Unknown: // it did not match, or comes too late for anybody to care
			return true, s
		}
		return op.Kind == Read && matches, s
	},
}

type cell struct {
	present bool
	content int64
}

// porcupineSays has Porcupine decide.
func porcupineSays(ops []Op) bool {
	in := make([]porcupine.Operation, len(ops))
	for i, op := range ops {
		ret := op.Return
		if op.Unknown {
			ret = math.MaxInt64
		}
		in[i] = porcupine.Operation{ClientId: i, Input: op, Output: op, Call: op.Call, Return: ret}
	}
	return porcupine.CheckOperations(model, in)
}

// family draws small histories of one sort.
type family struct {
	name string
	make func(rng *rand.Rand, n int) []Op
}

// families are sorts of small histories: with chance in everything, which are mostly impossible, and as clients of a
// real register see them, with and without something wrong, which are mostly possible or nearly so.
var families = []family{
	{"chance", func(rng *rand.Rand, n int) []Op { return chance(rng, n, 2*n) }},
	{"chance with ties", func(rng *rand.Rand, n int) []Op { return chance(rng, n, 5) }},
	{"atomic", func(rng *rand.Rand, n int) []Op { return atomic(rng, n, 3, 0) }},
	{"atomic, tampered", func(rng *rand.Rand, n int) []Op { return atomic(rng, n, 3, 1) }},
	{"atomic, tampered twice, cas", func(rng *rand.Rand, n int) []Op { return atomic(rng, n, 0, 2) }},
}

// chance draws operations without regard for anything but that values are unique and mostly written by somebody.
func chance(rng *rand.Rand, n, instants int) []Op {
	ops := make([]Op, n)
	written := []int64{0}
	for i := range ops {
		op := &ops[i]
		op.Call = rng.Int64N(int64(instants))
		op.Return = op.Call + rng.Int64N(int64(instants))
		switch draw := rng.IntN(200); {
		case draw == 0:
			op.Kind = Impossible
		case draw < 40:
			op.Kind = CAS
		case draw < 110:
			op.Kind = Write
		}
		if op.updates() {
			op.Writes = int64(i + 1)
			op.Unknown = rng.IntN(3) == 0
			written = append(written, op.Writes)
		}
	}
	for i := range ops {
		if op := &ops[i]; op.Kind == Read || op.Kind == CAS {
			op.Sees = written[rng.IntN(len(written))]
			if rng.IntN(60) == 0 {
				op.Sees = rng.Int64N(int64(n) + 1)
			}
			op.Absent = op.Sees == 0
		}
	}
	return ops
}

// atomic has operations with random intervals take effect on a register at instants within them. Of six draws, writes
// are as many as said; of the others half are reads. Updates of unknown outcome take effect late or not at all. Then
// some operations are tampered with.
func atomic(rng *rand.Rand, n, writes, tampered int) []Op {
	ops := make([]Op, n)
	at := make([]int64, n)
	for i := range ops {
		op := &ops[i]
		op.Call = rng.Int64N(int64(2 * n))
		op.Return = op.Call + rng.Int64N(int64(n))
		at[i] = op.Call + rng.Int64N(op.Return-op.Call+1)
		switch draw := rng.IntN(6); {
		case draw < writes:
			op.Kind = Write
		case draw%2 == 0:
			op.Kind = CAS
		}
		if op.updates() {
			op.Writes = int64(i + 1)
			if rng.IntN(4) == 0 {
				op.Unknown = true
				at[i] = op.Call + rng.Int64N(int64(3*n))
			}
		}
	}
	order := rng.Perm(n) // of what takes effect at the same instant
	present, content := false, int64(0)
	for instant := int64(0); instant <= int64(6*n); instant++ {
		for _, i := range order {
			op := &ops[i]
			if at[i] != instant {
				continue
			}
			if op.Kind != Write {
				op.Absent, op.Sees = !present, content
			}
			if op.Kind == CAS && rng.IntN(3) == 0 { // it expects something else
				if op.Unknown {
					op.Sees, op.Absent = rng.Int64N(int64(n))+1, false
					continue
				}
				op.Kind, op.Writes = Read, 0
			}
			if op.updates() && (!op.Unknown || rng.IntN(2) == 0) {
				present, content = true, op.Writes
			}
		}
	}
	for range tampered {
		tamper(rng, &ops[rng.IntN(n)], n)
	}
	return ops
}

// tamper changes what an operation saw or when it was.
func tamper(rng *rand.Rand, op *Op, n int) {
	switch {
	case op.Kind != Write && rng.IntN(4) == 0:
		op.Sees = rng.Int64N(int64(n) + 1)
		op.Absent = op.Sees == 0
	case rng.IntN(2) == 0:
		op.Return = op.Call + (op.Return-op.Call)/4
	default:
		op.Call, op.Return = op.Call+int64(n)/2, op.Return+int64(n)/2
	}
}
