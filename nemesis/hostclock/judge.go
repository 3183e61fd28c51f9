package hostclock

import (
	"errors"
	"fmt"
	"math"
	"time"

	"elenchus/nemesis/clockshim"
)

const (
	// discipline is how far the kernel's clocks may run off the raw one because a time daemon slews them.
	discipline = 600e-6

	// slack is what a wall clock may be off its place besides errors of reading.
	slack = 2 * time.Millisecond
)

// errNotAttached says that the process does not see the clocks that were moved.
var errNotAttached = errors.New("the process has not mapped the control file: its clocks are not those that were moved")

// Moved says in words how the clocks moved, or why that is not what the move should have done.
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

// Sound says what is wrong with the report whatever was to be done.
func (r Report) Sound() error {
	var problems []error
	if r.Fight != "" {
		problems = append(problems, errors.New(r.Fight))
	}
	return errors.Join(append(problems, r.Mapped())...)
}

// Mapped fails if the process that was asked about has other clocks.
func (r Report) Mapped() error {
	if r.Attached != nil && !*r.Attached {
		return errNotAttached
	}
	return nil
}

// is says whether a measured rate is a wanted one, and not the nominal one instead.
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

// strobing is by how much strobes may have the wall clock away from its place.
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
	if (jump - step).Abs() > bar+r.drifted()+r.strobing() {
		return "", fmt.Errorf("the wall clock did not jump by %v: %s", step, text)
	}
	rate, rateBar := r.After.Mono()
	return text + fmt.Sprintf(", mono runs at %.6f ± %.6f of raw", rate, rateBar), nil
}

// drifted is what the wall clock may have gained or lost, besides a jump, between the two spans.
func (r Report) drifted() time.Duration {
	rate, _ := r.After.Mono()
	gap := float64(r.After.From.Raw - r.Before.To.Raw)
	return slack + time.Duration(gap*(math.Abs(rate-1)+discipline))
}

func (r Report) strobed(m Move) (string, error) {
	swing := r.After.High - r.After.Low
	text := fmt.Sprintf("wall flips by %v, %d times seen in %v", swing.Round(time.Microsecond), r.After.Flips,
		short(r.After.Took()))
	rate, _ := r.After.Mono()
	drift := slack + time.Duration(float64(r.After.Took())*(math.Abs(rate-1)+discipline))
	if r.After.Flips < 2 || (swing-m.Strobe.Abs()).Abs() > drift {
		return "", fmt.Errorf("the wall clock does not flip by %v: %s", m.Strobe, text)
	}
	return text, nil
}

// Restored says in words how the clocks run after a fault was reverted, or why that is not as it should be.
func (r Report) Restored() (string, error) {
	if err := r.Sound(); err != nil {
		return "", err
	}
	wanted := clockshim.Nominal
	for _, m := range r.Left {
		if m.Rate != 0 {
			wanted = m.Rate
		}
	}
	during, duringBar := r.Before.Mono()
	rate, bar := r.After.Mono()
	text := fmt.Sprintf("mono runs at %.6f ± %.6f of raw, was %.6f ± %.6f", rate, bar, during, duringBar)
	if !is(rate, bar, factor(wanted)) {
		return "", fmt.Errorf("the clocks did not go back to rate %v: %s", wanted, text)
	}
	if len(r.Left) > 0 {
		return text + fmt.Sprintf("; %d other faults move these clocks", len(r.Left)), nil
	}
	if r.Off.Abs() > slack+5*time.Millisecond {
		return "", fmt.Errorf("the wall clock is %v off", r.Off)
	}
	return text + fmt.Sprintf(", wall is %v off", r.Off.Round(time.Microsecond)), nil
}

func short(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
