package clockshim

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// launchTimeout limits every step of a launch before the target's first instruction.
const launchTimeout = 30 * time.Second

// Exec replaces the calling process by a program whose clocks are under the control file, and returns only on
// failure. As with execve, the process keeps its PID, parent, directory and open files. A name without a slash is
// looked up in PATH; env is the environment of the new program.
//
// A target that would gain privileges is refused with [ErrPrivileged]. Failures after the calling program has been
// replaced cannot be returned any more: they are written to standard error, and the process exits with
// [ExitFailed], or is killed, before the target's first instruction.
func Exec(controlFile string, argv, env []string) error {
	if len(argv) == 0 {
		return errors.New("exec under clock shim: no program given")
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return fmt.Errorf("exec under clock shim: %w", err)
	}
	if err := checkTarget(path); err != nil {
		return fmt.Errorf("exec under clock shim: %s: %w", path, err)
	}
	control, err := openControl(controlFile, os.O_RDONLY)
	if err != nil {
		return fmt.Errorf("exec under clock shim: %w", err)
	}
	defer control.close()

	runtime.LockOSThread() // the tracer follows this thread into the new program
	defer runtime.UnlockOSThread()
	t, err := startTracer(control.file)
	if err != nil {
		return fmt.Errorf("exec under clock shim: %w", err)
	}
	defer t.close()
	err = t.attach()
	if err == nil {
		err = execKeeping(control.file, path, argv, env)
	}
	return fmt.Errorf("exec under clock shim: %w", errors.Join(err, t.dismiss()))
}

// checkTarget refuses targets that cannot be traced.
func checkTarget(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
		return fmt.Errorf("%w: its mode is %v", ErrPrivileged, info.Mode())
	}
	if n, err := unix.Getxattr(path, "security.capability", nil); err == nil && n > 0 {
		return fmt.Errorf("%w: it has file capabilities", ErrPrivileged)
	}
	return nil
}

// execKeeping is execve with one file left open, which the tracer maps and closes in the new program.
func execKeeping(keep *os.File, path string, argv, env []string) error {
	syscall.ForkLock.Lock() // no other child may inherit it
	defer syscall.ForkLock.Unlock()
	if _, err := unix.FcntlInt(keep.Fd(), unix.F_SETFD, 0); err != nil {
		return fmt.Errorf("keep control file open: %w", err)
	}
	err := syscall.Exec(path, argv, env)
	unix.CloseOnExec(int(keep.Fd()))
	return &fs.PathError{Op: "exec", Path: path, Err: err}
}

// tracer is the launcher's handle on the tracer process: one end of a socket.
type tracer struct {
	socket *os.File
	pid    int
	thread int
}

// startTracer starts the tracer as an orphan, so that the target is never notified of its exit, and waits until it
// reports.
func startTracer(control *os.File) (*tracer, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make socket pair: %w", err)
	}
	t := &tracer{socket: os.NewFile(uintptr(fds[0]), "tracer"), thread: unix.Gettid()}
	if err := unix.SetsockoptTimeval(fds[0], unix.SOL_SOCKET, unix.SO_RCVTIMEO,
		&unix.Timeval{Sec: int64(launchTimeout / time.Second)}); err != nil {
		return nil, fmt.Errorf("limit wait for tracer: %w", err)
	}
	other := os.NewFile(uintptr(fds[1]), "launcher")
	between := tracerCommand(stageSpawn, os.Getpid(), t.thread, int(control.Fd()))
	between.ExtraFiles = []*os.File{other, control}
	err = between.Run()
	_ = other.Close()
	if err != nil {
		t.close()
		return nil, fmt.Errorf("start tracer: %w", err)
	}
	report, err := t.receive()
	if err != nil {
		t.close()
		return nil, err
	}
	if t.pid, err = strconv.Atoi(report); err != nil {
		t.close()
		return nil, fmt.Errorf("tracer reported %q", report)
	}
	return t, nil
}

// attach lets the tracer seize this thread.
func (t *tracer) attach() error {
	// Where the Yama module restricts tracing, a process may permit one tracer. Elsewhere the call has no effect.
	_ = unix.Prctl(unix.PR_SET_PTRACER, uintptr(t.pid), 0, 0, 0)
	if _, err := t.socket.Write([]byte(wordGo)); err != nil {
		return fmt.Errorf("speak to tracer: %w", err)
	}
	answer, err := t.receive()
	if err == nil && answer != wordAttached {
		err = errors.New(answer)
	}
	return err
}

// dismiss makes the tracer detach from this process, which continues without it.
func (t *tracer) dismiss() error {
	if _, err := t.socket.Write([]byte(wordDismissed)); err != nil {
		return nil // the tracer is gone; had it been attached, this process would be as well
	}
	// A signal makes the tracer check. SIGURG means nothing to Go programs and is ignored by default.
	if err := unix.Tgkill(os.Getpid(), t.thread, unix.SIGURG); err != nil {
		return fmt.Errorf("dismiss tracer: %w", err)
	}
	if _, err := t.receive(); err != nil && !errors.Is(err, errTracerGone) {
		return fmt.Errorf("dismiss tracer: %w", err)
	}
	return nil
}

var errTracerGone = errors.New("tracer ended without a word")

func (t *tracer) receive() (string, error) {
	buf := make([]byte, 4096)
	for {
		n, err := unix.Read(int(t.socket.Fd()), buf)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return "", fmt.Errorf("tracer silent for %v", launchTimeout)
		case errors.Is(err, unix.ECONNRESET), err == nil && n == 0:
			return "", errTracerGone
		case err != nil:
			return "", fmt.Errorf("hear from tracer: %w", err)
		default:
			return strings.TrimSpace(string(buf[:n])), nil
		}
	}
}

func (t *tracer) close() { _ = t.socket.Close() }
