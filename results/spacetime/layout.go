package spacetime

import (
	"math"
	"slices"
	"strings"
	"time"
)

// Measures, in pixels.
const (
	margin     = 28
	axisWidth  = 92
	faultWidth = 24
	nodeGap    = 215 // between the lines of two nodes
	clientGap  = 128 // between a node's line and its client's
	afterGap   = 175 // between a client's line and the next node's
	notesWidth = 400
	boxWidth   = 104
	letter     = 6.1 // the width of a letter of a label, about
	lineHeight = 17  // of the story
	stepMin    = 9   // between two moments
	stepLabel  = 19  // before a moment that a message with a label leaves at
	stepMax    = 46
)

// layout says where things are.
type layout struct {
	d      *Diagram
	width  float64
	height float64
	top    float64 // where time begins
	bottom float64
	lanes  []float64 // x
	faults []float64 // x of each fault
	notesX float64
	times  []time.Duration
	ys     []float64
	gaps   []gap
	taken  []rect // by labels
	title  []string
	sub    []string
}

// gap is a span in which nothing happens.
type gap struct {
	y    float64
	span time.Duration
}

type rect struct{ x, y, w, h float64 }

func (r rect) overlaps(o rect) float64 {
	w := min(r.x+r.w, o.x+o.w) - max(r.x, o.x)
	h := min(r.y+r.h, o.y+o.h) - max(r.y, o.y)
	if w <= 0 || h <= 0 {
		return 0
	}
	return w * h
}

func (d *Diagram) layout() *layout {
	l := &layout{d: d}
	l.placeLanes()
	l.title = wrap(d.Title, int((l.width-2*margin)/11.2))
	l.sub = wrap(d.Subtitle, int((l.width-2*margin)/7.4))
	l.top = margin + float64(len(l.title))*28 + float64(len(l.sub))*20 + 112
	l.placeTimes()
	l.height = l.bottom + 46
	return l
}

// placeLanes gives every line its place, from left to right.
func (l *layout) placeLanes() {
	columns := l.faultColumns()
	x := float64(margin+axisWidth+columns*faultWidth) + l.faultNames() + 58
	for i, lane := range l.d.Lanes {
		if i > 0 {
			switch {
			case lane.Client:
				x += clientGap
			case l.d.Lanes[i-1].Client:
				x += afterGap
			default:
				x += nodeGap
			}
		}
		l.lanes = append(l.lanes, x)
	}
	l.notesX = x + 96
	l.width = l.notesX + notesWidth + margin
}

// faultColumns puts faults that are in effect at the same time beside one another.
func (l *layout) faultColumns() int {
	var ends []time.Duration
	l.faults = make([]float64, len(l.d.Faults))
	for i, f := range l.d.Faults {
		column := slices.IndexFunc(ends, func(end time.Duration) bool { return end < f.From })
		if column < 0 {
			column = len(ends)
			ends = append(ends, 0)
		}
		ends[column] = f.To
		l.faults[i] = float64(margin + axisWidth + column*faultWidth)
	}
	return len(ends)
}

// faultNames is the room for the names of faults that are too short for them.
func (l *layout) faultNames() float64 {
	room := 0.0
	for _, f := range l.d.Faults {
		if f.To-f.From < 30*time.Millisecond {
			room = max(room, min(textWidth(f.Label), faultNameMax))
		}
	}
	return room
}

// faultNameMax is how wide the name of a fault may be beside it.
const faultNameMax = 120

// placeTimes stretches the time in which much happens, and presses the rest.
func (l *layout) placeTimes() {
	room := make(map[time.Duration]float64) // that is needed above a moment
	need := func(at time.Duration, px float64) {
		at = min(max(at, 0), l.d.End)
		room[at] = max(room[at], px)
	}
	need(0, 0)
	need(l.d.End, stepLabel)
	for _, m := range l.d.Messages {
		px := float64(stepMin)
		if m.Label != "" && !m.Faint {
			px = stepLabel
		}
		need(m.Sent, stepMin)
		need(m.Arrived, px)
	}
	for _, b := range l.d.Boxes {
		need(b.From, stepLabel)
		need(b.To, stepLabel)
	}
	for _, b := range l.d.Bands {
		need(b.From, stepMin)
		need(b.To, stepMin)
	}
	for _, f := range l.d.Faults {
		need(f.From, stepLabel)
		need(f.To, stepMin)
	}
	for _, n := range l.d.Notes {
		need(n.At, stepLabel)
	}
	for at := range room {
		l.times = append(l.times, at)
	}
	slices.Sort(l.times)
	y := l.top
	for i, at := range l.times {
		if i > 0 {
			span := at - l.times[i-1]
			step := min(stepMin+5*math.Log2(1+float64(span)/float64(200*time.Microsecond)), stepMax)
			step = max(step, room[at])
			if span >= 15*time.Millisecond {
				step = stepMax
				l.gaps = append(l.gaps, gap{y + step/2, span})
			}
			y += step
		}
		l.ys = append(l.ys, y)
	}
	l.bottom = y + 26
}

// y is where an instant is.
func (l *layout) y(at time.Duration) float64 {
	i, exact := slices.BinarySearch(l.times, at)
	switch {
	case exact:
		return l.ys[i]
	case i == 0:
		return l.ys[0]
	case i == len(l.times):
		return l.bottom
	}
	share := float64(at-l.times[i-1]) / float64(l.times[i]-l.times[i-1])
	return l.ys[i-1] + share*(l.ys[i]-l.ys[i-1])
}

// place finds the first of some places that is free, and takes it. It reports false when all of them are taken, by
// more than a little.
func (l *layout) place(places []rect) (rect, bool) {
	best, least := rect{}, math.Inf(1)
	for _, r := range places {
		lost := 0.0
		for _, t := range l.taken {
			lost += r.overlaps(t)
		}
		if lost < least {
			best, least = r, lost
		}
		if lost == 0 {
			break
		}
	}
	if least > 0.12*best.w*best.h {
		return rect{}, false
	}
	l.taken = append(l.taken, best)
	return best, true
}

// wrap breaks a text into lines of about so many letters.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// textWidth is about how wide a label is.
func textWidth(text string) float64 { return float64(len([]rune(text))) * letter }
