package sim

import (
	"math/bits"
	"time"
)

// rng gives random bits by what they decide. A draw is a hash of the run's seed, a purpose, and the identity of the
// thing that is decided on: who sends what to whom, for the how manieth time. There is no stream that draws are taken
// from in turn. So taking one event out of a run leaves the choices of all others as they were, which is what lets a
// shrinker work.
type rng struct{ seed uint64 }

// purpose keeps draws for different ends apart, also where they concern the same thing.
type purpose uint64

const (
	forDelay purpose = iota + 1
	forTail
	forTailDelay
	forLoss
	forDuplicate
	forCorruption
	forCorruptBit
	forCodec
	forReset
	forCutoff
	forReconnect
	forRelease
	forSync
	forSyncTail
	forSyncError
	forGroup
	forTorn
	forCrash
	forCrashPoint
	forRestart
	forResume
	forMachine
	forThink
	forClientDelay
	forAnswerDelay
	forRetry
	forRetryNode
	forLink
	forPlan
	forStart
	forRot
	forRank
)

// Odd constants without structure: digits of the golden ratio, √2 and √3.
const (
	spread1 = 0x9e3779b97f4a7c15
	spread2 = 0x6a09e667f3bcc909
	spread3 = 0xbb67ae8584caa73b
)

// mix folds b into a: the halves of a 128-bit product, combined.
func mix(a, b uint64) uint64 {
	high, low := bits.Mul64(a^spread1, b^spread2)
	return high ^ low ^ spread3
}

// at draws 64 bits for a purpose and the identity (a, b) of what is decided.
func (r rng) at(p purpose, a, b uint64) uint64 {
	return mix(mix(r.seed+uint64(p)*spread3, a), b)
}

// below makes of random bits a number from 0 to n-1.
func below(random, n uint64) uint64 {
	high, _ := bits.Mul64(random, n)
	return high
}

// million is the denominator of probabilities, which are integers: floats may round differently on another processor.
const million = 1_000_000

// chance makes of random bits an event of that probability, in parts per million.
func chance(random uint64, ppm uint32) bool { return below(random, million) < uint64(ppm) }

// within makes of random bits a duration from low to high, both included.
func within(random uint64, low, high time.Duration) time.Duration {
	if high <= low {
		return low
	}
	return low + time.Duration(below(random, uint64(high-low)+1))
}
