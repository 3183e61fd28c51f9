// Package hostclock moves the clocks of one host and puts them right again. It is what the helper program
// elenchus-clock does on a host; the nemesis knows the reports it gives and the limits it has.
//
//	clock, err := hostclock.OpenShim("/run/elenchus/clock")
//	report, err := clock.Apply("f3", hostclock.Move{Rate: 900_000_000}, pid)
//	report, err = clock.Revert("f3", pid)
//	report, err = clock.Reset() // whatever was left
//
// # Two ways
//
// A host that shares its kernel with others has its processes under a shim (package clockshim): what moves is what
// their vDSO tells them, by a control file. A host with a kernel of its own has that kernel's clocks moved: rate by
// adjtimex, steps by ADJ_SETOFFSET. Both are moved by the same words, and both say how it was done.
//
// # The book
//
// What is done to a host's clocks is written into a small file on the host first: which faults move them, and for a
// kernel what its clocks said before, against CLOCK_MONOTONIC_RAW, which time daemons were stopped, and how the clock
// was disciplined. So doing a thing twice does it once, a helper that is killed half way leaves nothing unknown, and
// anybody can put the clocks right later, without a network to ask for the time. The book is under /run and dies with
// the boot, as the moved kernel clock does.
//
// Several faults may move one host: of rates the one applied last counts, steps add up, one strobe at a time. When the
// last fault is reverted the rate is nominal and the wall clock is where it would have been. What the monotonic clock
// has gained or lost it keeps, because that is what clocks do.
//
// # Fights
//
// Every change notes what the clocks said after it. At the next look they must have gone on from there at the rate
// that was set; if not, somebody else moves them, such as a time daemon that was not stopped, and the report says so.
package hostclock
