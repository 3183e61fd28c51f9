package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"elenchus/harness/control"
	"elenchus/harness/lab"
	"elenchus/results"
	"elenchus/results/envelope"
	"elenchus/results/verdict"
)

// needClocks puts the helper for clocks beside the test program, which is the program that it tests.
func needClocks(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("there is no clock shim for this system")
	}
	if err := clockHelper(); err != nil {
		t.Fatal(err)
	}
}

var clockHelper = sync.OnceValue(func() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-o", filepath.Join(filepath.Dir(self), "elenchus-clock"), "../nemesis/elenchus-clock")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build elenchus-clock: %w\n%s", err, out)
	}
	return nil
})

// swept is the newest sweep, as it was judged.
func (r *rig) swept() (results.Run, envelope.Sweep) {
	r.t.Helper()
	dir, err := results.Open(r.results, results.Latest)
	if err != nil {
		r.t.Fatal(err)
	}
	data, err := os.ReadFile(dir.Path(envelope.File))
	if err != nil {
		r.t.Fatal(err)
	}
	var s envelope.Sweep
	if err := json.Unmarshal(data, &s); err != nil {
		r.t.Fatal(err)
	}
	return dir, s
}

// Leases hold where they must, and break where the leader may answer for two seconds longer than the others wait: time
// enough to see it on any machine.
func TestTheEnvelopeOfRealNodes(t *testing.T) {
	t.Parallel()
	needClocks(t)
	r := newRig(t)
	args := []string{"envelope", "--nodes", "6", "--bounds", "0%,30%", "--drifts", "30%,230%", "--probes", "2",
		"--election-timeout", "600ms", "--seed", "7"}
	p := r.exits(verdict.ExitValid, args...)
	p.says("Observation and arithmetic agree.", "probed a bound of 30%", "elenchus "+strings.Join(args, " "))
	r.nothingIsLeft()
	dir, s := r.swept()
	for _, c := range s.Cells {
		if c.Inside != (c.Bound == c.Drift) || c.Inside && c.Stale > 0 || c.Drift > 1e9 && c.Stale == 0 {
			t.Errorf("%+v: %s", c, c.Finding())
		}
	}
	for _, trial := range s.Trials {
		if trial.Void == "" && (!strings.Contains(trial.Clock, "mono runs at 0.") || trial.Moved == 0 || trial.Cut < trial.Moved) {
			t.Errorf("attack without proof: %+v", trial)
		}
	}
	allReverted(t, dir)
	page, err := os.ReadFile(dir.Report())
	if err != nil || strings.Count(string(page), "<svg") != 1 || strings.Count(string(page), "mono runs at 0.") < 4 ||
		!strings.Contains(string(page), "Observation and arithmetic agree.") {
		t.Errorf("the report, of %d bytes, lacks the picture, the attacks, or what they mean: %v", len(page), err)
	}
	before := dir.Path(envelope.PictureFile)
	if err := os.Remove(before); err != nil {
		t.Fatal(err)
	}
	r.exits(verdict.ExitValid, "check").says("Observation and arithmetic agree.")
	if _, err := os.Stat(before); err != nil {
		t.Error(err)
	}
	r.exits(verdict.ExitValid, "list", "runs").says(dir.Name(), "envelope rate", "VALID")
}

func TestAnInterruptedEnvelopeIsDrawn(t *testing.T) {
	t.Parallel()
	needClocks(t)
	r := newRig(t)
	p := r.start("envelope", "--nodes", "3", "--bounds", "0%,10%", "--drifts", "0%,100%", "--probes", "50", "--seed", "7")
	p.until("[1-9][0-9]* of 200 attacks")
	p.signal(syscall.SIGINT, true)
	if code := p.wait(); code != verdict.ExitHarness {
		t.Errorf("exit code %d", code)
	}
	p.says("INTERRUPTED", "collecting and drawing what there is", "index.html")
	if out := p.stdout(); contains(out, "Observation and arithmetic agree.") || !contains(out, "Only part was attacked") &&
		!contains(out, "Too little was probed") {
		t.Errorf("nothing says that only part was attacked:\n%s", out)
	}
	r.nothingIsLeft()
	dir, s := r.swept()
	if s.Agreement.Probes+s.Agreement.Void == 0 || s.Agreement.Cells[envelope.NotProbed] == 0 || s.Agreement.Agree {
		t.Errorf("%+v", s.Agreement)
	}
	if info, err := os.Stat(dir.Path(envelope.PictureFile)); err != nil || info.Size() == 0 {
		t.Errorf("no picture: %v", err)
	}
	allReverted(t, dir)
}

func TestWrongSweepsAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"--mode", "sundial"}, []string{`"sundial"`, "rate, wall"}},
		{[]string{"--bounds", "x", "--drifts", "5%,y"}, []string{`--bounds: "x"`, `--drifts: "y"`}},
		{[]string{"--bounds", "10%,5%", "--drifts", "-1%"}, []string{"bounds must rise", "possible drifts"}},
		{[]string{"--probes", "0", "--check-memory", "1"}, []string{"--probes must be from", "--check-memory must be from"}},
		{[]string{"--drifts", "-1%"}, []string{"possible drifts"}},
		{[]string{"--mode", "wall", "--bounds", "2s"}, []string{"2s is not among possible bounds"}},
		{[]string{"--mode", "wall", "--bounds", "10%"}, []string{`"10%" is no length of time`}},
		{[]string{"--lease-term", "80ms"}, []string{"ends before it is renewed"}},
		{[]string{"--nodes", "2"}, []string{"at least 3"}},
		{[]string{"--check-time", "0s"}, []string{"--check-time"}},
	} {
		code, _, stderr := call(t, nil, append([]string{"envelope"}, c.args...)...)
		if code != verdict.ExitUsage {
			t.Errorf("%v: exit code %d", c.args, code)
		}
		for _, want := range c.want {
			if !strings.Contains(stderr, want) {
				t.Errorf("%v: %q is not in %q", c.args, want, stderr)
			}
		}
	}
}

// The clocks of a kernel can be moved by a tenth: what is more is refused before anything is done.
func TestSweepsThatTheLabCannotMakeAreRefused(t *testing.T) {
	t.Parallel()
	p := envelope.Plan{Mode: envelope.Rate, Bounds: []int64{0}, Drifts: []int64{0, 1e8}}
	kernel := control.Host{Name: "n1", Capabilities: []string{string(lab.OwnClock)}}
	shim := control.Host{Name: "n2", Capabilities: []string{string(lab.Ptrace), string(lab.SharedKernel)}}
	none := control.Host{Name: "n3"}
	if err := envelopeFits(lab.Inventory{Hosts: []control.Host{kernel, shim, shim}}, p); err != nil {
		t.Error(err)
	}
	p.Drifts[1] = 2e8
	err := envelopeFits(lab.Inventory{Hosts: []control.Host{kernel, shim, none}}, p)
	for _, want := range []string{"host n1", "0.9", "host n3 cannot be moved", "--lease-term 10s"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in: %v", want, err)
		}
	}
	if err != nil && strings.Contains(err.Error(), "n2") {
		t.Errorf("%v", err)
	}
	if err := envelopeFits(lab.Inventory{Name: "two", Hosts: []control.Host{shim, shim}}, p); err == nil {
		t.Error("two hosts are enough")
	}
}
