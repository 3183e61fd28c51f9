package workloads

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"elenchus/results/history"
)

// atomicRegisters is a correct system that executes one operation at a time.
type atomicRegisters map[string][]int64

func (r atomicRegisters) do(op history.Op) Answer {
	before := r[op.Key]
	a := Answer{Type: history.OK}
	switch op.Func {
	case history.Read:
		a.Result.Values = before
	case history.Write:
		r[op.Key] = []int64{op.Value}
	case history.CAS:
		a.Result.Matched = matches(before, op.Expect)
		if a.Result.Matched {
			r[op.Key] = []int64{op.Value}
		} else {
			a.Result.Values = before
		}
	case history.Append:
		r[op.Key] = append(slices.Clip(before), op.Value)
		a.Result.Values = r[op.Key]
	}
	return a
}

func newGenerator(t *testing.T, name string, opts Options) Generator {
	t.Helper()
	w, err := Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	g, err := w.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// drive runs the workers round-robin against a correct system and returns their operations.
func drive(g Generator, workers, ops int, answer func(i int, op history.Op) Answer) []history.Op {
	done := make([]history.Op, ops)
	for i := range ops {
		w := i % workers
		done[i] = g.Next(w)
		g.Observe(w, done[i], answer(i, done[i]))
	}
	return done
}

func TestGeneratorsKeepTheirPromises(t *testing.T) {
	const nodes, workers, ops = 5, 10, 20_000
	for _, w := range All() {
		t.Run(w.Name, func(t *testing.T) {
			opts := Options{Seed: 11, Workers: workers, Nodes: nodes, KeyOps: 100}
			g := newGenerator(t, w.Name, opts)
			system := atomicRegisters{}
			written := map[int64]bool{}
			requests := map[history.Request]history.Op{}
			perKey := map[string]int{}
			funcs := map[history.Func]int{}
			done := drive(g, workers, ops, func(i int, op history.Op) Answer {
				if i%workers >= nodes && op.Func != history.Read {
					t.Fatalf("operation %d: worker %d is its node's reader but does %v", i, i%workers, op)
				}
				return system.do(op)
			})
			for i, op := range done {
				funcs[op.Func]++
				if requests[op.Request].Request.IsZero() {
					perKey[op.Key]++
				}
				if op.Func == history.Read {
					continue
				}
				if first, known := requests[op.Request]; known && !op.Request.IsZero() {
					if first != op {
						t.Fatalf("operation %d repeats the request of %v as %v", i, first, op)
					}
					continue
				}
				requests[op.Request] = op
				if written[op.Value] {
					t.Fatalf("operation %d writes %d a second time", i, op.Value)
				}
				written[op.Value] = true
			}
			for _, f := range w.Funcs {
				if funcs[f] < ops/50 {
					t.Errorf("only %d of %d operations are %ss", funcs[f], ops, f)
				}
			}
			for key, n := range perKey {
				if most := 130 + workers; n > most { // reads of own writes come on top of a key's bound
					t.Errorf("key %s has %d operations, more than %d", key, n, most)
				}
				if !slices.Contains(g.Keys(), key) {
					t.Errorf("key %s is not among the keys to read in the end", key)
				}
			}
			again := drive(newGenerator(t, w.Name, opts), workers, ops, func(int, history.Op) Answer {
				return Answer{Type: history.Fail}
			})
			if slices.EqualFunc(done, again, sameOp) && w.Name == "register" {
				t.Error("what the clients see does not change what they do")
			}
			repeat := atomicRegisters{}
			same := drive(newGenerator(t, w.Name, opts), workers, ops, func(_ int, op history.Op) Answer {
				return repeat.do(op)
			})
			if !slices.EqualFunc(done, same, sameOp) {
				t.Error("the same seed and the same answers gave other operations")
			}
		})
	}
}

func sameOp(a, b history.Op) bool { return a.String() == b.String() }

func TestKeyIsLeftAfterItsUnknowns(t *testing.T) {
	g := newGenerator(t, "register", Options{Seed: 3, Workers: 1, ActiveKeys: 1, KeyOps: 1_000_000, KeyUnknowns: 4})
	unknowns := map[string]int{}
	drive(g, 1, 5_000, func(_ int, op history.Op) Answer {
		if op.Func == history.Read {
			return Answer{Type: history.OK}
		}
		unknowns[op.Key]++
		return Answer{Type: history.Unknown}
	})
	for key, n := range unknowns {
		if n > 4 {
			t.Errorf("key %s was kept through %d unknown updates", key, n)
		}
	}
	if len(g.Keys()) < 10 {
		t.Errorf("only %d keys were used", len(g.Keys()))
	}
}

func TestCASOnlyKeysAreNeverWrittenBlindly(t *testing.T) {
	g := newGenerator(t, "register", Options{Seed: 5, Workers: 4, Nodes: 2, KeyOps: 50})
	system := atomicRegisters{}
	kinds := map[string]map[history.Func]bool{}
	drive(g, 4, 20_000, func(_ int, op history.Op) Answer {
		if kinds[op.Key] == nil {
			kinds[op.Key] = map[history.Func]bool{}
		}
		kinds[op.Key][op.Func] = true
		return system.do(op)
	})
	casOnly := 0
	for _, funcs := range kinds {
		if funcs[history.CAS] && !funcs[history.Write] {
			casOnly++
		}
	}
	if share := float64(casOnly) / float64(len(kinds)); share < 0.25 || share > 0.5 {
		t.Errorf("%d of %d keys are CAS only", casOnly, len(kinds))
	}
}

func TestLookupNamesWhatThereIs(t *testing.T) {
	_, err := Lookup("bank")
	if err == nil || !strings.Contains(err.Error(), `"bank"`) || !strings.Contains(err.Error(), "register, append") {
		t.Errorf("unhelpful error: %v", err)
	}
}

func TestOptionsListAllProblems(t *testing.T) {
	err := Options{Workers: -1, ReadPercent: 101, KeyOps: -3}.Validate()
	for _, want := range []string{"workers", "read percent", "operations per key"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error does not mention %s: %v", want, err)
		}
	}
}

// ops builds a history for Porcupine from operations at unit times.
func ops(list ...history.Operation) []porcupine.Operation {
	out := make([]porcupine.Operation, len(list))
	for i, o := range list {
		ret := int64(o.Return)
		if o.Outcome == history.Unknown {
			ret = math.MaxInt64
		}
		out[i] = porcupine.Operation{ClientId: i, Input: o.Op, Output: o, Call: int64(o.Call), Return: ret}
	}
	return out
}

func TestModel(t *testing.T) {
	one := int64(1)
	write := func(v int64, outcome history.Type) history.Operation {
		return history.Operation{Op: history.Op{Func: history.Write, Key: "k", Value: v}, Outcome: outcome}
	}
	read := func(vs ...int64) history.Operation {
		return history.Operation{Op: history.Op{Func: history.Read, Key: "k"}, Outcome: history.OK,
			Result: history.Result{Values: vs}}
	}
	cas := func(expect *int64, v int64, matched bool, saw ...int64) history.Operation {
		return history.Operation{Op: history.Op{Func: history.CAS, Key: "k", Value: v, Expect: expect},
			Outcome: history.OK, Result: history.Result{Matched: matched, Values: saw}}
	}
	add := func(v int64, list ...int64) history.Operation {
		return history.Operation{Op: history.Op{Func: history.Append, Key: "k", Value: v}, Outcome: history.OK,
			Result: history.Result{Values: list}}
	}
	tests := []struct {
		name  string
		ops   []history.Operation
		legal bool
	}{
		{"read what was written", []history.Operation{write(1, history.OK), read(1)}, true},
		{"read absent", []history.Operation{read()}, true},
		{"stale read", []history.Operation{write(1, history.OK), write(2, history.OK), read(1)}, false},
		{"lost write", []history.Operation{write(1, history.OK), read()}, false},
		{"unknown write seen", []history.Operation{write(1, history.Unknown), read(1)}, true},
		{"unknown write not seen", []history.Operation{write(1, history.Unknown), read()}, true},
		{"unknown write seen, then gone", []history.Operation{write(1, history.Unknown), read(1), read()}, false},
		{"cas on absent", []history.Operation{cas(nil, 1, true), read(1)}, true},
		{"cas mismatch reports what is there", []history.Operation{write(2, history.OK), cas(&one, 3, false, 2)}, true},
		{"cas mismatch reports something else", []history.Operation{write(2, history.OK), cas(&one, 3, false, 4)}, false},
		{"cas mismatch although it was there", []history.Operation{write(1, history.OK), cas(&one, 3, false, 1)}, false},
		{"two cas from one value", []history.Operation{write(1, history.OK), cas(&one, 2, true), cas(&one, 3, true)}, false},
		{"appends in order", []history.Operation{add(1, 1), add(2, 1, 2), read(1, 2)}, true},
		{"append lost", []history.Operation{add(1, 1), add(2, 2)}, false},
		{"append twice", []history.Operation{add(1, 1), read(1, 1)}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for i := range tt.ops { // sequentially
				tt.ops[i].Call, tt.ops[i].Return = time.Duration(2*i), time.Duration(2*i+1)
			}
			if got := porcupine.CheckOperations(Model(), ops(tt.ops...)); got != tt.legal {
				t.Errorf("linearizable = %v, want %v", got, tt.legal)
			}
		})
	}
}
