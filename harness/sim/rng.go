package sim

import (
	"math/bits"
	"time"
)

// rng gives random numbers that are keyed by what they decide: each is a hash of the run's seed, a purpose, and the
// identity of the thing that is decided on, such as the sender, the receiver and the number of a message. There is no
// sequence from which numbers are taken in turn. So removing one event from a run leaves the random choices of all
// others as they were, which is what a shrinker needs.
type rng struct{ seed uint64 }

// purpose separates random choices with different purposes about the same thing.
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

// at returns 64 random bits for a purpose and the identity (a, b) of what is decided.
func (r rng) at(p purpose, a, b uint64) uint64 {
	return mix(mix(r.seed+uint64(p)*spread3, a), b)
}

// below converts random bits to a number from 0 to n-1.
func below(random, n uint64) uint64 {
	high, _ := bits.Mul64(random, n)
	return high
}

// million is the denominator of probabilities, which are integers: floats may round differently on another processor.
const million = 1_000_000

// chance converts random bits to an event with a probability in parts per million.
func chance(random uint64, ppm uint32) bool { return below(random, million) < uint64(ppm) }

// within converts random bits to a duration from low to high, both included.
func within(random uint64, low, high time.Duration) time.Duration {
	if high <= low {
		return low
	}
	return low + time.Duration(below(random, uint64(high-low)+1))
}
