package report

import (
	"math"
	"time"

	"elenchus/results/leases"
)

// Measures of drawings, in their own units, which are pixels at full width.
const (
	drawWidth = 1180.0
	gutter    = 92.0 // left of the axis, for labels
	rightEdge = 14.0

	charWidth = 6.3 // of a label's letters, on average: labels are never measured, so there is room to spare
)

// scale maps instants of a run to a drawing.
type scale struct {
	from, to    time.Duration
	left, right float64
}

// wholeRun is the scale on which a run lasts until end.
func wholeRun(end time.Duration) scale {
	return scale{to: end, left: gutter, right: drawWidth - rightEdge}
}

// x is where an instant is, at the nearer end if it is outside.
func (s scale) x(at time.Duration) float64 {
	at = min(max(at, s.from), s.to)
	return round(s.left + (s.right-s.left)*float64(at-s.from)/float64(s.to-s.from))
}

// shows reports whether any of the stretch is inside.
func (s scale) shows(from, to time.Duration) bool { return from <= s.to && to >= s.from }

// round keeps drawings short: a tenth of a pixel is as much as anybody sees.
func round(v float64) float64 { return math.Round(v*10) / 10 }

type tick struct {
	X, Y  float64
	Label string
}

// ticks are about n marks at round instants, labelled at the height y.
func (s scale) ticks(n int, y float64) []tick {
	step := roundUp((s.to - s.from) / time.Duration(n))
	var out []tick
	for at := (s.from + step - 1) / step * step; at <= s.to; at += step {
		out = append(out, tick{X: s.x(at), Y: y, Label: instant(at, step)})
	}
	return out
}

// band is a stretch of time.
type band struct {
	X, Y, W, H float64
	Class      string
	Label      string // empty when there is no room for it
	Name       string // the whole label, of a fault
	LabelX     float64
	LabelY     float64
	Title      string // tooltip
}

// stretch is the band from one instant to another, wide enough to be seen.
func (s scale) stretch(from, to time.Duration, y, h float64, class string) band {
	x := s.x(from)
	return band{X: x, Y: y, W: max(1, round(s.x(to)-x)), H: h, Class: class}
}

// fits reports whether a text of that many letters has room in the width.
func fits(text string, width float64) bool { return width > 10+charWidth*float64(len([]rune(text))) }

// bandsMax is how many bands of one kind a lane may have. Beyond it those that are near each other become one.
const bandsMax = 80

// bands draws spans. Those of who holds the lease, or leads, have the ballot on them where there is room.
func (s scale) bands(spans []leases.Span, y, h float64, class string, title func(leases.Span) string) []band {
	var out []band
	for _, p := range spans {
		if !s.shows(p.From, p.To) {
			continue
		}
		b := s.stretch(p.From, p.To, y, h, class)
		b.Title = title(p)
		if class == "holds" && fits(p.Ballot, b.W) {
			b.Label, b.LabelX, b.LabelY = p.Ballot, b.X+5, round(y+11.5)
		}
		out = append(out, b)
	}
	for near := 0.5; len(out) > bandsMax; near *= 2 {
		out = joined(out, near)
	}
	return out
}

// joined makes one band of those that are no further apart than that.
func joined(bands []band, near float64) []band {
	out := bands[:1]
	for _, b := range bands[1:] {
		last := &out[len(out)-1]
		if b.X > last.X+last.W+near {
			out = append(out, b)
			continue
		}
		last.W = max(last.W, round(b.X+b.W-last.X))
		last.Label, last.Title = "", "and more, too close together to be told apart"
	}
	return out
}
