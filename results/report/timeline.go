package report

import (
	"cmp"
	"slices"
	"time"

	"elenchus/results"
	"elenchus/results/history"
)

const axisTop = 24.0 // above the lanes

// timeline is the picture of a run over time, ready to be written out as SVG.
type timeline struct {
	Width, Height float64
	Left, Right   float64 // of the axis
	LanesBottom   float64
	AxisY         float64 // where vertical rules end
	Ticks         []tick
	Phases        []phaseMark
	Findings      []tick // where the history first showed each
	Lanes         []lane
	Red           []band // two leases at once
	Rate, Latency strip
	Leased        bool
	Kinds         []kindMark
	Nameless      []string // faults that are drawn without room for their whole names: "f4 partition"
	MoreNameless  int
	Marked        bool     // some fault came to nothing
	Clashes       []string // the first of them
	MoreClashes   int
	Note          string
}

// phaseMark is the beginning of a part of the run.
type phaseMark struct {
	X      float64
	Label  string
	Anchor string // of the label: "middle", or "end" near the right edge
}

// kindMark is a kind of fault in the legend.
type kindMark struct{ Class, Kind string }

const (
	// namelessMax is how many faults are told of in words that are too narrow for their names.
	namelessMax = 20
	// findingMarksMax is how many findings are marked on the time axis: those after them are told in words only.
	findingMarksMax = 100
	// clashesMax is how many clashes of leases are told in words.
	clashesMax = 5
)

// newTimeline draws a run. It is nil when there is nothing to draw.
func newTimeline(in Input, st stories) *timeline {
	if st.end <= 0 {
		return nil
	}
	sc := wholeRun(st.end)
	ls := lanes{sc: sc, leased: st.leased, windows: st.windows, nodes: st.names()}
	t := &timeline{Width: drawWidth, Left: gutter, Right: drawWidth - rightEdge, Note: st.note, Leased: st.leased}
	y := axisTop
	rows := make(map[string]float64)
	for _, name := range ls.names() {
		t.Lanes = append(t.Lanes, ls.draw(st.of(name), y))
		rows[name] = y
		y += ls.height()
	}
	t.LanesBottom = y
	t.legend(st.windows)
	t.Red = ls.red(st.clashes, axisTop, rows, y)
	for _, c := range st.clashes[:min(len(st.clashes), clashesMax)] {
		t.Clashes = append(t.Clashes, clashSentence(c))
	}
	t.MoreClashes = len(st.clashes) - len(t.Clashes)
	s := in.Activity.series(st.end)
	t.Rate = rateStrip(s, sc, y+stripGap)
	y = t.Rate.Y + t.Rate.H
	t.Latency = latencyStrip(s, sc, y+stripGap)
	y = t.Latency.Y + t.Latency.H
	t.AxisY = y
	t.Ticks = sc.ticks(12, y+16)
	t.Phases = phaseMarks(in, sc)
	for _, f := range in.Verdict.Safety.Findings {
		if f.At > 0 && len(t.Findings) < findingMarksMax {
			t.Findings = append(t.Findings, tick{X: sc.x(f.At), Y: axisTop, Label: seconds(f.At) + ": " + f.Summary})
		}
	}
	t.Height = y + 26
	return t
}

// legend lists the kinds of faults that are drawn, and the faults without room for their names.
func (t *timeline) legend(windows []history.FaultWindow) {
	for _, w := range windows {
		mark := kindMark{faultClass(w.Kind), w.Kind}
		if w.Status == history.FaultInstalled && !slices.Contains(t.Kinds, mark) {
			t.Kinds = append(t.Kinds, mark)
		}
	}
	slices.SortFunc(t.Kinds, func(a, b kindMark) int { return cmp.Compare(a.Kind, b.Kind) })
	var short []band
	told := make(map[string]bool) // a fault has a band in the lane of each of its nodes
	for _, l := range t.Lanes {
		t.Marked = t.Marked || len(l.Marks) > 0
		for _, f := range l.Faults {
			if f.Label != f.Name && !told[f.Name] {
				told[f.Name] = true
				short = append(short, f)
			}
		}
	}
	slices.SortStableFunc(short, func(a, b band) int { return cmp.Compare(a.X, b.X) })
	for _, f := range short[:min(len(short), namelessMax)] {
		t.Nameless = append(t.Nameless, f.Name)
	}
	t.MoreNameless = len(short) - len(t.Nameless)
}

// runEnd is the last instant that anything in the history or the fault log knows of.
func runEnd(in Input) time.Duration {
	end := in.Activity.end
	for _, f := range in.Faults {
		end = max(end, f.End)
	}
	return end
}

func phaseMarks(in Input, sc scale) []phaseMark {
	var out []phaseMark
	if at, ok := in.Manifest.At(results.StateHealed); ok && at < sc.to {
		out = append(out, phaseMark{X: sc.x(at), Label: "healed"})
	}
	if a := in.Activity; a.final {
		out = append(out, phaseMark{X: sc.x(a.finalReads), Label: "final reads"})
	}
	if len(out) == 2 && out[1].X-out[0].X < 90 { // no room for both
		out[0].Label, out[1].Label = "", "healed, final reads"
	}
	for i := range out {
		out[i].Anchor = "middle"
		if out[i].X > drawWidth-80 {
			out[i].Anchor = "end"
		}
	}
	return out
}
