package spacetime

import (
	"math"
	"slices"
	"strings"
	"time"
)

// Dimensions, in pixels.
const (
	margin     = 28
	axisWidth  = 92
	faultWidth = 24
	nodeGap    = 215 // between the lines of two nodes
	clientGap  = 128 // between a node's line and its client's
	afterGap   = 175 // between a client's line and the next node's
	notesWidth = 400
	boxWidth   = 104
	letter     = 6.1 // approximate width of a letter in a label
	lineHeight = 17  // of the story
	stepMin    = 9   // between two points in time
	stepLabel  = 19  // before a point in time at which a labelled message is sent
	stepMax    = 46
)

// layout holds the positions of everything.
type layout struct {
	d      *Diagram
	width  float64
	height float64
	top    float64 // y of the beginning
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

// gap is an interval in which nothing happens.
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

// placeLanes positions the lines from left to right.
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

// faultColumns puts overlapping faults into different columns.
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

// faultNames returns the room needed for the names of faults that are drawn too short for them.
func (l *layout) faultNames() float64 {
	room := 0.0
	for _, f := range l.d.Faults {
		if f.To-f.From < 30*time.Millisecond {
			room = max(room, min(textWidth(f.Label), faultNameMax))
		}
	}
	return room
}

// faultNameMax is the maximal width of a fault's name beside it.
const faultNameMax = 120

// placeTimes stretches the times in which much happens, and compresses the rest.
func (l *layout) placeTimes() {
	room := make(map[time.Duration]float64) // needed above each point in time
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

// y returns the vertical position of a time.
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

// place takes the first of some places that is free. It returns false if all of them overlap taken ones by more
// than a little.
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

// wrap breaks a text into lines of about width letters.
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

// textWidth returns the approximate width of a label.
func textWidth(text string) float64 { return float64(len([]rune(text))) * letter }
