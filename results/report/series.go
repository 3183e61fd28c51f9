package report

import (
	"math"
	"time"

	"elenchus/results/history"
)

// bucketsMax is how many pieces the time axis is cut into at most: more than a screen can tell apart is waste.
const bucketsMax = 240

// series are the operations of a run added up in pieces of equal length.
type series struct {
	width   time.Duration // of a bucket
	buckets []bucket
}

// bucket adds up the operations that completed in one piece of the time axis. Those that never completed count where
// they were invoked.
type bucket struct {
	ok, fail, unknown int
	final             bool          // it has final reads, which come as fast as they can
	p50, p99          time.Duration // of the ok ones; zero when there are none
	latencies         latencies     // of the ok ones
}

func (b *bucket) add(op *history.Operation) {
	b.final = b.final || op.Phase == history.PhaseFinal
	switch op.Outcome {
	case history.OK:
		b.ok++
		b.latencies.add(op.Return - op.Call)
	case history.Fail:
		b.fail++
	default:
		b.unknown++
	}
}

func (b *bucket) merge(c *bucket) {
	b.final = b.final || c.final
	b.ok += c.ok
	b.fail += c.fail
	b.unknown += c.unknown
	b.latencies.merge(&c.latencies)
}

// busiest is the most operations in any bucket, final reads aside unless there is nothing else; at least one.
func (s series) busiest() int {
	most, all := 0, 1
	for _, b := range s.buckets {
		n := b.ok + b.fail + b.unknown
		all = max(all, n)
		if !b.final {
			most = max(most, n)
		}
	}
	if most == 0 {
		return all
	}
	return most
}

// rate is n operations in a bucket as operations per second.
func (s series) rate(n int) float64 { return float64(n) / s.width.Seconds() }

// span is the stretch of time of a bucket, for people.
func (s series) span(i int) string {
	return seconds(time.Duration(i)*s.width) + " to " + seconds(time.Duration(i+1)*s.width)
}

// quantile is the q-quantile of sorted lengths of time, by the nearest rank; zero when there are none.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(math.Ceil(q*float64(len(sorted))))-1)]
}

// roundUp is the next length of time that is 1, 2 or 5 times a power of ten, in milliseconds; at least one.
func roundUp(d time.Duration) time.Duration {
	for unit := time.Millisecond; ; unit *= 10 {
		for _, f := range []time.Duration{1, 2, 5} {
			if f*unit >= d {
				return f * unit
			}
		}
	}
}
