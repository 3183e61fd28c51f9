// Package clock holds the readings of a node's clocks as plain values.
//
// A protocol never reads a clock. Its driver takes one [Reading] per step and passes it in: the real driver from the
// operating system, the simulator from a model in which every node's clock has its own offset and rate. So the same
// lease implementation runs in both.
package clock

import (
	"fmt"
	"time"
)

// Reading is a reading of a node's two clocks at one instant.
//
// Readings of different nodes must not be compared: monotonic clocks have unrelated origins, and wall clocks are only
// as close as their synchronization keeps them.
type Reading struct {
	// Mono is the monotonic clock, in nanoseconds since an arbitrary origin. Every incarnation of a node has a new origin,
	// so a Mono is meaningless after a restart and is never written to disk.
	Mono time.Duration

	// Wall is the wall clock, in nanoseconds since the Unix epoch. It may jump in either direction.
	Wall int64
}

// Add returns the reading after both clocks have advanced by d.
func (r Reading) Add(d time.Duration) Reading {
	return Reading{Mono: r.Mono + d, Wall: r.Wall + int64(d)}
}

// String formats the monotonic reading in seconds and the wall clock in RFC 3339, for logs and transcripts.
func (r Reading) String() string {
	return fmt.Sprintf("mono %.6fs wall %s", r.Mono.Seconds(), time.Unix(0, r.Wall).UTC().Format(time.RFC3339Nano))
}
