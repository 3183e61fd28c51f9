package checker

import (
	"math"
	"math/rand/v2"
	"testing"
)

// A set of numbers does what a map does, with numbers that are dense, sparse, rising and anything else.
func TestValueSet(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 5))
	for name, draw := range map[string]func(i int64) int64{
		"rising":   func(i int64) int64 { return i * 3 },
		"repeated": func(i int64) int64 { return i / 2 },
		"dense":    func(int64) int64 { return rng.Int64N(200_000) - 100_000 },
		"sparse":   func(int64) int64 { return rng.Int64N(math.MaxInt64) - math.MaxInt64/2 },
		"ends":     func(i int64) int64 { return []int64{math.MinInt64, math.MaxInt64, 0, -1}[i%4] },
	} {
		var set valueSet
		known := make(map[int64]bool)
		for i := range int64(100_000) {
			v := draw(i)
			if got, want := set.add(v), !known[v]; got != want {
				t.Fatalf("%s: adding %d the %d. time says new: %v", name, v, i, got)
			}
			known[v] = true
		}
	}
}

// Counters take little memory: two bytes for a value where a hundredth of the numbers are used, a bit where all are.
func TestValueSetIsSmall(t *testing.T) {
	for every, most := range map[int64]int{100: 3, 1: 1} {
		var set valueSet
		const n = 500_000
		for i := range int64(n) {
			set.add(i * every)
		}
		bytes := 0
		for _, c := range set.chunks {
			bytes += 64 + 2*cap(c.list)
			if c.bitmap != nil {
				bytes += len(c.bitmap) * 8
			}
		}
		if bytes > most*n {
			t.Errorf("every %d-th number: %d bytes for %d values", every, bytes, n)
		}
	}
}
