// Package simtest says how much the tests of simulated worlds play.
//
// A world is a single goroutine: what the race detector can see in it, it sees in the first few runs, and it makes every
// one of them ten times slower. So many runs are played without it, and few with it; make test does both.
package simtest

// underRace is the part of the runs that is played under the race detector.
const underRace = 8

// Seeds is how many seeds a test plays that wants to play n: all of them, but a few under the race detector.
func Seeds(n uint64) uint64 {
	if racing {
		return max(n/underRace, 1)
	}
	return n
}
