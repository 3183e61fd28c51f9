package sim

import (
	"time"

	"elenchus/node/clock"
)

// ppb is the unit of clock rates: parts per billion. They are integers, because floats may round differently
// elsewhere.
const ppb = 1_000_000_000

const (
	// wallEpoch is what wall clocks show when a run begins: far enough from zero for any offset.
	wallEpoch = int64(1_000_000 * time.Second)

	// monoStart is what monotonic clocks show when a node starts.
	monoStart = time.Second
)

// nodeClock is a node's two clocks, as functions of true time.
type nodeClock struct {
	rate   int64         // how much faster than true time the monotonic clock runs, in parts per billion; above -ppb
	offset time.Duration // of the wall clock from true time
	since  time.Duration // the true time of the last change to the monotonic clock …
	mono   time.Duration // … and what it showed then
	frozen bool          // the monotonic clock stands still: the machine is suspended
}

// restart sets the monotonic clock as a new incarnation finds it.
func (c *nodeClock) restart(now time.Duration) { c.since, c.mono, c.frozen = now, monoStart, false }

func (c *nodeClock) monoAt(now time.Duration) time.Duration {
	switch {
	case c.frozen:
		return c.mono
	case c.rate == 0:
		return c.mono + now - c.since
	}
	return c.mono + advance(now-c.since, c.rate)
}

func (c *nodeClock) reading(now time.Duration) clock.Reading {
	return clock.Reading{Mono: c.monoAt(now), Wall: wallEpoch + int64(now+c.offset)}
}

// advance is by how much a clock of that rate advances in a span of true time, rounded down.
func advance(span time.Duration, rate int64) time.Duration {
	whole, part := int64(span)/ppb, int64(span)%ppb
	extra := part * rate
	down := extra / ppb
	if extra%ppb < 0 {
		down--
	}
	return span + time.Duration(whole*rate+down)
}

// anchor makes now the moment from which the monotonic clock is counted, so that its rate can be changed.
func (c *nodeClock) anchor(now time.Duration) { c.mono, c.since = c.monoAt(now), now }

func (c *nodeClock) setRate(now time.Duration, rate int64) {
	c.anchor(now)
	c.rate = rate
}

func (c *nodeClock) freeze(now time.Duration) {
	c.anchor(now)
	c.frozen = true
}

func (c *nodeClock) thaw(now time.Duration) { c.since, c.frozen = now, false }

// until is the true time at which the monotonic clock shows at, or at once if it has. The clock must not stand still.
func (c *nodeClock) until(now, at time.Duration) time.Duration {
	left := at - c.monoAt(now)
	switch {
	case left <= 0:
		return now
	case c.rate == 0:
		return now + left
	}
	// The span is left·ppb/(ppb+rate), up to rounding in two places; at most a few steps make up for that.
	whole, part := int64(left)/(ppb+c.rate), int64(left)%(ppb+c.rate)
	span := time.Duration(whole*ppb + part*ppb/(ppb+c.rate))
	for c.monoAt(now+span) < at {
		span++
	}
	return now + span
}
