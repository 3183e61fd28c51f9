package server

import (
	_ "unsafe" // for go:linkname
)

// nanotime is the monotonic clock of the host in nanoseconds, CLOCK_MONOTONIC on Linux: what [time.Time] counts from an
// origin of its own. Package time has no way to ask for it, and a system call of our own would not see the clock that
// the rest of the process sees where a lab moves that.
//
//go:linkname nanotime runtime.nanotime
func nanotime() int64
