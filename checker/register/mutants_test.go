package register

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// mutant is one condition of this package turned around.
type mutant struct {
	line            int
	file, from, to_ string
}

func mutants(t *testing.T) []mutant {
	t.Helper()
	data, err := os.ReadFile("testdata/mutants.txt")
	if err != nil {
		t.Fatal(err)
	}
	plain := strings.NewReplacer(`\n`, "\n", `\t`, "\t", "\x00", "|")
	var all []mutant
	for i, line := range strings.Split(strings.ReplaceAll(string(data), `\|`, "\x00"), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		parts := strings.Split(line, " | ")
		if len(parts) != 3 {
			t.Fatalf("testdata/mutants.txt:%d: want three parts: %s", i+1, line)
		}
		all = append(all, mutant{i + 1, parts[0], plain.Replace(parts[1]), plain.Replace(parts[2])})
	}
	return all
}

// mutate is the mutant's file with the change made.
func (m mutant) mutate(t *testing.T) []byte {
	t.Helper()
	source, err := os.ReadFile(m.file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), m.from); n != 1 {
		t.Fatalf("testdata/mutants.txt:%d: %q is in %s %d times, not once", m.line, m.from, m.file, n)
	}
	return []byte(strings.Replace(string(source), m.from, m.to_, 1))
}

// The tests of this package notice when any of its conditions is turned around. It takes minutes, and so is done when
// REGISTER_MUTANTS is set; without, it is only verified that the list of mutants is up to date.
func TestMutants(t *testing.T) {
	all := mutants(t)
	if os.Getenv("REGISTER_MUTANTS") == "" {
		for _, m := range all {
			m.mutate(t)
		}
		t.Logf("REGISTER_MUTANTS is not set: %d mutants not tried", len(all))
		return
	}
	for _, m := range all {
		t.Run(fmt.Sprintf("%s line %d", m.file, m.line), func(t *testing.T) { m.try(t) })
	}
}

var failure = regexp.MustCompile(`--- FAIL: (\S+)|panic: (.*)|\[build failed\]`)

// try runs the tests with the mutant in place of the file.
func (m mutant) try(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, m.file)
	if err := os.WriteFile(path, m.mutate(t), 0o600); err != nil {
		t.Fatal(err)
	}
	original, err := filepath.Abs(m.file)
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {original: path}})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "test", "-overlay", list, "-skip", "Mutants", "-failfast", "-timeout", "2m", ".")
	cmd.Env = append(os.Environ(), "REGISTER_SEED=1", "REGISTER_HISTORIES=10000")
	out, err := cmd.CombinedOutput()
	found := failure.FindAllString(string(out), 2)
	switch {
	case err == nil:
		t.Errorf("survived: %q in place of %q", m.to_, m.from)
	case len(found) == 0 || strings.Contains(string(out), "[build failed]"):
		t.Errorf("was not tried: %v\n%.2000s", err, out)
	default:
		t.Logf("%q in place of %q: %s", m.to_, m.from, found[len(found)-1])
	}
}
