//go:build linux

package local

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestHosts looks at labs from the inside: each of these tests runs in a fresh enclosure.
func TestHosts(t *testing.T) {
	for _, m := range modes() {
		for _, role := range []string{"hosts", "root", "powerless", "partition", "processes", "doctor", "lock"} {
			t.Run(m.name+"/"+role, func(t *testing.T) {
				r := newRig(t, m)
				r.must(r.program("run", []string{envNext + "=" + role}, "/proc/self/exe"))
				if left := r.labs(); len(left) > 0 {
					t.Errorf("left behind: %v", left)
				}
			})
		}
	}
	const written = "/etc /usr /usr/local/bin /var/lib /var/log /opt /root /run /tmp /dev/shm"
	for _, dir := range strings.Fields(written) {
		if _, err := os.Lstat(filepath.Join(dir, marker)); err == nil {
			t.Errorf("a host wrote to the machine's %s", dir)
		}
	}
}

// TestContained makes labs where files are mounted in /etc and /usr, as they are in containers. Without root's powers
// there is no overlay of such a directory.
func TestContained(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("making such a place needs root")
	}
	for _, m := range []mode{{name: "root", privilege: WithRoot}, {name: "rootless", privilege: Rootless}} {
		t.Run(m.name, func(t *testing.T) {
			r := newRig(t, m)
			for _, role := range []string{"hosts", "root"} {
				r.must(r.program("run-contained", []string{envNext + "=" + role}, "/proc/self/exe"))
			}
		})
	}
}

// TestDisk puts private directories where a user wants them, and nothing stays there.
func TestDisk(t *testing.T) {
	eachMode(t, func(r *rig) {
		disk := filepath.Join(filepath.Dir(r.dir), "disk")
		if err := os.Mkdir(disk, 0o700); err != nil {
			r.t.Fatal(err)
		}
		r.give(disk)
		settings := []string{envDisk + "=" + disk, envNext + "=root"}
		r.must(r.program("run", settings, "/proc/self/exe"))
		out := r.must(r.program("run", settings[:1], "sh", "-c", "ls "+disk+"/*/n5"))
		if out != "opt\nroot\ntmp\nvar_lib\nvar_log\n" {
			r.t.Errorf("on disk: %q", out)
		}
		if left, err := os.ReadDir(disk); err != nil || len(left) > 0 {
			r.t.Errorf("left on disk: %v, %v", left, err)
		}
	})
}

// TestCommand checks what a command gets from its program, and gives back.
func TestCommand(t *testing.T) {
	eachMode(t, func(r *rig) {
		for _, c := range []struct {
			script string
			code   int
		}{
			{"exit 0", 0},
			{"exit 7", 7},
			{"kill -9 $$", 137},
			{`test "$(pwd)" = / && test "$VAR" = 'a b'`, 0},
			{"test -s $ELENCHUS_LAB_FILE && test $ELENCHUS_LAB_CALLER -gt 1", 0},
			{"test $(ls /sys/class/net /proc | grep -c .) -gt 2 && ! ip route get 192.0.2.1 2>/dev/null", 0},
		} {
			cmd := r.program("run", []string{envHosts + "=1", "VAR=a b"}, "sh", "-c", c.script)
			if code, stdout, stderr := r.finish(cmd); code != c.code {
				r.t.Errorf("%s: exit code %d, want %d\n%s%s", c.script, code, c.code, stdout, stderr)
			}
		}
		code, _, stderr := r.finish(r.program("run", []string{envHosts + "=1"}, "no-such-command"))
		if code != exitRole || !strings.Contains(stderr, "no-such-command") {
			r.t.Errorf("a missing command: exit code %d, %s", code, stderr)
		}
	})
}

// TestBulk sends much through a command in both directions at once.
func TestBulk(t *testing.T) {
	r := newRig(t, modes()[0])
	sent, received := sha256.New(), sha256.New()
	cmd := r.program("run", []string{envHosts + "=1"}, "cat")
	cmd.Stdin = io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{1}), 64<<20), sent)
	cmd.Stdout = received
	if err := cmd.Run(); err != nil && cmd.ProcessState.ExitCode() == exitUnavailable {
		t.Skip("a local lab is unavailable here")
	} else if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(sent.Sum(nil), received.Sum(nil)) {
		t.Error("what came back is not what was sent")
	}
}

// TestSignals checks that a command gets every signal once, however it is sent.
func TestSignals(t *testing.T) {
	eachMode(t, func(r *rig) {
		cmd := r.program("run", []string{envHosts + "=1", envNext + "=count-signals"}, "/proc/self/exe")
		b, _ := r.start(cmd, "ready")
		next := func(want string) {
			r.t.Helper()
			line, err := b.lines.ReadString('\n')
			if err != nil || strings.TrimSpace(line) != want {
				r.t.Fatalf("got %q, %v, want %q\n%s", line, err, want, b.stderr)
			}
		}
		one := func(sig syscall.Signal) { // as kill does
			if err := cmd.Process.Signal(sig); err != nil {
				r.t.Fatal(err)
			}
			next(sig.String())
		}
		all := func(sig syscall.Signal) { // as a terminal does
			signalGroup(r.t, cmd, sig)
			next(sig.String())
		}
		// The kernel merges a signal with one that the program has not seen yet, and after all() it may not have. So
		// none of a kind comes after all() of that kind.
		one(unix.SIGINT)
		one(unix.SIGINT)
		all(unix.SIGINT)
		one(unix.SIGHUP)
		all(unix.SIGHUP)
		one(unix.SIGTERM)
		if code, rest := b.rest(); code != 0 || rest != "" {
			r.t.Errorf("exit code %d, and further signals: %q", code, rest)
		}
	})
}

// TestContext checks that a command is asked to end when its context does.
func TestContext(t *testing.T) {
	r := newRig(t, modes()[0])
	script := `trap 'echo asked; exit 3' TERM; while :; do sleep 0.05; done`
	code, stdout, _ := r.finish(r.program("run-for-a-second", []string{envHosts + "=1"}, "sh", "-c", script))
	if code != 3 || stdout != "asked\n" {
		t.Errorf("exit code %d, output %q", code, stdout)
	}
}

// TestKilled kills the program, which leaves nothing but a directory, and that until the next lab.
func TestKilled(t *testing.T) {
	eachMode(t, func(r *rig) {
		cmd := r.program("run", []string{envNext + "=park"}, "/proc/self/exe")
		b, namespaces := r.start(cmd, "parked")
		gone := foreign(namespaces)
		if len(processesIn(gone)) == 0 {
			r.t.Fatal("no process in the lab's namespaces")
		}
		// Two labs at once do not meet, and the end of one is not the other's.
		other := r.program("run", []string{envNext + "=park"}, "/proc/self/exe")
		_, namespaces = r.start(other, "parked")
		stays := foreign(namespaces)
		for ns := range stays {
			if gone[ns] && !strings.HasPrefix(ns, "uts") && !strings.HasPrefix(ns, "user") {
				r.t.Errorf("two labs share %s", ns)
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			r.t.Fatal(err)
		}
		b.rest()
		for ns := range stays {
			delete(gone, ns)
		}
		r.assertGone(gone)
		if len(r.labs()) != 2 {
			r.t.Errorf("directories: %v", r.labs())
		}
		r.must(r.program("run", []string{envHosts + "=1"}, "true"))
		if len(r.labs()) != 1 || len(processesIn(stays)) == 0 {
			r.t.Errorf("after a sweep: directories %v, and processes %v", r.labs(), processesIn(stays))
		}
		if err := other.Process.Kill(); err != nil {
			r.t.Fatal(err)
		}
		_ = other.Wait()
		r.assertGone(stays)
	})
}

// TestNamed goes through the life of a named lab.
func TestNamed(t *testing.T) {
	eachMode(t, func(r *rig) {
		name := envName + "=five"
		if code, _, stderr := r.finish(r.program("status", []string{name})); code != exitRole ||
			!strings.Contains(stderr, ErrNotUp.Error()) {
			r.t.Errorf("status of no lab: exit code %d, %s", code, stderr)
		}
		r.must(r.program("up", []string{name}))
		r.t.Cleanup(func() { r.must(r.program("down", []string{name})) })
		if code, _, stderr := r.finish(r.program("up", []string{name})); code != exitRole ||
			!strings.Contains(stderr, "up already") {
			r.t.Errorf("up again: exit code %d, %s", code, stderr)
		}
		r.must(r.program("exec", []string{name, envNext + "=hosts"}, "/proc/self/exe"))
		if code, _, stderr := r.finish(r.program("exec", []string{name}, "sh", "-c", "exit 9")); code != 9 {
			r.t.Errorf("exit code %d, want 9\n%s", code, stderr)
		}
		r.testUse(name)
		r.testExecKilled(name)
		r.testStopped("five")
		r.must(r.program("down", []string{name}))
		r.must(r.program("down", []string{name}))
		if left := r.labs(); len(left) > 0 {
			r.t.Errorf("left behind: %v", left)
		}
	})
}

// testStopped checks that nobody waits for ever for a lab whose supervisor is stopped.
func (r *rig) testStopped(name string) {
	owner, err := readOwner(filepath.Join(r.dir, name))
	if err != nil {
		r.t.Fatal(err)
	}
	if err := unix.Kill(owner.Process, unix.SIGSTOP); err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = unix.Kill(owner.Process, unix.SIGCONT) }()
	eventually(r.t, "the supervisor runs", func() (bool, string) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", owner.Process))
		return err == nil && bytes.Contains(stat, []byte(") T ")), string(stat)
	})
	if code, _, stderr := r.finish(r.program("status-for-a-second", []string{envName + "=" + name})); code != exitRole ||
		!strings.Contains(stderr, context.DeadlineExceeded.Error()) {
		r.t.Errorf("exit code %d, %s", code, stderr)
	}
}

// testUse checks that two tests cannot have one lab.
func (r *rig) testUse(name string) {
	cmd := r.program("exec", []string{name, envNext + "=use"}, "/proc/self/exe")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	user, _ := r.start(cmd, "acquired")
	who := fmt.Sprintf("run of a test, process %d", cmd.Process.Pid)
	second := r.program("exec", []string{name, envNext + "=use"}, "/proc/self/exe")
	if code, _, stderr := r.finish(second); code != exitRole || !strings.Contains(stderr, "in use by "+who) {
		r.t.Errorf("a second user: exit code %d, %s", code, stderr)
	}
	if status := r.must(r.program("status", []string{name})); !strings.Contains(status, who) ||
		!strings.Contains(status, "10.99.0.15") {
		r.t.Errorf("status: %s", status)
	}
	if code, _, stderr := r.finish(r.program("down", []string{name})); code != exitRole || !strings.Contains(stderr, who) {
		r.t.Errorf("down while in use: exit code %d, %s", code, stderr)
	}
	_ = stdin.Close()
	if code, _ := user.rest(); code != 0 {
		r.t.Errorf("the user: exit code %d, %s", code, user.stderr)
	}
	third := r.program("exec", []string{name, envNext + "=use"}, "/proc/self/exe")
	r.must(third)
}

// testExecKilled checks that a command does not outlive the program that it runs for.
func (r *rig) testExecKilled(name string) {
	cmd := r.program("exec", []string{name, envNext + "=count-signals"}, "/proc/self/exe")
	b, _ := r.start(cmd, "ready")
	signalGroup(r.t, cmd, unix.SIGINT)
	if line, err := b.lines.ReadString('\n'); err != nil || line != "interrupt\n" {
		r.t.Errorf("after an interrupt: %q, %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		r.t.Fatal(err)
	}
	if _, rest := b.rest(); rest != "terminated\n" { // it ends when the command does, which has the same output
		r.t.Errorf("after a kill: %q", rest)
	}
	eventually(r.t, "the command still runs", func() (bool, string) {
		status := r.must(r.program("status", []string{name}))
		return strings.Contains(status, "Commands:0"), status
	})
}

// TestSupervisorKilled kills a named lab's supervisor.
func TestSupervisorKilled(t *testing.T) {
	eachMode(t, func(r *rig) {
		name := envName + "=doomed"
		r.must(r.program("up", []string{name}))
		b, namespaces := r.start(r.program("exec", []string{name, envNext + "=park"}, "/proc/self/exe"), "parked")
		o, err := readOwner(filepath.Join(r.dir, "doomed"))
		if err != nil {
			r.t.Fatal(err)
		}
		if err := syscall.Kill(o.Process, unix.SIGKILL); err != nil {
			r.t.Fatal(err)
		}
		if code, _ := b.rest(); code != exitRole {
			r.t.Errorf("a program whose lab was killed: exit code %d", code)
		}
		r.assertGone(foreign(namespaces))
		if code, _, stderr := r.finish(r.program("status", []string{name})); code != exitRole ||
			!strings.Contains(stderr, ErrNotUp.Error()) {
			r.t.Errorf("status: exit code %d, %s", code, stderr)
		}
		if left := r.labs(); len(left) > 0 {
			r.t.Errorf("left behind: %v", left)
		}
	})
}

// BenchmarkRun is the cost of an ephemeral lab of five hosts, up and down.
func BenchmarkRun(b *testing.B) {
	for _, m := range modes() {
		b.Run(m.name, func(b *testing.B) {
			r := newRig(b, m)
			for b.Loop() {
				r.must(r.program("run", nil, "true"))
			}
		})
	}
}

// BenchmarkExec is the cost of a command in a named lab.
func BenchmarkExec(b *testing.B) {
	r := newRig(b, modes()[0])
	name := envName + "=bench"
	r.must(r.program("up", []string{name}))
	b.Cleanup(func() { r.must(r.program("down", []string{name})) })
	for b.Loop() {
		r.must(r.program("exec", []string{name}, "true"))
	}
}
