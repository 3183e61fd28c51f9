// Package run carries out a test: plan, connect, load and faults, heal, recovery, final reads, collection, checks,
// verdict.
//
// Everything that is chosen for a run is derived from one seed before the run begins, and stored: the schedule of
// faults, and the random number streams of the workload. What happens is stored as it happens: the history and the
// fault log line by line, the manifest at every step. Whatever goes wrong, and whoever stops the run, every fault is
// reverted, the logs are collected, and the history so far is checked.
//
// [Test] does all of this, [Check] only the last part: the verdict is a function of the run directory.
package run
