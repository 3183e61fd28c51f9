// Package clockshim gives single processes clocks of their own, and changes offset and rate of these clocks while the
// processes run. The programs need not know: a static Go binary, a C program and a Java machine will do.
//
//	err := clockshim.Create("/run/n1.clock")
//	err = clockshim.Exec("/run/n1.clock", []string{"elenchus-node", "--id", "1"}, os.Environ()) // returns on failure
//
//	state, err := clockshim.Set("/run/n1.clock", clockshim.Change{MonoRate: 900_000_000}) // from another process
//	state, err = clockshim.Set("/run/n1.clock", clockshim.Change{Reset: true})
//
// It is how clocks are made to differ between the hosts of a lab that share one kernel. Nothing of the machine is
// touched: no clock is set, no kernel parameter, no other process. No privileges are needed either, beyond being
// allowed to trace a process of one's own.
//
// # How it works
//
// Programs ask for the time by calling functions that the kernel maps into every process, the vDSO. [Exec] has the
// calling process become the target under the eyes of a short-lived tracer, this same program started again with a
// special name. Before the target's first instruction, the tracer has it map a page of code and behind that the
// control file, overwrites the beginning of clock_gettime, gettimeofday and time in the target's own copy of the vDSO
// with jumps to that code, calls each of them to see that it tells what the file says, and lets go. If anything goes
// wrong, the target does not start. Afterwards there is no tracer, and the process has the number, parent, environment
// and open files that it would have had; signals work as ever.
//
// The code reads the machine's monotonic clock by a system call, so that no data of the kernel's is interpreted, and
// computes
//
//	clock = base + (monotonic - at) × rate / 10⁹
//
// in integers, 128 bits wide in the middle, with base, at and rate from the mapped file. [Set] publishes new ones a
// few milliseconds before the instant from which they count, so that all processes change over at that instant, and
// no reader sees a rate change as a jump, or CLOCK_MONOTONIC go back. A reading costs about as much as a system call
// (some 250 ns; the vDSO takes 30).
//
// # What is moved
//
// CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE and CLOCK_BOOTTIME together (Mono), and CLOCK_REALTIME,
// CLOCK_REALTIME_COARSE, CLOCK_TAI, gettimeofday and time together (Wall). A clock that was moved counts on the
// machine's monotonic clock: steps and slewing of the machine's wall clock do not reach it, nor does time in suspend
// reach CLOCK_BOOTTIME. A clock that was not moved, or a reset one, is the machine's.
//
// # What stays real
//
//   - CLOCK_MONOTONIC_RAW, the alarm clocks, and the CPU time of processes and threads.
//   - System calls made without the vDSO: [golang.org/x/sys/unix.ClockGettime], or a C library without it. [Readings]
//     uses that to compare.
//   - All waiting: sleeps, timers, and time limits of futex, epoll, poll, sockets. The kernel counts those. An absolute
//     limit, computed from the moved clock, is met when the machine's clock gets there: a program that waits so, such
//     as pthread_cond_timedwait and with it a Java machine, waits too long by what its clock is ahead, and not at all
//     while it is behind. Go programs wait for intervals.
//   - Times of files and of network packets, and what the kernel logs.
//   - Children that execute a program. A fork alone keeps the clocks; exec makes a new vDSO. So a script that starts
//     the target, or a target that executes itself again, ends up with real clocks: put the shim last in the chain,
//     and ask [Attached] about the process that matters.
//   - Processor instructions that read the time stamp counter.
//
// # What that means for a Go program
//
// time.Now, time.Since and all that derives from them move. Timers are kept on the moved clock and waited for on the
// real one: the runtime computes how long to sleep from its monotonic clock, the kernel sleeps so long in real time,
// and the runtime looks again. With a slow clock (rate ½) everything is consistent: time.Sleep(time.Second) takes two
// real seconds, because after the first one the runtime's clock says that only half of the time is over. With a fast
// one (rate 2), an idle runtime oversleeps: time.Sleep(time.Second) takes about one real second, which time.Since
// calls two. A busy program looks at its timers more often and fires them nearer to their time. A step of the monotonic
// clock makes timers due that are due by the new reading, at the next look.
//
// Programs that let the kernel count whole intervals, such as timerfd or a C program in sleep, wait real time always.
//
// # Why that is honest for leases
//
// A lease is safe or not by what clocks say when it is granted, extended and used, and that is by readings: a node that
// computes validity from a reading taken at the time of use is served exactly the skew that was set, with the exactness
// of integers. A slow leader and a fast granter, the dangerous pair, are both shown as a drifting crystal would show
// them. What differs from a drifting crystal is that a fast node's timers fire late by its own clock. So it renews and
// campaigns no more often than the others in real time: that is a matter of liveness, and can hide no unsafe reading of
// a lease. A program whose safety hangs on a timer's going off in time is not tested by the fast clock, and is by
// a slow one.
//
// # Limits
//
// Only x86-64 on Linux; elsewhere everything builds, control files included, and Exec is refused with
// [ErrUnsupported]. Targets are 64-bit programs that do not gain privileges. Kernels or policies that forbid tracing
// (kernel.yama.ptrace_scope 2 or 3, a seccomp filter) forbid the shim. A control file belongs to one boot and one
// time namespace, and must not be truncated while a process has it mapped, which would kill that process; it is meant
// for tmpfs.
package clockshim

import "errors"

// ExitFailed is the exit status of a process that was to become the target and did not.
const ExitFailed = 125

// Errors of launches.
var (
	// ErrUnsupported says that there is no shim for this system or processor: the code that a target runs instead of
	// its vDSO exists for x86-64 on Linux only. Start the target without it, and do not call its clocks faulty.
	ErrUnsupported = errors.New("no clock shim for this operating system and processor, only for linux/amd64")
	// ErrPrivileged refuses a target that would gain privileges, since a traced program must not.
	ErrPrivileged = errors.New("target would gain privileges")
)
