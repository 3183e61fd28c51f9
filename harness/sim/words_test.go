package sim

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
	"time"

	"elenchus/node/protocol"
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

// What is said of a violation names its rule once, and its slot and ballot where the message does not.
func TestViolationInWords(t *testing.T) {
	ballot := protocol.Ballot{Round: 2, Node: 1}
	v := Violation{Invariant: invariantGrant, At: 1500 * time.Millisecond, Node: 2, Ballot: ballot,
		Message: "the node sends Promise, and owes a lease of 1.n3"}
	const line = "a lease granted and not honoured (grant-honoured) at 1.5s, n2, ballot 2.n1: " +
		"the node sends Promise, and owes a lease of 1.n3"
	if got := v.String(); got != line {
		t.Errorf("%q; want %q", got, line)
	}
	nodes := []string{"a", "b", "c"}
	for message, want := range map[string]string{
		"the node sends Promise":                   "b sends Promise (slot 7, ballot 2.n1).",
		"the node sends Promise in 2.n1":           "b sends Promise in 2.n1 (slot 7).",
		"the node applies slot 7 in 12.n1":         "b applies slot 7 in 12.n1 (ballot 2.n1).",
		"slot 77 is there":                         "Slot 77 is there (slot 7, ballot 2.n1).",
		"the node takes slot 7 for chosen in 2.n1": "b takes slot 7 for chosen in 2.n1.",
	} {
		v := Violation{Invariant: invariantGrant, Node: 2, Slot: 7, Ballot: ballot, Message: message}
		if got := v.Summary(nodes); got != want {
			t.Errorf("%q: %q; want %q", message, got, want)
		}
	}
}
