package hostclock

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"elenchus/nemesis/clockshim"
)

const (
	// discipline is how far the rate of the kernel's clocks may be off the raw clock's because a time daemon slews
	// them.
	discipline = 600e-6

	// slack is the tolerance for a wall clock's offset beyond reading errors, and jumpSlack that for a jump.
	slack     = 2 * time.Millisecond
	jumpSlack = 200 * time.Microsecond
)

// errNotAttached reports that the process does not use the clocks that were moved.
var errNotAttached = errors.New("the process has not mapped the control file: its clocks are not those that were moved")

// Moved describes how the clocks moved. The error says why that is not what the move should have done.
func (r Report) Moved(m Move) (string, error) {
	if err := r.Sound(); err != nil {
		return "", err
	}
	switch {
	case m.Rate != 0:
		return r.ratesMoved(m.Rate)
	case m.Step != 0:
		return r.stepped(m.Step)
	default:
		return r.strobed(m)
	}
}

// Sound returns what is wrong with the report, independent of the requested move.
func (r Report) Sound() error {
	var problems []error
	if r.Fight != "" {
		problems = append(problems, errors.New(r.Fight))
	}
	return errors.Join(append(problems, r.Mapped())...)
}

// Mapped fails if the process asked about uses other clocks.
func (r Report) Mapped() error {
	if r.Attached != nil && !*r.Attached {
		return errNotAttached
	}
	return nil
}

// is reports whether a measured rate matches a wanted one and can be told from the nominal rate.
func is(rate, bar, wanted float64) bool {
	tolerance := discipline * wanted
	if wanted != 1 {
		tolerance = min(tolerance, math.Abs(wanted-1)/2)
	}
	return math.Abs(rate-wanted) <= bar+tolerance
}

func factor(r clockshim.Rate) float64 { return float64(r) / float64(clockshim.Nominal) }

func (r Report) ratesMoved(rate clockshim.Rate) (string, error) {
	was, wasBar := r.Before.Mono()
	mono, bar := r.After.Mono()
	wall, wallBar := r.After.Wall()
	text := fmt.Sprintf("mono runs at %.6f ± %.6f of raw over %v, was %.6f ± %.6f, wall at %.6f ± %.6f", mono, bar,
		short(r.After.Took()), was, wasBar, wall, wallBar)
	wanted := factor(rate)
	strobing := r.strobing() != 0
	switch {
	case !is(mono, bar, wanted) || !strobing && !is(wall, wallBar, wanted):
		return "", fmt.Errorf("the clocks did not take rate %v: %s", rate, text)
	case math.Abs(wanted-1)/2 <= bar:
		return "", fmt.Errorf("rate %v cannot be told from 1: %s", rate, text)
	}
	return text, nil
}

// strobing returns how far strobes may have moved the wall clock.
func (r Report) strobing() time.Duration {
	var sum time.Duration
	for _, m := range r.Left {
		sum += m.Strobe.Abs()
	}
	return sum
}

func (r Report) stepped(step time.Duration) (string, error) {
	jump, bar := Jump(r.Before, r.After)
	text := fmt.Sprintf("wall jumped by %v ± %v", jump.Round(time.Microsecond), bar.Round(100*time.Nanosecond))
	if (jump-step).Abs() > bar+jumpSlack+r.strobing() || jump.Abs() < MinStep/2 {
		return "", fmt.Errorf("the wall clock did not jump by %v: %s", step, text)
	}
	rate, rateBar := r.After.Mono()
	return text + fmt.Sprintf(", mono runs at %.6f ± %.6f of raw", rate, rateBar), nil
}

func (r Report) strobed(m Move) (string, error) {
	swing := r.After.High - r.After.Low
	blur := 2 * r.After.Blur // of both extremes
	text := fmt.Sprintf("wall flips by %v, %d times seen in %v", swing.Round(time.Microsecond), r.After.Flips,
		short(r.After.Took()))
	switch wanted := m.Strobe.Abs(); {
	case r.After.Flips < 2, (swing - wanted).Abs() > jumpSlack+blur:
		return "", fmt.Errorf("the wall clock does not flip by %v: %s", m.Strobe, text)
	case blur > wanted/2:
		return "", fmt.Errorf("a strobe by %v cannot be told from none: %s ± %v", m.Strobe, text, blur)
	}
	return text, nil
}

// Remains describes how the clocks run while a move is in effect. The error says why it no longer is.
func (r Report) Remains(m Move) (string, error) {
	if err := r.Sound(); err != nil {
		return "", err
	}
	if !slices.Contains(r.Left, m) {
		return "", fmt.Errorf("the host knows nothing of it any more, but of %d other moves", len(r.Left))
	}
	rate, bar := r.After.Mono()
	text := fmt.Sprintf("mono runs at %.6f ± %.6f of raw, wall is %v off", rate, bar, r.Off.Round(time.Microsecond))
	if wanted := r.rate(); !is(rate, bar, factor(wanted)) {
		return "", fmt.Errorf("the clocks do not run at rate %v any more: %s", wanted, text)
	}
	return text, nil
}

// rate returns the rate that counts among the moves in effect.
func (r Report) rate() clockshim.Rate {
	rate := clockshim.Nominal
	for _, m := range r.Left {
		if m.Rate != 0 {
			rate = m.Rate
		}
	}
	return rate
}

// Restored describes how the clocks run after a fault was reverted. The error says why that is not as it should be.
func (r Report) Restored() (string, error) {
	if err := r.Sound(); err != nil {
		return "", err
	}
	wanted := r.rate()
	during, duringBar := r.Before.Mono()
	rate, bar := r.After.Mono()
	text := fmt.Sprintf("mono runs at %.6f ± %.6f of raw, was %.6f ± %.6f", rate, bar, during, duringBar)
	if !is(rate, bar, factor(wanted)) {
		return "", fmt.Errorf("the clocks did not go back to rate %v: %s", wanted, text)
	}
	if len(r.Left) > 0 {
		return text + fmt.Sprintf("; other faults that move these clocks: %d", len(r.Left)), nil
	}
	if r.Off.Abs() > slack+5*time.Millisecond {
		return "", fmt.Errorf("the wall clock is %v off", r.Off)
	}
	return text + fmt.Sprintf(", wall is %v off", r.Off.Round(time.Microsecond)), nil
}

func short(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
