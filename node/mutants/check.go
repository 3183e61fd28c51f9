package mutants

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
)

// Checker checks that patches apply and compile, using the Go type checker. It runs the compiler only once, for the
// packages that the changed ones import.
type Checker struct {
	tree     string
	packages map[string]listed // by path from the root of the tree, such as "./node/wal"
	importer types.Importer
	files    *token.FileSet
}

// listed is the output of "go list" for a package.
type listed struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Export     string // file with its export data
}

// NewChecker returns a Checker for mutants of a tree.
func NewChecker(ctx context.Context, tree string, list []*Mutant) (*Checker, error) {
	changed := make(map[string]bool)
	for _, m := range list {
		for _, name := range m.packages() {
			changed[name] = true
		}
	}
	args := []string{"list", "-export", "-deps", "-json=ImportPath,Dir,GoFiles,Export"}
	cmd := exec.CommandContext(ctx, "go", append(args, slices.Sorted(maps.Keys(changed))...)...)
	cmd.Dir, cmd.Env = tree, append(os.Environ(), "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list packages: %w\n%s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	c := &Checker{tree: tree, packages: make(map[string]listed), files: token.NewFileSet()}
	exports := make(map[string]string)
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("list packages: %w", err)
		}
		exports[p.ImportPath] = p.Export
		if rest, ok := cutModule(p.ImportPath); ok {
			c.packages[rest] = p
		}
	}
	c.importer = importer.ForCompiler(c.files, "gc", func(name string) (io.ReadCloser, error) {
		return os.Open(exports[name])
	})
	return c, nil
}

// cutModule returns the path of a package of this module from the root of the tree.
func cutModule(importPath string) (string, bool) {
	rest, err := filepath.Rel(module, importPath)
	return "./" + rest, err == nil && filepath.IsLocal(rest)
}

// Check applies a mutant's patch in memory and type-checks the packages it changes. The error lists all problems.
func (c *Checker) Check(ctx context.Context, m *Mutant) error {
	changed, err := m.apply(c.tree)
	if err != nil {
		return err
	}
	packages := m.packages()
	if len(packages) > 1 { // one may depend on changes in another
		return m.Build(ctx, c.tree, Build{})
	}
	p, known := c.packages[packages[0]]
	if !known {
		return fmt.Errorf("check mutant %s: there is no package %s", m.Name, packages[0])
	}
	var problems []error
	var parsed []*ast.File
	for _, name := range p.GoFiles {
		var source any // nil means the file on disk
		if text, ok := changed.Files[path.Join(filepath.ToSlash(packages[0]), name)]; ok {
			source = text
		}
		f, err := parser.ParseFile(c.files, filepath.Join(p.Dir, name), source, parser.SkipObjectResolution)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		parsed = append(parsed, f)
	}
	if len(problems) == 0 {
		config := types.Config{Importer: c.importer, Error: func(err error) { problems = append(problems, err) }}
		_, _ = config.Check(p.ImportPath, c.files, parsed, nil) // errors are collected by the Error function
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("check mutant %s: %w", m.Name, err)
	}
	return nil
}
