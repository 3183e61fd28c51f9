package mutants

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

const source = `package p

func f(a, b int) int {
	if a > b {
		return a
	}
	return b
}

func g(a, b int) int {
	if a > b {
		return a
	}
	return b
}
`

func diff(body ...string) string {
	return "--- a/p/p.go\n+++ b/p/p.go\n" + strings.Join(body, "\n") + "\n"
}

func TestPatchApplies(t *testing.T) {
	p, err := parsePatch("x.patch", []byte("diff --git a/p/p.go b/p/p.go\nindex 1..2 100644\n"+diff(
		"@@ -3,3 +3,2 @@", " func f(a, b int) int {", "-	if a > b {", "-		return a", "+	if a < b { return a",
		"@@ -100,3 +99,4 @@ func g", " func g(a, b int) int {", "+	a++", " 	if a > b {", " 		return a",
		"@@ -13,3 +13,3 @@", " 	return b", " }", "-", "+// end")))
	if err != nil {
		t.Fatal(err)
	}
	if p.changed() != 4 {
		t.Errorf("%d lines change", p.changed())
	}
	// The last hunk begins with lines that occur twice in the file, but only once after the earlier hunks.
	out, spans, err := p.Files[0].apply("x.patch", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(source, "	if a > b {\n		return a\n", "	if a < b { return a\n", 1)
	want = strings.Replace(want, "func g(a, b int) int {\n", "func g(a, b int) int {\n	a++\n", 1)
	want = strings.TrimSuffix(want, "\n") + "\n// end"
	if string(out) != want {
		t.Errorf("made\n%s\nwant\n%s", out, want)
	}
	if !slices.Equal(spans, []span{{"p/p.go", 4, 4}, {"p/p.go", 10, 10}, {"p/p.go", 16, 16}}) {
		t.Errorf("changed at %v", spans)
	}
}

func TestRemovedLinesHaveAPlace(t *testing.T) {
	p, err := parsePatch("x.patch", []byte(diff("@@ -3,5 +3,2 @@", " func f(a, b int) int {", "-	if a > b {",
		"-		return a", "-	}", " 	return b")))
	if err != nil {
		t.Fatal(err)
	}
	_, spans, err := p.Files[0].apply("x.patch", []byte(source))
	if err != nil || !slices.Equal(spans, []span{{"p/p.go", 4, 4}}) {
		t.Errorf("changed at %v, %v", spans, err)
	}
}

func TestPatchThatNoLongerApplies(t *testing.T) {
	for _, test := range []struct {
		name string
		hunk []string
		want string
	}{
		{"moved on", []string{"@@ -3,3 +3,3 @@", " func f(a, b int) int {", "-	if a >= b {", "+	if a < b {", " 		return a"},
			`x.patch:3: the hunk wants "if a >= b {" at line 4, where there is "if a > b {", of p/p.go`},
		{"gone", []string{"@@ -3 +3 @@", "-	nothing like it", "+	something"}, `x.patch:3: the hunk begins with "nothing like it", which is not in p/p.go`},
		{"ambiguous", []string{"@@ -4,2 +4,2 @@", " 	if a > b {", "-		return a", "+		return b"},
			"x.patch:3: the hunk fits at lines 4 and 11 of p/p.go"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := parsePatch("x.patch", []byte(diff(test.hunk...)))
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = p.Files[0].apply("x.patch", []byte(source))
			if err == nil || err.Error() != test.want {
				t.Errorf("applying says %v\nwant %s", err, test.want)
			}
			if at := (*patchError)(nil); !errors.As(err, &at) || at.Line != 3 {
				t.Errorf("it is no error of line 3: %v", err)
			}
		})
	}
}

func TestBadPatchesAreRefused(t *testing.T) {
	good := []string{"@@ -4,2 +4,2 @@", " 	if a > b {", "-		return a", "+		return b"}
	for _, test := range []struct{ name, patch, want string }{
		{"empty", "", "it changes nothing"},
		{"prose", "Dear maintainer,\n", `x.patch:1: "Dear maintainer," is neither`},
		{"no hunk", "--- a/p/p.go\n+++ b/p/p.go\n", "nothing changes in p/p.go"},
		{"hunk without a file", strings.Join(good, "\n"), "x.patch:1: a hunk without a file"},
		{"new file", "--- /dev/null\n+++ b/p/q.go\n@@ -0,0 +1 @@\n+package p\n", "files are neither made, removed nor renamed"},
		{"test file", "--- a/p/p_test.go\n+++ b/p/p_test.go\n", "p/p_test.go is no Go file that is built"},
		{"outside", "--- a/../p.go\n+++ b/../p.go\n", `"../p.go" is no path from the root`},
		{"absolute", "--- a//p.go\n+++ b//p.go\n", `"/p.go" is no path from the root`},
		{"one name", "--- a/p/p.go\n", "x.patch:2: a +++ line is expected"},
		{"twice", diff(good...) + diff(good...), "p/p.go is changed twice"},
		{"too short", diff(good[:3]...), "x.patch:6: the hunk ends too early"},
		{"too long", diff("@@ -4,1 +4,2 @@", good[1], good[2], good[3]), "the hunk is longer than its header says"},
		{"bad header", diff("@@ -4,x +4,2 @@", good[1]), `x.patch:3: "@@ -4,x +4,2 @@" is no header of a hunk`},
		{"foreign line", diff("@@ -4,2 +4,2 @@", good[1], `\ No newline`), "is not part of a hunk"},
		{"no change", diff("@@ -4,1 +4,1 @@", good[1]), "the hunk changes nothing"},
		{"no context", diff("@@ -4,0 +4,1 @@", good[3]), "a hunk without context fits everywhere"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := parsePatch("x.patch", []byte(test.patch))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("parsing says %v\nwant %s", err, test.want)
			}
		})
	}
}

// No patch may make the reader panic, and a refused patch must not be applied.
func FuzzPatch(f *testing.F) {
	f.Add(toyPatch)
	f.Add(diff("@@ -4,2 +4,2 @@", " 	if a > b {", "-		return a", "+		return b"))
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePatch("x.patch", []byte(text))
		if err != nil {
			return
		}
		for i := range p.Files {
			_, spans, err := p.Files[i].apply("x.patch", []byte(source))
			if err == nil && len(spans) == 0 {
				t.Errorf("%q applies and has no place", text)
			}
		}
	})
}
