package mutants

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
)

// patch is a parsed unified diff.
type patch struct {
	Files []filePatch
}

// filePatch is the patch of one file.
type filePatch struct {
	Path  string // from the root of the tree, with slashes
	Hunks []hunk
}

// hunk replaces the lines Old with the lines New.
type hunk struct {
	Line     int // line of its header in the patch
	Old, New []string
	changed  []int // indices of the lines of New that are not in Old; for a pure removal, the line after it
}

// patchError is a problem with a patch, located in the patch itself or in the file where it should apply.
type patchError struct {
	File   string
	Line   int
	Reason string
}

// Error returns file, line and reason.
func (e *patchError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason) }

// parsePatch parses a unified diff of existing Go files. The name is for error messages.
func parsePatch(name string, text []byte) (*patch, error) {
	p := &patchReader{name: name, lines: strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")}
	for p.at < len(p.lines) && p.err == nil {
		line := p.lines[p.at]
		switch {
		case strings.HasPrefix(line, "--- "):
			p.file()
		case strings.HasPrefix(line, "@@ "):
			p.hunk()
		case line == "", strings.HasPrefix(line, "diff "), strings.HasPrefix(line, "index "):
			p.at++
		default:
			p.fail("%q is neither a header nor part of a hunk", line)
		}
	}
	if p.err == nil && len(p.patch.Files) == 0 {
		p.fail("it changes nothing")
	}
	for _, f := range p.patch.Files {
		if p.err == nil && len(f.Hunks) == 0 {
			p.fail("nothing changes in %s", f.Path)
		}
	}
	return &p.patch, p.err
}

type patchReader struct {
	name  string
	lines []string
	at    int
	patch patch
	err   error
}

func (p *patchReader) fail(format string, args ...any) {
	if p.err == nil {
		p.err = &patchError{p.name, p.at + 1, fmt.Sprintf(format, args...)}
	}
}

// file parses the two lines that name a file.
func (p *patchReader) file() {
	strip := func(line, mark, prefix string) string {
		name, _, _ := strings.Cut(strings.TrimPrefix(line, mark), "\t")
		return strings.TrimPrefix(name, prefix)
	}
	before := strip(p.lines[p.at], "--- ", "a/")
	p.at++
	if p.at == len(p.lines) || !strings.HasPrefix(p.lines[p.at], "+++ ") {
		p.fail("a +++ line is expected")
		return
	}
	after := strip(p.lines[p.at], "+++ ", "b/")
	switch {
	case before != after:
		p.fail("%s becomes %s: files are neither made, removed nor renamed", before, after)
	case path.Clean(after) != after || path.IsAbs(after) || strings.HasPrefix(after, "../"):
		p.fail("%q is no path from the root of the tree", after)
	case !strings.HasSuffix(after, ".go") || strings.HasSuffix(after, "_test.go"):
		p.fail("%s is no Go file that is built", after)
	case slices.ContainsFunc(p.patch.Files, func(f filePatch) bool { return f.Path == after }):
		p.fail("%s is changed twice", after)
	}
	p.patch.Files = append(p.patch.Files, filePatch{Path: after})
	p.at++
}

// hunk parses a header and the number of lines it announces.
func (p *patchReader) hunk() {
	if len(p.patch.Files) == 0 {
		p.fail("a hunk without a file")
		return
	}
	oldLeft, newLeft, ok := hunkLengths(p.lines[p.at])
	if !ok {
		p.fail("%q is no header of a hunk", p.lines[p.at])
		return
	}
	h := hunk{Line: p.at + 1}
	p.at++
	changes := false
	for ; oldLeft > 0 || newLeft > 0; p.at++ {
		if p.at == len(p.lines) {
			p.fail("the hunk ends too early")
			return
		}
		mark, text := byte(' '), ""
		if line := p.lines[p.at]; line != "" { // some editors strip the space from an empty line
			mark, text = line[0], line[1:]
		}
		switch mark {
		case ' ':
			h.Old, h.New = append(h.Old, text), append(h.New, text)
			oldLeft, newLeft = oldLeft-1, newLeft-1
		case '-':
			h.Old, oldLeft, changes = append(h.Old, text), oldLeft-1, true
			h.mark(len(h.New))
		case '+':
			h.mark(len(h.New))
			h.New, newLeft, changes = append(h.New, text), newLeft-1, true
		default:
			p.fail("%q is not part of a hunk", p.lines[p.at])
			return
		}
		if oldLeft < 0 || newLeft < 0 {
			p.fail("the hunk is longer than its header says")
			return
		}
	}
	switch {
	case !changes:
		p.fail("the hunk changes nothing")
	case len(h.Old) == 0:
		p.fail("a hunk without context fits everywhere")
	}
	f := &p.patch.Files[len(p.patch.Files)-1]
	f.Hunks = append(f.Hunks, h)
}

func (h *hunk) mark(line int) {
	if n := len(h.changed); n == 0 || h.changed[n-1] != line {
		h.changed = append(h.changed, line)
	}
}

// hunkLengths parses "@@ -12,5 +12,6 @@".
func hunkLengths(header string) (before, after int, ok bool) {
	fields := strings.Fields(header)
	if len(fields) < 4 || fields[3] != "@@" {
		return 0, 0, false
	}
	length := func(text, mark string) (int, bool) {
		text, found := strings.CutPrefix(text, mark)
		_, count, some := strings.Cut(text, ",")
		if !some {
			return 1, found
		}
		n, err := strconv.Atoi(count)
		return n, found && err == nil && n >= 0
	}
	before, ok1 := length(fields[1], "-")
	after, ok2 := length(fields[2], "+")
	return before, after, ok1 && ok2
}

// changed returns the number of lines the patch removes or adds, whichever is more, summed over all hunks.
func (p *patch) changed() (lines int) {
	for _, f := range p.Files {
		for _, h := range f.Hunks {
			common := 0
			for i := range h.New {
				if !slices.Contains(h.changed, i) {
					common++
				}
			}
			common = min(common, len(h.Old))
			lines += max(len(h.Old), len(h.New)) - common
		}
	}
	return lines
}

// span is a range of lines of a changed file, numbered from 1, inclusive.
type span struct {
	File        string // from the root of the tree
	First, Last int
}

// apply returns the patched file and the changed spans. It returns all problems at once, as PatchErrors.
func (f *filePatch) apply(patch string, source []byte) (result []byte, spans []span, err error) {
	lines := strings.Split(string(source), "\n")
	var out []string
	var problems []error
	taken := 0
	for i := range f.Hunks {
		h := &f.Hunks[i]
		at, err := h.find(lines, taken)
		if err != nil {
			problems = append(problems, &patchError{patch, h.Line, fmt.Sprintf("the hunk %s %s", err, f.Path)})
			continue
		}
		out = append(out, lines[taken:at]...)
		for _, changed := range h.changed {
			line := len(out) + min(changed, len(h.New)-1) + 1
			if n := len(spans); n > 0 && spans[n-1].Last >= line-1 {
				spans[n-1].Last = line
			} else {
				spans = append(spans, span{f.Path, line, line})
			}
		}
		out = append(out, h.New...)
		taken = at + len(h.Old)
	}
	out = append(out, lines[taken:]...)
	result = []byte(strings.Join(out, "\n"))
	if len(problems) == 0 && bytes.Equal(result, source) {
		problems = append(problems, &patchError{f.Path, 1, "the patch changes nothing in it"})
	}
	return result, spans, errors.Join(problems...)
}

// find returns the index in lines, from taken on, of the only occurrence of the hunk's old lines.
func (h *hunk) find(lines []string, taken int) (int, error) {
	found := -1
	for at := taken; at+len(h.Old) <= len(lines); at++ {
		if !slices.Equal(lines[at:at+len(h.Old)], h.Old) {
			continue
		}
		if found >= 0 {
			return 0, fmt.Errorf("fits at lines %d and %d of", found+1, at+1)
		}
		found = at
	}
	if found >= 0 {
		return found, nil
	}
	return 0, h.miss(lines, taken)
}

// miss returns an error that describes the best partial match of the hunk.
func (h *hunk) miss(lines []string, taken int) error {
	best, line := -1, 0
	for at := taken; at < len(lines); at++ {
		n := 0
		for n < len(h.Old) && at+n < len(lines) && lines[at+n] == h.Old[n] {
			n++
		}
		if n > best {
			best, line = n, at+n
		}
	}
	if best <= 0 {
		return fmt.Errorf("begins with %q, which is not in", strings.TrimSpace(h.Old[0]))
	}
	there := "the end"
	if line < len(lines) {
		there = strconv.Quote(strings.TrimSpace(lines[line]))
	}
	return fmt.Errorf("wants %q at line %d, where there is %s, of", strings.TrimSpace(h.Old[best]), line+1, there)
}

// HashPatch feeds a digest with the files and lines of the mutant's patch. Line numbers are left out, so that it stays
// the same when the patch moves within a file.
func (m *Mutant) HashPatch(digest io.Writer) {
	for _, f := range m.patch.Files {
		fmt.Fprintln(digest, f.Path)
		for _, h := range f.Hunks {
			fmt.Fprintf(digest, "%q %q\n", h.Old, h.New)
		}
	}
}
