package clockshim

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var launches = flag.Int("launches", 200, "how often TestLaunches launches")

// What the test binary does instead of testing.
const roleVariable = "CLOCKSHIM_TEST_ROLE"

func TestMain(m *testing.M) {
	role, _, _ := strings.Cut(os.Getenv(roleVariable), " ")
	switch role {
	case "":
		os.Exit(m.Run())
	case "launch": // file command...
		os.Setenv(roleVariable, strings.TrimPrefix(os.Getenv(roleVariable), "launch "))
		err := Exec(os.Args[1], os.Args[2:], os.Environ())
		status, _ := os.ReadFile("/proc/self/status")
		fmt.Fprintln(os.Stderr, err)
		fmt.Fprintln(os.Stderr, "still here and free:", strings.Contains(string(status), "TracerPid:\t0\n"))
	case "exec":
		fmt.Fprintln(os.Stderr, syscall.Exec(os.Args[1], os.Args[1:], os.Environ()))
	case "tell":
		tell()
		os.Exit(0)
	case "sleep":
		start := readClock(unix.CLOCK_MONOTONIC)
		time.Sleep(200 * time.Millisecond)
		fmt.Println(readClock(unix.CLOCK_MONOTONIC) - start)
		os.Exit(0)
	case "children":
		for range 3 {
			if err := exec.Command("/bin/true").Run(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
		os.Exit(0)
	}
	os.Exit(ExitFailed)
}

// told is what a target says of itself, one line of JSON for each line that it is sent.
type told struct {
	PID      int
	Readings []Reading
	Now      int64 // time.Now
	Since    int64 // time.Since the start
}

func (r told) reading(t testing.TB, name string) Reading {
	t.Helper()
	for _, r := range r.Readings {
		if r.Name == name {
			return r
		}
	}
	t.Fatalf("no %s in %+v", name, r)
	return Reading{}
}

func tell() {
	start, out := time.Now(), json.NewEncoder(os.Stdout)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		readings, err := Readings()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return
		}
		now := time.Now()
		if out.Encode(told{os.Getpid(), readings, now.UnixNano(), int64(now.Sub(start))}) != nil {
			return
		}
	}
}

func self(t testing.TB) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// under returns a command that becomes the target, in the given role if that is this binary.
func under(t testing.TB, control, role string, target ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command(self(t), append([]string{control}, target...)...)
	c.Env = append(os.Environ(), roleVariable+"=launch "+role, "GORACE=atexit_sleep_ms=0")
	return c
}

var canTrace = sync.OnceValue(func() error {
	dir, err := os.MkdirTemp("", "clockshim")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := Create(filepath.Join(dir, "clock")); err != nil {
		return err
	}
	c := exec.Command("/proc/self/exe", filepath.Join(dir, "clock"), "/bin/true")
	c.Env = append(os.Environ(), roleVariable+"=launch ")
	out, err := c.CombinedOutput()
	if err != nil && strings.Contains(string(out), "operation not permitted") {
		return fmt.Errorf("no tracing here: %s", out)
	}
	return nil
})

func needTracing(t testing.TB) {
	t.Helper()
	if err := canTrace(); err != nil {
		t.Skip(err)
	}
}

// teller is a running target.
type teller struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func startTeller(t testing.TB, c *exec.Cmd) *teller {
	t.Helper()
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = c.Process.Kill(); _ = c.Wait() })
	return &teller{c, in, bufio.NewScanner(out)}
}

func (p *teller) ask(t testing.TB) told {
	t.Helper()
	if _, err := fmt.Fprintln(p.in); err != nil {
		t.Fatal(err)
	}
	var r told
	if !p.out.Scan() {
		t.Fatal("target ended: ", p.out.Err())
	}
	if err := json.Unmarshal(p.out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// Rates and offsets of a running Go program change live and exactly, its raw clocks never do, and the process is the
// one that was started.
func TestGoProgram(t *testing.T) {
	needTracing(t)
	control := newControl(t)
	p := startTeller(t, under(t, control, "tell", self(t)))
	first := p.ask(t)
	if first.PID != p.Process.Pid {
		t.Errorf("process %d became %d", p.Process.Pid, first.PID)
	}
	if ok, err := Attached(first.PID, control); !ok || err != nil {
		t.Errorf("not attached: %v", err)
	}
	if ok, err := Attached(os.Getpid(), control); ok || err != nil {
		t.Errorf("the test itself is attached: %v", err)
	}
	for _, name := range []string{"CLOCK_REALTIME", "CLOCK_MONOTONIC", "CLOCK_BOOTTIME", "CLOCK_TAI"} {
		if r := first.reading(t, name); (r.Seen-r.Real) > r.Error || (r.Real-r.Seen) > r.Error {
			t.Errorf("not yet changed, yet different: %+v", r)
		}
	}
	mustSet(t, control, Change{MonoStep: 1000 * time.Second, WallStep: -2 * time.Hour})
	stepped := p.ask(t)
	if d := time.Duration(stepped.Since - first.Since); d < 1000*time.Second || d > 1030*time.Second {
		t.Errorf("time.Since moved by %v, want 1000 s", d)
	}
	if d := time.Duration(stepped.Now - first.Now); d < -2*time.Hour || d > -2*time.Hour+30*time.Second {
		t.Errorf("time.Now moved by %v, want -2h", d)
	}
	for _, rate := range []Rate{Nominal / 2, 2 * Nominal, 1_000_001_000, Nominal / 10, Nominal, MaxRate} {
		mustSet(t, control, Change{MonoRate: rate, WallRate: rate})
		checkRate(t, p, rate)
	}
	mustSet(t, control, Change{Reset: true, Force: true})
	if r := p.ask(t).reading(t, "CLOCK_MONOTONIC"); r.Seen-r.Real > r.Error || r.Real-r.Seen > r.Error {
		t.Errorf("after reset: %+v", r)
	}
}

// checkRate waits until the rate can be told from the nominal one in spite of the error bars, and compares.
func checkRate(t *testing.T, p *teller, rate Rate) {
	t.Helper()
	names := []string{"CLOCK_REALTIME", "CLOCK_MONOTONIC", "CLOCK_BOOTTIME", "CLOCK_TAI"}
	distinct := func(from, to Reading) bool {
		gained := line{rate: rate}.value(to.Real-from.Real) - (to.Real - from.Real)
		bar := line{rate: rate}.value(from.Error+to.Error) + from.Error + to.Error + 100
		return to.Real-from.Real > 1e7 && (rate == Nominal || gained > bar || -gained > bar)
	}
	from, to := p.ask(t), p.ask(t)
	for deadline := time.Now().Add(30 * time.Second); ; to = p.ask(t) {
		ready := true
		for _, name := range names {
			ready = ready && distinct(from.reading(t, name), to.reading(t, name))
		}
		if ready {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("rate %v: error bars too long: %+v %+v", rate, from, to)
		}
		time.Sleep(10 * time.Millisecond)
	}
	for _, name := range names {
		a, b := from.reading(t, name), to.reading(t, name)
		want := line{rate: rate}.value(b.Real - a.Real)
		slack := line{rate: rate}.value(a.Error+b.Error) + 10
		if name == "CLOCK_REALTIME" || name == "CLOCK_TAI" {
			// The shim counts on the real monotonic clock; the machine's wall clock may be slewed against it by 500 ppm.
			slack += (b.Real - a.Real) / 2000
		}
		if got := b.Seen - a.Seen; got < want-slack || got > want+slack {
			t.Errorf("rate %v: %s went %d in %d, want %d ± %d", rate, name, got, b.Real-a.Real, want, slack)
		}
	}
	if r := to.reading(t, "CLOCK_MONOTONIC_RAW"); r.Seen-r.Real > r.Error || r.Real-r.Seen > r.Error {
		t.Errorf("the raw clock is not real: %+v", r)
	}
}

const cSource = `
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
int main(void) {
	struct timespec seen, real; struct timeval tv; struct timezone tz = {77, 77};
	clock_gettime(CLOCK_REALTIME, &seen);
	syscall(SYS_clock_gettime, CLOCK_REALTIME, &real);
	if (gettimeofday(&tv, &tz) || gettimeofday(&tv, NULL) || tz.tz_minuteswest == 77) return 1;
	time_t now = time(NULL);
	if (clock_gettime(99, &real) == 0) return 2;
	printf("%ld %ld %ld %ld\n", seen.tv_sec - real.tv_sec, tv.tv_sec - real.tv_sec, now - real.tv_sec, (long)getpid());
	return 0;
}
`

// Every way in which programs ask for the wall clock is an hour and a half ahead, in programs of different kinds.
func TestOtherPrograms(t *testing.T) {
	needTracing(t)
	control := newControl(t)
	const ahead = 5400
	mustSet(t, control, Change{WallStep: ahead * time.Second})
	inOrder := func(t *testing.T, out string, values ...string) {
		t.Helper()
		for _, v := range values {
			if n, err := strconv.ParseInt(v, 10, 64); err != nil || n < ahead-1 || n > ahead+30 {
				t.Errorf("ahead by %q, want %d: %s", v, ahead, out)
			}
		}
	}
	for _, flags := range [][]string{nil, {"-static"}} {
		t.Run("c"+strings.Join(flags, ""), func(t *testing.T) {
			source, binary := filepath.Join(t.TempDir(), "a.c"), filepath.Join(t.TempDir(), "a")
			if err := os.WriteFile(source, []byte(cSource), 0o644); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command("gcc", append(flags, "-o", binary, source)...).CombinedOutput()
			if err != nil {
				t.Fatalf("compile: %v\n%s", err, out)
			}
			out, err = under(t, control, "", binary).Output()
			fields := strings.Fields(string(out))
			if err != nil || len(fields) != 4 {
				t.Fatalf("%q, %v", out, err)
			}
			inOrder(t, string(out), fields[:3]...)
		})
	}
	python, _ := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
	for name, target := range map[string][]string{
		"date": {"date", "+%s"}, "python": {strings.TrimSpace(string(python)), "-c", "import time; print(int(time.time()))"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(target[0]); err != nil {
				t.Skip(err)
			}
			now := time.Now().Unix()
			out, err := under(t, control, "", target...).Output()
			if err != nil {
				t.Fatal(err)
			}
			seen, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			inOrder(t, string(out), strconv.FormatInt(seen-now, 10))
		})
	}
}

// Many processes under one file see one clock, and it changes for all.
func TestManyProcesses(t *testing.T) {
	needTracing(t)
	control := newControl(t)
	var all []*teller
	for range 12 {
		all = append(all, startTeller(t, under(t, control, "tell", self(t))))
	}
	for _, want := range []time.Duration{time.Hour, -time.Hour, 0} {
		mustSet(t, control, Change{Reset: true, WallStep: want})
		for _, p := range all {
			r := p.ask(t).reading(t, "CLOCK_REALTIME")
			if off := time.Duration(r.Seen - r.Real - int64(want)); off.Abs() > time.Second {
				t.Errorf("process %d: off by %v, want %v", p.Process.Pid, off+want, want)
			}
		}
	}
}

// A slow clock is consistent: a Go program sleeps by it.
func TestSlowClockLengthensSleep(t *testing.T) {
	needTracing(t)
	control := newControl(t)
	mustSet(t, control, Change{MonoRate: Nominal / 4})
	out, err := under(t, control, "sleep", self(t)).Output()
	if err != nil {
		t.Fatal(err)
	}
	slept, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil || time.Duration(slept) < 800*time.Millisecond {
		t.Errorf("slept %v of real time (%v), want 800ms", time.Duration(slept), err)
	}
}

// Launch after launch succeeds; so do programs that start others, which are not under the shim any more.
func TestLaunches(t *testing.T) {
	needTracing(t)
	control := newControl(t)
	mustSet(t, control, Change{MonoRate: Nominal / 2, WallRate: 2 * Nominal})
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := worker; i < *launches; i += 4 {
				c := under(t, control, "children", self(t))
				if i%8 >= 4 {
					c = under(t, control, "", "/bin/true")
				}
				if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
					t.Errorf("launch %d: %v %s", i, err, out)
				}
			}
		})
	}
	wg.Wait()
}

// Launches succeed while clocks jump to and fro: whoever checks what a new process is told must not take the old time
// for a wrong one.
func TestLaunchesWhileClocksJump(t *testing.T) {
	needTracing(t)
	control := newControl(t)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for step := time.Hour; ; step = -step {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := Set(control, Change{WallStep: step}); err != nil && !errors.Is(err, ErrLate) {
				t.Errorf("step: %v", err)
			}
		}
	}()
	for i := range *launches / 4 {
		if out, err := under(t, control, "", "/bin/true").CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("launch %d: %v %s", i, err, out)
		}
	}
	close(stop)
	<-stopped
}

// A launch is not disturbed by signals that arrive meanwhile, and they are not lost.
func TestSignals(t *testing.T) {
	needTracing(t)
	control := newControl(t)
	t.Run("stop and continue", func(t *testing.T) {
		p := startTeller(t, under(t, control, "tell", self(t)))
		p.ask(t)
		for range 3 {
			if err := p.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			awaitState(t, p.Process.Pid, "T")
			if err := p.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			p.ask(t)
		}
		if err := p.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		var exit *exec.ExitError
		if err := p.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
			t.Errorf("terminated: %v", err)
		}
	})
	t.Run("during launches", func(t *testing.T) {
		for range 20 {
			p := startTeller(t, under(t, control, "tell", self(t)))
			for range 40 {
				for _, s := range []syscall.Signal{syscall.SIGURG, syscall.SIGSTOP, syscall.SIGCONT} {
					if err := p.Process.Signal(s); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(200 * time.Microsecond)
			}
			p.ask(t)
			if ok, err := Attached(p.Process.Pid, control); !ok || err != nil {
				t.Errorf("not attached: %v", err)
			}
		}
	})
}

func awaitState(t *testing.T, pid int, want string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		if _, rest, _ := strings.Cut(string(stat), ") "); strings.HasPrefix(rest, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d is never in state %s: %s", pid, want, stat)
		}
	}
}

// What cannot be put under the shim is not started at all, and says why.
func TestRefusedTargets(t *testing.T) {
	needTracing(t)
	control := newControl(t)
	dir := t.TempDir()
	script := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, tc := range map[string]struct{ target, want string }{
		"missing":     {filepath.Join(dir, "missing"), "no such file"},
		"not in PATH": {"no-such-program-anywhere", "not found"},
		"setuid":      {script("setuid", "#!/bin/echo ran\n", 0o755|os.ModeSetuid), ErrPrivileged.Error()},
		"setgid":      {script("setgid", "#!/bin/echo ran\n", 0o755|os.ModeSetgid), ErrPrivileged.Error()},
		"no format":   {script("garbage", "\x00\x01\x02", 0o755), "exec format error"},
		"directory":   {dir, "is a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := under(t, control, "", tc.target).CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != ExitFailed {
				t.Errorf("ended with %v", err)
			}
			// The launcher goes on, and nobody traces or holds it.
			if !strings.Contains(string(out), tc.want) || !strings.Contains(string(out), "still here and free: true") {
				t.Errorf("it said %q, want %q", out, tc.want)
			}
			if strings.Contains(string(out), "ran") && tc.want == ErrPrivileged.Error() {
				t.Error("it ran")
			}
		})
	}
	t.Run("32 bits", func(t *testing.T) {
		source, binary := filepath.Join(dir, "a.s"), filepath.Join(dir, "a32")
		if err := os.WriteFile(source, []byte(".globl _start\n_start: mov $1,%eax\n mov $7,%ebx\n int $0x80\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("gcc", "-m32", "-nostdlib", "-static", "-o", binary, source).CombinedOutput(); err != nil {
			t.Fatalf("compile for 32 bits: %v\n%s", err, out)
		}
		out, err := under(t, control, "", binary).CombinedOutput()
		if err == nil || err.Error() == "exit status 7" || !strings.Contains(string(out), "not a 64-bit program") {
			t.Errorf("%v: %s", err, out)
		}
	})
}

// No privileges are needed, not even those of root in a user namespace.
func TestWithoutPrivileges(t *testing.T) {
	needTracing(t)
	control := newControl(t)
	mustSet(t, control, Change{WallStep: time.Hour})
	c := under(t, control, "tell", self(t))
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: os.Getgid(), Size: 1}},
	}
	if err := exec.Command("unshare", "-U", "true").Run(); err != nil {
		t.Skip("no user namespaces:", err)
	}
	p := startTeller(t, c)
	r := p.ask(t).reading(t, "CLOCK_REALTIME")
	if off := time.Duration(r.Seen - r.Real); (off - time.Hour).Abs() > time.Second {
		t.Errorf("off by %v", off)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err != nil || !strings.Contains(string(status), "CapEff:\t0000000000000000") {
		t.Errorf("it has capabilities, so this proves nothing: %v %s", err, status)
	}
}

func ownVDSO(t testing.TB) *vdso {
	t.Helper()
	f, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	v, err := readVDSO(os.Getpid(), memory{f})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func BenchmarkLaunch(b *testing.B) {
	needTracing(b)
	control := newControl(b)
	b.Run("shim", func(b *testing.B) {
		for b.Loop() {
			if out, err := under(b, control, "", "/bin/true").CombinedOutput(); err != nil {
				b.Fatal(err, string(out))
			}
		}
	})
	b.Run("exec", func(b *testing.B) { // the same program becomes the same target, without the shim
		for b.Loop() {
			c := exec.Command(self(b), "/bin/true")
			c.Env = append(os.Environ(), roleVariable+"=exec")
			if err := c.Run(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func TestAttachedToNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "control")
	if err := Create(file); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if yes, err := Attached(cmd.Process.Pid, file); yes || !errors.Is(err, ErrGone) {
		t.Errorf("a process that has ended: %v, %v", yes, err)
	}
}
