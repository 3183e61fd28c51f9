package report

import (
	"strings"
	"testing"
	"time"

	"elenchus/results"
	"elenchus/results/clocks"
	"elenchus/results/history"
)

// runs is a track of a clock that runs at that rate for ten seconds.
func runs(node string, started time.Time, rate float64) clocks.Track {
	t := clocks.Track{Node: node, How: "made up"}
	for at := time.Duration(0); at < 10*time.Second; at += 100 * time.Millisecond {
		ran := int64(rate * float64(at))
		t.Points = append(t.Points, clocks.Point{At: at, Error: 100 * time.Microsecond, Mono: 1e9 + ran,
			Wall: started.UnixNano() + ran})
	}
	return t
}

func clockInput(tracks ...clocks.Track) Input {
	started := time.Unix(1_795_000_000, 0)
	return Input{Manifest: &results.Manifest{Started: started}, Clocks: tracks,
		Operations: []history.Operation{{Return: 10 * time.Second, ReturnSeq: 1}}}
}

func TestClocksInWords(t *testing.T) {
	started := time.Unix(1_795_000_000, 0)
	fault := func(status history.FaultStatus) []history.FaultEvent {
		return []history.FaultEvent{{ID: "f1", Kind: "clock", Targets: []string{"n2"}, Step: history.FaultApply,
			Status: status, Begin: time.Second, End: 2 * time.Second, Played: "rate 0.9 n2",
			Evidence: []string{"n2: by a shim in its vDSO", "n2: by a shim in its vDSO"}}}
	}
	still, slow := runs("n1", started, 1), runs("n2", started, .9)
	lost := clocks.Track{Node: "n3", Gaps: []clocks.Gap{{Reason: "connection refused"}}}
	none := clocks.Track{Node: "n4", Missing: "no program"}
	for name, tt := range map[string]struct {
		in    Input
		plots int
		wants []string
	}{
		"still": {clockInput(still), 0, []string{"No clock moved", "n1's", "with a rate off by +0 ± ", "100 samples",
			"100 µs in the median"}},
		"slow": {func() Input {
			in := clockInput(still, slow)
			in.Faults = fault(history.FaultInstalled)
			return in
		}(), 1, []string{"Clocks moved", "n2's monotonic clock, by −980 ms ± 200 µs", "Those of n1 did not go astray by more than 10 ms.", "by a shim"}},
		"moved by nobody": {clockInput(slow), 1, []string{"Clocks moved"}},
		"a fault that did nothing": {func() Input {
			in := clockInput(runs("n2", started, 1))
			in.Faults = fault(history.FaultInstalled)
			return in
		}(), 1, []string{"No clock moved"}},
		"not measured": {clockInput(lost, none), 0, []string{"Not measured: n3 (connection refused); n4 (no program)."}},
		"partly":       {clockInput(still, none), 0, []string{"No clock moved", "Not measured: n4"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newClockReport(tt.in, newStories(tt.in))
			text := strings.Join(append(r.Sentences, r.How...), "\n")
			for _, want := range tt.wants {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not said:\n%s", want, text)
				}
			}
			if len(r.Plots) != tt.plots || r.Drawn != (tt.plots > 0) {
				t.Errorf("%d plots, drawn %v", len(r.Plots), r.Drawn)
			}
			if strings.Count(text, "shim") > 1 {
				t.Error("it is said twice how clocks were moved")
			}
		})
	}
	if in := clockInput(); newClockReport(in, newStories(in)) != nil {
		t.Error("a run from before clocks were measured has a section on clocks")
	}
}

func TestVerticalAxis(t *testing.T) {
	for _, tt := range []struct{ lo, hi, least float64 }{
		{0, 0, 1}, {-5, 0, 1}, {0, 5, 1}, {-3, 4e9, 1}, {-.9, 100, .002}, {-1e-9, 1e-9, .002},
	} {
		at, grid := vertical(tt.lo, tt.hi, tt.least, 100, 50, func(float64) string { return "" })
		if top, zero, bottom := at(tt.hi), at(0), at(tt.lo); top > zero || zero > bottom || top < 100 || bottom > 150 {
			t.Errorf("%+v: %v, %v, %v", tt, top, zero, bottom)
		}
		for i, g := range grid {
			if i > 0 && g.Y-grid[i-1].Y < 13 {
				t.Errorf("%+v: marks at %v and %v", tt, grid[i-1].Y, g.Y)
			}
		}
	}
}
