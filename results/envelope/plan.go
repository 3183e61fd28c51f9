package envelope

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Mode is the kind of clock that leases are on, and so what is swept.
type Mode string

// The modes.
const (
	Rate Mode = "rate" // the rate of the leader's monotonic clock, against the drift bound
	Wall Mode = "wall" // the offset of the leader's wall clock, against the maximal offset
)

// Unit is a factor of 1 in rates: bounds and drifts by rate are in parts per billion.
const Unit = 1_000_000_000

// Plan is what a sweep probes. Bounds and drifts are in parts per billion by rate, and in nanoseconds by wall clock.
type Plan struct {
	Mode Mode          `json:"mode"`
	Term time.Duration `json:"term_ns"` // of the leases

	Bounds []int64 `json:"bounds"` // that leases are configured with, ascending
	Drifts []int64 `json:"drifts"` // how much slower, or how far behind, the leader's clock is; ascending

	Probes int `json:"probes"` // per cell
}

// Limits of a plan.
const (
	axisMax   = 24 // cells in a row or column of a picture
	probesMax = 1000
	driftMax  = 4 * Unit  // a clock that is slower by a factor of five
	wallMax   = time.Hour // lag of a wall clock
)

// Validate lists everything that is wrong with the plan.
func (p Plan) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(p.Mode == Rate || p.Mode == Wall, "unknown mode %q: there are rate and wall", p.Mode)
	check(p.Term > 0, "the term of the leases must be positive, not %v", p.Term)
	check(p.Probes >= 1 && p.Probes <= probesMax, "there must be 1 to %d probes of a cell, not %d", probesMax, p.Probes)
	boundMax, limit := int64(Unit), int64(driftMax)
	if p.Mode == Wall {
		boundMax, limit = int64(p.Term)-1, int64(wallMax)
	}
	for _, axis := range []struct {
		name     string
		values   []int64
		low, top int64
	}{{"bounds", p.Bounds, 0, boundMax}, {"drifts", p.Drifts, 0, limit}} {
		check(len(axis.values) >= 1 && len(axis.values) <= axisMax, "there must be 1 to %d %s, not %d", axisMax, axis.name,
			len(axis.values))
		check(slices.IsSorted(axis.values) && len(slices.Compact(slices.Clone(axis.values))) == len(axis.values),
			"the %s must rise, and no two be the same", axis.name)
		for _, v := range axis.values {
			check(v >= axis.low && v <= axis.top, "%s is not among possible %s, from %s to %s", p.label(axis.name, v), axis.name,
				p.label(axis.name, axis.low), p.label(axis.name, axis.top))
		}
	}
	if p.Mode == Wall {
		check(!slices.Contains(p.Bounds, 0), "the bound of wall clocks must be positive: no two clocks are the same")
	}
	return errors.Join(errs...)
}

func (p Plan) label(axis string, v int64) string {
	if axis == "bounds" {
		return p.BoundLabel(v)
	}
	return p.DriftLabel(v)
}

// Inside reports whether a leader's clock that is off by drift keeps within the bound that leases rely on.
func (p Plan) Inside(bound, drift int64) bool { return drift <= bound }

// Window returns for how long, by the granters' clocks, a leader whose clock is off by drift may still answer
// although another may have been elected. Inside the envelope it is zero or negative: the margin.
func (p Plan) Window(bound, drift int64) time.Duration {
	if p.Mode == Wall {
		return time.Duration(drift - bound)
	}
	// Exact for terms up to an hour: 3.6e12 ns times 4e9 overflows, so whole seconds and the rest are multiplied
	// separately.
	whole, part := int64(p.Term)/Unit, int64(p.Term)%Unit
	return time.Duration(whole*(drift-bound) + part*(drift-bound)/Unit)
}

// BoundLabel formats a bound for humans: "5%", or "100ms".
func (p Plan) BoundLabel(bound int64) string {
	if p.Mode == Wall {
		return time.Duration(bound).String()
	}
	return trimmed(float64(bound)/Unit*100) + "%"
}

// DriftLabel formats how far a leader's clock is off, for humans: "×1.2", or "150ms".
func (p Plan) DriftLabel(drift int64) string {
	if p.Mode == Wall {
		return time.Duration(drift).String()
	}
	return "×" + trimmed(1+float64(drift)/Unit)
}

func trimmed(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
