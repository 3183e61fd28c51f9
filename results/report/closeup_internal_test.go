package report

import (
	"testing"
	"time"

	"elenchus/results/history"
)

// What a read should have seen is the last acknowledged update that it did not see, or what another had seen.
func TestSuperseder(t *testing.T) {
	const ms = time.Millisecond
	op := func(id int, f history.Func, value int64, from, to time.Duration) history.Operation {
		o := history.Operation{ID: id, Op: history.Op{Func: f, Key: "x"}, Call: from, Return: to, Outcome: history.OK}
		if o.Op.Value = value; f == history.Read {
			o.Result.Values = []int64{value}
		}
		return o
	}
	old, culprit := op(1, history.Write, 1, 0, 2*ms), op(9, history.Read, 1, 20*ms, 21*ms)
	newer, seen := op(2, history.Write, 2, 5*ms, 6*ms), op(3, history.Read, 2, 8*ms, 9*ms)
	for name, c := range map[string]struct {
		ops  []history.Operation
		want int
	}{
		"an acknowledged update": {[]history.Operation{old, newer, seen, culprit}, 2},
		"what another saw":       {[]history.Operation{old, seen, culprit}, 3},
		"only what it saw":       {[]history.Operation{old, culprit}, 0},
		"too late":               {[]history.Operation{old, op(4, history.Write, 3, 19*ms, 22*ms), culprit}, 0},
	} {
		got := 0
		if s := superseder(c.ops, culprit); s != nil {
			got = s.ID
		}
		if got != c.want {
			t.Errorf("%s: operation %d, want %d", name, got, c.want)
		}
	}
}
