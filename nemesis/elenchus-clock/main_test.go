//go:build linux

package main

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

func TestCommands(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clock")
	for _, tc := range []struct {
		line   string
		status int
		want   string // of both outputs
	}{
		{"", 64, "usage:"},
		{"dance", 64, "usage:"},
		{"get", 64, "no control file"},
		{"get -f FILE", 125, "no such file"},
		{"set -f FILE -rate 2", 125, "no such file"},
		{"create -f FILE", 0, "^$"},
		{"create -f FILE", 125, "file exists"},
		{"get -f FILE", 0, "^changes 0\nmono real\nwall real\n$"},
		{"get -f FILE more", 64, "unexpected"},
		{"set -f FILE -rate 0", 64, "impossible rate"},
		{"set -f FILE -mono-rate 10", 64, "ten times"},
		{"set -f FILE -wall-step soon", 64, "wall-step"},
		{"set -f FILE -mono-step -1s", 125, "backward by 1s"},
		{"set -f FILE -mono-step -1s -force", 0, `mono rate 1\.000000000 offset -(1s|999\.\d+ms|1\.0\d+s)`},
		{"set -f FILE -mono-rate 0.9 -wall-step 2h", 0, `mono rate 0\.900000000 .*\nwall rate 1.000000000 offset (2h0m0|1h59m59\.9)`},
		{"set -f FILE -rate 1000001000ppb", 0, `mono rate 1\.000001000 .*\nwall rate 1.000001000`},
		{"get -json -f FILE", 0, `^{"Changes":3,"Mono":{"Real":false,"Rate":1000001000,"Offset":`},
		{"set -f FILE -reset -force", 0, "mono real\nwall real\n$"},
		{"exec -f FILE", 64, "no command"},
		{"exec -f FILE -- /no/such/program", 125, "no such file|no clock shim"},
	} {
		var out bytes.Buffer
		args := strings.Fields(strings.ReplaceAll(tc.line, "FILE", file))
		if got := run(args, &out, &out); got != tc.status || !regexp.MustCompile(tc.want).MatchString(out.String()) {
			t.Errorf("%s: status %d, want %d and %q:\n%s", tc.line, got, tc.status, tc.want, out.String())
		}
	}
}

// The program as it is used: started twice, moved in between.
func TestProgram(t *testing.T) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("no shim for this system")
	}
	binary, file := filepath.Join(t.TempDir(), "elenchus-clock"), filepath.Join(t.TempDir(), "clock")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Skipf("cannot build: %v\n%s", err, out)
	}
	wall := func() string {
		t.Helper()
		out, err := exec.Command(binary, "exec", "-f", file, "--", binary, "now").CombinedOutput()
		if err != nil && strings.Contains(string(out), "operation not permitted") {
			t.Skipf("no tracing here: %s", out)
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	ahead := regexp.MustCompile(`CLOCK_REALTIME .* off (2h0m0|1h59m59\.99)`)
	if out := wall(); ahead.MatchString(out) {
		t.Errorf("moved before it was: %s", out)
	}
	if out, err := exec.Command(binary, "set", "-f", file, "-wall-step", "2h").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out := wall(); !ahead.MatchString(out) {
		t.Errorf("not moved: %s", out)
	}
}
