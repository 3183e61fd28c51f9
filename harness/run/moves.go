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

// errNoClockBinary means that the helper is missing which clock faults need.
var errNoClockBinary = errors.New("faults of clocks need the helper program elenchus-clock beside this one: " +
	"make build makes it")

// deployClocks copies the helper for clocks to all hosts. Without a helper the result is nil, which is an error only
// if clocks are to be moved.
func deployClocks(ctx context.Context, binary string, move bool, clients []*control.Client) (*system.Clocks, error) {
	if binary == "" && !move {
		return nil, nil //nolint:nilnil // nil clocks are valid: none can be moved
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

// movesClocks reports whether the run has clock faults.
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

// inside is the percentage of a lease's clock bounds that planned faults use when they are to stay within the bounds.
// The rest is for the errors that the clocks of real hosts have by themselves.
const inside = 98

// leastDrift is the smallest difference of clock rates that is planned: 0.01 %.
const leastDrift clockshim.Rate = 100_000

// clockBounds limits planned clock faults: to what the leases allow, unless the options say otherwise.
func (o *Options) clockBounds() (nemesis.ClockBounds, error) {
	b := nemesis.ClockBounds{Wall: o.Lease.Mode == system.LeaseWall, MaxStep: o.ClockStep}
	for _, way := range o.ClockWays {
		if way == hostclock.Kernel {
			b.Way = hostclock.Kernel // the kind with the narrower limits
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
			b.Drift = -1 // a difference this small could not be measured
		}
	}
	if b.MaxStep == 0 && b.Wall {
		b.MaxStep = o.Lease.MaxOffset * inside / 100
	}
	return b, nil
}

// leaseTerm returns the term of the leases that reads rely on; zero if they rely on none.
func (o *Options) leaseTerm() time.Duration {
	if o.Reads != "lease" {
		return 0
	}
	return o.Lease.Term
}

// readsAskNoLog reports whether a leader answers reads from its own state, relying on a lease or on the answers of a
// majority. Then a deposed leader may answer wrongly.
func (o *Options) readsAskNoLog() bool { return o.Reads == "lease" || o.Reads == "quorum" }

// checkClocks names the clock faults of a schedule that the lab's hosts do not support.
func (o *Options) checkClocks(s *nemesis.Schedule) error {
	if o.ClockWays == nil {
		return nil
	}
	if err := s.CheckClocks(func(node string) hostclock.Way { return o.ClockWays[node] }); err != nil {
		return fmt.Errorf("the lab cannot do what is planned: %w", err)
	}
	return nil
}
