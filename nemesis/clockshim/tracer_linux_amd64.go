package clockshim

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Messages between launcher and tracer. Anything else from the tracer is an error message.
const (
	wordGo        = "go"
	wordAttached  = "attached"
	wordDismissed = "dismissed"
)

// The values of argv[0] that turn a program which imports this package into the tracer. The launcher starts the
// first stage and waits for it; that starts the second one, which does the work.
const (
	tracerName = "elenchus-clockshim-tracer"
	stageSpawn = "spawn"
	stageTrace = "trace"
)

// The tracer's open files.
const (
	fdSocket  = 3
	fdControl = 4
)

// init takes over the process if it was started as a tracer. This cannot be left to main: a program whose main does
// not check would run a second time instead.
func init() {
	if len(os.Args) == 5 && os.Args[0] == tracerName {
		runtime.LockOSThread() // ptrace is tied to a thread
		os.Exit(tracerMain(os.Args[1:]))
	}
}

// tracerCommand starts this program as the tracer of a thread that has the control file open as controlFD.
func tracerCommand(stage string, pid, tid, controlFD int) *exec.Cmd {
	return &exec.Cmd{
		Path:   "/proc/self/exe",
		Args:   []string{tracerName, stage, strconv.Itoa(pid), strconv.Itoa(tid), strconv.Itoa(controlFD)},
		Env:    []string{"GOMAXPROCS=1", "GORACE=atexit_sleep_ms=0"}, // the race detector would linger for a second
		Dir:    "/",
		Stderr: os.Stderr,
	}
}

func tracerMain(args []string) int {
	var numbers [3]int
	for i := range numbers {
		n, err := strconv.Atoi(args[i+1])
		if err != nil {
			return ExitFailed
		}
		numbers[i] = n
	}
	socket, control := os.NewFile(fdSocket, "launcher"), os.NewFile(fdControl, "control file")
	if args[0] == stageSpawn {
		c := tracerCommand(stageTrace, numbers[0], numbers[1], numbers[2])
		c.ExtraFiles = []*os.File{socket, control}
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // keep the terminal's interrupts away: they are for the target
		if err := c.Start(); err != nil {
			_, _ = fmt.Fprintf(socket, "start tracer: %v", err)
			return ExitFailed
		}
		return 0
	}
	s := seizer{socket: socket, pid: numbers[0], tid: numbers[1], controlFD: numbers[2]}
	if err := s.seize(control); err != nil {
		_, _ = fmt.Fprintf(socket, "attach tracer: %v", err)
		return ExitFailed
	}
	executed, err := s.follow()
	if err == nil && !executed {
		return 0
	}
	if err == nil {
		err = s.patch()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "clockshim: process %d not started: %v\n", s.pid, err)
		return ExitFailed
	}
	return 0
}

// seizer takes the launcher through execve into the target.
type seizer struct {
	socket    *os.File
	pid, tid  int
	controlFD int // its descriptor in the target

	control *mapped
}

// seize attaches to the launcher. From here on, the launcher or target dies with the tracer.
func (s *seizer) seize(control *os.File) error {
	var err error
	if s.control, err = mapControl(control, os.O_RDONLY); err != nil {
		return err
	}
	if _, err := s.socket.WriteString(strconv.Itoa(os.Getpid())); err != nil {
		return err
	}
	buf := make([]byte, 16)
	if n, err := s.socket.Read(buf); err != nil || string(buf[:n]) != wordGo {
		return errors.New("launcher changed its mind")
	}
	options := unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_EXITKILL
	if err := ptrace(unix.PTRACE_SEIZE, s.tid, 0, uintptr(options)); err != nil {
		return fmt.Errorf("trace process %d: %w%s", s.pid, err, whyUntraceable())
	}
	if _, err := s.socket.WriteString(wordAttached); err != nil {
		return err
	}
	return nil
}

// whyUntraceable explains a refusal from the kernel's settings, if possible.
func whyUntraceable() string {
	scope, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope")
	if err == nil && len(scope) > 0 && scope[0] > '1' {
		return fmt.Sprintf(" (kernel.yama.ptrace_scope is %c)", scope[0])
	}
	return ""
}

// follow waits until the launcher has become the target, and returns false if that will not happen.
func (s *seizer) follow() (bool, error) {
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, unix.WALL, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ECHILD):
			return false, nil
		case err != nil:
			return false, fmt.Errorf("wait for exec: %w", err)
		case !ws.Stopped():
			continue // ECHILD tells whether that was the last of it
		}
		switch event := int(ws) >> 16; {
		case event == unix.PTRACE_EVENT_EXEC:
			return true, nil
		case event == unix.PTRACE_EVENT_STOP && ws.StopSignal() != unix.SIGTRAP:
			err = ptrace(unix.PTRACE_LISTEN, pid, 0, 0) // stopped by a signal: stay so
		case event != 0:
			err = unix.PtraceCont(pid, 0)
		case ws.StopSignal() == unix.SIGURG && s.dismissed():
			return false, unix.PtraceDetach(pid)
		default:
			err = unix.PtraceCont(pid, int(ws.StopSignal()))
		}
		if err != nil && !errors.Is(err, unix.ESRCH) {
			return false, fmt.Errorf("wait for exec: %w", err)
		}
	}
}

// dismissed reports whether the launcher announced, before the signal, that it gives up.
func (s *seizer) dismissed() bool {
	buf := make([]byte, 16)
	n, _, err := unix.Recvfrom(fdSocket, buf, unix.MSG_DONTWAIT)
	return err == nil && string(buf[:n]) == wordDismissed
}
