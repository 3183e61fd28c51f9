package sim

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestQueueGivesEventsInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q eventQueue
		var want []event
		now := time.Duration(0)
		spread := rapid.SampledFrom([]int{2, 1000}).Draw(t, "spread") // many at the same time, or hardly any
		pop := func() {
			got := *q.first()
			q.drop()
			if got != want[0] {
				t.Fatalf("got %+v, want %+v", got, want[0])
			}
			now, want = got.at, want[1:]
		}
		// Rounds that mostly add and rounds that mostly take, so that the queue grows beyond its list and back.
		for range rapid.IntRange(1, 8).Draw(t, "rounds") {
			pops := rapid.IntRange(0, 10).Draw(t, "pops of ten")
			for range rapid.IntRange(0, 3*nearMax).Draw(t, "steps") {
				if len(want) > 0 && rapid.IntRange(0, 9).Draw(t, "pop") < pops {
					pop()
					continue
				}
				e := event{at: now + time.Duration(rapid.IntRange(0, spread).Draw(t, "at")), arg: uint64(len(want))}
				q.push(e)
				e.seq = q.added
				i, _ := slices.BinarySearchFunc(want, e, func(a, b event) int {
					if a.before(&b) {
						return -1
					}
					return 1
				})
				want = slices.Insert(want, i, e)
			}
		}
		for len(want) > 0 {
			pop()
		}
		if q.len() != 0 {
			t.Fatalf("%d events are left", q.len())
		}
	})
}
