package sshd_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"elenchus/harness/lab/sshd"
	"elenchus/harness/lab/sshd/sshdtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// deadline is for conditions that hold within milliseconds unless something is broken.
const deadline = 30 * time.Second

// Both servers must satisfy the same client, so that a lab without root is comparable to one of machines.
var servers = map[string]func(testing.TB) *sshdtest.Endpoint{
	"own":     func(t testing.TB) *sshdtest.Endpoint { return sshdtest.Start(t) },
	"openssh": sshdtest.StartOpenSSH,
}

func TestSessions(t *testing.T) {
	large := make([]byte, 8<<20) // four times the window of a channel
	rnd := rand.NewChaCha8([32]byte{1})
	_, _ = rnd.Read(large)

	tests := []struct {
		name, script   string
		stdin          []byte
		stdout, stderr string
		status         int
		signal         string
	}{
		{name: "success", script: "echo out; echo err >&2", stdout: "out\n", stderr: "err\n"},
		{name: "status", script: "echo out; exit 7", stdout: "out\n", status: 7},
		{name: "unknown command", script: "exec 2>/dev/null; no-such-command", status: 127},
		{name: "killed", script: "kill -KILL $$", signal: "KILL"},
		{name: "terminated", script: "kill -TERM $$", signal: "TERM"},
		{name: "stdin to its end", script: "wc -c", stdin: []byte("12345"), stdout: "5\n"},
		{name: "binary both ways", script: "cat", stdin: large, stdout: string(large)},
		{name: "stdin unread", script: "exit 3", stdin: large, status: 3},
		{name: "large stderr", script: "head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero",
			stdout: strings.Repeat("\x00", 300000), stderr: strings.Repeat("\x00", 300000)},
		{name: "background child without our output", script: "sleep 300 </dev/null >/dev/null 2>&1 & echo $!; kill $!",
			stdout: "*"},
		{name: "own session and group", script: `read pid c s pp pgrp sid rest </proc/$$/stat; test "$$" = "$pgrp" &&
			test "$$" = "$sid"`},
		{name: "no environment of ours", script: "echo ${SSHD_TEST_LEAK-none}", stdout: "none\n"},
	}
	t.Setenv("SSHD_TEST_LEAK", "leaked")
	for kind, start := range servers {
		t.Run(kind, func(t *testing.T) {
			client := start(t).Dial(t)
			for _, tc := range tests {
				if kind == "openssh" && tc.name == "no environment of ours" {
					continue // this test has started it with its own environment
				}
				t.Run(tc.name, func(t *testing.T) {
					session, err := client.NewSession()
					if err != nil {
						t.Fatal(err)
					}
					var stdout, stderr bytes.Buffer
					session.Stdin, session.Stdout, session.Stderr = bytes.NewReader(tc.stdin), &stdout, &stderr
					status, signal := exitOf(t, session.Run(tc.script))
					if status != tc.status || signal != tc.signal {
						t.Errorf("exit: got status %d signal %q, want %d %q", status, signal, tc.status, tc.signal)
					}
					if tc.stdout != "*" && stdout.String() != tc.stdout {
						t.Errorf("stdout: got %s, want %s", brief(stdout.String()), brief(tc.stdout))
					}
					if stderr.String() != tc.stderr {
						t.Errorf("stderr: got %s, want %s", brief(stderr.String()), brief(tc.stderr))
					}
				})
			}
		})
	}
}

func TestShellReadsItsInput(t *testing.T) {
	for kind, start := range servers {
		t.Run(kind, func(t *testing.T) {
			session, err := start(t).Dial(t).NewSession()
			if err != nil {
				t.Fatal(err)
			}
			stdin, _ := session.StdinPipe()
			stdout, _ := session.StdoutPipe()
			if err := session.Shell(); err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				if _, err := fmt.Fprintf(stdin, "echo line %d\n", i); err != nil {
					t.Fatal(err)
				}
				want := fmt.Sprintf("line %d\n", i)
				got := make([]byte, len(want))
				if _, err := io.ReadFull(stdout, got); err != nil || string(got) != want {
					t.Fatalf("line %d: got %q, %v", i, got, err)
				}
			}
			_ = stdin.Close()
			if err := session.Wait(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A session must end with its command although a background child keeps the output open, and must not lose a byte
// of what the command wrote before that.
func TestBackgroundChildDoesNotHoldTheSession(t *testing.T) {
	scripts := map[string]string{
		"silent":  "head -c 200000 /dev/zero; sleep 300 & echo $!",
		"chatty":  "head -c 200000 /dev/zero; while :; do echo x; done 2>/dev/null & echo $! >&2",
		"stopped": "head -c 200000 /dev/zero; sleep 300 & kill -STOP $!; echo $!",
	}
	client := sshdtest.Start(t).Dial(t)
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) {
			session, err := client.NewSession()
			if err != nil {
				t.Fatal(err)
			}
			var stdout, stderr bytes.Buffer
			session.Stdout, session.Stderr = &stdout, &stderr
			if err := session.Run(script); err != nil {
				t.Fatal(err)
			}
			if got := bytes.Count(stdout.Bytes(), []byte{0}); got != 200000 {
				t.Errorf("got %d bytes of the command's output, want 200000", got)
			}
			text := strings.TrimSpace(strings.Trim(stdout.String()+stderr.String(), "\x00x\n"))
			pid, err := strconv.Atoi(text)
			if err != nil {
				t.Fatalf("no process id in %q", text)
			}
			if name == "chatty" {
				awaitGone(t, pid) // killed by SIGPIPE: nobody reads it any more
				return
			}
			if err := syscall.Kill(pid, 0); err != nil {
				t.Errorf("background child did not outlive its session: %v", err)
			}
			_ = syscall.Kill(pid, syscall.SIGKILL)
		})
	}
}

// A disconnected command lives on, whether the channel or the connection was closed, as with OpenSSH and no
// terminal.
func TestForegroundCommandOutlivesItsClient(t *testing.T) {
	for kind, start := range servers {
		for _, cut := range []string{"session", "connection"} {
			t.Run(kind+"/"+cut, func(t *testing.T) {
				e := start(t)
				client := e.Dial(t)
				session, err := client.NewSession()
				if err != nil {
					t.Fatal(err)
				}
				stdout, _ := session.StdoutPipe()
				gate := filepath.Join(e.Dir, "gate")
				done := filepath.Join(e.Dir, "done")
				script := fmt.Sprintf("echo ready; while ! test -e %s; do sleep 0.01; done; : >%s", gate, done)
				if err := session.Start(script); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(stdout, make([]byte, len("ready\n"))); err != nil {
					t.Fatal(err)
				}
				if cut == "session" {
					_ = session.Close()
				} else {
					_ = client.Close()
				}
				if err := os.WriteFile(gate, nil, 0o600); err != nil {
					t.Fatal(err)
				}
				await(t, "the command to finish", func() bool {
					_, err := os.Stat(done)
					return err == nil
				})
			})
		}
	}
}

func TestCloseEndsEverything(t *testing.T) {
	e := sshdtest.Start(t)
	var pids []int
	var waits []func() error
	for range 3 {
		session, err := e.Dial(t).NewSession()
		if err != nil {
			t.Fatal(err)
		}
		stdout, _ := session.StdoutPipe()
		if err := session.Start("sleep 300 & echo $!; wait"); err != nil {
			t.Fatal(err)
		}
		line := make([]byte, 32)
		n, err := stdout.Read(line)
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(line[:n])))
		if err != nil {
			t.Fatal(err)
		}
		pids, waits = append(pids, pid), append(waits, session.Wait)
	}
	if err := e.Server.Close(); err != nil {
		t.Fatal(err)
	}
	for i, wait := range waits {
		if err := wait(); err == nil {
			t.Error("a session ended well although its server was closed")
		}
		awaitGone(t, pids[i])
	}
	if _, err := net.Dial("tcp", e.Addr()); err == nil {
		t.Error("a closed server still accepts connections")
	}
	if err := e.Server.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	e := sshdtest.Start(t)
	stranger, _ := sshdtest.NewKey(t, e.Dir, "stranger")
	t.Run("other key", func(t *testing.T) { refuseLogin(t, e, e.User, ssh.PublicKeys(stranger)) })
	t.Run("other user", func(t *testing.T) { refuseLogin(t, e, e.User+"x", ssh.PublicKeys(e.Key)) })
	t.Run("password", func(t *testing.T) { refuseLogin(t, e, e.User, ssh.Password("")) })

	client := e.Dial(t)
	if ok, _, err := client.SendRequest("keepalive@openssh.com", true, nil); err != nil || !ok {
		t.Errorf("keepalive: got %v, %v", ok, err)
	}
	if _, err := client.Listen("tcp", "127.0.0.1:0"); err == nil {
		t.Error("remote forwarding was granted")
	}
	if _, err := client.Dial("tcp", e.Addr()); err == nil {
		t.Error("forwarding was granted")
	}
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Setenv("A", "b"); err == nil {
		t.Error("environment was accepted")
	}
	if err := session.RequestPty("xterm", 24, 80, nil); err == nil {
		t.Error("a terminal was granted")
	}
	if err := session.RequestSubsystem("sftp"); err == nil {
		t.Error("a subsystem was granted")
	}
	if err := session.Run("true"); err != nil {
		t.Errorf("command after refused requests: %v", err)
	}
}

func TestLimits(t *testing.T) {
	t.Run("connections and sessions", func(t *testing.T) {
		e := sshdtest.Start(t, func(s *sshd.Server) { s.ConnsMax, s.SessionsMax = 1, 1 })
		client := e.Dial(t)
		session, err := client.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.NewSession(); err == nil {
			t.Error("a session above the limit was granted")
		}
		_ = session.Close()
		await(t, "the closed session to make room", func() bool {
			next, err := client.NewSession()
			if err == nil {
				_ = next.Close()
			}
			return err == nil
		})
		expectHangup(t, e)
	})
	t.Run("silence before login", func(t *testing.T) {
		expectHangup(t, sshdtest.Start(t, func(s *sshd.Server) { s.HandshakeTimeout = 50 * time.Millisecond }))
	})
}

// expectHangup connects, stays silent and expects the server to hang up.
func expectHangup(t *testing.T, e *sshdtest.Endpoint) {
	t.Helper()
	conn, err := net.Dial("tcp", e.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetReadDeadline(time.Now().Add(deadline))
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection was kept")
	}
}

func TestServeRejectsConfiguration(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	err = (&sshd.Server{Linger: -1}).Serve(listener)
	for _, want := range []string{"host key", "authorized key", "negative"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to mention %q", err, want)
		}
	}
}

func TestManySessionsAtOnce(t *testing.T) {
	client := sshdtest.Start(t).Dial(t)
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			session, err := client.NewSession()
			if err != nil {
				t.Error(err)
				return
			}
			out, err := session.Output(fmt.Sprintf("echo %d; sleep 0.05; echo end", i))
			if want := fmt.Sprintf("%d\nend\n", i); err != nil || string(out) != want {
				t.Errorf("session %d: got %q, %v", i, out, err)
			}
		})
	}
	wg.Wait()
}

func BenchmarkExec(b *testing.B) {
	client := sshdtest.Start(b).Dial(b)
	for b.Loop() {
		session, err := client.NewSession()
		if err != nil {
			b.Fatal(err)
		}
		if err := session.Run("true"); err != nil {
			b.Fatal(err)
		}
	}
}

// exitOf returns the status, or the name of the signal, with which a session ended.
func exitOf(t *testing.T, err error) (status int, signal string) {
	t.Helper()
	var exit *ssh.ExitError
	switch {
	case err == nil, errors.Is(err, io.EOF): // EOF: the command did not read all of its input
		return 0, ""
	case !errors.As(err, &exit):
		t.Fatalf("session failed: %v", err)
		return 0, ""
	case exit.Signal() != "":
		return 0, exit.Signal()
	default:
		return exit.ExitStatus(), ""
	}
}

func refuseLogin(t *testing.T, e *sshdtest.Endpoint, user string, auth ssh.AuthMethod) {
	t.Helper()
	client, err := ssh.Dial("tcp", e.Addr(), &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{auth}, HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	if err == nil {
		_ = client.Close()
		t.Error("login was granted")
	}
}

func awaitGone(t *testing.T, pid int) {
	t.Helper()
	await(t, fmt.Sprintf("process %d to end", pid), func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || bytes.Contains(stat, []byte(") Z "))
	})
}

func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(deadline); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", deadline, what)
		}
	}
}

func brief(s string) string {
	if len(s) > 80 {
		return fmt.Sprintf("%d bytes", len(s))
	}
	return strconv.Quote(s)
}
