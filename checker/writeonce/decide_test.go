package writeonce

import (
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// nothing, saw, won and open are operations between two instants.
func nothing(call, ret int64) Op { return Op{Call: call, Return: ret, Kind: Nothing} }

func saw(call, ret, v int64) Op { return Op{Call: call, Return: ret, Value: v, Kind: Saw} }

func won(call, ret, v int64) Op { return Op{Call: call, Return: ret, Value: v, Kind: Won} }

func open(call, v int64) Op { return Op{Call: call, Value: v, Kind: Open} }

func TestDecide(t *testing.T) {
	impossible := Op{Call: 0, Return: 1, Kind: Impossible}
	for _, tt := range []struct {
		name  string
		ops   []Op
		flaw  Flaw
		proof []int
	}{
		{"no operations", nil, 0, nil},
		{"nothing is proposed", []Op{nothing(0, 1), nothing(2, 3)}, 0, nil},
		{"nothing is decided", []Op{nothing(0, 1), open(0, 5), nothing(2, 3)}, 0, nil},
		{"one wins, all see it", []Op{won(0, 1, 5), saw(2, 3, 5), saw(4, 5, 5)}, 0, nil},
		{"nothing before", []Op{nothing(0, 1), won(2, 3, 5), saw(4, 5, 5)}, 0, nil},
		{"nothing meanwhile", []Op{won(0, 9, 5), nothing(1, 2), saw(3, 4, 5)}, 0, nil},
		{"an open proposal is seen", []Op{open(0, 5), nothing(1, 2), saw(3, 4, 5)}, 0, nil},
		{"an open proposal comes late", []Op{won(0, 1, 5), open(2, 6), saw(3, 4, 5)}, 0, nil},
		{"one of two open proposals", []Op{open(0, 5), open(0, 6), saw(3, 4, 6)}, 0, nil},
		{"a value twice, open first", []Op{open(0, 5), saw(1, 2, 5), open(3, 5), saw(4, 5, 5)}, 0, nil},
		{"a value twice, one wins", []Op{open(0, 5), won(1, 4, 5), saw(2, 3, 5)}, 0, nil},
		{"at one instant", []Op{won(0, 1, 5), nothing(1, 2), saw(2, 3, 5)}, 0, nil},
		{"seen at the instant of the proposal", []Op{saw(0, 1, 5), open(1, 5)}, 0, nil},

		{"impossible", []Op{nothing(0, 1), impossible}, Unknowable, []int{1}},
		{"from nowhere", []Op{won(0, 1, 5), saw(2, 3, 6)}, Unproposed, []int{1}},
		{"nobody proposed at all", []Op{saw(2, 3, 6)}, Unproposed, []int{0}},
		{"before an open proposal", []Op{saw(0, 1, 5), open(2, 5)}, Foreseen, []int{0, 1}},
		{"before the winner", []Op{saw(0, 1, 5), won(2, 3, 5)}, Foreseen, []int{0, 1}},
		{"before the winner, after an open one", []Op{open(0, 5), saw(1, 2, 5), won(3, 4, 5)}, Foreseen, []int{1, 2}},
		{"before the earliest of two", []Op{open(4, 5), saw(0, 1, 5), open(2, 5)}, Foreseen, []int{1, 2}},
		{"two winners", []Op{won(0, 4, 5), won(1, 3, 6)}, Disagreed, []int{1, 0}},
		{"two winners of one value", []Op{won(0, 4, 5), won(1, 3, 5)}, WonTwice, []int{1, 0}},
		{"two values seen", []Op{open(0, 5), open(0, 6), saw(1, 2, 5), saw(3, 4, 6)}, Disagreed, []int{2, 3, 0, 1}},
		{"another than the winner's", []Op{saw(1, 4, 5), won(0, 5, 5), open(0, 6), saw(2, 3, 6)}, Disagreed, []int{3, 1, 2}},
		{"nothing after the winner", []Op{won(0, 1, 5), nothing(2, 3)}, Overlooked, []int{0, 1}},
		{"nothing after it was seen", []Op{open(0, 5), saw(1, 2, 5), nothing(3, 4)}, Overlooked, []int{1, 2, 0}},
		{"nothing after the first to see it", []Op{won(0, 9, 5), saw(1, 8, 5), saw(1, 2, 5), nothing(3, 4), nothing(0, 1)},
			Overlooked, []int{2, 3, 0}},
	} {
		v, ok := Decide(tt.ops)
		if ok != (tt.flaw == 0) || v.Flaw != tt.flaw || !slices.Equal(v.Proof, tt.proof) {
			t.Errorf("%s: got %v, %+v; want flaw %d, %v", tt.name, ok, v, tt.flaw, tt.proof)
		}
		if want := legal(tt.ops); ok != want {
			t.Errorf("%s: decided %v, the exhaustive search says %v", tt.name, ok, want)
		}
		if ok {
			if err := Verify(tt.ops, Order(tt.ops)); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		ops   []Op
		order []int
	}{
		{"what is missing", []Op{won(0, 1, 5), saw(2, 3, 5)}, []int{0}},
		{"what is there twice", []Op{won(0, 1, 5), saw(2, 3, 5)}, []int{0, 1, 1}},
		{"what does not exist", []Op{won(0, 1, 5)}, []int{0, 1}},
		{"a negative index", []Op{won(0, 1, 5)}, []int{-1, 0}},
		{"seeing too early", []Op{won(0, 9, 5), saw(0, 9, 5)}, []int{1, 0}},
		{"seeing something else", []Op{won(0, 9, 5), saw(0, 9, 6)}, []int{0, 1}},
		{"nothing too late", []Op{won(0, 9, 5), nothing(0, 9)}, []int{0, 1}},
		{"a second winner", []Op{won(0, 9, 5), won(0, 9, 5)}, []int{0, 1}},
		{"a winner after an open proposal", []Op{open(0, 5), won(0, 9, 5)}, []int{0, 1}},
		{"an open proposal that changes the value", []Op{won(0, 9, 5), open(0, 6), saw(0, 9, 6)}, []int{0, 1, 2}},
		{"the past after the future", []Op{nothing(0, 1), nothing(2, 3)}, []int{1, 0}},
		{"an open proposal before its call", []Op{saw(0, 1, 5), open(2, 5)}, []int{1, 0}},
		{"the impossible", []Op{{Call: 0, Return: 1, Kind: Impossible}}, []int{0}},
	} {
		if err := Verify(tt.ops, tt.order); err == nil {
			t.Errorf("%s: it is accepted", tt.name)
		}
	}
}

// legal searches for a linearization in the plainest way: whatever may come next is tried next, and open proposals may
// be left out.
func legal(ops []Op) bool { return explore(ops, 0, false, 0) }

func explore(ops []Op, placed uint, chosen bool, value int64) bool {
	soonest, left := int64(math.MaxInt64), false
	for i := range ops {
		if placed&(1<<i) == 0 && ops[i].Kind != Open {
			soonest, left = min(soonest, ops[i].Return), true
		}
	}
	if !left {
		return true
	}
	for i := range ops {
		o := &ops[i]
		if placed&(1<<i) != 0 || o.Call > soonest {
			continue
		}
		if fits, c, v := step(chosen, value, o); fits && explore(ops, placed|1<<i, c, v) {
			return true
		}
	}
	return false
}

// step is the sequential object.
func step(chosen bool, value int64, o *Op) (fits, nowChosen bool, now int64) {
	switch o.Kind {
	case Nothing:
		return !chosen, chosen, value
	case Saw:
		return chosen && value == o.Value, chosen, value
	case Won:
		return !chosen, true, o.Value
	case Open:
		if !chosen {
			return true, true, o.Value
		}
		return true, chosen, value
	}
	return false, chosen, value
}

// searched has Porcupine decide.
func searched(ops []Op) bool {
	type state struct {
		chosen bool
		value  int64
	}
	model := porcupine.Model{
		Init: func() any { return state{} },
		Step: func(s, in, _ any) (bool, any) {
			o := in.(Op)
			fits, chosen, value := step(s.(state).chosen, s.(state).value, &o)
			return fits, state{chosen, value}
		},
	}
	list := make([]porcupine.Operation, len(ops))
	for i, o := range ops {
		ret := o.Return
		if o.Kind == Open {
			ret = math.MaxInt64
		}
		list[i] = porcupine.Operation{ClientId: i, Input: o, Call: o.Call, Return: ret}
	}
	return porcupine.CheckOperations(model, list)
}

// random is a small history: of an object that is right, or of one that errs in one answer, or by pure chance.
func random(rng *rand.Rand, sort int) []Op {
	n := 1 + rng.IntN(7)
	instants := rng.Perm(2 * n)
	ops := make([]Op, n)
	chosenAt, value := int64(rng.IntN(2*n)), int64(1+rng.IntN(3))
	for i := range ops {
		a, b := int64(instants[2*i]), int64(instants[2*i+1])
		o := Op{Call: min(a, b), Return: max(a, b), Value: int64(1 + rng.IntN(3)), Kind: Kind(rng.IntN(4))}
		if rng.IntN(60) == 0 {
			o.Kind = Impossible
		}
		if sort > 0 && o.Kind != Open {
			at := o.Call + rng.Int64N(o.Return-o.Call+1) // when it takes effect
			o.Kind, o.Value = Nothing, 0
			if at > chosenAt {
				o.Kind, o.Value = Saw, value
			}
		}
		ops[i] = o
	}
	if sort > 0 { // somebody has chosen
		by := rng.IntN(n)
		ops[by].Value, ops[by].Kind, ops[by].Call = value, Won, min(ops[by].Call, chosenAt)
		ops[by].Return = max(ops[by].Return, chosenAt)
		if rng.IntN(3) == 0 {
			ops[by].Kind = Open
		}
	}
	if sort == 2 {
		o := &ops[rng.IntN(n)]
		o.Kind, o.Value = Kind(rng.IntN(4)), int64(1+rng.IntN(3))
	}
	return ops
}

// histories is how many random histories are decided in every build.
const histories = 120_000

// Decide, Porcupine and an exhaustive search agree on random histories; every order is accepted by Verify, and every
// proof is impossible by itself and minimal: without any one operation, and what saw the value that it proposed, the
// rest is possible.
func TestDifferential(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("WRITEONCE_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("WRITEONCE_SEED=%d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	var valid [3]int
	for i := range histories {
		ops := random(rng, i%3)
		v, ok := Decide(ops)
		if want := legal(ops); ok != want {
			t.Fatalf("decided %v, and the exhaustive search says %v:\n%v", ok, want, ops)
		}
		if want := searched(ops); ok != want {
			t.Fatalf("decided %v, and Porcupine says %v:\n%v", ok, want, ops)
		}
		if ok {
			valid[i%3]++
			if err := Verify(ops, Order(ops)); err != nil {
				t.Fatalf("%v:\n%v", err, ops)
			}
			continue
		}
		proves(t, ops, v)
	}
	t.Logf("valid: %d of chance, %d of a correct object, %d of one with an error, of %d each", valid[0], valid[1], valid[2],
		histories/3)
	if valid[0] < histories/100 || valid[1] < histories/4 || valid[2] < histories/30 || valid[2] > histories*3/10 {
		t.Error("these histories are too much alike")
	}
}

// proves makes sure that the proof of a violation is one.
func proves(t *testing.T, ops []Op, v Violation) {
	t.Helper()
	core := make([]Op, len(v.Proof))
	for i, at := range v.Proof {
		core[i] = ops[at]
	}
	if len(core) == 0 || len(core) > 4 || searched(core) {
		t.Fatalf("%+v is no proof: %v, of\n%v", v, core, ops)
	}
	for i, o := range core {
		rest := slices.Clone(core[:i])
		rest = append(rest, core[i+1:]...)
		if o.Kind == Won || o.Kind == Open { // nobody can see what nobody proposes
			rest = slices.DeleteFunc(rest, func(r Op) bool { return r.Kind == Saw && r.Value == o.Value })
		}
		if !searched(rest) {
			t.Fatalf("%+v: %v can be left out of %v, of\n%v", v, &o, core, ops)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	const n = 1_000_000
	ops := make([]Op, n)
	for i := range ops {
		ops[i] = saw(int64(2*i), int64(2*i+9), 1)
	}
	ops[0].Kind = Won
	for b.Loop() {
		if _, ok := Decide(ops); !ok {
			b.Fatal("violated")
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/op-decided")
}
