package nemesis

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"elenchus/nemesis/clockshim"
	"elenchus/nemesis/hostclock"
)

// Defaults of ClockBounds.
const (
	driftDefault   = clockshim.Nominal / 100
	maxStepDefault = time.Hour
)

// ClockBounds limits planned clock faults. A system that relies on clocks is correct as long as clocks keep within
// some bounds: faults inside them must do no harm, and faults outside should be detected.
type ClockBounds struct {
	// Drift is how much faster one clock may run than another, in parts per billion. With 10 % the slowest runs at
	// 1/1.1 while all others are right, or the fastest at 1.1. Zero means 1 %; negative means that no rates are
	// planned.
	Drift clockshim.Rate

	// MaxStep is how far a wall clock may be stepped away from the others. Zero means an hour, for systems that
	// trust no wall clock; negative means that neither steps nor strobes are planned.
	MaxStep time.Duration

	// Wall says that the system trusts wall clocks: then rates must not move a wall clock further than MaxStep
	// either.
	Wall bool

	// Way is how the lab moves clocks, which implies limits of its own. Empty means Shim.
	Way hostclock.Way
}

func (b ClockBounds) withDefaults() (ClockBounds, error) {
	if b.Drift == 0 {
		b.Drift = driftDefault
	}
	if b.MaxStep == 0 {
		b.MaxStep = maxStepDefault
	}
	if b.Way == "" {
		b.Way = hostclock.Shim
	}
	var problems []error
	if b.Drift > 0 && b.Drift < leastDrift {
		problems = append(problems, fmt.Errorf("clocks that run %s apart: that is too little to be seen", percent(b.Drift)))
	} else if b.Drift > 0 {
		for _, r := range []clockshim.Rate{b.slowest(), b.fastest()} {
			if err := (hostclock.Move{Rate: r}).Validate(); err != nil {
				problems = append(problems, fmt.Errorf("clocks that run %s apart: %w", percent(b.Drift), err))
			} else if err := b.Way.Fit(hostclock.Move{Rate: r}); err != nil {
				problems = append(problems, fmt.Errorf("clocks that run %s apart: %w", percent(b.Drift), err))
			}
		}
	}
	if b.MaxStep > clockshim.MaxStep {
		problems = append(problems, fmt.Errorf("steps of up to %v: the limit is %v", b.MaxStep, clockshim.MaxStep))
	}
	return b, errors.Join(problems...)
}

func percent(drift clockshim.Rate) string {
	return fmt.Sprintf("%g%%", float64(drift)*100/float64(clockshim.Nominal))
}

// slowest returns the lowest rate within the bound, rounded up. Its distance from the nominal rate never exceeds
// the bound, and neither does that of fastest.
func (b ClockBounds) slowest() clockshim.Rate {
	const n = clockshim.Nominal
	return (n*n + n + b.Drift - 1) / (n + b.Drift)
}

func (b ClockBounds) fastest() clockshim.Rate { return clockshim.Nominal + b.Drift }

// allows reports whether a shape of clock fault may be planned where faults last a few terms at most: whether the
// bounds leave room for an effect large enough to be observed.
func (b ClockBounds) allows(shape string, term time.Duration) bool {
	if shape != ClockRate {
		return b.MaxStep >= hostclock.MinStep
	}
	return b.Drift >= leastDrift && (!b.Wall || b.most(longestFault*term) >= leastDrift)
}

const (
	// leastDrift is the smallest planned deviation of a rate: enough to be observed within a tenth of a second.
	leastDrift = 2 * hostclock.MinDrift

	// longestFault is the maximal length of a fault in terms.
	longestFault = 6
)

// most returns the largest deviation of a rate that moves no wall clock further than MaxStep, with a margin for a
// fault that lasts a little longer than planned.
func (b ClockBounds) most(lasts time.Duration) clockshim.Rate {
	return clockshim.Rate(float64(b.MaxStep) / float64(lasts+time.Second) * float64(clockshim.Nominal))
}

// rate draws a rate, slow or fast: as far off as the bounds allow in half of the cases, else less.
func (b ClockBounds) rate(random *rand.Rand, slow bool, lasts time.Duration) clockshim.Rate {
	edge := b.fastest()
	if slow {
		edge = b.slowest()
	}
	off := edge - clockshim.Nominal
	if random.IntN(2) == 0 {
		off = clockshim.Rate(float64(off) * random.Float64())
	}
	if b.Wall {
		off = max(-b.most(lasts), min(off, b.most(lasts)))
	}
	if slow {
		return clockshim.Nominal + max(min(off, -leastDrift), b.slowest()-clockshim.Nominal)
	}
	return clockshim.Nominal + max(off, leastDrift)
}

// step draws a step, forward or back, log-uniformly: each power of two up to the bound is equally likely.
func (b ClockBounds) step(random *rand.Rand) time.Duration {
	const least = hostclock.MinStep
	most := max(b.MaxStep, least)
	d := most
	for d > 2*least && random.IntN(3) > 0 {
		d /= 2
	}
	d = between(random, max(d/2, least), max(d, 2*least))
	d = min(d, most).Truncate(time.Microsecond)
	if random.IntN(2) == 0 {
		return -d
	}
	return d
}

// move draws the move of a clock fault.
func (b ClockBounds) move(random *rand.Rand, form Form, lasts time.Duration) hostclock.Move {
	switch form.Shape {
	case ClockRate:
		// A leader slower than its granters is what endangers a lease.
		likely := form.Groups[0][0] == RoleLeader
		return hostclock.Move{Rate: b.rate(random, likely == (random.IntN(4) > 0), lasts)}
	case ClockStep:
		return hostclock.Move{Step: b.step(random)}
	default:
		least := b.Way.Limits().MinEvery
		return hostclock.Move{Strobe: b.step(random), Every: between(random, least, 10*least).Round(time.Millisecond)}
	}
}
