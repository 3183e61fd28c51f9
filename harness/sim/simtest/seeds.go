// Package simtest decides how many seeds the tests of simulated worlds play.
//
// A world is a single goroutine: the race detector sees in the first few runs whatever it can see there, and makes
// every run ten times slower. So tests play few runs under it, and all of them without it; make test does both.
package simtest

// underRace divides the number of runs that are played under the race detector.
const underRace = 8

// Seeds returns how many of n seeds a test plays: all of them, or a few under the race detector.
func Seeds(n uint64) uint64 {
	if racing {
		return max(n/underRace, 1)
	}
	return n
}
