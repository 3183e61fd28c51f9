package run

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"elenchus/harness/control"
	"elenchus/harness/system"
	"elenchus/nemesis"
	"elenchus/nemesis/clockshim"
	"elenchus/nemesis/hostclock"
)

// errNoClockBinary says what is missing for faults of clocks.
var errNoClockBinary = errors.New("faults of clocks need the helper program elenchus-clock beside this one: " +
	"make build makes it")

// deployClocks puts the helper for clocks on all hosts. Without one, and if no clock is to be moved, there is nothing.
func deployClocks(ctx context.Context, binary string, move bool, clients []*control.Client) (*system.Clocks, error) {
	if binary == "" && !move {
		return nil, nil //nolint:nilnil // no clocks are a valid answer, to all questions
	}
	if binary == "" {
		return nil, errNoClockBinary
	}
	clocks, err := system.NewClocks(system.ClockOptions{Binary: binary, Move: move}, clients)
	if err != nil {
		return nil, err
	}
	return clocks, clocks.Deploy(ctx)
}

// movesClocks says whether the run has faults of clocks.
func (t *test) movesClocks() bool { return slices.Contains(t.schedule.Kinds(), nemesis.Clock) }

// ClockWay is how the clocks of a host of a lab are moved; empty if they cannot be.
func ClockWay(h control.Host) hostclock.Way {
	switch {
	case system.OwnClock(h):
		return hostclock.Kernel
	case system.UnderShim(h):
		return hostclock.Shim
	}
	return ""
}

// inside is how much of a lease's bounds is used up when faults are to stay inside, in percent: the clocks of real
// hosts are never quite right before anybody moves them.
const inside = 98

// leastDrift is how far apart clocks run at least when they do: 0.01 %.
const leastDrift clockshim.Rate = 100_000

// clockBounds say how far planned faults of clocks go: as far as the leases allow, unless something else is asked for.
func (o *Options) clockBounds() (nemesis.ClockBounds, error) {
	b := nemesis.ClockBounds{Wall: o.Lease.Mode == system.LeaseWall, MaxStep: o.ClockStep}
	for _, way := range o.ClockWays {
		if way == hostclock.Kernel {
			b.Way = hostclock.Kernel // the narrower one
		}
	}
	switch {
	case o.ClockDrift < 0:
		b.Drift = -1
	case o.ClockDrift > 0:
		b.Drift = clockshim.Rate(math.Round(o.ClockDrift * float64(clockshim.Nominal)))
	case o.Lease.DriftBound != "":
		ppb, err := system.ParseDriftBound(o.Lease.DriftBound)
		if err != nil {
			return b, err
		}
		b.Drift = clockshim.Rate(ppb) * inside / 100
		if b.Drift < leastDrift {
			b.Drift = -1 // clocks that may run no further apart cannot be seen to
		}
	}
	if b.MaxStep == 0 && b.Wall {
		b.MaxStep = o.Lease.MaxOffset * inside / 100
	}
	return b, nil
}

// leaseTerm is that of the leases that reads rest on; zero if they rest on none.
func (o *Options) leaseTerm() time.Duration {
	if o.Reads != "lease" {
		return 0
	}
	return o.Lease.Term
}

// readsAskNoLog reports whether a leader answers reads from its own state, because of a lease or of what a majority has
// told it: then one that was deposed may be wrong about being allowed to.
func (o *Options) readsAskNoLog() bool { return o.Reads == "lease" || o.Reads == "quorum" }

// checkClocks says what the lab cannot do of the clock faults of a schedule, naming the host.
func (o *Options) checkClocks(s *nemesis.Schedule) error {
	if o.ClockWays == nil {
		return nil
	}
	if err := s.CheckClocks(func(node string) hostclock.Way { return o.ClockWays[node] }); err != nil {
		return fmt.Errorf("the lab cannot do what is planned: %w", err)
	}
	return nil
}
