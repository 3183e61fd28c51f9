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

// probe is the name of the function called at changed places, and probeFile the file that defines it.
const (
	probe     = "mutantReached"
	probeFile = "zz_mutant_reached.go"
)

// probeSource reports once, by creating a file, so that the report survives if the program is killed. It is added only
// to the changed packages of a mutated program.
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

// addProbes inserts calls that report when a changed place is reached. Each call precedes the statement that contains
// the change or, for a removed statement, the one that follows. A change outside all functions has no place to be
// reached: it is in effect from the start.
func (c *mutated) addProbes(tell string) error {
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

// statementAt returns the offset of the innermost statement that contains the line; failing that, of the next statement
// in the innermost enclosing list, or of the end of that list. It returns false outside functions.
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
			if !clauses(n.List) { // no statement may precede the clauses of a switch
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

// clauses reports whether a block is the body of a switch or select.
func clauses(list []ast.Stmt) bool {
	return slices.ContainsFunc(list, func(s ast.Stmt) bool {
		switch s.(type) {
		case *ast.CaseClause, *ast.CommClause:
			return true
		}
		return false
	})
}
