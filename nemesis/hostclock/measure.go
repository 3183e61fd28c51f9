package hostclock

import (
	"math"
	"time"

	"elenchus/nemesis/clockshim"
)

// eye reads the moved clocks as the affected processes see them.
type eye interface {
	Now() (clockshim.Moment, error)
}

// Span is the behaviour of the clocks between two moments.
type Span struct {
	From clockshim.Moment `json:"from"`
	To   clockshim.Moment `json:"to"`

	// Low and High are the extremes of Wall minus Mono, relative to its value at the beginning, and Flips is how
	// often it jumped by more than half of the expected strobe. Rates do not matter here, since they move both
	// clocks alike.
	Low   time.Duration `json:"low_ns"`
	High  time.Duration `json:"high_ns"`
	Flips int           `json:"flips,omitempty"`

	// Blur is how far each of the extremes may be off, because the clocks are read one after the other and the reader
	// may lose the processor in between.
	Blur time.Duration `json:"blur_ns,omitempty"`
}

// Took returns the length of the span by the raw clock.
func (s Span) Took() time.Duration { return time.Duration(s.To.Raw - s.From.Raw) }

// Mono returns the rate of the monotonic clock relative to the raw one, with an error bound.
func (s Span) Mono() (rate, bar float64) { return s.rate(s.To.Mono - s.From.Mono) }

// Wall returns the same for the wall clock. It is meaningless if the clock jumped in the span.
func (s Span) Wall() (rate, bar float64) { return s.rate(s.To.Wall - s.From.Wall) }

func (s Span) rate(went int64) (rate, bar float64) {
	took := float64(s.To.Raw - s.From.Raw)
	if took <= 0 {
		return 0, math.Inf(1)
	}
	rate = float64(went) / took
	return rate, float64(s.From.Error+s.To.Error+2) * (1 + rate) / took
}

// ahead returns how far the wall clock is ahead of the raw one, in nanoseconds.
func ahead(m clockshim.Moment) int64 { return m.Wall - m.Raw }

// apart returns how far the wall clock is ahead of the monotonic one, in nanoseconds.
func apart(m clockshim.Moment) int64 { return m.Wall - m.Mono }

// Jump returns how much further the wall clock is ahead of the monotonic one at the beginning of after than at the
// end of before, with an error bound. It does not depend on the rates of the clocks.
func Jump(before, after Span) (jump, bar time.Duration) {
	return time.Duration(apart(after.From) - apart(before.To)), 2 * time.Duration(before.To.Error+after.From.Error)
}

// Limits on how long and how often clocks are observed.
const (
	shortLook = 20 * time.Millisecond
	longLook  = 300 * time.Millisecond

	// goodError is a moment's error that needs no improving; up to momentTries readings are made to reach it.
	goodError   = 2 * time.Microsecond
	momentTries = 30
)

// sharp returns the most precise of several moments.
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

// look observes the clocks until the rates are known to the wanted precision, for at least shortLook and at most
// longLook. With a strobe it samples often enough to see it flip, for four flips.
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
		if d := time.Duration(now); d < s.Low || d > s.High {
			s.Low, s.High = min(s.Low, d), max(s.High, d)
			s.Blur = max(s.Blur, 2*time.Duration(m.Error+from.Error))
		}
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
