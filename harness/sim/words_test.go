package sim

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
)

// Every rule has words.
func TestEveryInvariantIsExplained(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "violation.go", nil, 0)
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
		if r := meanings[name]; r.Name == "" || r.Broken == "" || r.Demand == "" {
			t.Errorf("nobody explains %s", name)
		}
		v := Violation{Invariant: name, Node: 1, Slot: 7, Key: "r1"}
		broken, _ := v.Explain([]string{"n1"})
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
