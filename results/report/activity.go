package report

import (
	"time"

	"elenchus/results/history"
)

// Activity is what a page says of all the operations of a run together. It is shown them one after the other, in any
// order, and keeps none: its size depends on neither their number nor the length of the run.
type Activity struct {
	end        time.Duration // the last instant that is known of any
	finalReads time.Duration // when the first of the last phase was invoked
	final      bool          // there was one

	healed   time.Duration
	answered map[string]time.Duration // by node, when it first answered ok after the heal

	width   time.Duration // of a piece of time: a power of ten, in milliseconds
	buckets []bucket
}

// piecesMax is how many pieces of time are told apart at most. It leaves a choice of widths for the at most bucketsMax
// ones that are shown, each of which is a round number of these.
const piecesMax = 5 * bucketsMax

// NewActivity begins to add up the operations of a run that was healed for the last time at a moment.
func NewActivity(healed time.Duration) *Activity {
	return &Activity{healed: healed, answered: make(map[string]time.Duration), width: time.Millisecond}
}

// Observe adds an operation.
func (a *Activity) Observe(op *history.Operation) {
	a.end = max(a.end, op.Call, op.Return)
	if op.Phase == history.PhaseFinal && (!a.final || op.Call < a.finalReads) {
		a.final, a.finalReads = true, op.Call
	}
	if op.Outcome == history.OK && op.Return > a.healed {
		if first, ok := a.answered[op.Node]; !ok || op.Return < first {
			a.answered[op.Node] = op.Return
		}
	}
	at := op.Call
	if op.Completed() {
		at = op.Return
	}
	a.bucketAt(at).add(op)
}

// bucketAt is the piece of time with an instant in it. When there would be too many, ten become one.
func (a *Activity) bucketAt(at time.Duration) *bucket {
	for at/a.width >= piecesMax {
		merged := make([]bucket, 0, len(a.buckets)/10+1)
		for i := range a.buckets {
			if i%10 == 0 {
				merged = append(merged, bucket{})
			}
			merged[i/10].merge(&a.buckets[i])
		}
		a.buckets, a.width = merged, 10*a.width
	}
	for int(at/a.width) >= len(a.buckets) {
		a.buckets = append(a.buckets, bucket{})
	}
	return &a.buckets[at/a.width]
}

// series are the operations of a run that lasted until end, in pieces of equal, round length.
func (a *Activity) series(end time.Duration) series {
	s := series{width: max(roundUp(end/bucketsMax), a.width)}
	s.buckets = make([]bucket, int(end/s.width)+1)
	for i := range a.buckets {
		at := min(len(s.buckets)-1, int(time.Duration(i)*a.width/s.width))
		s.buckets[at].merge(&a.buckets[i])
	}
	for i := range s.buckets {
		b := &s.buckets[i]
		b.p50, b.p99 = b.latencies.quantile(0.5), b.latencies.quantile(0.99)
	}
	return s
}
