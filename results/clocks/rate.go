package clocks

import (
	"math"
	"slices"
	"sort"
	"time"
)

// Rate is how fast a clock ran over an interval, in seconds of the clock per second of the harness's: 1 is correct.
// Steps of the clock do not count.
type Rate struct {
	From, To    time.Duration
	Rate, Error float64
}

// PPM returns the deviation from the correct rate and its error in parts per million.
func (r Rate) PPM() (deviation, err float64) { return (r.Rate - 1) * 1e6, r.Error * 1e6 }

// slope returns the rate between two points.
func slope(c Clock, a, b Point) Rate {
	d := float64(b.At - a.At)
	return Rate{From: a.At, To: b.At, Rate: float64(b.Read(c)-a.Read(c)) / d, Error: float64(a.Error+b.Error) / d}
}

// Rates returns the rates of a clock over intervals of the given length, as far as there are samples. Each is
// measured from the best sample of its first third to the best one of its last. If that contradicts the median over
// neighbouring samples, the clock was set meanwhile, and the median is used.
func (t Track) Rates(c Clock, stretch time.Duration) []Rate {
	var out []Rate
	points := t.Sharp()
	for i := 0; i < len(points); {
		j := i
		for j < len(points) && points[j].At/stretch == points[i].At/stretch {
			j++
		}
		if r, ok := rateOf(c, points[i:j], stretch); ok {
			out = append(out, r)
		}
		i = j
	}
	return out
}

// RateIn returns the rate of a clock between two times. It is false if there are too few samples in between.
func (t Track) RateIn(c Clock, from, to time.Duration) (Rate, bool) {
	points := slices.DeleteFunc(t.Sharp(), func(p Point) bool { return p.At < from || p.At > to })
	return rateOf(c, points, to-from)
}

// Advance returns how fast a clock ran on the whole between the points nearest to two times: unlike in [Track.RateIn],
// steps count, and so does time in which it stood still, as the clock of a suspended host does. It is false if the
// points cover less than half of that time.
func (t Track) Advance(c Clock, from, to time.Duration) (Rate, bool) {
	a, ok := t.Nearest(from)
	b, also := t.Nearest(to)
	if !ok || !also || b.At <= a.At || min(b.At, to)-max(a.At, from) < (to-from)/2 {
		return Rate{}, false
	}
	return slope(c, a, b), true
}

// Nearest returns the point nearest to at. It is false if there are no points.
func (t Track) Nearest(at time.Duration) (Point, bool) {
	points := t.Sharp()
	if len(points) == 0 {
		return Point{}, false
	}
	i := sort.Search(len(points), func(i int) bool { return points[i].At >= at })
	if i == len(points) || i > 0 && at-points[i-1].At < points[i].At-at {
		i--
	}
	return points[i], true
}

// rateOf returns the rate over one interval. Samples that cover less than half of it are not enough.
func rateOf(c Clock, points []Point, stretch time.Duration) (Rate, bool) {
	n := len(points)
	if n < 3 || points[n-1].At-points[0].At < stretch/2 {
		return Rate{}, false
	}
	first, last := points[0].At, points[n-1].At
	third := (last - first) / 3
	a := least(points, func(p Point) bool { return p.At <= first+third })
	b := least(points, func(p Point) bool { return p.At >= last-third })
	whole, middle := slope(c, a, b), median(c, points)
	if math.Abs(whole.Rate-middle.Rate) > 2*(whole.Error+middle.Error) {
		middle.From, middle.To = first, last
		return middle, true
	}
	whole.From, whole.To = first, last
	return whole, true
}

// least returns the point with the smallest error among those that are fit; there must be one.
func least(points []Point, fit func(Point) bool) Point {
	var best *Point
	for i := range points {
		if p := &points[i]; fit(*p) && (best == nil || p.Error < best.Error) {
			best = p
		}
	}
	return *best
}

// median returns the median of the rates between neighbouring points, which a few steps do not change.
func median(c Clock, points []Point) Rate {
	var slopes []Rate
	for i := 1; i < len(points); i++ {
		if points[i].At > points[i-1].At {
			slopes = append(slopes, slope(c, points[i-1], points[i]))
		}
	}
	slices.SortFunc(slopes, func(a, b Rate) int {
		switch {
		case a.Rate < b.Rate:
			return -1
		case a.Rate > b.Rate:
			return 1
		}
		return 0
	})
	if len(slopes) == 0 {
		return Rate{Rate: 1, Error: math.Inf(1)}
	}
	return slopes[len(slopes)/2]
}

// Overall returns the rate over the whole run. It is false if there are too few samples.
func (t Track) Overall(c Clock) (Rate, bool) {
	if len(t.Points) == 0 {
		return Rate{}, false
	}
	length := t.Points[len(t.Points)-1].At - t.Points[0].At
	return rateOf(c, t.Points, max(length, 1))
}

// MovedMin is the deviation, beyond error bounds, from which a clock counts as moved during a run: more than
// crystals and time daemons cause in the minutes that a run takes.
const MovedMin = 10 * time.Millisecond

// Deviation returns the offset of a clock that is, with most certainty, furthest from its initial one, and when
// that was. Imprecise samples are ignored.
func (t Track) Deviation(c Clock) (v Value, at time.Duration) {
	best := Track{Points: t.Sharp()}.Best(250 * time.Millisecond)
	if len(best) == 0 {
		return Value{}, 0
	}
	zero := Value{Value: time.Duration(best[0].Read(c)) - best[0].At, Error: best[0].Error}
	for _, p := range best {
		if o := p.Offset(c, zero); o.Exceeds(v) {
			v, at = o, p.At
		}
	}
	return v, at
}

// Moved reports whether any of the clocks certainly moved relative to the harness's.
func (t Track) Moved() bool {
	mono, _ := t.Deviation(Mono)
	wall, _ := t.Deviation(Wall)
	return max(mono.Least(), wall.Least()) > MovedMin
}
