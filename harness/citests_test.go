package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTestReport feeds the program that CI prints tests with. The output of a test that passed is left out, and that of
// one whose program died is not, although such a test never ends.
func TestTestReport(t *testing.T) {
	for _, tc := range []struct {
		name, events string
		code         int
		has, hasNot  string
	}{
		{"pass", `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"quiet words\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}`, 0, "ok  \tp\t0.1s", "quiet words"},
		{"failed test", `{"Action":"output","Package":"p","Test":"TestA","Output":"p_test.go:1: wrong\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p"}`, 1, "p_test.go:1: wrong", "nothing"},
		{"panic", `{"Action":"output","Package":"p/sub","Test":"TestB","Output":"of another package\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"panic: in a goroutine\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}
{"Action":"pass","Package":"p/sub","Test":"TestB"}`, 1, "panic: in a goroutine", "of another package"},
		{"skip", `{"Action":"output","Package":"p","Test":"TestA","Output":"    p_test.go:1: no such kernel\n"}
{"Action":"skip","Package":"p","Test":"TestA"}`, 1, "NOT ALLOWED", "nothing"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			allowed := filepath.Join("..", ".ci", "skips")
			cmd := exec.Command("go", "run", filepath.Join("..", ".ci", "tests.go"), filepath.Join(dir, "skipped"), allowed)
			cmd.Stdin = strings.NewReader(tc.events + "\n")
			out, err := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); code != tc.code || !strings.Contains(string(out), tc.has) ||
				strings.Contains(string(out), tc.hasNot) {
				t.Errorf("exit code %d (%v), want %d with %q and without %q:\n%s", code, err, tc.code, tc.has, tc.hasNot, out)
			}
		})
	}
}
