package checker

import (
	"testing"
	"time"

	"elenchus/results/clocks"
	"elenchus/results/leases"
	"elenchus/results/verdict"
)

// Coverage counts the times of two leases at once that the errors of clocks leave no doubt of.
func TestTwoAtOnce(t *testing.T) {
	story := func(node string, spans ...time.Duration) leases.Story {
		s := leases.Story{Node: node}
		for i := 0; i < len(spans); i += 2 {
			s.Holds = append(s.Holds, leases.Span{From: spans[i], To: spans[i+1]})
		}
		return s
	}
	in := Input{Stories: []leases.Story{
		story("n1", 0, 1000*ms, 2000*ms, 3000*ms),
		story("n2", 980*ms, 1900*ms),
		story("n3", 2950*ms, 4000*ms),
	}}
	want := verdict.TwoLeases{Times: 2, Longest: 50 * ms, At: 980 * ms}
	if got := twoAtOnce(in); got == nil || *got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	in.Clocks = []clocks.Track{ticking("n1", 1, 0, 10*ms), ticking("n2", 1, 0, 0)}
	want = verdict.TwoLeases{Times: 1, Longest: 50 * ms, At: 2950 * ms}
	if got := twoAtOnce(in); got == nil || *got != want {
		t.Errorf("clocks are known to 10 ms: %+v, want %+v", got, want)
	}
	in.Clocks[0] = ticking("n1", 1, 0, 30*ms)
	if got := twoAtOnce(in); got != nil {
		t.Errorf("clocks are known to 30 ms: %+v", got)
	}
}
