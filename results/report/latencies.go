package report

import (
	"math"
	"math/bits"
	"slices"
	"time"
)

// latencies are lengths of time of which quantiles are asked: all of them as long as they are few, and else how many
// lie in each of some intervals, so that quantiles are off by less than one percent. The zero value has none.
type latencies struct {
	exact  []time.Duration
	counts []uint32 // by interval; nil as long as all are known
	total  int
}

const (
	exactMax      = 256
	intervalsLog2 = 6 // 64 intervals for each power of two
	intervals     = 1 << intervalsLog2
	longest       = 1<<43 - 1 // more than two hours: nobody waits for longer, and what does counts as this
)

func (l *latencies) add(d time.Duration) {
	l.total++
	if l.counts == nil {
		if l.exact = append(l.exact, d); len(l.exact) > exactMax {
			l.forget()
		}
		return
	}
	l.counts[interval(d)]++
}

// forget keeps intervals alone.
func (l *latencies) forget() {
	l.counts = make([]uint32, interval(longest)+1)
	for _, d := range l.exact {
		l.counts[interval(d)]++
	}
	l.exact = nil
}

// merge adds those of m.
func (l *latencies) merge(m *latencies) {
	l.total += m.total
	if l.counts == nil && m.counts == nil {
		l.exact = append(l.exact, m.exact...)
		return
	}
	if l.counts == nil {
		l.forget()
	}
	for _, d := range m.exact {
		l.counts[interval(d)]++
	}
	for i, n := range m.counts {
		l.counts[i] += n
	}
}

// quantile is the q-quantile, by the nearest rank; zero when there are none.
func (l *latencies) quantile(q float64) time.Duration {
	if l.counts == nil {
		sorted := slices.Clone(l.exact)
		slices.Sort(sorted)
		return quantile(sorted, q)
	}
	rank := int(math.Ceil(q * float64(l.total)))
	for i, n := range l.counts {
		if rank -= int(n); rank <= 0 {
			return middle(i)
		}
	}
	return 0
}

// interval returns the number of the interval that d lies in. The first are exact; after them, each power of two has
// equally many.
func interval(d time.Duration) int {
	v := uint64(min(max(d, 0), longest)) //nolint:gosec // it is not negative
	shift := max(0, bits.Len64(v)-1-intervalsLog2)
	return shift*intervals + int(v>>shift) //nolint:gosec // less than twice the number of intervals
}

// middle is the length of time in the middle of an interval.
func middle(i int) time.Duration {
	if i < 2*intervals {
		return time.Duration(i)
	}
	shift := i/intervals - 1
	return time.Duration(i-shift*intervals)<<shift + time.Duration(1)<<shift/2
}
