// Package run is a test's life: plan, lab, load and faults, heal, recovery, final reads, collection, checks, verdict.
//
// What happens in one run is decided before it begins, from one seed, and written down: the schedule of faults, and the
// streams of random numbers of the workload. What did happen is written down while it happens: the history and the
// faults line by line, the manifest at every step. Whatever goes wrong, and whoever stops the run, every fault is
// reverted, the logs are collected, and what there is of a history is checked.
//
// [Test] is the whole life, [Check] its last part alone: the verdict is a function of the run directory.
package run
