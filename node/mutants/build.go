package mutants

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
)

// module is the module path expected in the tree's go.mod.
const module = "elenchus"

// FindTree returns the root of the source tree that contains dir.
func FindTree(dir string) (string, error) {
	from, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find source tree: %w", err)
	}
	for dir = from; ; dir = filepath.Dir(dir) {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && bytes.HasPrefix(text, []byte("module "+module+"\n")) {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("find source tree: %s is not in one of the module %s", from, module)
		}
	}
}

// mutated is a mutant applied to a tree.
type mutated struct {
	Files map[string][]byte // content by path from the root of the tree
	Spans []span            // changed lines
}

// apply applies the patch to the sources of a tree, in memory. It returns all problems at once.
func (m *Mutant) apply(tree string) (*mutated, error) {
	out := &mutated{Files: make(map[string][]byte)}
	var problems []error
	for i := range m.patch.Files {
		f := &m.patch.Files[i]
		source, err := os.ReadFile(filepath.Join(tree, filepath.FromSlash(f.Path)))
		if err != nil {
			problems = append(problems, fmt.Errorf("read what the patch changes: %w", err))
			continue
		}
		changed, spans, err := f.apply(m.patchFile(), source)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		out.Files[f.Path] = changed
		out.Spans = append(out.Spans, spans...)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("apply mutant %s: %w", m.Name, err)
	}
	return out, nil
}

// packages returns the packages that the patch changes, as paths from the root of the tree, such as
// "./node/multipaxos".
func (m *Mutant) packages() []string {
	set := make(map[string]bool)
	for _, f := range m.patch.Files {
		set["./"+path.Dir(f.Path)] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// writeOverlay writes the patched files into the existing directory dir, together with an overlay file for the -overlay
// option of go commands. It returns the name of the overlay file.
func (c *mutated) writeOverlay(tree, dir string) (string, error) {
	tree, err := filepath.Abs(tree)
	if err != nil {
		return "", fmt.Errorf("write overlay: %w", err)
	}
	replace := make(map[string]string)
	for i, name := range slices.Sorted(maps.Keys(c.Files)) {
		changed := filepath.Join(dir, fmt.Sprintf("%d-%s", i, path.Base(name)))
		if err := os.WriteFile(changed, c.Files[name], 0o644); err != nil {
			return "", fmt.Errorf("write overlay: %w", err)
		}
		replace[filepath.Join(tree, filepath.FromSlash(name))] = changed
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", fmt.Errorf("write overlay: %w", err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, text, 0o644); err != nil {
		return "", fmt.Errorf("write overlay: %w", err)
	}
	return overlay, nil
}

// Build describes what to build.
type Build struct {
	Package string // package of the program, from the root of the tree, such as "./node"
	Output  string // output file; empty to compile only the changed packages and discard the result

	// Reached, when not empty, is a file that the program creates when it first reaches a changed place.
	Reached string
}

// Build builds a program of the tree with the mutant applied. The error includes the compiler's output.
func (m *Mutant) Build(ctx context.Context, tree string, b Build) error {
	changed, err := m.apply(tree)
	if err != nil {
		return err
	}
	if b.Reached != "" {
		if err := changed.addProbes(b.Reached); err != nil {
			return fmt.Errorf("build mutant %s: %w", m.Name, err)
		}
	}
	dir, err := os.MkdirTemp("", "elenchus-mutant-")
	if err != nil {
		return fmt.Errorf("build mutant %s: %w", m.Name, err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	overlay, err := changed.writeOverlay(tree, dir)
	if err != nil {
		return fmt.Errorf("build mutant %s: %w", m.Name, err)
	}
	if err := build(ctx, tree, []string{"-overlay", overlay}, b, m.packages()); err != nil {
		return fmt.Errorf("build mutant %s: %w", m.Name, err)
	}
	return nil
}

// BuildClean builds a program of the unmodified tree.
func BuildClean(ctx context.Context, tree string, b Build) error {
	if err := build(ctx, tree, nil, b, nil); err != nil {
		return fmt.Errorf("build: %w", err)
	}
	return nil
}

func build(ctx context.Context, tree string, args []string, b Build, packages []string) error {
	args = append([]string{"build", "-buildvcs=false"}, args...)
	if b.Output == "" {
		args = append(args, packages...)
	} else {
		output, err := filepath.Abs(b.Output)
		if err != nil {
			return err
		}
		args = append(args, "-trimpath", "-ldflags=-s -w", "-o", output, b.Package)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = tree
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("%w\n%s", err, bytes.TrimSpace(out))
	}
	return nil
}
