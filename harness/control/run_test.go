package control_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"elenchus/harness/control"
	"elenchus/harness/lab/sshd/sshdtest"
)

func TestRun(t *testing.T) {
	all := make([]byte, 0, 255)
	for b := 1; b < 256; b++ {
		all = append(all, byte(b))
	}
	tests := []struct {
		name, script, stdout, stderr string
		status                       int
	}{
		{name: "both outputs", script: "echo out; echo err >&2", stdout: "out\n", stderr: "err\n"},
		{name: "no output", script: ":"},
		{name: "empty script", script: ""},
		{name: "output without end of line", script: "printf x; printf y >&2", stdout: "x", stderr: "y"},
		{name: "status", script: "echo why >&2; exit 7", stderr: "why\n", status: 7},
		{name: "last status", script: "true; false", status: 1},
		{name: "lines", script: "a=1\nb=2\necho $((a + b))\n", stdout: "3\n"},
		{name: "here document", script: "cat <<'X'\n'quoted' $not\nX", stdout: "'quoted' $not\n"},
		{name: "comment at the end", script: "echo x # comment", stdout: "x\n"},
		{name: "every byte", script: "printf %s " + control.Quote(string(all)), stdout: string(all)},
		{name: "NUL bytes", script: `printf '\0a\0'`, stdout: "\x00a\x00"},
		{name: "input is empty", script: "cat", stdout: ""},
		{name: "syntax error", script: "if; then", status: 2, stderr: "*"},
		{name: "unknown command", script: "no-such-command-here", status: 127, stderr: "*"},
		{name: "killed", script: `sh -c 'kill -KILL $$'`, status: 128 + 9, stderr: "*"},
		{name: "long output", script: "head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2",
			stdout: strings.Repeat("\x00", 3000000), stderr: strings.Repeat("\x00", 3000000)},
		{name: "long script", script: "printf %s " + strings.Repeat("x", 500_000), stdout: strings.Repeat("x", 500_000)},
		{name: "in /", script: "pwd", stdout: "/\n"},
		{name: "background child with its own outputs", script: "sleep 300 >/dev/null 2>&1 & kill $!", stdout: ""},
	}
	forEachServer(t, func(t *testing.T, e *sshdtest.Endpoint) {
		c := dial(t, hostOf(e), control.Options{})
		for _, tc := range tests {
			t.Run(tc.name, func(t *testing.T) {
				out, err := c.Run(context.Background(), tc.script)
				if status, ran := control.ExitStatus(err); err != nil && !ran || status != tc.status {
					t.Fatalf("got error %v, want status %d", err, tc.status)
				}
				if got := string(out.Stdout); got != tc.stdout {
					t.Errorf("stdout: got %s, want %s", brief(got), brief(tc.stdout))
				}
				if got := string(out.Stderr); got != tc.stderr && (tc.stderr != "*" || got == "") {
					t.Errorf("stderr: got %s, want %s", brief(got), brief(tc.stderr))
				}
			})
		}
	})
}

// Changes that a script makes to its shell must not be visible to the next one, although they share a shell.
func TestRunsAreIsolated(t *testing.T) {
	c := dial(t, hostOf(sshdtest.Start(t)), control.Options{ShellsMax: 1})
	ctx := context.Background()
	first, err := c.Run(ctx, "echo $$; cd /tmp; leak=1; set -e; umask 0; exec 2>/dev/null; trap : EXIT; exit 0")
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.Run(ctx, "echo $$; false; echo ${leak-none} $(pwd) $(umask); echo err >&2")
	if err != nil {
		t.Fatal(err)
	}
	shell, _, _ := strings.Cut(string(first.Stdout), "\n")
	if want := shell + "\nnone / 0022\n"; string(second.Stdout) != want || string(second.Stderr) != "err\n" {
		t.Errorf("got %q and %q, want %q: same shell, nothing left", second.Stdout, second.Stderr, want)
	}
}

// A background child that still holds the outputs must neither hang the script nor break the protocol.
func TestRunDoesNotWaitForBackgroundChildren(t *testing.T) {
	forEachServer(t, func(t *testing.T, e *sshdtest.Endpoint) {
		c := dial(t, hostOf(e), control.Options{ShellsMax: 1})
		out, err := c.Run(context.Background(), "sleep 300 & echo $!")
		if err != nil {
			t.Fatal(err)
		}
		pid := out.Text()
		if !alive(pid) {
			t.Error("the child did not outlive the script")
		}
		if out, err = c.Run(context.Background(), "echo next; kill "+pid); err != nil || out.Text() != "next" {
			t.Errorf("next script: got %q, %v", out.Stdout, err)
		}
	})
}

func TestParallelRunsDoNotWaitForEachOther(t *testing.T) {
	e := sshdtest.Start(t)
	c := dial(t, hostOf(e), control.Options{ShellsMax: 4})
	gate := control.Quote(filepath.Join(e.Dir, "gate"))
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if _, err := c.Run(context.Background(), "while ! test -e "+gate+"; do sleep 0.01; done"); err != nil {
				t.Error(err)
			}
		})
	}
	// With a single shell this would deadlock: the others wait for what only this one does.
	if _, err := c.Run(context.Background(), ": >"+gate); err != nil {
		t.Error(err)
	}
	wg.Wait()

	shells := make(map[string]bool)
	var mu sync.Mutex
	for range 40 {
		wg.Go(func() {
			out, err := c.Run(context.Background(), "echo $$")
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			shells[out.Text()] = true
		})
	}
	wg.Wait()
	if len(shells) > 4 {
		t.Errorf("used %d shells, want at most 4", len(shells))
	}
}

// A script that times out, and everything in its process group, must be dead when Run returns; the next script must
// find a working shell.
func TestTimeoutKillsTheProcessGroup(t *testing.T) {
	forEachServer(t, func(t *testing.T, e *sshdtest.Endpoint) {
		c := dial(t, hostOf(e), control.Options{ShellsMax: 1})
		pids := filepath.Join(e.Dir, "pids")
		script := fmt.Sprintf("echo par''tial >&2; sleep 300 & echo $! >%[1]s; (trap '' TERM HUP; sleep 301) & "+
			"echo $! >>%[1]s; echo ready >>%[1]s; wait", control.Quote(pids))
		for name, run := range map[string]func(context.Context) error{
			"Run":  func(ctx context.Context) error { _, err := c.Run(ctx, script); return err },
			"Exec": func(ctx context.Context) error { return c.Exec(ctx, script, nil, nil) },
		} {
			for _, how := range []string{"deadline", "cancel"} {
				t.Run(name+"/"+how, func(t *testing.T) {
					_ = os.Remove(pids)
					ctx, cancel := context.WithCancelCause(context.Background())
					stopped := errors.New("operator stopped it")
					if how == "deadline" {
						stopped = context.DeadlineExceeded
					}
					result := make(chan error, 1)
					go func() { result <- run(ctx) }()
					var lines []string
					await(t, "the script to start its children", func() bool {
						text, _ := os.ReadFile(pids)
						lines = strings.Fields(string(text))
						return len(lines) == 3
					})
					cancel(stopped)
					err := <-result
					expectError(t, err, stopped, "n1", "partial", "what was running: sh S", "sleep S")
					if got := errors.Is(err, control.ErrTimeout); got != (how == "deadline") {
						t.Errorf("%v matches ErrTimeout: %v", err, got)
					}
					for _, pid := range lines[:2] {
						await(t, "process "+pid+" to end", func() bool { return !alive(pid) })
					}
					if out, err := c.Run(context.Background(), "echo again"); err != nil || out.Text() != "again" {
						t.Errorf("next script: got %q, %v", out.Stdout, err)
					}
				})
			}
		}
	})
}

func TestCommandTimeoutApplies(t *testing.T) {
	c := dial(t, hostOf(sshdtest.Start(t)), control.Options{CommandTimeout: 50 * time.Millisecond,
		BulkTimeout: 50 * time.Millisecond})
	_, err := c.Run(context.Background(), "sleep 300")
	expectError(t, err, control.ErrTimeout)
	expectError(t, c.Exec(context.Background(), "sleep 300", nil, nil), control.ErrTimeout)
}

func TestRunWhoseShellDies(t *testing.T) {
	forEachServer(t, func(t *testing.T, e *sshdtest.Endpoint) {
		c := dial(t, hostOf(e), control.Options{ShellsMax: 1})
		_, err := c.Run(context.Background(), "echo la''st words >&2; kill -KILL $$")
		expectError(t, err, nil, "n1", "kill -KILL", "the shell ended", "last words")
		if errors.Is(err, control.ErrUnreachable) {
			t.Errorf("%v blames the connection", err)
		}
		out, err := c.Run(context.Background(), "echo $$")
		if err != nil {
			t.Fatal(err)
		}
		// An idle shell that dies is noticed before it is used.
		if err := c.Exec(context.Background(), "kill -KILL "+out.Text(), nil, nil); err != nil {
			t.Fatal(err)
		}
		await(t, "a new shell", func() bool {
			next, err := c.Run(context.Background(), "echo $$")
			return err == nil && next.Text() != out.Text()
		})
	})
}

func TestOutputLimit(t *testing.T) {
	c := dial(t, hostOf(sshdtest.Start(t)), control.Options{OutputBytesMax: 1000})
	for _, script := range []string{"yes", "yes >&2"} {
		_, err := c.Run(context.Background(), script)
		expectError(t, err, nil, "longer than the limit of 1000 bytes")
	}
	if out, err := c.Run(context.Background(), "head -c 1000 /dev/zero"); err != nil || len(out.Stdout) != 1000 {
		t.Errorf("output of the limit's length: got %d bytes, %v", len(out.Stdout), err)
	}
}

func TestRunRejects(t *testing.T) {
	c := dial(t, hostOf(sshdtest.Start(t)), control.Options{})
	_, err := c.Run(context.Background(), "echo \x00")
	expectError(t, err, nil, "NUL")
	_, err = c.Run(context.Background(), strings.Repeat("x", 2<<20))
	expectError(t, err, nil, "longer than")
	expectError(t, c.Exec(context.Background(), strings.Repeat("x", 1<<20), nil, nil), nil, "longer than")
}

// With Become, scripts run through that command. A fake sudo stands in for the real one.
func TestBecome(t *testing.T) {
	e := sshdtest.Start(t)
	fake := filepath.Join(e.Dir, "fake-sudo")
	text := "#!/bin/sh\n[ \"$1\" = -n ] && shift && BECAME=root exec \"$@\"\n"
	if err := os.WriteFile(fake, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	h := hostOf(e)
	h.Become = fake + " -n"
	c := dial(t, h, control.Options{})
	if out, err := c.Run(context.Background(), "echo $BECAME"); err != nil || out.Text() != "root" {
		t.Errorf("Run: got %q, %v", out.Stdout, err)
	}
	var out bytes.Buffer
	if err := c.Exec(context.Background(), "echo $BECAME", nil, &out); err != nil || out.String() != "root\n" {
		t.Errorf("Exec: got %q, %v", out.String(), err)
	}

	h.Become = "sh -c 'echo a password is required >&2; exit 1' --"
	c = dial(t, h, control.Options{})
	_, err := c.Run(context.Background(), "true")
	expectError(t, err, nil, "a password is required", "start a shell")
	expectError(t, c.Exec(context.Background(), "true", nil, nil), nil, "a password is required")
}

func TestTrace(t *testing.T) {
	var mu sync.Mutex
	var lines []string
	trace := func(host, command string, elapsed time.Duration, err error) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, fmt.Sprint(host, " ", command, " ", elapsed > 0, " ", err != nil))
	}
	c := dial(t, hostOf(sshdtest.Start(t)), control.Options{Trace: trace})
	_, _ = c.Run(context.Background(), "true")
	_, _ = c.Run(context.Background(), "false")
	_ = c.Exec(context.Background(), "exit 3", nil, nil)
	want := "n1 true true false\nn1 false true true\nn1 exit 3 true true"
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestEach(t *testing.T) {
	e := sshdtest.Start(t)
	var clients []*control.Client
	for _, name := range []string{"n1", "n2", "n3"} {
		h := hostOf(e)
		h.Name = name
		clients = append(clients, dial(t, h, control.Options{}))
	}
	sentinel := errors.New("own error")
	err := control.Each(context.Background(), clients, func(ctx context.Context, c *control.Client) error {
		switch c.Host().Name {
		case "n1":
			_, err := c.Run(ctx, "echo broken >&2; exit 4")
			return err
		case "n2":
			return nil
		default:
			return sentinel
		}
	})
	expectError(t, err, sentinel)
	want := "n1: `echo broken >&2; exit 4`: exit status 4: broken\nn3: own error"
	if err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	if err := control.Each(context.Background(), clients, func(ctx context.Context, c *control.Client) error {
		_, err := c.Run(ctx, "true")
		return err
	}); err != nil {
		t.Error(err)
	}
}

func TestClosedClient(t *testing.T) {
	c := dial(t, hostOf(sshdtest.Start(t)), control.Options{})
	running := make(chan error, 1)
	go func() { _, err := c.Run(context.Background(), "sleep 300"); running <- err }()
	if _, err := c.Run(context.Background(), "true"); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-running; err == nil {
		t.Error("a script went well although its client was closed")
	}
	_, err := c.Run(context.Background(), "true")
	expectError(t, err, control.ErrClosed)
	expectError(t, c.Exec(context.Background(), "true", nil, nil), control.ErrClosed)
	if err := c.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

// A connection cut in the middle of a command fails that command as unreachable; the next one connects anew.
func TestConnectionCutMidCommand(t *testing.T) {
	forEachServer(t, func(t *testing.T, e *sshdtest.Endpoint) {
		for _, how := range []string{"closed", "frozen"} {
			t.Run(how, func(t *testing.T) {
				proxy := newProxy(t, e.Addr())
				h := hostOf(e)
				h.Port = proxy.port()
				c := dial(t, h, control.Options{KeepAlive: 20 * time.Millisecond, KeepAliveTimeout: 300 * time.Millisecond})
				started := filepath.Join(e.Dir, "started-"+how)
				finish := filepath.Join(e.Dir, "finish-"+how)
				// It outlives the connection, and ends with the test or with its directory.
				script := fmt.Sprintf(": >%s; while test -d %s && ! test -e %s; do sleep 0.01; done", started, e.Dir, finish)
				t.Cleanup(func() { _ = os.WriteFile(finish, nil, 0o600) })

				results := make(chan error, 2)
				go func() { _, err := c.Run(context.Background(), script); results <- err }()
				go func() { results <- c.Exec(context.Background(), "sleep 1; "+script, nil, nil) }()
				await(t, "the script to start", func() bool { _, err := os.Stat(started); return err == nil })
				if how == "closed" {
					proxy.cut()
				} else {
					proxy.freeze()
				}
				for range 2 {
					expectError(t, <-results, control.ErrUnreachable, "n1", "connection lost")
				}
				proxy.thaw()
				if out, err := c.Run(context.Background(), "echo again"); err != nil || out.Text() != "again" {
					t.Errorf("after the loss: got %q, %v", out.Stdout, err)
				}
			})
		}
	})
}

// When the host freezes and the deadline comes before the keepalive's, Run must still return, and not much later.
func TestDeadlineOnFrozenConnection(t *testing.T) {
	e := sshdtest.Start(t)
	proxy := newProxy(t, e.Addr())
	h := hostOf(e)
	h.Port = proxy.port()
	c := dial(t, h, control.Options{})
	if _, err := c.Run(context.Background(), "true"); err != nil {
		t.Fatal(err)
	}
	proxy.freeze()
	for name, run := range map[string]func(context.Context) error{
		"kept shell": func(ctx context.Context) error { _, err := c.Run(ctx, "true"); return err },
		"new shell":  func(ctx context.Context) error { _, err := c.Run(ctx, "true"); return err },
		"Exec":       func(ctx context.Context) error { return c.Exec(ctx, "true", nil, nil) },
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		if err := run(ctx); !errors.Is(err, control.ErrTimeout) && !errors.Is(err, control.ErrUnreachable) {
			t.Errorf("%s: got %v", name, err)
		}
		cancel()
	}
}

func BenchmarkRun(b *testing.B) {
	c := dial(b, hostOf(sshdtest.Start(b)), control.Options{})
	for b.Loop() {
		if _, err := c.Run(context.Background(), ":"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkExec(b *testing.B) {
	c := dial(b, hostOf(sshdtest.Start(b)), control.Options{})
	for b.Loop() {
		if err := c.Exec(context.Background(), ":", nil, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func brief(s string) string {
	if len(s) > 80 {
		return fmt.Sprintf("%d bytes", len(s))
	}
	return fmt.Sprintf("%q", s)
}
