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

// Anywhere is the slack of an observation whose place is not known: longer than any run, and short enough that sums of
// a few do not overflow.
const Anywhere = 365 * 24 * time.Hour

// Slack returns how far off a place on the axis may be that was derived from an observation.
//
// Between two samples of a clock that runs evenly around them it is the larger error of the two, and as much as a
// change of its rate can come to that is hidden by the errors. If the clock changed its rate visibly nearby, all that
// is certain is that the place is between them. Before the first and after the last sample nothing is known of the
// rate, and the place may be off by its distance from the sample. To this comes how well the incarnation's clock
// readings agree with each other. Where they do not, it may be [Anywhere]. A node whose wall clock is trusted has no
// slack.
func (a *Axis) Slack(o history.Observation, at time.Duration) time.Duration {
	p := a.points
	if len(p) == 0 {
		return 0
	}
	own, ok := a.spread[o.Boot]
	if !ok {
		return Anywhere
	}
	i := sort.Search(len(p), func(i int) bool { return p[i].At >= at })
	switch i {
	case 0:
		return own + p[0].Error + p[0].At - at
	case len(p):
		last := p[len(p)-1]
		return own + last.Error + at - last.At
	}
	length := p[i].At - p[i-1].At
	before, ok := a.even(i, i-1)
	after, also := a.even(i, i+1)
	if !ok || !also {
		return own + max(p[i-1].Error, p[i].Error) + length
	}
	return own + max(p[i-1].Error, p[i].Error) + time.Duration(max(before, after)*float64(length))
}

// even reports whether both clocks ran evenly over two stretches, each of which is named by the point at its end, as
// far as the errors of the samples show: their rates differ by no more than what is returned. A stretch without samples
// does not count against it.
func (a *Axis) even(i, k int) (differ float64, ok bool) {
	if k < 1 || k >= len(a.points) {
		return steadyRate, true
	}
	for _, c := range []Clock{Mono, Wall} {
		x, y := slope(c, a.points[i-1], a.points[i]), slope(c, a.points[k-1], a.points[k])
		bound := steadyRate + x.Error + y.Error
		if math.Abs(x.Rate-y.Rate) > bound {
			return 0, false
		}
		differ = max(differ, bound)
	}
	return differ, true
}
