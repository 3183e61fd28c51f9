// Package clockshim gives individual processes clocks of their own, and changes the offset and rate of these clocks
// while the processes run. The programs need no changes: a static Go binary, a C program or a Java virtual machine
// will do.
//
//	err := clockshim.Create("/run/n1.clock")
//	err = clockshim.Exec("/run/n1.clock", []string{"elenchus-node", "--id", "1"}, os.Environ()) // returns on failure
//
//	state, err := clockshim.Set("/run/n1.clock", clockshim.Change{MonoRate: 900_000_000}) // from another process
//	state, err = clockshim.Set("/run/n1.clock", clockshim.Change{Reset: true})
//
// This is how clocks differ between the hosts of a lab that share one kernel. Nothing of the machine is touched: no
// clock is set, no kernel parameter changed, no other process affected. No privileges are needed beyond permission
// to trace one's own processes.
//
// # How it works
//
// Programs read the time by calling functions that the kernel maps into every process, the vDSO. [Exec] turns the
// calling process into the target under a short-lived tracer, which is this same program started again under a
// special name. Before the target's first instruction, the tracer makes it map a page of code followed by the
// control file, overwrites the beginning of clock_gettime, gettimeofday and time in the target's own copy of the
// vDSO with jumps to that code, calls each of them to verify that it returns what the file says, and detaches. If
// anything goes wrong, the target does not start. Afterwards there is no tracer, and the process has the PID,
// parent, environment and open files that it would have had; signals work as usual.
//
// The code reads the machine's monotonic clock by a system call, so that no kernel data structure is interpreted,
// and computes
//
//	clock = base + (monotonic - at) × rate / 10⁹
//
// in integers, with 128-bit intermediate results, with base, at and rate from the mapped file. [Set] publishes new
// values a few milliseconds before the instant from which they apply, so that all processes change over at that
// instant, and no reader sees a rate change as a jump, or CLOCK_MONOTONIC go back. A reading costs about as much as
// a system call (some 250 ns; the vDSO takes 30).
//
// # What is moved
//
// CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE and CLOCK_BOOTTIME together (Mono), and CLOCK_REALTIME,
// CLOCK_REALTIME_COARSE, CLOCK_TAI, gettimeofday and time together (Wall). A clock that was moved is based on the
// machine's monotonic clock: steps and slewing of the machine's wall clock do not reach it, nor does time in
// suspend reach CLOCK_BOOTTIME. A clock that was not moved, or was reset, is the machine's.
//
// # What stays real
//
//   - CLOCK_MONOTONIC_RAW, the alarm clocks, and the CPU time of processes and threads.
//   - System calls made without the vDSO: [golang.org/x/sys/unix.ClockGettime], or a C library without it.
//     [Readings] uses that to compare.
//   - All waiting: sleeps, timers, and timeouts of futex, epoll, poll and sockets. The kernel measures those. An
//     absolute deadline, computed from the moved clock, expires when the machine's clock gets there: a program that
//     waits this way, such as pthread_cond_timedwait and with it a Java virtual machine, waits too long by the
//     amount its clock is ahead, and not at all while it is behind. Go programs wait for intervals.
//   - Times of files and of network packets, and kernel log timestamps.
//   - Children that execute a program. A fork alone keeps the clocks; exec makes a new vDSO. So a script that
//     starts the target, or a target that executes itself again, ends up with real clocks: put the shim last in the
//     chain, and check the process that matters with [Attached].
//   - Processor instructions that read the time stamp counter.
//
// # What that means for a Go program
//
// time.Now, time.Since and everything derived from them move. Timers are kept on the moved clock and waited for on
// the real one: the runtime computes how long to sleep from its monotonic clock, the kernel sleeps that long in
// real time, and the runtime checks again. With a slow clock (rate ½) everything is consistent:
// time.Sleep(time.Second) takes two real seconds, because after the first one the runtime's clock says that only
// half of the time has passed. With a fast one (rate 2), an idle runtime oversleeps: time.Sleep(time.Second) takes
// about one real second, which time.Since reports as two. A busy program checks its timers more often and fires
// them closer to their time. After a step of the monotonic clock, timers that are due by the new reading fire at
// the next check.
//
// Programs that let the kernel measure whole intervals, such as timerfd or a C program in sleep, always wait real
// time.
//
// # Why this is a fair test of leases
//
// The safety of a lease depends on clock readings at the times when it is granted, extended and used. A node that
// computes validity from a reading taken at the time of use gets exactly the skew that was set, with integer
// precision. A slow leader and a fast granter, the dangerous pair, both see what a drifting crystal would show
// them. The difference from a drifting crystal is that a fast node's timers fire late by its own clock. So it
// renews and campaigns no more often than the others in real time; that affects liveness, and cannot hide an unsafe
// reading of a lease. A program whose safety depends on a timer firing in time is not tested by the fast clock, but
// is by a slow one.
//
// # Limits
//
// Only x86-64 on Linux is supported; elsewhere everything builds, including control files, and Exec returns
// [ErrUnsupported]. Targets are 64-bit programs that do not gain privileges. Kernels or policies that forbid tracing
// (kernel.yama.ptrace_scope 2 or 3, a seccomp filter) rule out the shim. A control file belongs to one boot and one
// time namespace, and must not be truncated while a process has it mapped, which would kill that process; it is
// meant for tmpfs.
package clockshim

import "errors"

// ExitFailed is the exit status of a process that should have become the target but failed.
const ExitFailed = 125

// Errors of launches.
var (
	// ErrUnsupported says that there is no shim for this operating system or processor: the replacement code for
	// the vDSO exists for x86-64 on Linux only. Start the target without it, and do not rely on clock faults.
	ErrUnsupported = errors.New("no clock shim for this operating system and processor, only for linux/amd64")
	// ErrPrivileged refuses a target that would gain privileges, which a traced program must not.
	ErrPrivileged = errors.New("target would gain privileges")
	// ErrGone says that a process is dead, or about to be.
	ErrGone = errors.New("the process is gone")
)
