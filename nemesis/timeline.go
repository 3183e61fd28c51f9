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
// fault, more where faults of a kind overlap. A bar carries the fault's name where there is room for it, and ends
// in '>' if the fault lasts until the final heal. The schedule must be valid.
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
		from, to := t.column(f.At), t.columns-1
		if end, reverted := f.End(); reverted {
			to = max(from, t.column(end)-1)
		}
		lane := 0
		for lane < len(lanes) && free[lane] > from {
			lane++
		}
		if lane == len(lanes) {
			lanes, free = append(lanes, []byte(strings.Repeat(" ", t.columns))), append(free, 0)
		}
		copy(lanes[lane][from:], bar(f, to-from+1))
		free[lane] = to + 1
	}
	return lanes
}

// bar draws a fault of the given width.
func bar(f Fault, columns int) string {
	last := "]"
	if _, reverted := f.End(); !reverted {
		last = ">"
	}
	if columns == 1 {
		return strings.ReplaceAll(last, "]", "#")
	}
	label := f.ID
	if len(label) > columns-2 {
		label = ""
	}
	return "[" + label + strings.Repeat("=", columns-2-len(label)) + last
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
