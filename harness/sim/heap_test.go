package sim

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestHeapGivesEventsInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h eventHeap
		var want []event
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			if len(want) > 0 && rapid.Bool().Draw(t, "pop") {
				got := h.pop()
				if got != want[0] {
					t.Fatalf("got %+v, want %+v", got, want[0])
				}
				want = want[1:]
				continue
			}
			e := event{at: time.Duration(rapid.IntRange(0, 10).Draw(t, "at")), arg: rapid.Uint64().Draw(t, "arg")}
			h.push(e)
			e.seq = h.added
			i, _ := slices.BinarySearchFunc(want, e, func(a, b event) int {
				if a.before(&b) {
					return -1
				}
				return 1
			})
			want = slices.Insert(want, i, e)
		}
	})
}
