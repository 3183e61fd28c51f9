package mutants

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"slices"
)

// probe is the name of what is called at changed places, and probeFile that of the file it is in.
const (
	probe     = "mutantReached"
	probeFile = "zz_mutant_reached.go"
)

// probeSource tells once, by making a file: so programs that are killed have told, too. It is added to each changed
// package of a mutated program, and to nothing else.
const probeSource = `package %s

import (
	"os"
	"sync/atomic"
)

var mutantTold atomic.Bool

func mutantReached() {
	if mutantTold.Load() || !mutantTold.CompareAndSwap(false, true) {
		return
	}
	if f, err := os.OpenFile(%q, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644); err == nil {
		_ = f.Close()
	}
}
`

// addProbes makes the changed files tell when a changed place is reached: a call stands before the statement that the
// change is in, or where a statement was removed before the one that follows. A change outside of all functions is in
// effect from the start, and has no place to be reached.
func (c *Mutated) addProbes(tell string) error {
	packages := make(map[string]string)
	for _, name := range slices.Sorted(maps.Keys(c.Files)) {
		files := token.NewFileSet()
		parsed, err := parser.ParseFile(files, name, c.Files[name], parser.SkipObjectResolution)
		if err != nil {
			return fmt.Errorf("parse what the patch makes: %w", err)
		}
		packages[path.Dir(name)] = parsed.Name.Name
		var offsets []int
		for _, span := range c.Spans {
			if span.File != name {
				continue
			}
			if at, ok := statementAt(files, parsed, span.First); ok {
				offsets = append(offsets, at)
			}
		}
		slices.Sort(offsets)
		offsets = slices.Compact(offsets)
		slices.Reverse(offsets)
		for _, at := range offsets {
			c.Files[name] = slices.Insert(bytes.Clone(c.Files[name]), at, []byte(probe+"(); ")...)
		}
	}
	for dir, name := range packages {
		c.Files[path.Join(dir, probeFile)] = fmt.Appendf(nil, probeSource, name, tell)
	}
	return nil
}

// statementAt is the offset of the innermost statement that the line is part of, or else of the next statement in the
// innermost list around it, or of that list's end. It reports false outside of functions.
func statementAt(files *token.FileSet, file *ast.File, line int) (offset int, ok bool) {
	lineOf := func(at token.Pos) int { return files.Position(at).Line }
	take := func(list []ast.Stmt, end token.Pos) {
		at := end
		for _, s := range list {
			if lineOf(s.End()) >= line {
				at = s.Pos()
				break
			}
		}
		offset, ok = files.Position(at).Offset, true
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if n == nil || lineOf(n.Pos()) > line || lineOf(n.End()) < line {
			return false
		}
		switch n := n.(type) {
		case *ast.BlockStmt:
			if !clauses(n.List) { // nothing can stand between the clauses of a switch
				take(n.List, n.Rbrace)
			}
		case *ast.CaseClause:
			if lineOf(n.Colon) < line {
				take(n.Body, n.End())
			}
		case *ast.CommClause:
			if lineOf(n.Colon) < line {
				take(n.Body, n.End())
			}
		}
		return true
	})
	return offset, ok
}

// clauses reports whether a block is that of a switch or a select.
func clauses(list []ast.Stmt) bool {
	return slices.ContainsFunc(list, func(s ast.Stmt) bool {
		switch s.(type) {
		case *ast.CaseClause, *ast.CommClause:
			return true
		}
		return false
	})
}
