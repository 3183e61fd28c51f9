package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"elenchus/results"
	"elenchus/results/clocks"
	"elenchus/results/history"
)

// clockReport is what is said and drawn of the nodes' clocks.
type clockReport struct {
	Sentences []string // what was measured, in words
	How       []string // how clocks were moved, as their faults' evidence has it
	Width     float64
	Height    float64
	Left      float64
	Right     float64
	AxisY     float64
	Ticks     []tick
	Plots     []clockPlot
	Drawn     bool // a clock moved, or was to be moved: there are plots
}

// clockPlot shows the clocks of one node.
type clockPlot struct {
	Node   string
	TextY  float64
	Offset panel
	Rate   panel
	Faults []band
	Gaps   []band
	Note   string
}

// panel is a diagram with a vertical axis.
type panel struct {
	Y, H  float64
	Name  string
	Grid  []tick
	Bands []curve // of errors, below the lines
	Lines []curve
}

// Heights of a node's panels.
const (
	offsetHeight = 78.0
	ratePanel    = 46.0
	panelGap     = 24.0
	plotGap      = 42.0
	plotsMax     = 9
	pointsMax    = 200 // of a line
	evidenceMax  = 6
)

// newClockReport says what was measured. It is nil when there were no measurements to speak of, and nothing to measure.
func newClockReport(in Input, st stories) *clockReport {
	moved := slices.ContainsFunc(in.Clocks, clocks.Track.Moved)
	wanted := slices.ContainsFunc(st.windows, isClockFault)
	if len(in.Clocks) == 0 && !wanted {
		return nil
	}
	r := &clockReport{Width: drawWidth, Left: gutter, Right: drawWidth - rightEdge, Drawn: (moved || wanted) && st.end > 0}
	r.How = howMoved(in.Faults)
	r.Sentences = clockSentences(in, moved)
	if !r.Drawn {
		return r
	}
	sc := wholeRun(st.end)
	y := 30.0
	for _, t := range in.Clocks {
		if len(t.Points) == 0 || len(r.Plots) == plotsMax {
			continue
		}
		hit := slices.ContainsFunc(st.windows, func(w history.FaultWindow) bool {
			return isClockFault(w) && slices.Contains(w.Targets, t.Node)
		})
		if !t.Moved() && !hit {
			continue // it is told of in words
		}
		p := newClockPlot(t, in.Manifest, st, sc, y)
		y = p.Rate.Y + p.Rate.H + plotGap
		r.Plots = append(r.Plots, p)
	}
	r.Drawn = len(r.Plots) > 0
	r.AxisY = y - plotGap
	r.Ticks = sc.ticks(12, r.AxisY+16)
	r.Height = r.AxisY + 26
	return r
}

func isClockFault(w history.FaultWindow) bool { return strings.Contains(w.Kind, "clock") }

// howMoved is how faults of clocks say that they moved them, without repetitions.
func howMoved(events []history.FaultEvent) []string {
	var out []string
	more := 0
	for _, e := range events {
		if !strings.Contains(e.Kind, "clock") || e.Step != history.FaultApply {
			continue
		}
		for _, text := range e.Evidence {
			switch {
			case slices.Contains(out, text):
			case len(out) < evidenceMax:
				out = append(out, text)
			default:
				more++
			}
		}
	}
	if more > 0 {
		out = append(out, fmt.Sprintf("and %s, in the table of faults", plural(more, "line")))
	}
	return out
}

// newClockPlot draws one node.
func newClockPlot(t clocks.Track, m *results.Manifest, st stories, sc scale, y float64) clockPlot {
	p := clockPlot{Node: t.Node, TextY: y - 8}
	p.Offset = offsetPanel(t, m.Started, sc, y)
	p.Rate = rateOfClocks(t, sc, y+offsetHeight+panelGap)
	height := offsetHeight + panelGap + ratePanel
	for _, w := range st.windows {
		if isClockFault(w) && w.Status == history.FaultInstalled && slices.Contains(w.Targets, t.Node) {
			b := sc.stretch(w.From, w.To, y-2, height+4, faultClass(w.Kind))
			b.Title = fmt.Sprintf("%s %s, in effect from %s to %s", w.ID, w.Played, seconds(w.From), seconds(w.To))
			b.Label, b.LabelY = w.ID+" "+w.Played, y-6
			p.Faults = append(p.Faults, b)
		}
	}
	labelAbove(p.Faults, sc.right)
	for _, g := range t.Gaps {
		b := sc.stretch(g.From, g.To, y, height, "gap")
		b.Title = fmt.Sprintf("not measured from %s to %s: %s", seconds(g.From), seconds(g.To), g.Reason)
		p.Gaps = append(p.Gaps, b)
	}
	return p
}

// clockClasses are how the two clocks are drawn.
var clockClasses = map[clocks.Clock]string{clocks.Mono: "c-mono", clocks.Wall: "c-wall"}

// offsetPanel draws by how much each clock was ahead of the harness's, counted from where it was at the beginning.
func offsetPanel(t clocks.Track, started time.Time, sc scale, y float64) panel {
	p := panel{Y: y, H: offsetHeight, Name: "ahead by"}
	points := thin(t.Sharp())
	lo, hi := 0.0, 0.0
	values := make(map[clocks.Clock][]clocks.Value)
	for _, c := range []clocks.Clock{clocks.Mono, clocks.Wall} {
		zero := t.Zero(c, started)
		for _, point := range points {
			v := point.Offset(c, zero)
			values[c] = append(values[c], v)
			lo, hi = min(lo, float64(v.Value-v.Error)), max(hi, float64(v.Value+v.Error))
		}
	}
	at, grid := vertical(lo, hi, float64(clocks.MovedMin), y, offsetHeight, func(v float64) string {
		return signed(time.Duration(v))
	})
	p.Grid = grid
	for _, c := range []clocks.Clock{clocks.Wall, clocks.Mono} {
		var l, area line
		var back []string
		for i, v := range values[c] {
			x := sc.x(points[i].At)
			if i > 0 && inGap(t, points[i-1].At, points[i].At) {
				l.lift()
			}
			l.to(x, at(float64(v.Value)))
			area.to(x, at(float64(v.Value+v.Error)))
			back = append(back, fmt.Sprintf("L%.1f %.1f", x, at(float64(v.Value-v.Error))))
		}
		slices.Reverse(back)
		p.Bands = append(p.Bands, curve{Class: clockClasses[c] + "-error", D: area.d.String() + strings.Join(back, "") + "Z"})
		p.Lines = append(p.Lines, curve{Class: clockClasses[c], D: l.d.String()})
	}
	return p
}

// inGap reports whether nothing was measured somewhere between two instants.
func inGap(t clocks.Track, from, to time.Duration) bool {
	return slices.ContainsFunc(t.Gaps, func(g clocks.Gap) bool { return g.From >= from && g.From <= to })
}

// thin keeps what is drawn small. There are no more points than pixels worth looking at.
func thin(points []clocks.Point) []clocks.Point {
	step := len(points)/pointsMax + 1
	out := make([]clocks.Point, 0, len(points)/step+1)
	for i := 0; i < len(points); i += step {
		out = append(out, points[i])
	}
	return out
}

// rateOfClocks draws how fast each clock ran, in stretches of a second or more, each with its error.
func rateOfClocks(t clocks.Track, sc scale, y float64) panel {
	p := panel{Y: y, H: ratePanel, Name: "rate"}
	stretch := max(time.Second, sc.to/120)
	lo, hi := 1.0, 1.0
	rates := make(map[clocks.Clock][]clocks.Rate)
	for _, c := range []clocks.Clock{clocks.Mono, clocks.Wall} {
		rates[c] = t.Rates(c, stretch)
		for _, r := range rates[c] {
			lo, hi = min(lo, r.Rate), max(hi, r.Rate)
		}
	}
	at, grid := vertical(lo-1, hi-1, .002, y, ratePanel, func(v float64) string { return fmt.Sprintf("%.4g×", 1+v) })
	p.Grid = grid
	for _, c := range []clocks.Clock{clocks.Wall, clocks.Mono} {
		var l, errs strings.Builder
		for i, r := range rates[c] {
			if i+1 < len(rates[c]) && rates[c][i+1].From < r.To+stretch/2 { // they were measured without a break
				r.To = rates[c][i+1].From
			}
			x1, x2, v := sc.x(r.From), sc.x(r.To), at(r.Rate-1)
			fmt.Fprintf(&l, "M%.1f %.1fH%.1f", x1, v, x2)
			top, bottom := at(r.Rate-1+r.Error), at(r.Rate-1-r.Error)
			fmt.Fprintf(&errs, "M%.1f %.1fH%.1fV%.1fH%.1fZ", x1, top, x2, bottom, x1)
		}
		p.Bands = append(p.Bands, curve{Class: clockClasses[c] + "-error", D: errs.String()})
		p.Lines = append(p.Lines, curve{Class: clockClasses[c], D: l.String()})
	}
	return p
}

// vertical maps values to heights, so that zero, lo and hi are shown and the axis is not shorter than least; with marks
// at zero and at both ends if they are far enough from it.
func vertical(lo, hi, least, y, h float64, text func(float64) string) (at func(float64) float64, grid []tick) {
	bound := func(v float64) float64 {
		if v < least/10 {
			return 0
		}
		return niceUp(max(v, least/2))
	}
	top, bottom := bound(hi), bound(-lo)
	if top+bottom < least {
		top, bottom = max(top, least/2), max(bottom, least/2)
	}
	at = func(v float64) float64 {
		share := (min(max(v, -bottom), top) + bottom) / (top + bottom)
		return round(y + h*(1-share))
	}
	const apart = 13 // of two labels
	if at(0)-at(top) > apart {
		grid = append(grid, tick{X: gutter, Y: at(top), Label: text(top)})
	}
	grid = append(grid, tick{X: gutter, Y: at(0), Label: text(0)})
	if at(-bottom)-at(0) > apart {
		grid = append(grid, tick{X: gutter, Y: at(-bottom), Label: text(-bottom)})
	}
	return at, grid
}

// signed is a length of time with its sign.
func signed(d time.Duration) string {
	switch {
	case d > 0:
		return "+" + compact(d)
	case d < 0:
		return "−" + compact(-d)
	}
	return "0"
}

// clockSentences say what was measured: where no clock moved they are all that is said.
func clockSentences(in Input, moved bool) []string {
	var out, still, missing []string
	samples := 0
	var furthest, fastest string
	var offset, drift clocks.Value // of a rate: in each second
	for _, t := range in.Clocks {
		samples += len(t.Points)
		if len(t.Points) == 0 {
			missing = append(missing, fmt.Sprintf("%s (%s)", t.Node, cmp.Or(t.Missing, gapReason(t), "no answer")))
			continue
		}
		if !t.Moved() {
			still = append(still, t.Node)
		}
		for _, c := range []clocks.Clock{clocks.Mono, clocks.Wall} {
			if v, at := t.Deviation(c); furthest == "" || v.Exceeds(offset) {
				offset = v
				furthest = fmt.Sprintf("%s's %s, by %s ± %s at %s", t.Node, c, signed(v.Value), compact(v.Error), seconds(at))
			}
			if r, ok := t.Overall(c); ok {
				ppm, err := r.PPM()
				d := clocks.Value{Value: time.Duration(ppm * 1e3), Error: time.Duration(err * 1e3)}
				if fastest == "" || d.Exceeds(drift) {
					drift = d
					fastest = fmt.Sprintf("%s's %s, with a rate off by %+.0f ± %.0f ppm", t.Node, c, ppm, err)
				}
			}
		}
	}
	if samples > 0 {
		what := "No clock moved"
		if moved {
			what = "Clocks moved"
		}
		s := fmt.Sprintf("%s: of all clocks, the one that went furthest from where it began was %s", what, furthest)
		if !moved && fastest != "" {
			s += "; the one that ran least like the harness's was " + fastest
		}
		out = append(out, fmt.Sprintf("%s (%s).", s, sampled(in.Clocks, samples)))
	}
	if moved && len(still) > 0 {
		out = append(out, fmt.Sprintf("Those of %s did not go astray by more than %s.", strings.Join(still, ", "),
			compact(clocks.MovedMin)))
	}
	if len(missing) > 0 {
		out = append(out, "Not measured: "+strings.Join(missing, "; ")+".")
	}
	return out
}

// sampled tells of how much the measurements are worth.
func sampled(tracks []clocks.Track, samples int) string {
	var worst time.Duration
	for _, t := range tracks {
		worst = max(worst, t.MedianError())
	}
	return fmt.Sprintf("%s, each wrong by half its round trip at most, %s in the median", plural(samples, "sample"),
		compact(worst))
}

func gapReason(t clocks.Track) string {
	if len(t.Gaps) == 0 {
		return ""
	}
	return t.Gaps[len(t.Gaps)-1].Reason
}
