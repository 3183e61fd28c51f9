package system_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"elenchus/harness/control"
	"elenchus/harness/system"
)

// helper builds the clock helper.
func helper(t *testing.T) string {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		t.Skip("there is no clock shim here")
	}
	file := filepath.Join(t.TempDir(), "elenchus-clock")
	cmd := exec.Command("go", "build", "-o", file, "elenchus/nemesis/elenchus-clock")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the helper for clocks: %v\n%s", err, out)
	}
	return file
}

// clocks makes the clocks of the lab's hosts movable by a program.
func (l *lab) clocks(t *testing.T, program string) *system.Clocks {
	t.Helper()
	in := func(dir string) string { return filepath.Join(l.dir, "{host}", dir) }
	c, err := system.NewClocks(system.ClockOptions{Binary: program, Move: true, BinDir: in("bin"), RunDir: in("run")}, l.clients)
	if err != nil {
		t.Fatal(err)
	}
	do(t, "deploy the helper", c.Deploy(within(t)))
	return c
}

// shared marks the hosts of a lab as sharing their kernel, which they do.
func shared(h *control.Host) { h.Capabilities = []string{"ptrace", "shared-kernel"} }

// run runs a command of the helper on a host.
func (l *lab) helper(t *testing.T, p *system.Paxos, host, verb, rest string) string {
	t.Helper()
	program, file := p.Clock(host)
	out, err := l.clients[0].Run(within(t), fmt.Sprintf("%s %s -f %s %s", program, verb, file, rest))
	if err != nil {
		t.Fatal(err)
	}
	return out.Text()
}

// Nodes run under the clock shim from their first instruction, get their own command line and nothing else, and
// keep the host's clock when they are killed and restarted.
func TestNodesUnderTheShim(t *testing.T) {
	program := helper(t)
	l := newLab(t, shared, "n1", "n2", "n3")
	o := l.options()
	o.Clocks = l.clocks(t, program)
	p := newPaxos(t, o, l)
	ctx := within(t)
	do(t, "deploy", p.Deploy(ctx))
	do(t, "start all", p.StartAll(ctx))
	do(t, "start again", p.Start(ctx, "n1"))
	do(t, "ready", p.Ready(ctx))
	l.helper(t, p, "n2", "set", "-mono-rate 2 -wall-step 1h")
	do(t, "kill", p.Kill(ctx, "n2"))
	do(t, "start", p.Start(ctx, "n2"))
	do(t, "ready", p.Ready(ctx))
	for _, host := range p.Hosts() {
		pid, err := os.ReadFile(p.PIDFile(host))
		do(t, "pid file", err)
		process, _, _ := strings.Cut(string(pid), " ")
		l.helper(t, p, host, "attached", "-pid "+process)
		argv, err := os.ReadFile("/proc/" + process + "/cmdline")
		do(t, "command line", err)
		if words := strings.Split(string(argv), "\x00"); !strings.Contains(words[0], "elenchus-node-") ||
			strings.Contains(string(argv), "clock") {
			t.Errorf("%s runs as %q", host, words)
		}
		state := l.helper(t, p, host, "get", "")
		if moved := strings.Contains(state, "rate 2.000000000"); moved != (host == "n2") {
			t.Errorf("clocks of %s: %s", host, state)
		}
	}
	do(t, "stop all", p.StopAll(ctx))
	do(t, "deploy again", p.Deploy(ctx))
	if state := l.helper(t, p, "n2", "get", ""); !strings.Contains(state, "changes 0") {
		t.Errorf("after a deployment the clocks of n2 are still %s", state)
	}
}

// A helper that starts the node without the shim is a planted fault: the start must fail, and leave no node behind.
func TestShimThatDoesNotAttach(t *testing.T) {
	program := helper(t)
	l := newLab(t, shared, "n1")
	o := l.options()
	o.Clocks = l.clocks(t, program)
	p := newPaxos(t, o, l)
	do(t, "deploy", p.Deploy(within(t)))
	place, _ := p.Clock("n1")
	do(t, "plant", os.Rename(place, place+".real"))
	script := fmt.Sprintf("#!/bin/sh\n[ $1 = exec ] || exec %s.real \"$@\"\nshift 4\nexec \"$@\"\n", place)
	do(t, "plant", os.WriteFile(place, []byte(script), 0o755))
	expectError(t, p.StartAll(within(t)), nil, "node n1 does not run under the clock shim", "has not mapped")
	if state, err := p.State(within(t), "n1"); err != nil || state != control.Dead {
		t.Errorf("the node is %s, %v", state, err)
	}
	// If the shim itself fails, the start fails with its message.
	do(t, "plant", os.WriteFile(place, []byte("#!/bin/sh\necho no tracing here >&2; exit 125\n"), 0o755))
	expectError(t, p.StartAll(within(t)), control.ErrExited, "no tracing here", "125")
}

// If a host claims every capability and a shared kernel, its node's clocks are moved, and never the kernel's.
func TestSharedKernelOutranksOwnClock(t *testing.T) {
	program := helper(t)
	l := newLab(t, func(h *control.Host) { h.Capabilities = []string{"own-clock", "shared-kernel", "ptrace"} }, "n1")
	c := l.clocks(t, program)
	if of := c.Of("n1"); of.Control == "" || of.Boot != "" {
		t.Errorf("its clocks are reached by %+v, want a control file", of)
	}
}

// Hosts that claim their own clocks but share a kernel, with each other or with the harness, are refused.
func TestOwnClocksThatAreShared(t *testing.T) {
	program := helper(t)
	l := newLab(t, func(h *control.Host) { h.Capabilities = []string{"own-clock"} }, "n1", "n2")
	in := filepath.Join(l.dir, "{host}", "bin")
	c, err := system.NewClocks(system.ClockOptions{Binary: program, Move: true, BinDir: in, RunDir: in}, l.clients)
	do(t, "describe", err)
	expectError(t, c.Deploy(context.Background()), nil, "host n1 claims a clock of its own", "same kernel as the harness",
		"host n2 claims")
	if of := c.Of("n1"); of.Boot != "" || of.Control != "" {
		t.Errorf("its clock can be moved all the same: %+v", of)
	}
	c, err = system.NewClocks(system.ClockOptions{Binary: program, BinDir: in, RunDir: in}, l.clients)
	do(t, "describe", err)
	do(t, "deploy without moving anything", c.Deploy(context.Background()))
	if _, err := system.NewClocks(system.ClockOptions{Binary: "/none"}, l.clients); err == nil {
		t.Error("a helper that is not there")
	}
}
