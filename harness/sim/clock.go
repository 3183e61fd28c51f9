package sim

import (
	"math/bits"
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

// nodeClock simulates a node's monotonic clock and wall clock as functions of true time.
type nodeClock struct {
	rate   int64         // how much faster than true time the monotonic clock runs, in parts per billion; above -ppb
	since  time.Duration // the true time of the last change of the monotonic clock's rate …
	mono   time.Duration // … and what it showed then
	frozen bool          // the monotonic clock stands still: the machine is suspended
	ended  time.Duration // how far the clocks of earlier incarnations advanced in all

	// The wall clock is right except for faults: it is off by offset, and runs at a rate of its own since a given
	// true time, before which it had drifted by a given amount.
	offset    time.Duration
	wallRate  int64
	wallSince time.Duration
	drifted   time.Duration
}

// restart sets the monotonic clock to its value at the start of an incarnation.
func (c *nodeClock) restart(now time.Duration) {
	c.ended += c.monoAt(now) - monoStart
	c.since, c.mono, c.frozen = now, monoStart, false
}

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
	return clock.Reading{Mono: c.monoAt(now), Wall: c.wallAt(now)}
}

func (c *nodeClock) wallAt(now time.Duration) int64 {
	if c.wallRate == 0 {
		return wallEpoch + int64(now+c.offset+c.drifted)
	}
	return wallEpoch + int64(c.wallSince+c.offset+c.drifted+advance(now-c.wallSince, c.wallRate))
}

// setWall changes rate and offset of the wall clock. A clock that no fault affects any more is set right.
func (c *nodeClock) setWall(now, offset time.Duration, rate int64, moved bool) {
	c.drifted += advance(now-c.wallSince, c.wallRate) - (now - c.wallSince)
	if !moved {
		c.drifted = 0
	}
	c.offset, c.wallRate, c.wallSince = offset, rate, now
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

// anchor makes now the time from which the monotonic clock is computed, so that its rate can be changed.
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

// never is later than the end of any run.
const never = 1000 * time.Hour

// until returns the true time at which the monotonic clock reaches at, or the present if it has. The clock must not
// be frozen.
func (c *nodeClock) until(now, at time.Duration) time.Duration {
	left := at - c.monoAt(now)
	switch {
	case left <= 0:
		return now
	case c.rate == 0:
		return now + left
	}
	// The span is left·ppb/(ppb+rate), rounded; a few steps correct the rounding.
	high, low := bits.Mul64(uint64(left), ppb)
	if high >= uint64(ppb+c.rate) {
		return never
	}
	quotient, _ := bits.Div64(high, low, uint64(ppb+c.rate))
	if quotient > uint64(never-now) {
		return never
	}
	span := time.Duration(quotient)
	for c.monoAt(now+span) < at {
		span++
	}
	return now + span
}
