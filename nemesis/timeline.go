package nemesis

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// minTimelineWidth is the narrowest width that Timeline draws, in columns.
const minTimelineWidth = 40

// Timeline draws the schedule as text of the given width in columns, with a time axis and a lane for each kind of
// fault, more where faults of a kind overlap. A bar has the fault's name in it, or beside it where there is no room,
// and ends in '>' if the fault lasts until the final heal. The schedule must be valid. [Schedule.FormatNamed] says
// which fault has which name.
func (s *Schedule) Timeline(w io.Writer, width int) error {
	margin := 0
	for _, kind := range s.Kinds() {
		margin = max(margin, len(kind)+2)
	}
	t := timeline{length: s.Length, margin: margin, columns: max(width, minTimelineWidth) - margin}
	var b strings.Builder
	for _, kind := range s.Kinds() {
		for i, lane := range t.lanes(s.Faults, kind) {
			name := kind
			if i > 0 {
				name = ""
			}
			fmt.Fprintf(&b, "%-*s%s\n", margin, name, strings.TrimRight(string(lane), " "))
		}
	}
	b.WriteString(t.axis())
	_, err := io.WriteString(w, b.String())
	return err
}

type timeline struct {
	length          time.Duration
	margin, columns int
}

// column returns the column of a point in time.
func (t timeline) column(at time.Duration) int {
	return min(int(float64(at)/float64(t.length)*float64(t.columns)), t.columns-1)
}

// lanes draws the faults of a kind, each into the first lane that is free there.
func (t timeline) lanes(faults []Fault, kind string) [][]byte {
	var lanes [][]byte
	var free []int // the first free column of each lane
	for _, f := range faults {
		if f.Kind != kind {
			continue
		}
		at, text := t.draw(f)
		lane := 0
		for lane < len(lanes) && free[lane] > at {
			lane++
		}
		if lane == len(lanes) {
			lanes, free = append(lanes, []byte(strings.Repeat(" ", t.columns))), append(free, 0)
		}
		copy(lanes[lane][at:], text)
		free[lane] = at + len(text)
		if strings.HasSuffix(text, f.ID) { // or the next bar would look as if the name were its own
			free[lane]++
		}
	}
	return lanes
}

// draw returns the bar of a fault with its name, and the column in which that begins.
func (t timeline) draw(f Fault) (at int, text string) {
	from, to := t.column(f.At), t.columns-1
	end, reverted := f.End()
	if reverted {
		to = max(from, t.column(end)-1)
	}
	room, last := to-from-1, "]" // between the brackets
	if !reverted {
		last = ">"
	}
	switch {
	case room >= len(f.ID):
		return from, "[" + f.ID + strings.Repeat("=", room-len(f.ID)) + last
	case room < 0:
		text = strings.ReplaceAll(last, "]", "#")
	default:
		text = "[" + strings.Repeat("=", room) + last
	}
	switch {
	case to+len(f.ID) < t.columns:
		return from, text + f.ID
	case from >= len(f.ID):
		return from - len(f.ID), f.ID + text
	}
	return from, text
}

// axis returns the time axis and the numbers below it.
func (t timeline) axis() string {
	const room = 9 // columns between two numbers
	step := t.length
	for _, candidate := range []time.Duration{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600} {
		if candidate *= time.Second; int(t.length/candidate)*room <= t.columns {
			step = min(candidate, t.length)
			break
		}
	}
	line := []byte(strings.Repeat("-", t.columns))
	numbers := []byte(strings.Repeat(" ", t.columns+room+t.margin))
	for at := time.Duration(0); at <= t.length; at += step {
		line[t.column(at)] = '+'
		copy(numbers[t.margin+t.column(at):], shortDuration(at))
	}
	return strings.Repeat(" ", t.margin) + string(line) + "\n" + strings.TrimRight(string(numbers), " ") + "\n"
}

// shortDuration formats a duration without units that are zero: "2m", not "2m0s".
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
