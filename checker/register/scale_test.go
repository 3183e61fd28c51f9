package register_test

import (
	"fmt"
	"testing"

	"elenchus/checker/register"
	"elenchus/checker/register/synthetic"
)

// Histories of thousands of operations, which no search could decide: a correct register's are valid, with proof, and
// checker and monitor agree on those with an anomaly. Cores stay small.
func TestLongHistories(t *testing.T) {
	violated, seen := 0, 0
	for seed := range uint64(120) {
		o := synthetic.Options{
			Seed: seed, Ops: 4000, Clients: 1 + int(seed*7%50), Keys: 1 + int(seed%3), Unknown: float64(seed%5) / 50,
			CASOnly: seed%4 == 3, Anomaly: synthetic.Anomaly(seed % 3), Versions: 1 + int(seed%40), OwnReads: 20,
		}
		if seed%5 == 0 {
			o.Think = 10
		}
		h := synthetic.Make(o)
		var c register.Checker
		legal := true
		for _, ops := range h {
			switch c.Decide(ops) {
			case register.Abstained:
				t.Fatalf("seed %d: %s", seed, c.Reason())
			case register.Valid:
				if err := register.Verify(ops, c.Order(nil)); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			case register.Violated:
				legal = false
				core := c.Core(nil)
				if len(core) > 7 {
					t.Errorf("seed %d: core of %d operations", seed, len(core))
				}
				var again register.Checker
				if again.Decide(in(core, ops)) != register.Violated {
					t.Fatalf("seed %d: the core is possible", seed)
				}
			}
		}
		tickets := make([][]register.Ticket, len(h))
		for k := range h {
			tickets[k] = make([]register.Ticket, len(h[k]))
		}
		objects := monitor(make([]register.Monitor, len(h)), h, inOrder(h), tickets) >= 0
		if objects == legal {
			t.Fatalf("seed %d: checker says %v, but monitor objects: %v", seed, legal, objects)
		}
		if o.Anomaly == synthetic.Nothing && !legal {
			t.Fatalf("seed %d: nothing was wrong", seed)
		}
		if o.Anomaly != synthetic.Nothing {
			seen++
			if !legal {
				violated++
			}
		}
	}
	if violated < seen/3 {
		t.Errorf("only %d of %d anomalies showed", violated, seen)
	}
}

func in(core []register.Witness, ops []register.Op) []register.Op {
	var out []register.Op
	for _, w := range core {
		out = append(out, w.In(ops))
	}
	return out
}

func Example() {
	ops := []register.Op{
		{Kind: register.Write, Call: 0, Return: 10, Writes: 1},
		{Kind: register.Read, Call: 2, Return: 4, Sees: 1},
		{Kind: register.Write, Call: 11, Return: 12, Writes: 2},
		{Kind: register.Read, Call: 13, Return: 14, Sees: 1},
	}
	var c register.Checker
	fmt.Println(c.Decide(ops))
	for _, w := range c.Core(nil) {
		op := w.In(ops)
		fmt.Println(&op)
	}
	// Output:
	// violated
	// [13 14] read 1
	// [0 10] write 1
	// [11 12] write 2
}
