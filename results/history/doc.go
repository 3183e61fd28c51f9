// Package history defines what a run records of its clients and its faults, operations with their outcomes, and the
// codec that stores them, one checksummed JSON line each.
//
// It is the leaf package shared by workloads, checkers, nemesis and reports, and imports the standard library only.
//
// # Time
//
// Every time is an [Event].Time in nanoseconds of the harness's monotonic clock since the run began. Clocks of
// nodes never enter a history. The order of a history is the order of its lines: a single sequencer numbers them,
// an invocation before its request's first byte is sent, a completion after its response has arrived. Intervals can
// only be wider than in reality, so a history may hide an anomaly but never invents one.
//
// # Outcomes
//
// An operation is invoked once and completes at most once: ok, fail (it certainly did not and will not take
// effect), or unknown (indeterminate: it may have taken effect, or may yet). After an unknown its process is
// retired and never used again, because the operation may still take effect. An operation without a completion is
// unknown.
package history
