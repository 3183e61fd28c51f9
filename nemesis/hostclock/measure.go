package hostclock

import (
	"math"
	"time"

	"elenchus/nemesis/clockshim"
)

// eye reads the clocks that are moved, as those see them who are to be deceived.
type eye interface {
	Now() (clockshim.Moment, error)
}

// Span is what the clocks did between two moments.
type Span struct {
	From clockshim.Moment `json:"from"`
	To   clockshim.Moment `json:"to"`

	// Low and High are the extremes of how far Wall was ahead of Mono at any time, against the beginning, and Flips how
	// often it jumped by more than half of what was looked for. Rates move both clocks alike, and so do not matter.
	Low   time.Duration `json:"low_ns"`
	High  time.Duration `json:"high_ns"`
	Flips int           `json:"flips,omitempty"`
}

// Took is how long the span was, by the raw clock.
func (s Span) Took() time.Duration { return time.Duration(s.To.Raw - s.From.Raw) }

// Mono is how fast the monotonic clock ran against the raw one, and Wall the wall clock; with a bound of the error.
func (s Span) Mono() (rate, bar float64) { return s.rate(s.To.Mono - s.From.Mono) }

// Wall is the same for the wall clock. It means nothing if the clock jumped in the span.
func (s Span) Wall() (rate, bar float64) { return s.rate(s.To.Wall - s.From.Wall) }

func (s Span) rate(went int64) (rate, bar float64) {
	took := float64(s.To.Raw - s.From.Raw)
	if took <= 0 {
		return 0, math.Inf(1)
	}
	rate = float64(went) / took
	return rate, float64(s.From.Error+s.To.Error+2) * (1 + rate) / took
}

// ahead is how far the wall clock is ahead of the raw one.
func ahead(m clockshim.Moment) int64 { return m.Wall - m.Raw }

// apart is how far the wall clock is ahead of the monotonic one.
func apart(m clockshim.Moment) int64 { return m.Wall - m.Mono }

// Jump is by how much the wall clock is further ahead of the monotonic one at the beginning of a span than at the end
// of an earlier one, with a bound of the error. It does not matter how fast both run.
func Jump(before, after Span) (jump, bar time.Duration) {
	return time.Duration(apart(after.From) - apart(before.To)), 2 * time.Duration(before.To.Error+after.From.Error)
}

// How long clocks are looked at.
const (
	shortLook = 20 * time.Millisecond
	longLook  = 300 * time.Millisecond

	// goodError is an error of a moment that needs no improving; moments are tried for so often.
	goodError   = 2 * time.Microsecond
	momentTries = 30
)

// sharp is the most exact of several moments.
func sharp(e eye) (clockshim.Moment, error) {
	best, err := e.Now()
	for i := 1; err == nil && i < momentTries && best.Error > int64(goodError); i++ {
		var m clockshim.Moment
		if m, err = e.Now(); err == nil && m.Error < best.Error {
			best = m
		}
	}
	return best, err
}

// look watches the clocks until the rates are known to the wanted bar, for shortLook at least and longLook at most.
// With a strobe it looks often enough to see it flip, for four flips.
func look(e eye, sleep func(time.Duration), wanted float64, strobe Move) (Span, error) {
	from, err := sharp(e)
	if err != nil {
		return Span{}, err
	}
	s := Span{From: from, To: from}
	pause, least := shortLook/4, shortLook
	if strobe.Strobe != 0 {
		pause, least = min(pause, strobe.Every/4), min(max(least, 5*strobe.Every), max(longLook, 3*strobe.Every))
	}
	last := int64(0)
	for {
		sleep(pause)
		m, err := sharp(e)
		if err != nil {
			return Span{}, err
		}
		s.To = m
		now := apart(m) - apart(from)
		s.Low, s.High = min(s.Low, time.Duration(now)), max(s.High, time.Duration(now))
		if strobe.Strobe != 0 && time.Duration(now-last).Abs() > strobe.Strobe.Abs()/2 {
			s.Flips++
		}
		last = now
		_, bar := s.Mono()
		if took := s.Took(); took >= least && (bar <= wanted || took >= longLook) {
			return s, nil
		}
	}
}
