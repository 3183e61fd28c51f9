//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"elenchus/nemesis/hostclock"
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

// Wrong uses of the commands that faults consist of. No kernel's clocks are moved here: the boot id is another one.
func TestFaultCommands(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clock")
	for _, tc := range []struct {
		line   string
		status int
		want   string
	}{
		{"apply -f FILE -rate 2", 64, `"" is no name for a fault`},
		{"apply -fault f1 -rate 2", 64, "whose clocks"},
		{"apply -f FILE -kernel x -fault f1 -rate 2", 64, "whose clocks"},
		{"apply -f FILE -fault F -rate 2", 64, `"F" is no name`},
		{"apply -f FILE -fault f1 -rate fast", 64, "parse rate"},
		{"apply -f FILE -fault f1", 125, "no such file"},
		{"apply -kernel 1234 -fault f1 -rate 0.9", 125, "not known to be this host's alone"},
		{"revert -kernel 1234 -fault f1", 125, "not known to be this host's alone"},
		{"reset -kernel 1234", 125, "not known to be this host's alone"},
		{"strobe -kernel 1234 -by 1s -every 1s", 125, "not known to be this host's alone"},
		{"reset -f FILE", 0, `^{"way":"shim"`}, // a missing file needs no reset
		{"reset", 64, "whose clocks"},
		{"look -f FILE more", 64, "unexpected"},
		{"strobe -f FILE", 64, "one of a rate, a step and a strobe"},
		{"strobe -f FILE -rate 2", 64, "by what"},
		{"strobe -f FILE -by 1s -every 0s", 64, "more than nothing"},
		{"attached -f FILE -pid 1", 125, "no such file"},
		{"probe -f FILE", 125, "no such file|no clock shim"},
	} {
		var out bytes.Buffer
		args := strings.Fields(strings.ReplaceAll(tc.line, "FILE", file))
		if got := run(args, &out, &out); got != tc.status || !regexp.MustCompile(tc.want).MatchString(out.String()) {
			t.Errorf("%s: status %d, want %d and %q:\n%s", tc.line, got, tc.status, tc.want, out.String())
		}
	}
}

func TestAnswers(t *testing.T) {
	var out bytes.Buffer
	if err := answer(strings.NewReader("a\nb-2\nno end"), &out, false); err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^a \d+ \d+ \d+\nb-2 \d+ \d+ \d+\n$`).MatchString(out.String()) {
		t.Errorf("%q", out.String())
	}
	out.Reset()
	if err := answer(strings.NewReader("a\n"), &out, true); err != nil ||
		!regexp.MustCompile(`^a \d+ \d+ \d+ \d+\n$`).MatchString(out.String()) {
		t.Errorf("%q, %v", out.String(), err)
	}
	for _, bad := range []string{"\n", "a b\n", "a\r\n", "\ta\n"} {
		if err := answer(strings.NewReader(bad), &out, false); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// buildProgram builds the program, and skips the test where tracing is impossible.
func buildProgram(t *testing.T) string {
	t.Helper()
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("no shim for this system")
	}
	binary := filepath.Join(t.TempDir(), "elenchus-clock")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("cannot build: %v\n%s", err, out)
	}
	file := filepath.Join(t.TempDir(), "clock")
	out, err := exec.Command(binary, "exec", "-f", file, "--", binary, "now").CombinedOutput()
	if err != nil && strings.Contains(string(out), "operation not permitted") {
		t.Skipf("no tracing here: %s", out)
	}
	return binary
}

// A fault from start to end, as the nemesis runs it: a running process sees it, the reports describe it, and
// nothing is left behind. The clocks are so slow that anything sleeping by them would not return.
func TestFault(t *testing.T) {
	binary, file := buildProgram(t), filepath.Join(t.TempDir(), "clock")
	if out, err := exec.Command(binary, "create", "-f", file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	target := exec.Command(binary, "exec", "-f", file, "--", "sleep", "600")
	if err := target.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = target.Process.Kill(); _ = target.Wait() }()
	pid := fmt.Sprint(target.Process.Pid)
	// The program itself has the file mapped before it becomes the target, and the target a moment later.
	if out, err := exec.Command(binary, "attached", "-f", file, "-pid", pid, "-wait", "1m").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	became := func() bool {
		name, err := os.ReadFile("/proc/" + pid + "/comm")
		return err == nil && string(name) == "sleep\n" &&
			exec.Command(binary, "attached", "-f", file, "-pid", pid).Run() == nil
	}
	for !became() {
		time.Sleep(time.Millisecond)
	}
	report := func(args ...string) (r hostclock.Report) {
		t.Helper()
		var said bytes.Buffer
		cmd := exec.Command(binary, append(args, "-f", file)...)
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v: %s", args, err, said.String())
		}
		if err := json.Unmarshal(out, &r); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		return r
	}
	for fault, move := range map[string]hostclock.Move{
		"f1": {Rate: 1000}, "f2": {Step: -time.Hour}, "f3": {Strobe: time.Second, Every: 30 * time.Millisecond},
	} {
		args := []string{"apply", "-fault", fault, "-pid", pid}
		switch fault {
		case "f1":
			args = append(args, "-rate", "1000ppb")
		case "f2":
			args = append(args, "-step", "-1h")
		default:
			args = append(args, "-by", "1s", "-every", "30ms")
		}
		r := report(args...)
		if text, err := r.Moved(move); err != nil || r.Attached == nil || !*r.Attached {
			t.Errorf("%s: %s, %v", fault, text, err)
		}
	}
	if r := report("look", "-pid", pid); len(r.Left) != 3 || r.Fight != "" {
		t.Errorf("%+v", r)
	}
	if r := report("look", "-pid", fmt.Sprint(os.Getpid())); r.Attached == nil || *r.Attached {
		t.Errorf("the test itself has these clocks: %+v", r)
	}
	for _, fault := range []string{"f1", "f3", "f2"} {
		if text, err := report("revert", "-fault", fault).Restored(); err != nil {
			t.Errorf("%s: %s, %v", fault, text, err)
		}
	}
	if r := report("reset"); len(r.Done) > 0 {
		t.Errorf("left behind: %q", r.Done)
	}
	report("apply", "-fault", "f4", "-step", "1h")
	if r := report("reset"); len(r.Done) != 1 || r.Off.Abs() > time.Second {
		t.Errorf("reset: %+v", r)
	}
}

// The program as it is used: started twice, moved in between.
func TestProgram(t *testing.T) {
	binary, file := buildProgram(t), filepath.Join(t.TempDir(), "clock")
	wall := func() string {
		t.Helper()
		out, err := exec.Command(binary, "exec", "-f", file, "--", binary, "now").CombinedOutput()
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
