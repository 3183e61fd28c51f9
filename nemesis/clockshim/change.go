package clockshim

import (
	"errors"
	"fmt"
	"time"
)

// MaxStep limits one step of a clock, in either direction.
const MaxStep = 10 * 365 * 24 * time.Hour

// maxClock is the upper limit of the clocks, 1 January 2200, in nanoseconds. An int64 would last until 2262.
const maxClock = 7_258_118_400_000_000_000

// Errors of changes.
var (
	// ErrBackward refuses to set CLOCK_MONOTONIC back, which no kernel does.
	ErrBackward = errors.New("monotonic clock would go backward")
	// ErrRange refuses to move a clock below zero or beyond the year 2200.
	ErrRange = errors.New("clock out of range")
)

// Change is what [Set] does to the clocks. The zero value changes nothing. Mono refers to CLOCK_MONOTONIC, its
// coarse twin and CLOCK_BOOTTIME, Wall to CLOCK_REALTIME, its coarse twin and CLOCK_TAI.
//
// A new rate takes effect at the moment of the change without a jump of the clock. A step is added at that moment,
// in nanoseconds of the clock's own reading.
type Change struct {
	// Reset is applied first: both rates become nominal and Wall the real clock again. Mono keeps its offset, as a
	// kernel's clock would; with Force it becomes the real clock again as well, which is a jump.
	Reset bool

	MonoRate Rate // 0 keeps the rate
	WallRate Rate // 0 keeps the rate

	MonoStep time.Duration
	WallStep time.Duration

	// Force permits a step that sets CLOCK_MONOTONIC back, which may legitimately break programs.
	Force bool
}

// Validate lists everything that is wrong with the change, independent of the clocks' state.
func (c Change) Validate() error {
	var problems []error
	add := func(name string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", name, err))
		}
	}
	if c.MonoRate != 0 {
		add("rate of the monotonic clock", c.MonoRate.validate())
	}
	if c.WallRate != 0 {
		add("rate of the wall clock", c.WallRate.validate())
	}
	add("step of the monotonic clock", validateStep(c.MonoStep))
	add("step of the wall clock", validateStep(c.WallStep))
	if c.MonoStep < 0 && !c.Force {
		add("step of the monotonic clock", fmt.Errorf("%w by %v", ErrBackward, -c.MonoStep))
	}
	return errors.Join(problems...)
}

func validateStep(d time.Duration) error {
	if d > MaxStep || d < -MaxStep {
		return fmt.Errorf("%w: a step of %v, limit %v", ErrRange, d, MaxStep)
	}
	return nil
}

// touchesMono reports whether the change affects the monotonic clock.
func (c Change) touchesMono() bool { return c.Reset || c.MonoRate != 0 || c.MonoStep != 0 }

// touchesWall reports whether the change affects the wall clock.
func (c Change) touchesWall() bool { return c.Reset || c.WallRate != 0 || c.WallStep != 0 }

// next returns the clocks from the instant at on, given that s describes them until then. Instants are readings of
// the real monotonic clock.
func (c Change) next(s slot, real realClocks, at int64) (slot, error) {
	n := slot{at: at}
	for i := range s.lines {
		rate, step, touched := c.MonoRate, c.MonoStep, c.touchesMono()
		if i == lineWall || i == lineTAI {
			rate, step, touched = c.WallRate, c.WallStep, c.touchesWall()
		}
		old := s.lines[i]
		switch {
		case !touched && old.real():
			continue
		case c.Reset && rate == 0 && step == 0 && (old.real() || i == lineWall || i == lineTAI || c.Force):
			continue
		}
		value := real.line(i, at)
		if !old.real() {
			value = old.value(at - s.at)
		}
		n.lines[i] = line{base: value, rate: old.rate}
		if c.Reset && (i == lineWall || i == lineTAI || c.Force) {
			n.lines[i].base = real.line(i, at)
		}
		if c.Reset || old.real() {
			n.lines[i].rate = Nominal
		}
		if rate != 0 {
			n.lines[i].rate = rate
		}
		n.lines[i].base += int64(step)
		if n.lines[i].base < 0 || n.lines[i].base > maxClock {
			return slot{}, fmt.Errorf("%w: %s would be %d s", ErrRange, lineNames[i], n.lines[i].base/1e9)
		}
	}
	return n, nil
}
