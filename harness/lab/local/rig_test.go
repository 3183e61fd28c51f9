//go:build linux

package local

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	Main()
	if role := os.Getenv(envRole); role != "" {
		os.Exit(play(role))
	}
	os.Exit(m.Run())
}

// mode is a way of making labs that tests go through.
type mode struct {
	name      string
	privilege Privilege
	user      uint32 // to become, 0 for the user who tests
}

// stranger is a user id without a user: labs must not need one.
const stranger = 54321

func modes() []mode {
	if os.Getuid() != 0 {
		return []mode{{name: "rootless"}}
	}
	return []mode{
		{name: "root", privilege: WithRoot},
		{name: "rootless", user: stranger},
		{name: "rootless root", privilege: Rootless},
	}
}

// rig makes labs of one mode in a directory of its own.
type rig struct {
	t    testing.TB
	mode mode
	dir  string
}

func eachMode(t *testing.T, f func(*rig)) {
	t.Helper()
	for _, m := range modes() {
		t.Run(m.name, func(t *testing.T) { f(newRig(t, m)) })
	}
}

func newRig(tb testing.TB, m mode) *rig {
	tb.Helper()
	base := tb.TempDir()
	if m.user != 0 {
		// Go closes the directory above it to other users.
		if err := os.Chmod(filepath.Dir(base), 0o755); err != nil {
			tb.Fatal(err)
		}
	}
	r := &rig{t: tb, mode: m, dir: filepath.Join(base, "labs")}
	r.give(base)
	return r
}

// give makes the mode's user the owner of a file.
func (r *rig) give(path string) {
	r.t.Helper()
	if r.mode.user == 0 {
		return
	}
	if err := os.Chown(path, int(r.mode.user), int(r.mode.user)); err != nil {
		r.t.Fatal(err)
	}
}

// program starts the program again in a role. The settings are environment variables.
func (r *rig) program(role string, settings []string, argv ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = append([]string{"elenchus"}, argv...)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), envRole+"="+role, envDir+"="+r.dir, envMode+"="+strconv.Itoa(int(r.mode.privilege)))
	cmd.Env = append(cmd.Env, settings...)
	// Else every process lingers for a second under the race detector.
	cmd.Env = append(cmd.Env, "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL} // for tests that run out of time
	if r.mode.user != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: r.mode.user, Gid: r.mode.user}
	}
	return cmd
}

// finish runs a program to its end and returns its exit code and what it printed. Where the machine cannot have such a
// lab, the test is skipped.
func (r *rig) finish(cmd *exec.Cmd) (code int, stdout, stderr string) {
	r.t.Helper()
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	runErr := cmd.Run()
	var exit *exec.ExitError
	if runErr != nil && !errors.As(runErr, &exit) {
		r.t.Fatal(runErr)
	}
	code = cmd.ProcessState.ExitCode()
	if code == exitUnavailable {
		r.t.Skip(err.String())
	}
	return code, out.String(), err.String()
}

// must is finish for programs that should succeed.
func (r *rig) must(cmd *exec.Cmd) string {
	r.t.Helper()
	code, stdout, stderr := r.finish(cmd)
	if code != 0 {
		r.t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	return stdout
}

// background is a program that has printed its first lines and goes on.
type background struct {
	t      testing.TB
	cmd    *exec.Cmd
	lines  *bufio.Reader
	stderr *bytes.Buffer
}

// start starts a program and reads its output up to the line until.
func (r *rig) start(cmd *exec.Cmd, until string) (*background, []string) {
	r.t.Helper()
	b := &background{t: r.t, cmd: cmd, stderr: new(bytes.Buffer)}
	cmd.Stderr = b.stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	b.lines = bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = cmd.Process.Kill() })
	var before []string
	for {
		line, err := b.lines.ReadString('\n')
		if err != nil {
			_ = cmd.Wait()
			if cmd.ProcessState.ExitCode() == exitUnavailable {
				r.t.Skip(b.stderr.String())
			}
			r.t.Fatalf("wait for %q: %v\n%v%s", until, err, before, b.stderr)
		}
		if line = strings.TrimSpace(line); line == until {
			return b, before
		}
		before = append(before, line)
	}
}

// rest waits for the end and returns the exit code and all further output.
func (b *background) rest() (int, string) {
	b.t.Helper()
	out, err := io.ReadAll(b.lines)
	if err != nil {
		b.t.Fatal(err)
	}
	_ = b.cmd.Wait()
	return b.cmd.ProcessState.ExitCode(), string(out)
}

// labs lists what is in the directory of labs but its lock.
func (r *rig) labs() []string {
	r.t.Helper()
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		r.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.Name() != "lock" {
			names = append(names, e.Name())
		}
	}
	return names
}

// processesIn lists the processes that are in any of the namespaces.
func processesIn(namespaces map[string]bool) []string {
	links, _ := filepath.Glob("/proc/[0-9]*/ns/*")
	var found []string
	for _, path := range links {
		if ns, err := os.Readlink(path); err == nil && namespaces[ns] {
			found = append(found, path)
		}
	}
	return found
}

// foreign is the set of the namespaces that the test itself is not in.
func foreign(namespaces []string) map[string]bool {
	set := make(map[string]bool)
	for _, ns := range namespaces {
		set[ns] = true
	}
	own, _ := filepath.Glob("/proc/self/ns/*")
	for _, path := range own {
		if ns, err := os.Readlink(path); err == nil {
			delete(set, ns)
		}
	}
	return set
}

// eventually waits for what is bound to happen, and fails the test when it does not.
func eventually(tb testing.TB, what string, done func() (bool, string)) {
	tb.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		ok, state := done()
		if ok {
			return
		}
		if time.Now().After(end) {
			tb.Fatalf("%s: %s", what, state)
		}
	}
}

// assertGone checks that no process is left in the namespaces, and none of the mounts.
func (r *rig) assertGone(namespaces map[string]bool) {
	r.t.Helper()
	if len(namespaces) < 10 {
		r.t.Fatalf("only %d namespaces: %v", len(namespaces), namespaces)
	}
	eventually(r.t, "processes are left", func() (bool, string) {
		left := processesIn(namespaces)
		return len(left) == 0, fmt.Sprint(left)
	})
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		r.t.Fatal(err)
	}
	if bytes.Contains(mounts, []byte(r.dir)) {
		r.t.Errorf("mounts are left: %s", mounts)
	}
}

func signalGroup(tb testing.TB, cmd *exec.Cmd, sig syscall.Signal) {
	tb.Helper()
	if err := unix.Kill(-cmd.Process.Pid, sig); err != nil {
		tb.Fatal(err)
	}
}
