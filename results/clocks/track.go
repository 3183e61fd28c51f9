package clocks

import (
	"slices"
	"time"

	"elenchus/results/history"
)

// Clock is one of the clocks of a node.
type Clock int

// The clocks that are measured.
const (
	Mono Clock = iota // CLOCK_MONOTONIC, whose origin is arbitrary
	Wall              // CLOCK_REALTIME
)

// String returns the clock's name in reports.
func (c Clock) String() string {
	if c == Wall {
		return "wall clock"
	}
	return "monotonic clock"
}

// Point is the estimate from a sample: at time At, give or take Error, the clocks showed these values.
type Point struct {
	At    time.Duration // on the run's time axis
	Error time.Duration // half of the round trip

	Mono, Wall int64 // ns
}

// Read returns what the clock showed.
func (p Point) Read(c Clock) int64 {
	if c == Wall {
		return p.Wall
	}
	return p.Mono
}

// Gap is an interval without samples, because the connection was lost.
type Gap struct {
	From, To time.Duration // To is the run's last sample of any node if measuring did not resume
	Reason   string
}

// Track holds the measurements of one node's clocks.
type Track struct {
	Node    string
	Points  []Point // in order of time
	Gaps    []Gap
	How     string // what was measured, in the measurer's words; empty if nothing answered
	Missing string // reason for having no points
}

// Tracks groups measurements by node, in the order in which nodes first appear.
func Tracks(lines []history.ClockLine) []Track {
	var tracks []Track
	index := make(map[string]int)
	open := make(map[string]bool) // the last gap has no end yet
	var end time.Duration
	for _, l := range lines {
		i, ok := index[l.Node]
		if !ok {
			i = len(tracks)
			index[l.Node] = i
			tracks = append(tracks, Track{Node: l.Node})
		}
		t := &tracks[i]
		end = max(end, l.Received)
		switch l.Event {
		case history.ClockOpened:
			t.How = l.Detail
			if open[l.Node] {
				t.Gaps[len(t.Gaps)-1].To, open[l.Node] = l.Sent, false
			}
		case history.ClockLost:
			if !open[l.Node] {
				t.Gaps = append(t.Gaps, Gap{From: l.Sent, Reason: l.Detail})
				open[l.Node] = true
			}
		case history.ClockMissing:
			t.Missing = l.Detail
		default:
			half := (l.Received - l.Sent + 1) / 2
			t.Points = append(t.Points, Point{At: l.Sent + half, Error: half, Mono: l.Mono, Wall: l.Wall})
		}
	}
	for i := range tracks {
		t := &tracks[i]
		if open[t.Node] {
			t.Gaps[len(t.Gaps)-1].To = end
		}
		slices.SortStableFunc(t.Points, func(a, b Point) int { return int(a.At - b.At) })
	}
	return tracks
}

// Find returns the track of a node, or an empty one if there is none.
func Find(tracks []Track, node string) Track {
	for _, t := range tracks {
		if t.Node == node {
			return t
		}
	}
	return Track{Node: node}
}

// Best returns the point with the smallest error in each interval of the given length.
func (t Track) Best(stretch time.Duration) []Point {
	var best []Point
	for i, p := range t.Points {
		switch {
		case i == 0 || p.At/stretch != best[len(best)-1].At/stretch:
			best = append(best, p)
		case p.Error < best[len(best)-1].Error:
			best[len(best)-1] = p
		}
	}
	return best
}

// outlierFactor bounds the error of a sharp point, in multiples of the median error.
const outlierFactor = 4

// Sharp returns the points except those whose round trip took far longer than most: these are correct but
// imprecise.
func (t Track) Sharp() []Point {
	limit := outlierFactor*t.MedianError() + 100*time.Microsecond
	return slices.DeleteFunc(slices.Clone(t.Points), func(p Point) bool { return p.Error > limit })
}

// MedianError returns the median of the errors of all points; zero without points.
func (t Track) MedianError() time.Duration {
	if len(t.Points) == 0 {
		return 0
	}
	errs := make([]time.Duration, len(t.Points))
	for i, p := range t.Points {
		errs[i] = p.Error
	}
	slices.Sort(errs)
	return errs[len(errs)/2]
}

// PairError is what an interval may be wrong by whose ends were placed by the clocks of two nodes, as far as the median
// errors of their samples go.
func PairError(tracks []Track) time.Duration {
	var worst time.Duration
	for _, t := range tracks {
		worst = max(worst, 2*t.MedianError())
	}
	return worst
}

// Value is an estimate with an error bound: the true value is within Error of Value.
type Value struct{ Value, Error time.Duration }

// Least returns the smallest possible absolute value.
func (v Value) Least() time.Duration { return max(0, max(v.Value, -v.Value)-v.Error) }

// Exceeds reports whether v is further from zero than w, by Least and then by absolute value.
func (v Value) Exceeds(w Value) bool {
	if v.Least() != w.Least() {
		return v.Least() > w.Least()
	}
	return max(v.Value, -v.Value) > max(w.Value, -w.Value)
}

// Zero returns the reference for a clock's offsets: the reading of a clock with zero offset at time zero of the
// run.
//
// For the wall clock it is the harness's wall clock when the run began. A monotonic clock has an arbitrary origin,
// so its offset is defined as zero at the point with the smallest error within the first second.
func (t Track) Zero(c Clock, started time.Time) Value {
	if c == Wall {
		return Value{Value: time.Duration(started.UnixNano())}
	}
	best := t.Best(time.Second)
	if len(best) == 0 {
		return Value{}
	}
	return Value{Value: time.Duration(best[0].Mono) - best[0].At, Error: best[0].Error}
}

// Offset returns how far the clock was ahead of the harness's at a point, relative to zero.
func (p Point) Offset(c Clock, zero Value) Value {
	return Value{Value: time.Duration(p.Read(c)-int64(zero.Value)) - p.At, Error: p.Error + zero.Error}
}
