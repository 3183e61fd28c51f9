package mutants

import (
	"bytes"
	"context"
	"errors"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const root = "../.."

// catalogue loads the mutants of this tree.
func catalogue(t *testing.T) []*Mutant {
	t.Helper()
	list, err := Load(Catalogue(root))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// Every patch must apply and compile, however the sources have changed since it was written.
func TestCatalogueCompiles(t *testing.T) {
	list := catalogue(t)
	checker, err := NewChecker(context.Background(), root, list)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		t.Run(m.Name, func(t *testing.T) {
			if err := checker.Check(context.Background(), m); err != nil {
				t.Error(err)
			}
		})
	}
}

// Check refuses what a compiler would refuse, and nothing else.
func TestCheckSaysWhatDoesNotCompile(t *testing.T) {
	tree := toyTree(t)
	for _, test := range []struct{ patch, want string }{
		{toyPatch, ""},
		{strings.ReplaceAll(toyPatch, `"mutated"`, `mutated`), "undefined: mutated"},
		{strings.ReplaceAll(toyPatch, `fmt.Println("mutated", 3)`, `var unused int`), "declared and not used"},
		{strings.ReplaceAll(toyPatch, `"mutated", 3)`, `"mutated", 3`), "toy.go:11"},
	} {
		m := toyMutant(t, test.patch)
		checker, err := NewChecker(context.Background(), tree, []*Mutant{m})
		if err != nil {
			t.Fatal(err)
		}
		err = checker.Check(context.Background(), m)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s\nchecking says %v; want %q", test.patch, err, test.want)
		}
	}
}

// The mutants are small, some are held back, and they cover the whole protocol.
func TestCatalogueIsWhatItClaims(t *testing.T) {
	held, list := 0, catalogue(t)
	places := make(map[string]int)
	for _, m := range list {
		if m.HeldBack() {
			held++
		}
		places[m.Facts.Place]++
		changed, err := m.apply(root)
		if err != nil {
			t.Error(err)
			continue
		}
		if n := m.patch.changed(); n < 1 || n > 10 {
			t.Errorf("%s: the patch changes %d lines; want 1 to 10", m.Name, n)
		}
		for name, text := range changed.Files {
			if pretty, err := format.Source(text); err != nil || !bytes.Equal(pretty, text) {
				t.Errorf("%s: the patch leaves %s unformatted (%v)", m.Name, name, err)
			}
		}
		if len(changed.Spans) == 0 {
			t.Errorf("%s: the patch has no place", m.Name)
		}
	}
	if 4*held < len(list) || 2*held > len(list) {
		t.Errorf("%d of %d mutants are held back; want about a third", held, len(list))
	}
	for _, place := range Places {
		if places[place] == 0 {
			t.Errorf("no mutant is in %s", place)
		}
	}
}

// A mutated program differs from the original, and the sources stay unchanged.
func TestBuildLeavesTheTreeAlone(t *testing.T) {
	tree := toyTree(t)
	m := toyMutant(t, toyPatch)
	dir := t.TempDir()
	program, reached := filepath.Join(dir, "toy"), filepath.Join(dir, "reached")
	if err := m.Build(context.Background(), tree, Build{Package: "./node/toy", Output: program, Reached: reached}); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(program).Output(); err != nil || string(out) != "not 3\n" {
		t.Errorf("the mutated program says %q, %v", out, err)
	}
	if _, err := os.Stat(reached); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the changed place was not executed, and yet: %v", err)
	}
	if out, err := exec.Command(program, "1", "2").Output(); err != nil || string(out) != "mutated 3\n" {
		t.Errorf("the mutated program says %q, %v", out, err)
	}
	if _, err := os.Stat(reached); err != nil {
		t.Errorf("the changed place was executed, and yet: %v", err)
	}
	if err := BuildClean(context.Background(), tree, Build{Package: "./node/toy", Output: program}); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(program, "1", "2").Output(); err != nil || string(out) != "3\n" {
		t.Errorf("the program as it is says %q, %v", out, err)
	}
	entries, err := os.ReadDir(filepath.Join(tree, "node", "toy"))
	if err != nil || len(entries) != 1 {
		t.Errorf("the tree has %v, %v", entries, err)
	}
}

func TestBuildSaysWhatDoesNotCompile(t *testing.T) {
	m := toyMutant(t, strings.ReplaceAll(toyPatch, `"mutated"`, `mutated`))
	err := m.Build(context.Background(), toyTree(t), Build{})
	if err == nil || !strings.Contains(err.Error(), "undefined: mutated") || !strings.Contains(err.Error(), "toy-mutant") {
		t.Errorf("building says %v", err)
	}
}

const toySource = `package main

import (
	"fmt"
	"os"
)

func main() {
	switch len(os.Args) {
	case 3:
		fmt.Println(3)
	default:
		fmt.Println("not", 3)
	}
}
`

const toyPatch = `--- a/node/toy/toy.go
+++ b/node/toy/toy.go
@@ -10,3 +10,3 @@ func main() {
 	case 3:
-		fmt.Println(3)
+		fmt.Println("mutated", 3)
 	default:
`

func toyTree(t *testing.T) string {
	t.Helper()
	tree := t.TempDir()
	write(t, filepath.Join(tree, "go.mod"), "module elenchus\n\ngo 1.21\n")
	write(t, filepath.Join(tree, "node", "toy", "toy.go"), toySource)
	return tree
}

func toyMutant(t *testing.T, patch string) *Mutant {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "toy-mutant")
	write(t, filepath.Join(dir, PageName), page("toy-mutant"))
	write(t, filepath.Join(dir, PatchName), patch)
	m, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func page(name string) string {
	return "# " + name + `

It says more
than it should.

- Place: promises
- Precedent: somebody
- Symptom: Many.
- Axis: safety
- Faults: A crash, or
  a cut.
- Workload: any
- Breaks: agreement
- Masked: Nothing.
- Labs: sim, local

More of it.
`
}

func TestPageIsRead(t *testing.T) {
	f, err := parseFacts("x", page("x"))
	if err != nil {
		t.Fatal(err)
	}
	if f.Summary != "It says more than it should." || f.Faults != "A crash, or a cut." || f.Text != "More of it." ||
		!slices.Equal(f.Labs, []string{"sim", "local"}) {
		t.Errorf("read %+v", f)
	}
}

func TestLoadListsAllProblems(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	add := func(dir, name, page, patch string) {
		if page != "" {
			write(t, filepath.Join(dir, name, PageName), page)
		}
		if patch != "" {
			write(t, filepath.Join(dir, name, PatchName), patch)
		}
	}
	add(first, "good", page("good"), toyPatch)
	add(second, "good", page("good"), toyPatch)
	add(first, "no-page", "", toyPatch)
	add(first, "no-patch", page("no-patch"), "")
	add(first, "Bad_Name", page("Bad_Name"), toyPatch)
	add(first, "titled", page("else"), toyPatch)
	add(first, "no-facts", strings.NewReplacer("- Precedent: somebody\n", "", "- Axis: safety", "- Axis: taste",
		"- Labs: sim", "- Labs: moon", "- Masked:", "- Mask:").Replace(page("no-facts")), toyPatch)
	add(first, "twice", strings.Replace(page("twice"), "- Axis", "- Place: reads\n- Axis", 1), toyPatch)
	add(first, "garbled", page("garbled"), "hello\n")
	write(t, filepath.Join(first, "README.md"), "no mutant")
	list, err := Load(first, second, filepath.Join(first, "missing"))
	if len(list) != 1 || list[0].Name != "good" {
		t.Errorf("loaded %v", list)
	}
	if err == nil {
		t.Fatal("no problem was found")
	}
	for _, want := range []string{
		"mutant good is in " + first, "no-page: mutant.md: there is no such file", "no-patch: mutant.patch: there is no such file",
		"Bad_Name: " + filepath.Join(first, "Bad_Name") + ": a name is of small letters",
		`titled: mutant.md: line 1: the title is "# else"; want "# titled"`,
		`no-facts: mutant.md: fact "Precedent" is missing`, `no-facts: mutant.md: Axis: "taste" is none of safety, liveness`,
		`no-facts: mutant.md: Labs: "moon" is none of sim, local`, `no-facts: mutant.md: unknown fact "Mask"`,
		`no-facts: mutant.md: fact "Masked" is missing`, "twice: mutant.md: Place is said twice",
		`garbled: mutant.patch: ` + filepath.Join(first, "garbled", PatchName) + `:1: "hello" is neither`, "missing",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no word of %q in\n%v", want, err)
		}
	}
}

// Daily samples go through the whole list.
func TestSample(t *testing.T) {
	list := catalogue(t)
	day, seen := time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC), make(map[string]int)
	const count = 8
	for range (len(list) + count - 1) / count {
		sample := Sample(list, count, day)
		if again := Sample(list, count, day.Add(30*time.Minute)); len(sample) != count || !slices.Equal(sample, again) {
			t.Fatalf("%d mutants, and half an hour later others", len(sample))
		}
		for _, m := range sample {
			seen[m.Name]++
		}
		day = day.Add(24 * time.Hour)
	}
	if len(seen) != len(list) {
		t.Errorf("%d of %d mutants were taken", len(seen), len(list))
	}
	if all := Sample(list, len(list)+5, day); len(all) != len(list) {
		t.Errorf("a sample of %d from %d", len(all), len(list))
	}
}

func TestSelect(t *testing.T) {
	a, b := &Mutant{Name: "a"}, &Mutant{Name: "b"}
	if all, err := Select([]*Mutant{a, b}, nil); err != nil || len(all) != 2 {
		t.Errorf("all are %v, %v", all, err)
	}
	if one, err := Select([]*Mutant{a, b}, []string{"b", "b"}); err != nil || !slices.Equal(one, []*Mutant{b}) {
		t.Errorf("one is %v, %v", one, err)
	}
	_, err := Select([]*Mutant{a, b}, []string{"x", "a", "y"})
	if err == nil || !strings.Contains(err.Error(), `"x"`) || !strings.Contains(err.Error(), `"y"`) {
		t.Errorf("selecting what is not there says %v", err)
	}
}

func TestFindTree(t *testing.T) {
	tree := toyTree(t)
	found, err := FindTree(filepath.Join(tree, "node", "toy"))
	if err != nil || found != tree {
		t.Errorf("found %q, %v", found, err)
	}
	other := t.TempDir()
	write(t, filepath.Join(other, "go.mod"), "module something\n")
	if _, err := FindTree(other); err == nil {
		t.Error("found a tree in another module")
	}
}
