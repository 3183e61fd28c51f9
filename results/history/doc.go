// Package history is what a run leaves behind of its clients and its faults: operations with their outcomes, and the
// codec that puts them on disk, one checksummed JSON line each.
//
// It is the leaf that workloads, checkers, nemesis and reports share, and imports the standard library only.
//
// # Time
//
// Every instant is an [Event].Time in nanoseconds of the harness's monotonic clock since the run began. Clocks of nodes
// never enter a history. The order of a history is the order of its lines: one sequencer numbers them, an invocation
// before its request's first byte leaves, a completion after its answer has arrived. Intervals can only be wider than
// the truth, so a history may hide an anomaly but never invents one.
//
// # Outcomes
//
// An operation is invoked once and completes at most once: ok, fail (it certainly did not and will not take effect),
// or unknown (it may have, or may yet). After an unknown its process is retired and never used again, because the
// operation may still take effect. An operation without a completion is unknown.
package history
