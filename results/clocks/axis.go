package clocks

import (
	"slices"
	"sort"
	"time"

	"elenchus/results/history"
)

// Axis maps the times that a node recorded by its own clocks onto the run's time axis.
//
// With samples, a reading of the monotonic clock has a unique place, since that clock never goes back. A node counts it
// from an origin that differs in every incarnation, and says which ([history.ObservedClock]). Where it does not, the
// origin is derived from the wall clock readings next to it, or remains unknown. Without samples the node's wall clock is
// trusted.
type Axis struct {
	started time.Time
	points  []Point
	ahead   [][]Point                // the points, in pieces in which the wall clock is never set back
	origins map[string]int64         // by incarnation: what to add to its monotonic readings to get the host's
	spread  map[string]time.Duration // by incarnation: how far off that may be
}

// NewAxis returns the axis of the track's node for its observations. The run began at started.
func NewAxis(started time.Time, t Track, obs []history.Observation) *Axis {
	a := &Axis{started: started, points: steady(t), origins: make(map[string]int64),
		spread: make(map[string]time.Duration)}
	if len(a.points) == 0 {
		return a
	}
	for i := range a.points {
		if n := len(a.ahead); n == 0 || a.points[i].Wall < a.points[i-1].Wall {
			a.ahead = append(a.ahead, a.points[i:i+1])
		} else {
			piece := a.ahead[n-1]
			a.ahead[n-1] = piece[:len(piece)+1]
		}
	}
	for _, life := range lives(obs) {
		if origin, spread, ok := a.origin(life); ok {
			a.origins[life[0].Boot], a.spread[life[0].Boot] = origin, spread
		}
	}
	return a
}

// lives are the observations of each incarnation, in order.
func lives(obs []history.Observation) [][]history.Observation {
	var out [][]history.Observation
	for i := range obs {
		if i == 0 || obs[i].Boot != obs[i-1].Boot {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], obs[i])
	}
	return out
}

// Measured reports whether times come from samples rather than from trusting the node.
func (a *Axis) Measured() bool { return len(a.points) > 0 }

// steady returns the useful points of a track, strictly increasing in time and monotonic clock.
func steady(t Track) []Point {
	var out []Point
	for _, p := range t.Sharp() {
		if n := len(out); n > 0 && (p.At <= out[n-1].At || p.Mono <= out[n-1].Mono) {
			continue
		}
		out = append(out, p)
	}
	return out
}

// At returns when the node wrote o.
func (a *Axis) At(o history.Observation) time.Duration {
	if o.True != 0 {
		return o.True
	}
	if origin, ok := a.origins[o.Boot]; ok {
		return a.monoAt(int64(o.Mono) + origin)
	}
	return o.Wall.Sub(a.started)
}

// Moment returns when a moment of the lease described by o was, or will be: when the clock that the lease is on
// first showed it; for a wall clock, which can show a time more than once, when it first did at or after the
// observation.
func (a *Axis) Moment(o history.Observation, m history.Moment) time.Duration {
	origin, ok := a.origins[o.Boot]
	switch {
	case !ok && o.Lease == "wall":
		return m.Wall.Sub(a.started)
	case !ok:
		return a.At(o) + (m.Mono - o.Mono)
	case o.Lease == "wall":
		return a.wallFirst(m.Wall.UnixNano(), a.At(o))
	}
	return a.monoAt(int64(m.Mono) + origin)
}

// monoAt returns when the host's monotonic clock showed m. Outside of the samples, clocks are assumed to run at
// rate 1.
func (a *Axis) monoAt(m int64) time.Duration {
	p := a.points
	i := sort.Search(len(p), func(i int) bool { return p[i].Mono >= m })
	switch i {
	case 0:
		return p[0].At - time.Duration(p[0].Mono-m)
	case len(p):
		last := p[len(p)-1]
		return last.At + time.Duration(m-last.Mono)
	}
	return between(p[i-1], p[i], float64(m-p[i-1].Mono)/float64(p[i].Mono-p[i-1].Mono))
}

func between(a, b Point, share float64) time.Duration {
	return a.At + time.Duration(share*float64(b.At-a.At))
}

// wallFirst returns when the wall clock first showed at least w, at or after from.
func (a *Axis) wallFirst(w int64, from time.Duration) time.Duration {
	p := a.points
	for i := 1; i < len(p); i++ {
		if p[i].At < from || p[i].Wall < w {
			continue
		}
		if p[i-1].Wall >= w {
			return max(from, p[i-1].At)
		}
		return max(from, between(p[i-1], p[i], float64(w-p[i-1].Wall)/float64(p[i].Wall-p[i-1].Wall)))
	}
	last := p[len(p)-1]
	return max(from, last.At+time.Duration(w-last.Wall))
}

// wallTimes returns all times at which the wall clock showed w.
func (a *Axis) wallTimes(w int64) []time.Duration {
	p := a.points
	var out []time.Duration
	if first := p[0]; w < first.Wall {
		out = append(out, first.At-time.Duration(first.Wall-w))
	}
	for _, piece := range a.ahead {
		i := sort.Search(len(piece), func(i int) bool { return piece[i].Wall > w })
		if i > 0 && i < len(piece) {
			lo, hi := piece[i-1], piece[i]
			out = append(out, between(lo, hi, float64(w-lo.Wall)/float64(hi.Wall-lo.Wall)))
		}
	}
	if last := p[len(p)-1]; w >= last.Wall {
		out = append(out, last.At+time.Duration(w-last.Wall))
	}
	return out
}

// monoThen returns what the host's monotonic clock showed at a time.
func (a *Axis) monoThen(at time.Duration) int64 {
	p := a.points
	i := sort.Search(len(p), func(i int) bool { return p[i].At >= at })
	switch i {
	case 0:
		return p[0].Mono - int64(p[0].At-at)
	case len(p):
		return p[len(p)-1].Mono + int64(at-p[len(p)-1].At)
	}
	share := float64(at-p[i-1].At) / float64(p[i].At-p[i-1].At)
	return p[i-1].Mono + int64(share*float64(p[i].Mono-p[i-1].Mono))
}

const (
	witnessesMax   = 64                   // observations of an incarnation used to find its origin
	originDistance = 5 * time.Millisecond // between candidates that count as the same origin

	// originShare of the witnesses must agree on an origin that is to be relied on.
	originShare = 0.8
)

// origin finds what to add to the monotonic readings of an incarnation. Most say it themselves.
//
// Where it does not, every observation has readings of both clocks, and yields as candidates the origins with which its
// wall clock reading would be correct. If the wall clock was set, it showed some times twice and others never; but the
// true origin is a candidate of nearly all observations, and a wrong one only of a few. That is a guess: where all of an
// incarnation fell into a time in which the clock was set back, and few samples did, all agree on a wrong one. So it may
// be [Anywhere] unless the wall clock was never set while anybody looked, and nearly all observations agree.
//
// If the true time of an observation is known, there is nothing to estimate.
func (a *Axis) origin(life []history.Observation) (origin int64, spread time.Duration, ok bool) {
	if o := life[len(life)-1]; o.True != 0 {
		return a.monoThen(o.True) - int64(o.Mono), 0, true
	}
	if i := slices.IndexFunc(life, func(o history.Observation) bool { return o.Origin != 0 }); i >= 0 {
		return life[i].Origin, 0, true
	}
	var candidates []int64
	step, witnesses := max(1, len(life)/witnessesMax), 0
	for i := 0; i < len(life); i += step {
		witnesses++
		for _, at := range a.wallTimes(life[i].Wall.UnixNano()) {
			candidates = append(candidates, a.monoThen(at)-int64(life[i].Mono))
		}
	}
	slices.Sort(candidates)
	from, most := 0, 0
	for i, j := 0, 0; j < len(candidates); j++ {
		for candidates[j]-candidates[i] > int64(originDistance) {
			i++
		}
		if n := j - i + 1; n > most {
			from, most = i, n
		}
	}
	if most == 0 {
		return 0, 0, false
	}
	spread = time.Duration(candidates[from+most-1] - candidates[from])
	if a.set() || float64(most) < originShare*float64(witnesses) {
		spread = Anywhere
	}
	return candidates[from+most/2], spread, true
}

// set reports whether the wall clock was set between samples, as compared with the monotonic clock.
func (a *Axis) set() bool {
	first := a.points[0].Wall - a.points[0].Mono
	return slices.ContainsFunc(a.points, func(p Point) bool {
		return time.Duration(p.Wall-p.Mono-first).Abs() > originDistance
	})
}
