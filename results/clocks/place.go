package clocks

import (
	"math"
	"sort"
	"time"

	"elenchus/results/history"
)

// Placed says where observations are on the run's time axis.
type Placed struct {
	When  []time.Duration // when each was made
	Until []time.Duration // when the term that it is about ends; zero for those about none
	Slack []time.Duration // how far each of these may be off, see [Axis.Slack]
}

// Place places the observations that the axis was made for.
func (a *Axis) Place(obs []history.Observation) Placed {
	p := Placed{make([]time.Duration, len(obs)), make([]time.Duration, len(obs)), make([]time.Duration, len(obs))}
	for i, o := range obs {
		p.When[i] = a.At(o)
		if o.True == 0 {
			p.Slack[i] = a.Slack(o, p.When[i])
		}
		if !o.Until.IsZero() {
			p.Until[i] = a.Moment(o, o.Until)
			p.Slack[i] = max(p.Slack[i], a.Slack(o, p.Until[i]))
		}
	}
	return p
}

// steadyRate is the difference of the rates of two neighbouring stretches, besides what the errors of the samples
// explain, up to which the clock is taken to have run evenly through both.
const steadyRate = 1e-3

// Slack returns how far off a place on the axis may be that was derived from an observation.
//
// Between two samples of a clock that runs evenly around them it is the larger error of the two. If the clock changed
// its rate nearby, all that is certain is that the place is between them. Before the first and after the last sample
// nothing is known of the rate, and the place may be off by its distance from the sample. To this comes how well the
// incarnation's clock readings agree with each other. A node whose wall clock is trusted has no slack.
func (a *Axis) Slack(o history.Observation, at time.Duration) time.Duration {
	p := a.points
	if len(p) == 0 {
		return 0
	}
	own := a.spread[o.Boot]
	i := sort.Search(len(p), func(i int) bool { return p[i].At >= at })
	switch i {
	case 0:
		return own + p[0].Error + p[0].At - at
	case len(p):
		last := p[len(p)-1]
		return own + last.Error + at - last.At
	}
	length := p[i].At - p[i-1].At
	if a.even(i, i-1) && a.even(i, i+1) {
		return own + max(p[i-1].Error, p[i].Error) + time.Duration(steadyRate*float64(length))
	}
	return own + max(p[i-1].Error, p[i].Error) + length
}

// even reports whether both clocks ran evenly over two stretches, each of which is named by the point at its end. A
// stretch without samples does not count against it.
func (a *Axis) even(i, k int) bool {
	if k < 1 || k >= len(a.points) {
		return true
	}
	for _, c := range []Clock{Mono, Wall} {
		x, y := slope(c, a.points[i-1], a.points[i]), slope(c, a.points[k-1], a.points[k])
		if math.Abs(x.Rate-y.Rate) > steadyRate+x.Error+y.Error {
			return false
		}
	}
	return true
}
