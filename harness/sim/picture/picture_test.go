package picture

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"strconv"
	"strings"
	"testing"

	"elenchus/harness/sim"
	"elenchus/harness/sim/simtest"
)

// Whatever happens in a run can be drawn, and what is drawn is in the run.
func TestEveryRunCanBeDrawn(t *testing.T) {
	w := sim.New(sim.Options{Record: true, Trace: true})
	failed := uint64(0)
	seeds := simtest.Seeds(40)
	for seed := uint64(1); seed <= seeds; seed++ {
		opts := sim.DrawOptions{}
		if seed%2 == 0 {
			opts.Reads = "local"
		}
		p, err := sim.Draw(seed, opts)
		if err != nil {
			t.Fatal(err)
		}
		r, err := w.Run(p)
		if err != nil {
			t.Fatal(err)
		}
		d := Of(p, &r)
		if err := d.Render(io.Discard); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		sent := 0
		for _, m := range d.Messages {
			if m.Sent > d.End || m.Arrived > d.End || m.Arrived < m.Sent {
				t.Errorf("seed %d: a message from %v to %v of %v", seed, m.Sent, m.Arrived, d.End)
			}
			sent++
		}
		for _, b := range d.Bands {
			if b.To < b.From || b.To > d.End {
				t.Errorf("seed %d: %s from %v to %v of %v", seed, b.Kind, b.From, b.To, d.End)
			}
		}
		if sent < 50 {
			t.Errorf("seed %d: %d messages", seed, sent)
		}
		if v := r.Violation; v != nil {
			failed++
			last := d.Notes[len(d.Notes)-1]
			if !last.Violation || last.At != v.At || !strings.Contains(d.Title, v.Key) {
				t.Errorf("seed %d: %+v, titled %q, for %v", seed, last, d.Title, v)
			}
		}
	}
	if failed < seeds/8 {
		t.Errorf("only %d runs have failed", failed)
	}
}

// Every rule that package sim knows has words here.
func TestEveryInvariantIsExplained(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../violation.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	known := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "invariant") && !strings.HasPrefix(spec.Names[0].Name, "check") {
			return true
		}
		name, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		known++
		if r := rules[name]; r.broken == "" || r.demand == "" {
			t.Errorf("nobody explains %s", name)
		}
		broken, _ := Explain(&sim.Violation{Invariant: name, Node: 1, Slot: 7, Key: "r1"}, []string{"n1"})
		if strings.Contains(broken, "%") {
			t.Errorf("%s: %q", name, broken)
		}
		return true
	})
	if known < 25 {
		t.Errorf("only %d invariants were found", known)
	}
}

func TestDurationsAreRounded(t *testing.T) {
	got := rounded("owes a lease for another 392.660106ms, and 1.304034563s, in slot 5")
	if want := "owes a lease for another 392.7 ms, and 1304.0 ms, in slot 5"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
