package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"elenchus/results"
	"elenchus/results/history"
)

// Measures of the drawing, in its own units, which are pixels at full width.
const (
	drawWidth  = 1180.0
	gutter     = 92.0 // left of the axis, for labels
	rightEdge  = 14.0
	laneHeight = 34.0
	lanePad    = 5.0
	axisTop    = 24.0
	stripGap   = 40.0
	rateHeight = 92.0
	latHeight  = 92.0
)

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
	Rate, Latency strip
	Note          string
}

type tick struct {
	X, Y  float64
	Label string
}

// phaseMark is the beginning of a part of the run.
type phaseMark struct {
	X      float64
	Label  string
	Anchor string // of the label: "middle", or "end" near the right edge
}

// lane is one node.
type lane struct {
	Label       string
	Y, H, TextY float64
	Leaders     []band
	Faults      []band
	Marks       []tick // faults that came to nothing, as crosses
}

// band is a stretch of time.
type band struct {
	X, Y, W, H float64
	Class      string
	Label      string // empty when there is no room for it
	Title      string // tooltip
}

// strip is a diagram below the lanes.
type strip struct {
	Y, H  float64
	Name  string
	Unit  string
	Grid  []tick
	Bars  []band
	Areas []curve
	Hover []band // one transparent stretch for each bucket, for its tooltip
}

type curve struct{ Class, D string }

// scale maps instants of a run to the drawing.
type scale struct{ end time.Duration }

func (s scale) x(at time.Duration) float64 {
	at = min(max(at, 0), s.end)
	return round(gutter + (drawWidth-gutter-rightEdge)*float64(at)/float64(s.end))
}

// round keeps drawings short: a tenth of a pixel is as much as anybody sees.
func round(v float64) float64 { return math.Round(v*10) / 10 }

// findingMarksMax is how many findings are marked on the time axis: those after them are told in words only.
const findingMarksMax = 100

// newTimeline draws a run. It is nil when there is nothing to draw.
func newTimeline(in Input) *timeline {
	end := runEnd(in)
	if end <= 0 {
		return nil
	}
	sc := scale{end}
	t := &timeline{Width: drawWidth, Left: gutter, Right: drawWidth - rightEdge, Note: clockNote(in.Manifest)}
	windows := history.Windows(in.Faults)
	y := axisTop
	for _, n := range laneNames(in, windows) {
		t.Lanes = append(t.Lanes, newLane(n, y, sc, in, windows))
		y += laneHeight
	}
	t.LanesBottom = y
	s := newSeries(in.Operations, end)
	t.Rate = rateStrip(s, sc, y+stripGap)
	y = t.Rate.Y + t.Rate.H
	t.Latency = latencyStrip(s, sc, y+stripGap)
	y = t.Latency.Y + t.Latency.H
	t.AxisY = y
	t.Ticks = timeTicks(sc, y+16)
	t.Phases = phaseMarks(in, sc)
	for _, f := range in.Verdict.Safety.Findings {
		if f.At > 0 && len(t.Findings) < findingMarksMax {
			t.Findings = append(t.Findings, tick{X: sc.x(f.At), Y: axisTop, Label: seconds(f.At) + ": " + f.Summary})
		}
	}
	t.Height = y + 26
	return t
}

// runEnd is the last instant that anything in the history or the fault log knows of.
func runEnd(in Input) time.Duration {
	var end time.Duration
	for _, op := range in.Operations {
		end = max(end, op.Call, op.Return)
	}
	for _, f := range in.Faults {
		end = max(end, f.End)
	}
	return end
}

func clockNote(m *results.Manifest) string {
	if m.Config.SharedClock {
		return "All hosts of this run share one wall clock, by which leaderships are placed on the axis of the history."
	}
	return "Leaderships are placed by each node's own wall clock, which may be off, and is when clocks are the fault."
}

// otherLane is the lane of faults that are aimed at no node in particular.
const otherLane = "other"

// laneNames are the nodes, and a lane for faults elsewhere if there are any.
func laneNames(in Input, windows []history.FaultWindow) []string {
	var names []string
	for _, n := range in.Nodes {
		names = append(names, n.Name)
	}
	for _, w := range windows {
		if !slices.ContainsFunc(w.Targets, func(t string) bool { return slices.Contains(names, t) }) {
			return append(names, otherLane)
		}
	}
	return names
}

func newLane(name string, y float64, sc scale, in Input, windows []history.FaultWindow) lane {
	l := lane{Label: name, Y: y, H: laneHeight, TextY: y + laneHeight/2 + 4}
	known := false
	for _, n := range in.Nodes {
		if n.Name == name {
			known = true
			for _, s := range leaderships(n.Observations, in.Manifest.Started, sc.end) {
				l.Leaders = append(l.Leaders, leaderBand(s, l, sc))
			}
		}
	}
	for _, w := range windows {
		here := slices.Contains(w.Targets, name)
		if !known {
			here = !slices.ContainsFunc(w.Targets, func(t string) bool {
				return slices.ContainsFunc(in.Nodes, func(n Node) bool { return n.Name == t })
			})
		}
		switch {
		case !here:
		case w.Status == history.FaultInstalled:
			l.Faults = append(l.Faults, faultBand(w, l, sc))
		default:
			l.Marks = append(l.Marks, tick{X: sc.x(w.From), Y: y + lanePad + 11,
				Label: fmt.Sprintf("%s %s: %s", w.ID, w.Kind, w.Status)})
		}
	}
	return l
}

// leadership is a time in which a node believed to lead.
type leadership struct {
	from, to    time.Duration
	ballot, end string
}

// leaderships finds the times in which a node led: from its election to its deposition, or to the last sign of life of
// that incarnation when another one followed.
func leaderships(obs []history.Observation, started time.Time, end time.Duration) []leadership {
	var out []leadership
	leading := false
	stop := func(at time.Duration, why string) {
		if leading {
			out[len(out)-1].to, out[len(out)-1].end = at, why
			leading = false
		}
	}
	var last time.Duration
	boot := ""
	for _, o := range obs {
		at := o.Wall.Sub(started)
		if o.Boot != boot {
			stop(last, "the process ended")
			boot = o.Boot
		}
		switch o.Kind {
		case history.ObservedElected:
			stop(at, "elected again")
			out = append(out, leadership{from: at, to: end, ballot: o.Ballot, end: "the end of the run"})
			leading = true
		case history.ObservedDeposed:
			stop(at, orDash(o.Reason))
		}
		last = at
	}
	return slices.DeleteFunc(out, func(l leadership) bool { return l.to < 0 || l.from > end })
}

func orDash(s string) string {
	if s == "" {
		return "deposed"
	}
	return s
}

func leaderBand(s leadership, l lane, sc scale) band {
	x := sc.x(s.from)
	b := band{
		X: x, Y: l.Y + lanePad, W: max(1, round(sc.x(s.to)-x)), H: laneHeight - 2*lanePad - 7, Class: "leader",
		Title: fmt.Sprintf("%s leads ballot %s from %s to %s (%s)", l.Label, s.ballot, seconds(s.from), seconds(s.to),
			s.end),
	}
	if b.W > 12+6.2*float64(len(s.ballot)) {
		b.Label = s.ballot
	}
	return b
}

func faultBand(w history.FaultWindow, l lane, sc scale) band {
	x := sc.x(w.From)
	b := band{
		X: x, Y: l.Y + 1, W: max(2, round(sc.x(w.To)-x)), H: laneHeight - 2, Class: faultClass(w.Kind),
		Title: fmt.Sprintf("%s %s %s, in effect from %s to %s", w.ID, w.Kind, w.Played, seconds(w.From), seconds(w.To)),
	}
	if b.W > 10+6.2*float64(len(w.ID)+1+len(w.Kind)) {
		b.Label = w.ID + " " + w.Kind
	} else if b.W > 8+6.2*float64(len(w.ID)) {
		b.Label = w.ID
	}
	return b
}

// faultClass groups kinds of faults by how they look.
func faultClass(kind string) string {
	for _, c := range []string{"kill", "pause", "partition", "clock", "disk"} {
		if strings.Contains(kind, c) {
			return "f-" + c
		}
	}
	return "f-other"
}

func phaseMarks(in Input, sc scale) []phaseMark {
	var out []phaseMark
	first := make(map[history.Phase]time.Duration)
	for _, op := range in.Operations {
		if at, ok := first[op.Phase]; !ok || op.Call < at {
			first[op.Phase] = op.Call
		}
	}
	if at, ok := in.Manifest.At(results.StateHealed); ok && at < sc.end {
		out = append(out, phaseMark{X: sc.x(at), Label: "healed"})
	}
	if at, ok := first[history.PhaseFinal]; ok {
		out = append(out, phaseMark{X: sc.x(at), Label: "final reads"})
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

func timeTicks(sc scale, y float64) []tick {
	step := roundUp(sc.end / 12)
	var out []tick
	for at := time.Duration(0); at <= sc.end; at += step {
		out = append(out, tick{X: sc.x(at), Y: y, Label: compact(at)})
	}
	return out
}

// rateStrip draws operations per second: ok upwards from the axis, and fail and unknown on top of it.
func rateStrip(s series, sc scale, y float64) strip {
	st := strip{Y: y, H: rateHeight, Name: "operations", Unit: "per second"}
	most := niceUp(s.rate(s.busiest()))
	for _, f := range []float64{0, 0.5, 1} {
		st.Grid = append(st.Grid, tick{X: gutter, Y: round(y + rateHeight*(1-f)), Label: number(f * most)})
	}
	for i, b := range s.buckets {
		x, w := bucketAt(s, sc, i)
		top := y + rateHeight // bars that are too high end at the strip's upper edge
		for _, part := range []struct {
			n     int
			class string
		}{{b.ok, "b-ok"}, {b.fail, "b-fail"}, {b.unknown, "b-unknown"}} {
			if part.n == 0 {
				continue
			}
			h := rateHeight * s.rate(part.n) / most
			h = min(h, top-y)
			top -= h
			st.Bars = append(st.Bars, band{
				X: x, Y: round(top), W: round(max(w-0.4, 0.6)), H: round(max(h, 0.3)), Class: part.class,
			})
		}
		// A few among a thousand cannot be seen in the bar: a mark below the axis says that they are there.
		if b.fail > 0 {
			st.Bars = append(st.Bars, band{X: x, Y: y + rateHeight + 2, W: w, H: 4, Class: "b-fail"})
		}
		if b.unknown > 0 {
			st.Bars = append(st.Bars, band{X: x, Y: y + rateHeight + 7, W: w, H: 4, Class: "b-unknown"})
		}
		st.Hover = append(st.Hover, band{X: x, Y: y, W: w, H: rateHeight + 12, Title: fmt.Sprintf(
			"%s: %d ok, %d fail, %d unknown", s.span(i),
			b.ok, b.fail, b.unknown)})
	}
	return st
}

func bucketAt(s series, sc scale, i int) (x, w float64) {
	x = sc.x(time.Duration(i) * s.width)
	return x, round(sc.x(time.Duration(i+1)*s.width) - x)
}

// latencyStrip draws the median and the 99th percentile of ok operations on a logarithmic scale of whole decades.
func latencyStrip(s series, sc scale, y float64) strip {
	st := strip{Y: y, H: latHeight, Name: "latency", Unit: "p50, p99"}
	lo, hi := time.Duration(math.MaxInt64), time.Duration(0)
	for _, b := range s.buckets {
		if b.ok > 0 {
			lo, hi = min(lo, max(b.p50, time.Microsecond)), max(hi, b.p99)
		}
	}
	if hi == 0 {
		return st
	}
	bottom := math.Floor(math.Log10(float64(lo)))
	top := max(bottom+1, math.Ceil(math.Log10(float64(hi))))
	at := func(d time.Duration) float64 {
		f := (math.Log10(float64(max(d, time.Microsecond))) - bottom) / (top - bottom)
		return round(y + latHeight*(1-min(max(f, 0), 1)))
	}
	for e := bottom; e <= top; e++ {
		d := time.Duration(math.Pow(10, e))
		st.Grid = append(st.Grid, tick{X: gutter, Y: at(d), Label: compact(d)})
	}
	var p50, p99 line
	for i, b := range s.buckets {
		if x, w := bucketAt(s, sc, i); b.ok > 0 {
			p50.to(x+w/2, at(b.p50))
			p99.to(x+w/2, at(b.p99))
			st.Hover = append(st.Hover, band{X: x, Y: y, W: w, H: latHeight, Title: fmt.Sprintf(
				"%s: median %s, p99 %s, %d ok", s.span(i),
				compact(b.p50), compact(b.p99), b.ok)})
		} else {
			p50.lift()
			p99.lift()
		}
	}
	st.Areas = []curve{{"l-p99", p99.d.String()}, {"l-p50", p50.d.String()}}
	return st
}

// line is an SVG path with gaps. A point between two gaps becomes a dot, by a stroke of no length.
type line struct {
	d    strings.Builder
	down bool
}

func (l *line) to(x, y float64) {
	if !l.down {
		fmt.Fprintf(&l.d, "M%.1f %.1fh0", x, y)
	}
	fmt.Fprintf(&l.d, "L%.1f %.1f", x, y)
	l.down = true
}

func (l *line) lift() { l.down = false }

// niceUp is the next number that looks well at the end of an axis.
func niceUp(v float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, f := range []float64{1, 1.5, 2, 3, 4, 5, 6, 8, 10} {
		if f*unit >= v {
			return f * unit
		}
	}
	return v
}
