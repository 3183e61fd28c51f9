// Package planted builds test binaries of a system with a bug in it. A bug is a text file: a sentence that says what it
// is, and lines of the source with others in their place. The source itself stays as it is: the compiler is given the
// changed files as an overlay.
package planted

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Build makes a test binary of the package in the present directory, with the bug of a file planted in the module at
// root, and puts it into dir.
func Build(root, file, dir string) (binary string, err error) {
	overlay, err := Overlay(root, file, dir)
	if err != nil {
		return "", err
	}
	binary = filepath.Join(dir, "planted.test")
	build := exec.Command("go", "test", "-c", "-overlay", overlay, "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build with %s: %w\n%s", file, err, out)
	}
	return binary, nil
}

// Overlay writes the changed sources to dir, and a file that tells the compiler of them: for go build -overlay. Every
// text that is to be replaced must be there exactly once.
func Overlay(root, file, dir string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for i, part := range strings.Split(string(text), "-- file: ")[1:] {
		name, rest, _ := strings.Cut(part, "\n-- old\n")
		before, after, ok := strings.Cut(rest, "\n-- new\n")
		if !ok {
			return "", fmt.Errorf("%s: part %d is not of the form file, old, new", file, i+1)
		}
		path, err := filepath.Abs(filepath.Join(root, name))
		if err != nil {
			return "", err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		if n := strings.Count(string(source), before+"\n"); n != 1 {
			return "", fmt.Errorf("%s: what is to be replaced in %s is there %d times", file, name, n)
		}
		changed := filepath.Join(dir, fmt.Sprintf("%d-%s", i, filepath.Base(name)))
		mutated := strings.Replace(string(source), before+"\n", strings.TrimSuffix(after, "\n")+"\n", 1)
		if err := os.WriteFile(changed, []byte(mutated), 0o600); err != nil {
			return "", err
		}
		replace[path] = changed
	}
	encoded, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, encoded, 0o600)
}
