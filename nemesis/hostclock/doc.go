// Package hostclock moves the clocks of one host and restores them. The helper program elenchus-clock uses it on
// the host; the nemesis uses its reports and limits.
//
//	clock, err := hostclock.OpenShim("/run/elenchus/clock")
//	report, err := clock.Apply("f3", hostclock.Move{Rate: 900_000_000}, pid)
//	report, err = clock.Revert("f3", pid)
//	report, err = clock.Reset() // whatever was left
//
// # Two ways
//
// On a host that shares its kernel with others, processes run under a shim (package clockshim): what moves is what
// their vDSO returns, set through a control file. On a host with its own kernel, that kernel's clocks are moved:
// rates by adjtimex, steps by ADJ_SETOFFSET. The interface is the same for both, and the reports say how it was
// done.
//
// # The book
//
// What is done to a host's clocks is first recorded in a small file on the host: which faults move them, and for a
// kernel what its clocks read before relative to CLOCK_MONOTONIC_RAW, which time daemons were stopped, and how the
// clock was disciplined. This makes every operation idempotent, lets a helper be killed at any point without losing
// track, and lets anybody restore the clocks later without asking the network for the time. The book is under /run
// and disappears with the boot, as a moved kernel clock does.
//
// Several faults may move one host: the last rate applied counts, steps add up, and only one strobe runs at a time.
// When the last fault is reverted the rate is nominal and the wall clock is where it would have been. The monotonic
// clock keeps what it has gained or lost, because it can never be set.
//
// # Fights
//
// Every change records the readings after it. The next look checks that the clocks have advanced from there at the
// rate that was set; if not, somebody else moves them, such as a time daemon that was not stopped, and the report
// says so.
package hostclock
