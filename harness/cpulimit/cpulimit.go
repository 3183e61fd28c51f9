// Package cpulimit ends what a program does when it has used up its processor time.
package cpulimit

import (
	"context"
	"syscall"
	"time"
)

// grace is how much longer than its limit a process may compute before it is taken for lost.
const grace = 10 * time.Second

// Context ends the context when this process has used up so much processor time, user's and system's together; zero is
// no limit. What does not listen to the context is ended by the kernel a little later, with a trace of where it was: a
// loop without an end is a finding, too.
func Context(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if limit <= 0 {
		return ctx, cancel
	}
	var rlimit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CPU, &rlimit); err == nil {
		rlimit.Cur = min(rlimit.Max, uint64((limit+grace)/time.Second)+1)
		_ = syscall.Setrlimit(syscall.RLIMIT_CPU, &rlimit) // without it a loop is ended by whoever started it
	}
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if Used() >= limit {
					cancel()
				}
			}
		}
	}()
	return ctx, cancel
}

// Used returns the processor time of this process so far, user's and system's together.
func Used() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
