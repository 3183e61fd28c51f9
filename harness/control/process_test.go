package control_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"elenchus/harness/control"
	"elenchus/harness/lab/sshd/sshdtest"
)

// helper returns this test program as a process on the endpoint's host, with directories that do not exist yet.
func helper(e *sshdtest.Endpoint, name string) control.Process {
	dir := filepath.Join(e.Dir, name)
	return control.Process{
		Name:    name,
		PIDFile: filepath.Join(dir, "run", "pid"),
		Dir:     filepath.Join(dir, "data"),
		Argv:    []string{"env", helperVariable + "=1", os.Args[0]},
		LogFile: filepath.Join(dir, "log", "helper.log"),
	}
}

// start starts the process and ensures that it does not outlive the test.
func start(t *testing.T, c *control.Client, p control.Process) pidFile {
	t.Helper()
	if err := p.Start(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	pid := readPID(t, p)
	t.Cleanup(func() {
		// Use a new client: the test's may be closed.
		if err := p.Stop(context.Background(), dial(t, c.Host(), control.Options{}), 0); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	return pid
}

// pidFile is the content of a pid file.
type pidFile struct {
	PID       int
	StartTime uint64
}

func readPID(t *testing.T, p control.Process) (pid pidFile) {
	t.Helper()
	text, err := os.ReadFile(p.PIDFile)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(string(text), "%d %d\n", &pid.PID, &pid.StartTime); err != nil {
		t.Fatalf("pid file %q: %v", text, err)
	}
	if want := fmt.Sprintf("%d %d\n", pid.PID, pid.StartTime); string(text) != want {
		t.Errorf("pid file %q is not in the documented format, %q", text, want)
	}
	return pid
}

func expectState(t *testing.T, c *control.Client, p control.Process, want ...control.State) {
	t.Helper()
	got, err := p.State(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range want {
		if got == w {
			return
		}
	}
	t.Errorf("%s is %s, want %v", p.Name, got, want)
}

func logOf(t *testing.T, p control.Process) string {
	t.Helper()
	text, err := os.ReadFile(p.LogFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestProcessLife(t *testing.T) {
	forEachServer(t, func(t *testing.T, e *sshdtest.Endpoint) {
		ctx := context.Background()
		c := dial(t, hostOf(e), control.Options{})
		p := helper(e, "life")
		expectState(t, c, p, control.Dead)
		expectError(t, p.Signal(ctx, c, control.SIGKILL), control.ErrNotRunning, "n1", "life")
		if err := p.Stop(ctx, c, 0); err != nil {
			t.Errorf("stop what never ran: %v", err)
		}

		first := start(t, c, p)
		expectState(t, c, p, control.Running)
		expectError(t, p.Start(ctx, c), control.ErrRunning, fmt.Sprint(first.PID))
		if again := readPID(t, p); again != first {
			t.Errorf("a refused start changed the pid file from %v to %v", first, again)
		}
		if cwd, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", first.PID)); cwd != p.Dir {
			t.Errorf("runs in %q, want %q", cwd, p.Dir)
		}
		await(t, "the first line of the log", func() bool { return logOf(t, p) == "helper runs\n" })

		for range 3 {
			signalTo(t, c, p, control.SIGSTOP)
			expectState(t, c, p, control.Stopped)
			expectThreads(t, first.PID, "T")
			expectError(t, p.Start(ctx, c), control.ErrRunning, "stopped")
			signalTo(t, c, p, control.SIGCONT)
			expectState(t, c, p, control.Running)
		}

		signalTo(t, c, p, control.SIGKILL)
		expectState(t, c, p, control.Dead, control.Zombie) // a zombie where process 1 reaps no children
		expectError(t, p.Signal(ctx, c, control.SIGSTOP), control.ErrNotRunning)

		second := start(t, c, p)
		if second == first {
			t.Error("a new process has the old one's name")
		}
		signalTo(t, c, p, control.SIGSTOP)
		if err := p.Stop(ctx, c, patience); err != nil {
			t.Fatal(err)
		}
		expectState(t, c, p, control.Dead)
		if got, want := logOf(t, p), "helper runs\nhelper runs\nhelper says goodbye\n"; got != want {
			t.Errorf("log is %q, want %q: appended, and a stopped process terminates in order", got, want)
		}
		if _, err := os.Stat(p.PIDFile); !os.IsNotExist(err) {
			t.Errorf("pid file after Stop: %v", err)
		}
	})
}

func signalTo(t *testing.T, c *control.Client, p control.Process, s control.Signal) {
	t.Helper()
	if err := p.Signal(context.Background(), c, s); err != nil {
		t.Fatal(err)
	}
}

// expectThreads wants every thread of the process in the state.
func expectThreads(t *testing.T, pid int, state string) {
	t.Helper()
	stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(stats) < 4 {
		t.Fatalf("found %d threads, %v", len(stats), err)
	}
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, rest, _ := strings.Cut(string(text), ") "); !strings.HasPrefix(rest, state) {
			t.Errorf("thread is %q, want state %s", text, state)
		}
	}
}

// The scripts must run in any POSIX shell, not just in this machine's sh.
func TestProcessWithOtherShells(t *testing.T) {
	for _, shell := range []string{"busybox sh", "bash --posix"} {
		t.Run(shell, func(t *testing.T) {
			if _, err := exec.LookPath(strings.Fields(shell)[0]); err != nil {
				t.Skip("not installed")
			}
			e := sshdtest.Start(t)
			h := hostOf(e)
			h.Become = filepath.Join(e.Dir, "become") // called with "sh" and more
			text := "#!/bin/sh\nshift\nexec " + shell + " \"$@\"\n"
			if err := os.WriteFile(h.Become, []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
			c := dial(t, h, control.Options{})
			p := helper(e, "it's")
			start(t, c, p)
			signalTo(t, c, p, control.SIGSTOP)
			expectState(t, c, p, control.Stopped)
			signalTo(t, c, p, control.SIGCONT)
			expectState(t, c, p, control.Running)
			signalTo(t, c, p, control.SIGKILL)
			if err := p.Stop(context.Background(), c, 0); err != nil {
				t.Error(err)
			}
			p.Argv, p.Settle = []string{"sh", "-c", "echo boom; exit 3"}, patience
			expectError(t, p.Start(context.Background(), c), control.ErrExited, "exit status 3", "boom")
			out, err := c.Run(context.Background(), "printf 'a\\0b'; exit 4")
			if status, _ := control.ExitStatus(err); status != 4 || string(out.Stdout) != "a\x00b" {
				t.Errorf("got %q, %v", out.Stdout, err)
			}
		})
	}
}

// A process must outlive the connection that started it.
func TestProcessOutlivesItsClient(t *testing.T) {
	forEachServer(t, func(t *testing.T, e *sshdtest.Endpoint) {
		c := dial(t, hostOf(e), control.Options{})
		p := helper(e, "detached")
		start(t, c, p)
		_ = c.Close()
		next := dial(t, hostOf(e), control.Options{})
		expectState(t, next, p, control.Running)
		signalTo(t, next, p, control.SIGTERM)
		await(t, "the goodbye", func() bool { return strings.HasSuffix(logOf(t, p), "helper says goodbye\n") })
	})
}

func TestProcessThatExitsAtOnce(t *testing.T) {
	e := sshdtest.Start(t)
	c := dial(t, hostOf(e), control.Options{})
	numbered := "i=0; while [ $i -lt 50 ]; do i=$((i + 1)); echo line $i.; done; exit 1"
	tests := []struct {
		name  string
		argv  []string
		texts []string
	}{
		{"status and log", []string{"sh", "-c", "echo boom >&2; exit 3"}, []string{"exit status 3", "boom"}},
		{"status zero", []string{"true"}, []string{"exit status 0"}},
		{"killed", []string{"sh", "-c", "kill -KILL $$"}, []string{"exit status 137"}},
		{"no such program", []string{"/no/such/program"}, []string{"exit status 127", "/no/such/program"}},
		{"last lines", []string{"sh", "-c", numbered}, []string{"line 31.", "line 50."}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			p := helper(e, tc.name)
			p.Argv, p.Settle = tc.argv, patience
			if err := os.MkdirAll(filepath.Dir(p.LogFile), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(p.LogFile, []byte("of an earlier life\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			err := p.Start(context.Background(), c)
			expectError(t, err, control.ErrExited, append(tc.texts, "n1: start "+tc.name)...)
			for _, not := range []string{"earlier life", "line 30."} {
				if strings.Contains(err.Error(), not) {
					t.Errorf("%v contains %q", err, not)
				}
			}
			expectState(t, c, p, control.Dead)
		})
	}
}

// A pid that was reused for another process must never be signalled.
func TestRecycledPID(t *testing.T) {
	e := sshdtest.Start(t)
	c := dial(t, hostOf(e), control.Options{})
	ctx := context.Background()
	stranger := exec.Command("sleep", "300")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stranger.Process.Kill(); _ = stranger.Wait() }()
	pid := stranger.Process.Pid

	contents := map[string]string{
		"other start time": fmt.Sprintf("%d 1\n", pid),
		"no start time":    fmt.Sprintf("%d\n", pid),
		"empty":            "",
		"garbage":          "../../1 x y\n",
		"negative":         "-1 -1\n",
	}
	for name, content := range contents {
		t.Run(name, func(t *testing.T) {
			p := helper(e, name)
			write := func() {
				if err := os.MkdirAll(filepath.Dir(p.PIDFile), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(p.PIDFile, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write()
			expectState(t, c, p, control.Dead)
			for _, s := range []control.Signal{control.SIGSTOP, control.SIGCONT, control.SIGTERM, control.SIGKILL} {
				expectError(t, p.Signal(ctx, c, s), control.ErrNotRunning)
			}
			if err := p.Stop(ctx, c, 0); err != nil {
				t.Error(err)
			}
			write()
			start(t, c, p)
			expectState(t, c, p, control.Running)
			if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err != nil ||
				!strings.Contains(string(stat), ") S ") {
				t.Errorf("the stranger was touched: %q, %v", stat, err)
			}
		})
	}
}

// The name in /proc/PID/stat is chosen by the program itself.
func TestProcessWithHostileName(t *testing.T) {
	e := sshdtest.Start(t)
	c := dial(t, hostOf(e), control.Options{})
	for i, name := range []string{"a) T 1 (b", "((", "))", "x y z", ") ) ) 9 9"} {
		t.Run(name, func(t *testing.T) {
			link := filepath.Join(e.Dir, name)
			if err := os.Symlink(os.Args[0], link); err != nil {
				t.Fatal(err)
			}
			p := helper(e, fmt.Sprint("hostile", i))
			p.Argv[2] = link
			pid := start(t, c, p)
			await(t, "the program to run", func() bool { return strings.Contains(logOf(t, p), "helper runs") })
			if stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid.PID)); !strings.Contains(string(stat), name) {
				t.Fatalf("the process is called %q", stat)
			}
			expectState(t, c, p, control.Running)
			signalTo(t, c, p, control.SIGSTOP)
			signalTo(t, c, p, control.SIGKILL)
		})
	}
}

func TestArgumentsArriveAsTheyAre(t *testing.T) {
	e := sshdtest.Start(t)
	c := dial(t, hostOf(e), control.Options{})
	args := []string{"", "a b", "it's", "new\nline", "$HOME `id` $(id) \\ \" * ~", "-n", "\xff\x01"}
	p := helper(e, "it's $a `dir` with\nall")
	p.Argv = append([]string{"sh", "-c", `printf '<%s>' "$@"; exec sleep 300`, "sh"}, args...)
	start(t, c, p)
	want := "<" + strings.Join(args, "><") + ">"
	await(t, "the arguments in the log", func() bool { return logOf(t, p) == want })
}

func TestSignalWithoutEffect(t *testing.T) {
	e := sshdtest.Start(t)
	c := dial(t, hostOf(e), control.Options{})
	p := helper(e, "deaf")
	p.Argv = []string{"sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done"}
	p.Patience = 50 * time.Millisecond
	start(t, c, p)
	await(t, "the trap to be set", func() bool { return logOf(t, p) == "deaf\n" })
	expectError(t, p.Signal(context.Background(), c, control.SIGTERM), control.ErrNoEffect, "it is running")
	p.Patience = 0
	if err := p.Stop(context.Background(), c, 20*time.Millisecond); err != nil {
		t.Errorf("stop a process that ignores TERM: %v", err)
	}
	expectState(t, c, p, control.Dead)
}

func TestZombie(t *testing.T) {
	e := sshdtest.Start(t)
	c := dial(t, hostOf(e), control.Options{})
	child := exec.Command("sleep", "300")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = child.Wait() }()
	p := helper(e, "zombie")
	script := fmt.Sprintf("%smkdir -p %s; proc_read /proc/%d/stat && echo %[3]d $began >%[4]s", control.ShellLibrary,
		filepath.Dir(p.PIDFile), child.Process.Pid, p.PIDFile)
	if _, err := c.Run(context.Background(), script); err != nil {
		t.Fatal(err)
	}
	expectState(t, c, p, control.Running)
	if err := syscall.Kill(child.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, "the zombie", func() bool {
		state, err := p.State(context.Background(), c)
		return err == nil && state == control.Zombie
	})
	expectError(t, p.Signal(context.Background(), c, control.SIGCONT), control.ErrNotRunning)
	if err := p.Stop(context.Background(), c, 0); err != nil {
		t.Error(err)
	}
}

func TestProcessRejects(t *testing.T) {
	c := dial(t, hostOf(sshdtest.Start(t)), control.Options{})
	p := control.Process{PIDFile: "relative", LogFile: "/log\x00", Settle: -1}
	texts := []string{"no name", `pid file "relative"`, `directory ""`, "no program", "NUL", "negative"}
	_, stateErr := p.State(context.Background(), c)
	for _, err := range []error{p.Start(context.Background(), c), stateErr,
		p.Signal(context.Background(), c, control.SIGKILL), p.Stop(context.Background(), c, 0)} {
		expectError(t, err, nil, texts...)
	}
	good := control.Process{Name: "p", PIDFile: "/p", Dir: "/", LogFile: "/l", Argv: []string{"x"}}
	expectError(t, good.Signal(context.Background(), c, "HUP"), nil, "unknown signal")
}

// Concurrent starts yield a single process, which the pid file names: the others find it running. A stale file of a
// dead process does not matter.
func TestStartsAtOnceComeToOneProcess(t *testing.T) {
	e := sshdtest.Start(t)
	c := dial(t, hostOf(e), control.Options{})
	p := helper(e, "contended")
	p.Argv = append(p.Argv, "-contended="+e.Dir) // identifies the processes of this test
	for round := range 5 {
		var group sync.WaitGroup
		var started atomic.Int32
		for range 6 {
			group.Go(func() {
				switch err := p.Start(context.Background(), c); {
				case err == nil:
					started.Add(1)
				case !errors.Is(err, control.ErrRunning):
					t.Error(err)
				}
			})
		}
		group.Wait()
		pid := readPID(t, p)
		if alive := withArgument(t, "-contended="+e.Dir); !slices.Equal(alive, []int{pid.PID}) || started.Load() != 1 {
			t.Fatalf("round %d: %d starts say that they did it, and processes %v run; the file names %d",
				round, started.Load(), alive, pid.PID)
		}
		signalTo(t, c, p, control.SIGKILL)
		if left, err := filepath.Glob(p.PIDFile + ".*"); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v %v", left, err)
		}
	}
	if err := p.Stop(context.Background(), c, 0); err != nil {
		t.Error(err)
	}
}

// withArgument lists the processes that were started with the argument, and by now run this test's program.
func withArgument(t *testing.T, argument string) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, file := range files {
		words := strings.Split(strings.TrimRight(readOr(file), "\x00"), "\x00")
		if len(words) == 0 || words[0] != os.Args[0] || !slices.Contains(words, argument) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// readOr returns the contents of a file, or "" if it is gone.
func readOr(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return string(text)
}
