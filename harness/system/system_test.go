package system_test

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"elenchus/harness/control"
	"elenchus/harness/lab/sshd/sshdtest"
	"elenchus/harness/system"
	"elenchus/node/client"
)

// patience is for conditions that hold within a second unless the machine is very busy.
const patience = time.Minute

// binary is the node's program, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "elenchus-system-test-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "elenchus-node")
	if out, err := exec.Command("go", "build", "-o", binary, "elenchus/node").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the node: %v\n%s", err, out)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(status int) {
		_ = os.RemoveAll(dir)
		os.Exit(status)
	}))
}

// lab is a set of hosts on this machine: an SSH server with its own loopback address for each, and one file system.
type lab struct {
	dir     string
	clients []*control.Client
}

func newLab(t *testing.T, adjust func(*control.Host), names ...string) *lab {
	t.Helper()
	l := &lab{dir: t.TempDir()}
	// Use addresses of this test's own, so that fixed ports do not conflict with other tests.
	net := [2]byte{byte(1 + rand.N(250)), byte(1 + rand.N(250))}
	for i, name := range names {
		e := sshdtest.Start(t)
		h := control.Host{Name: name, Address: e.Address, Port: e.Port, User: e.User, KeyFile: e.KeyFile,
			HostKey: e.HostKey, Peer: netip.AddrFrom4([4]byte{127, net[0], net[1], byte(i + 1)})}
		if adjust != nil {
			adjust(&h)
		}
		c, err := control.Dial(context.Background(), h, control.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		l.clients = append(l.clients, c)
	}
	return l
}

// options put everything below the lab's directory.
func (l *lab) options() system.Options {
	in := func(dir string) string { return filepath.Join(l.dir, "{host}", dir) }
	return system.Options{Binary: binary, Cluster: "test", Reads: "quorum", Seed: 1, FreeBytes: 1,
		BinDir: in("bin"), DataDir: in("var"), RunDir: in("run"), LogDir: in("log")}
}

// newPaxos describes a cluster whose nodes are stopped when the test ends.
func newPaxos(t *testing.T, o system.Options, l *lab) *system.Paxos {
	t.Helper()
	p, err := system.New(o, l.clients)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.StopAll(context.Background()); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	return p
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func do(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func expectError(t *testing.T, err, kind error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("got no error")
	}
	if kind != nil && !errors.Is(err, kind) {
		t.Errorf("got %v, want it to match %v", err, kind)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, want it to contain %q", err, text)
		}
	}
}

func exchange(t *testing.T, p *system.Paxos, host string, r client.Request) client.Response {
	t.Helper()
	c := client.New(p.URL(host), client.Options{})
	defer c.Close()
	return c.Do(within(t), r)
}

// TestLife follows the whole life of a cluster as in a test run.
func TestLife(t *testing.T) {
	l := newLab(t, nil, "n1", "n2", "host3") // a host's name may differ from its node's
	p := newPaxos(t, l.options(), l)
	ctx := within(t)
	if got := strings.Join(p.Hosts(), " "); got != "n1 n2 host3" {
		t.Errorf("hosts %q", got)
	}
	do(t, "deploy", p.Deploy(ctx))
	do(t, "start all", p.StartAll(ctx))
	do(t, "start all again", p.StartAll(ctx))
	do(t, "ready", p.Ready(ctx))
	leader, err := p.Leader(ctx)
	do(t, "leader", err)
	for _, host := range p.Hosts() {
		status, err := p.Status(ctx, host)
		do(t, "status", err)
		if (status.Role == "leader") != (host == leader) || status.Cluster != "test" || status.Reads != "quorum" {
			t.Errorf("%s, with leader %s: %+v", host, leader, status)
		}
		pid, err := os.ReadFile(p.PIDFile(host))
		do(t, "pid file", err)
		if process, _, _ := strings.Cut(string(pid), " "); process != strconv.Itoa(status.PID) {
			t.Errorf("%s: pid file has %q, status %d", host, pid, status.PID)
		}
	}
	if r := exchange(t, p, "n2", client.Request{Op: client.OpWrite, Key: "k", Value: "v"}); r.Outcome != client.OK {
		t.Fatalf("write: %+v", r)
	}

	leader = handsOver(t, p)
	do(t, "kill the leader", p.Kill(ctx, leader))
	expectError(t, p.Kill(ctx, leader), control.ErrNotRunning)
	var next string
	for next == "" || next == leader {
		if next, err = p.Leader(ctx); err != nil && ctx.Err() != nil {
			t.Fatalf("no other leader: %v", err)
		}
	}
	expectError(t, p.Ready(ctx), nil, "the process of "+leader+" is not running", "the end of its log", "@message")
	do(t, "start again", p.Start(ctx, leader))
	do(t, "ready again", p.Ready(ctx))
	if r := exchange(t, p, leader, client.Request{Op: client.OpRead, Key: "k"}); len(r.Values) != 1 || r.Values[0] != "v" {
		t.Errorf("read after the restart: %+v", r)
	}

	do(t, "stop all", p.StopAll(ctx))
	do(t, "stop all again", p.StopAll(ctx))
	_, err = p.Leader(ctx)
	expectError(t, err, system.ErrNoLeader, "n1: ", "host3: ", "refused")
	expectCollected(t, p, filepath.Join(l.dir, "collected"))
	expectFreshDeployment(t, p, l)
}

// handsOver asks the leader to hand over, and returns who leads then. Others have nothing to hand over.
func handsOver(t *testing.T, p *system.Paxos) (next string) {
	t.Helper()
	ctx := within(t)
	for {
		leader, err := p.Leader(ctx)
		do(t, "leader", err)
		ballot, err := p.HandOver(ctx, leader)
		if errors.Is(err, client.ErrNotLeader) { // it was deposed just now
			continue
		}
		do(t, "hand over", err)
		do(t, "ready", p.Ready(ctx))
		next, err = p.Leader(ctx)
		do(t, "next leader", err)
		status, err := p.Status(ctx, next)
		do(t, "status", err)
		if status.Ballot == ballot || ballot == "" {
			t.Errorf("%s leads in ballot %s; %s has given up ballot %q", next, status.Ballot, leader, ballot)
		}
		break
	}
	for _, host := range p.Hosts() {
		if host != next {
			if _, err := p.HandOver(ctx, host); err != nil {
				expectError(t, err, client.ErrNotLeader)
			}
		}
	}
	return next
}

func expectCollected(t *testing.T, p *system.Paxos, dir string) {
	t.Helper()
	do(t, "collect", p.Collect(within(t), dir))
	want := map[string]string{"node.log": "stopped", "observations.jsonl": `"kind":"applied"`, "data": ""}
	for _, host := range p.Hosts() {
		for name, text := range want {
			name = filepath.Join(dir, host, name)
			info, err := os.Stat(name)
			do(t, "collected", err)
			if info.IsDir() {
				if entries, err := os.ReadDir(name); err != nil || len(entries) == 0 {
					t.Errorf("%s holds nothing, %v", name, err)
				}
				continue
			}
			if got, err := os.ReadFile(name); err != nil || !strings.Contains(string(got), text) {
				t.Errorf("%s does not contain %q: %d bytes, %v", name, text, len(got), err)
			}
		}
	}
}

// A deployment after a run must remove all its traces, stop what still runs, and not upload the program again.
func expectFreshDeployment(t *testing.T, p *system.Paxos, l *lab) {
	t.Helper()
	ctx := within(t)
	do(t, "start all", p.StartAll(ctx))
	do(t, "deploy over a running cluster", p.Deploy(ctx))
	for _, host := range p.Hosts() {
		if state, err := p.State(ctx, host); err != nil || state != control.Dead {
			t.Errorf("%s is %s after a deployment, %v", host, state, err)
		}
		if entries, err := os.ReadDir(p.DataDir(host)); err != nil || len(entries) != 0 {
			t.Errorf("%s has data after a deployment: %v, %v", host, entries, err)
		}
		if _, err := os.Stat(p.LogFile(host)); !os.IsNotExist(err) {
			t.Errorf("%s has a log after a deployment: %v", host, err)
		}
		if entries, err := os.ReadDir(filepath.Join(l.dir, host, "bin")); err != nil || len(entries) != 1 ||
			!strings.HasSuffix(entries[0].Name(), p.BinaryHash()[:16]) {
			t.Errorf("%s has programs %v, %v", host, entries, err)
		}
	}
	do(t, "start all", p.StartAll(ctx))
	do(t, "ready", p.Ready(ctx))
	r := exchange(t, p, "n1", client.Request{Op: client.OpRead, Key: "k"})
	if r.Outcome != client.OK || len(r.Values) != 0 {
		t.Errorf("read after a deployment: %+v", r)
	}
}

func TestReadySaysWhoIsNot(t *testing.T) {
	l := newLab(t, nil, "n1", "n2", "n3")
	p := newPaxos(t, l.options(), l)
	ctx := within(t)
	do(t, "deploy", p.Deploy(ctx))
	do(t, "start", p.Start(ctx, "n1"))

	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	expectError(t, p.Ready(short), nil, "the process of n2 is not running", "the process of n3 is not running")

	do(t, "start all", p.StartAll(ctx))
	do(t, "ready", p.Ready(ctx))
	// A paused node is alive but does not answer.
	out, err := l.clients[2].Run(ctx, control.ShellLibrary+"proc_find "+p.PIDFile("n3")+" && kill -s STOP $pid; echo $pid")
	do(t, "pause "+out.Text(), err)
	short, cancel = context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	err = p.Ready(short)
	expectError(t, err, context.DeadlineExceeded, "n3: ")
	if strings.Contains(err.Error(), "not running") {
		t.Errorf("%v takes a paused node for a dead one", err)
	}
	expectError(t, p.Start(ctx, "n9"), nil, `no host "n9"`)
}

func TestStartOfANodeThatExits(t *testing.T) {
	l := newLab(t, nil, "n1")
	o := l.options()
	o.Flags = []string{"--no-such-flag"}
	p := newPaxos(t, o, l)
	do(t, "deploy", p.Deploy(within(t)))
	expectError(t, p.StartAll(within(t)), control.ErrExited, "n1", "exit status 64", "no-such-flag")
}

func TestDeployRefuses(t *testing.T) {
	l := newLab(t, nil, "n1", "n2")
	t.Run("foreign data", func(t *testing.T) {
		o := l.options()
		precious := filepath.Join(l.dir, "n2", "var", "precious")
		do(t, "prepare", os.MkdirAll(filepath.Dir(precious), 0o755))
		do(t, "prepare", os.WriteFile(precious, nil, 0o600))
		err := newPaxos(t, o, l).Deploy(within(t))
		expectError(t, err, nil, "data directory "+filepath.Dir(precious)+" of host n2", "no mark", "refusing")
		if strings.Contains(err.Error(), "n1") {
			t.Errorf("%v blames n1", err)
		}
		if _, err := os.Stat(precious); err != nil {
			t.Error(err)
		}
	})
	t.Run("full disk", func(t *testing.T) {
		o := l.options()
		o.FreeBytes = 1 << 60
		expectError(t, newPaxos(t, o, newLab(t, nil, "n1")).Deploy(within(t)), nil, "host n1 has", "MiB left")
	})
	t.Run("other machine", func(t *testing.T) {
		o := l.options()
		o.Binary = filepath.Join(l.dir, "foreign")
		for _, foreign := range []struct {
			machine elf.Machine
			name    string
		}{{elf.EM_AARCH64, "arm64"}, {elf.EM_X86_64, "amd64"}} {
			program, err := os.ReadFile(binary)
			do(t, "read the program", err)
			program[18], program[19] = byte(foreign.machine), byte(foreign.machine>>8) // e_machine
			do(t, "write the program", os.WriteFile(o.Binary, program, 0o755))
			own, err := exec.Command("uname", "-m").Output()
			do(t, "uname", err)
			name := strings.TrimSpace(string(own))
			if strings.HasPrefix(name, "a") == strings.HasPrefix(foreign.name, "arm") {
				continue // the native architecture
			}
			expectError(t, newPaxos(t, o, newLab(t, nil, "n1")).Deploy(within(t)), nil,
				fmt.Sprintf("node binary is for %s, host n1 is %s", foreign.name, name))
		}
	})
}

func TestNewRejects(t *testing.T) {
	l := newLab(t, nil, "n1", "n1")
	_, err := system.New(system.Options{DataDir: "relative", BinDir: "/", HTTPPort: 70000, StopGrace: -1,
		ElectionTimeout: -1}, l.clients)
	expectError(t, err, nil, "program is not given", `directory "relative"`, `directory "/"`, "70000 is not a port",
		"stop grace", "election timeout", `"n1" is empty or there twice`)
	_, err = system.New(system.Options{Binary: binary}, nil)
	expectError(t, err, nil, "1 to 9 hosts, not 0")

	script := filepath.Join(l.dir, "script")
	do(t, "write", os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755))
	for file, text := range map[string]string{script: "not a Linux program", script + "-not": "no such file"} {
		o := l.options()
		o.Binary = file
		_, err = system.New(o, l.clients[:1])
		expectError(t, err, nil, text, file)
	}
}

func TestCollectReportsAllThatIsMissing(t *testing.T) {
	l := newLab(t, nil, "n1", "n2")
	p := newPaxos(t, l.options(), l)
	ctx := within(t)
	do(t, "deploy", p.Deploy(ctx))
	do(t, "start", p.Start(ctx, "n1"))
	for _, err := p.Status(ctx, "n1"); err != nil; _, err = p.Status(ctx, "n1") {
		do(t, "wait for n1", ctx.Err())
	}
	do(t, "stop", p.StopAll(ctx))
	dir := filepath.Join(l.dir, "collected")
	err := p.Collect(ctx, dir)
	expectError(t, err, nil, "n2: `cat", "host n2 has no observations.jsonl")
	if strings.Contains(err.Error(), "n1") {
		t.Errorf("%v blames n1", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "n1", "node.log")); err != nil {
		t.Error(err)
	}
}

// A start that gets no answer is given up, and done again: what held it up may have been passing.
func TestStartThatIsHeldUp(t *testing.T) {
	l := newLab(t, nil)
	e := sshdtest.Start(t)
	var slow []error
	var logFile string
	c, err := control.Dial(context.Background(), control.Host{Name: "n1", Address: e.Address, Port: e.Port, User: e.User,
		KeyFile: e.KeyFile, HostKey: e.HostKey, Peer: netip.AddrFrom4([4]byte{127, 253, byte(rand.N(256)), 1})},
		control.Options{Trace: func(_, _ string, _ time.Duration, err error) {
			if errors.Is(err, control.ErrTimeout) { // called before anything else is done
				slow = append(slow, err, os.Remove(logFile))
			}
		}})
	do(t, "dial", err)
	t.Cleanup(func() { _ = c.Close() })
	l.clients = append(l.clients, c)
	p := newPaxos(t, l.options(), l)
	logFile = p.LogFile("n1")
	do(t, "deploy", p.Deploy(within(t)))
	do(t, "make a directory", os.MkdirAll(filepath.Dir(logFile), 0o755))
	do(t, "make a log that nobody reads", syscall.Mkfifo(logFile, 0o600))
	p.SetStartPatience(time.Second)
	do(t, "start", p.StartAll(within(t)))
	do(t, "ready", p.Ready(within(t)))
	if len(slow) != 2 || slow[1] != nil {
		t.Fatalf("held up: %v", slow)
	}
	expectError(t, slow[0], control.ErrTimeout, "what was running: sh S", "sh S in ")
}
