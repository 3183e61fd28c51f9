package history

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// texts are the string literals in the declarations of a source file whose names are wanted.
func texts(t *testing.T, file string, wanted func(name string) bool) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !wanted(spec.Names[0].Name) {
			return true
		}
		ast.Inspect(spec, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				text, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, text)
			}
			return true
		})
		return false
	})
	return out
}

// The documentation has a row for every kind of line that nodes write, and for no other.
func TestKindsAreDocumented(t *testing.T) {
	kinds := make(map[string]bool)
	for _, kind := range slices.Concat(
		texts(t, "observation.go", func(name string) bool {
			return strings.HasPrefix(name, "Observed") || name == "lineSegment" || name == "lineUnwritten"
		}),
		texts(t, "../../node/protocol/observation.go", func(name string) bool { return name == "observationNames" }),
		texts(t, "../../node/server/observe.go", func(name string) bool { return strings.HasPrefix(name, "kind") }),
	) {
		kinds[kind] = true
	}
	delete(kinds, ObservedEnded) // no node can write it
	if len(kinds) < 30 {
		t.Fatalf("only %d kinds were found", len(kinds))
	}
	doc, err := os.ReadFile("../../docs/results.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(doc), "\n## What nodes report\n")
	section, _, _ = strings.Cut(section, "\nA node's data directory")
	told := make(map[string]bool)
	for line := range strings.Lines(section) {
		if cells := strings.Split(line, "|"); len(cells) > 3 {
			for _, kind := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
				told[kind[1]] = true
			}
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		if !told[kind] {
			t.Errorf("docs/results.md has no row for %q", kind)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(told)) {
		if !kinds[kind] {
			t.Errorf("docs/results.md has a row for %q, which nobody writes", kind)
		}
	}
}
