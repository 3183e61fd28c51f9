package clockshim

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ptrace requests without a function in x/sys.
const (
	ptraceGetSigmask = 0x420a
	ptraceSetSigmask = 0x420b
)

// userCode is the code segment of 64-bit programs.
const userCode = 0x33

// tracee is a stopped process in which code can be run.
type tracee struct {
	pid  int
	mask uint64          // its blocked signals
	regs unix.PtraceRegs // registers to resume with
	insn uintptr         // address of a system call instruction; 0 if unknown
}

// ptrace is the bare system call.
func ptrace(request, pid int, addr, data uintptr) error {
	if _, _, errno := unix.Syscall6(unix.SYS_PTRACE, uintptr(request), uintptr(pid), addr, data, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// arrive takes over a process that stopped within execve, and lets it finish that. All signals except the tracer's
// own stay blocked meanwhile. A SIGURG that a Go program has sent to itself may be pending; its default action is
// to be ignored.
func arrive(pid int) (*tracee, error) {
	t := &tracee{pid: pid}
	if err := ptrace(ptraceGetSigmask, pid, 8, uintptr(unsafe.Pointer(&t.mask))); err != nil {
		return nil, fmt.Errorf("read signal mask: %w", err)
	}
	blocked := ^uint64(1 << (unix.SIGTRAP - 1))
	if err := ptrace(ptraceSetSigmask, pid, 8, uintptr(unsafe.Pointer(&blocked))); err != nil {
		return nil, fmt.Errorf("block signals: %w", err)
	}
	if err := t.resume(unix.PTRACE_SYSCALL, true); err != nil {
		return nil, fmt.Errorf("finish exec: %w", err)
	}
	if err := unix.PtraceGetRegs(pid, &t.regs); err != nil {
		return nil, fmt.Errorf("read registers: %w", err)
	}
	if t.regs.Cs != userCode {
		return nil, errors.New("not a 64-bit program")
	}
	return t, nil
}

// leave releases the process in its original state.
func (t *tracee) leave() error {
	t.regs.Orig_rax = ^uint64(0) // no system call to restart
	if err := unix.PtraceSetRegs(t.pid, &t.regs); err != nil {
		return fmt.Errorf("restore registers: %w", err)
	}
	if err := ptrace(ptraceSetSigmask, t.pid, 8, uintptr(unsafe.Pointer(&t.mask))); err != nil {
		return fmt.Errorf("restore signal mask: %w", err)
	}
	if err := unix.PtraceDetach(t.pid); err != nil {
		return fmt.Errorf("detach: %w", err)
	}
	return nil
}

// resume lets the process run until its next stop: at a system call, or by a trap. SIGSTOP is the only signal that
// cannot be blocked: the process takes it, keeps running for the tracer, and stops once the tracer detaches, unless
// SIGCONT came meanwhile.
func (t *tracee) resume(request int, syscall bool) error {
	signal := uintptr(0)
	for {
		if err := ptrace(request, t.pid, 0, signal); err != nil {
			return err
		}
		signal = 0
		var ws unix.WaitStatus
		_, err := unix.Wait4(t.pid, &ws, unix.WALL, nil)
		for errors.Is(err, unix.EINTR) {
			_, err = unix.Wait4(t.pid, &ws, unix.WALL, nil)
		}
		switch {
		case err != nil:
			return err
		case !ws.Stopped():
			return errors.New("it died")
		case syscall && ws.StopSignal() == unix.SIGTRAP|0x80:
			return nil
		case !syscall && ws.StopSignal() == unix.SIGTRAP && ws>>16 == 0:
			return nil
		case ws>>16 == unix.PTRACE_EVENT_STOP: // it stopped or was continued
		case ws.StopSignal() == unix.SIGSTOP:
			signal = uintptr(unix.SIGSTOP)
		default:
			return fmt.Errorf("stopped by %v (status %#x)", ws.StopSignal(), uint32(ws))
		}
	}
}

// syscall makes the process execute a system call.
func (t *tracee) syscall(number uint64, args ...uint64) (uint64, error) {
	var a [6]uint64
	copy(a[:], args)
	r := t.regs
	r.Rip, r.Rax, r.Orig_rax = uint64(t.insn), number, ^uint64(0)
	r.Rdi, r.Rsi, r.Rdx, r.R10, r.R8, r.R9 = a[0], a[1], a[2], a[3], a[4], a[5]
	if err := unix.PtraceSetRegs(t.pid, &r); err != nil {
		return 0, err
	}
	for range 2 { // entry and exit
		if err := t.resume(unix.PTRACE_SYSCALL, true); err != nil {
			return 0, err
		}
	}
	if err := unix.PtraceGetRegs(t.pid, &r); err != nil {
		return 0, err
	}
	if r.Rax > ^uint64(4095) {
		return 0, unix.Errno(-r.Rax)
	}
	return r.Rax, nil
}

// exit ends the process before it has done anything.
func (t *tracee) exit(status int) {
	r := t.regs
	r.Rip, r.Rax, r.Orig_rax, r.Rdi = uint64(t.insn), unix.SYS_EXIT_GROUP, ^uint64(0), uint64(status)
	if t.insn == 0 || unix.PtraceSetRegs(t.pid, &r) != nil || unix.PtraceDetach(t.pid) != nil {
		_ = unix.Kill(t.pid, unix.SIGKILL)
	}
}

// call makes the process call a function that returns to trap, on a stack of ours. It must pass through via within
// its first few instructions.
func (t *tracee) call(function, via, trap, stack uintptr, args ...uint64) (uint64, error) {
	const mostSteps = 4
	r := t.regs
	r.Rip, r.Rsp, r.Orig_rax = uint64(function), uint64(stack)-8, ^uint64(0) // as after a call from an aligned stack
	var a [2]uint64
	copy(a[:], args)
	r.Rdi, r.Rsi = a[0], a[1]
	if err := t.pokeWords(stack-8, uint64(trap)); err != nil {
		return 0, err
	}
	if err := unix.PtraceSetRegs(t.pid, &r); err != nil {
		return 0, err
	}
	for steps := 0; r.Rip != uint64(via); steps++ {
		if steps == mostSteps {
			return 0, fmt.Errorf("function at %#x does not lead to the shim at %#x", function, via)
		}
		if err := t.resume(unix.PTRACE_SINGLESTEP, false); err != nil {
			return 0, err
		}
		if err := unix.PtraceGetRegs(t.pid, &r); err != nil {
			return 0, err
		}
	}
	if err := t.resume(unix.PTRACE_CONT, false); err != nil {
		return 0, err
	}
	if err := unix.PtraceGetRegs(t.pid, &r); err != nil {
		return 0, err
	}
	if r.Rip != uint64(trap)+1 {
		return 0, fmt.Errorf("function at %#x ended at %#x", function, r.Rip)
	}
	return r.Rax, nil
}

func (t *tracee) peek(addr uintptr, b []byte) error {
	n, err := unix.PtracePeekData(t.pid, addr, b)
	if err == nil && n != len(b) {
		err = fmt.Errorf("only %d of %d bytes", n, len(b))
	}
	if err != nil {
		return fmt.Errorf("read memory at %#x: %w", addr, err)
	}
	return nil
}

// poke writes memory, including read-only code, of which the process then has a private copy.
func (t *tracee) poke(addr uintptr, b []byte) error {
	n, err := unix.PtracePokeData(t.pid, addr, b)
	if err == nil && n != len(b) {
		err = fmt.Errorf("only %d of %d bytes", n, len(b))
	}
	if err != nil {
		return fmt.Errorf("write memory at %#x: %w", addr, err)
	}
	return nil
}

func (t *tracee) pokeWords(addr uintptr, w ...uint64) error {
	return t.poke(addr, unsafe.Slice((*byte)(unsafe.Pointer(&w[0])), 8*len(w)))
}

func (t *tracee) peekWords(addr uintptr, w []uint64) error {
	return t.peek(addr, unsafe.Slice((*byte)(unsafe.Pointer(&w[0])), 8*len(w)))
}
