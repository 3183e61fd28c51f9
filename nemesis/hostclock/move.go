package hostclock

import (
	"errors"
	"fmt"
	"time"

	"elenchus/nemesis/clockshim"
)

// Move is one change to the clocks of a host. Exactly one of Rate, Step and Strobe is set; Every goes with Strobe.
type Move struct {
	// Rate is how fast CLOCK_MONOTONIC and CLOCK_REALTIME run.
	Rate clockshim.Rate `json:"rate,omitempty"`

	// Step is how far CLOCK_REALTIME jumps.
	Step time.Duration `json:"step_ns,omitempty"`

	// Strobe is how far CLOCK_REALTIME jumps back and forth, and Every how long it stays on either side.
	Strobe time.Duration `json:"strobe_ns,omitempty"`
	Every  time.Duration `json:"every_ns,omitempty"`
}

// Way is how the clocks of a host are moved.
type Way string

// The ways of moving clocks.
const (
	Shim   Way = "shim"   // the vDSO of single processes
	Kernel Way = "kernel" // the kernel's clocks
)

// Label describes for humans what exactly is moved.
func (w Way) Label() string {
	if w == Kernel {
		return "kernel: adjtimex"
	}
	return "shim: vDSO of the process, sleeps stay real"
}

// Limits are what a way of moving clocks can do.
type Limits struct {
	MinRate, MaxRate clockshim.Rate
	MaxStep          time.Duration // in either direction, of steps and strobes
	MinEvery         time.Duration
	Why              string // reason for the limits
}

// Limits returns the limits of a way of moving clocks. The kernel's tick may be 10 % longer or shorter
// (adjtimex(2)). The shim needs some time between two changes, lest a process that was held up reads a slot that
// has been overwritten.
func (w Way) Limits() Limits {
	if w == Kernel {
		return Limits{
			MinRate: clockshim.Nominal * 9 / 10, MaxRate: clockshim.Nominal * 11 / 10,
			MaxStep: clockshim.MaxStep, MinEvery: time.Millisecond, Why: "a kernel's tick can be changed by 10 % at most",
		}
	}
	return Limits{
		MinRate: clockshim.MinRate, MaxRate: clockshim.MaxRate, MaxStep: clockshim.MaxStep,
		MinEvery: 30 * time.Millisecond, Why: "the shim changes over at most every 30ms, and runs at most ten times as fast",
	}
}

// MinStep is the smallest step of a wall clock. Less cannot be told from what clocks do by themselves.
const MinStep = time.Millisecond

// MinDrift is the smallest deviation of a rate from the nominal one, for the same reason: time daemons constantly
// slew clocks by some millionths.
const MinDrift clockshim.Rate = 50_000

// maxEvery keeps a strobe from being a step that is never undone.
const maxEvery = time.Hour

// Validate lists everything that is wrong with the move, independent of where it is made.
func (m Move) Validate() error {
	var problems []error
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	kinds := 0
	if m.Rate != 0 {
		kinds++
		switch off := m.Rate - clockshim.Nominal; {
		case off == 0:
			add("rate 1 is how clocks run anyway: it moves nothing")
		case off > -MinDrift && off < MinDrift:
			add("rate %v: less than %d ppm off cannot be told from what clocks do by themselves", m.Rate, MinDrift/1000)
		case m.Rate < clockshim.MinRate:
			add("rate %v: a clock that does not go forward is none", m.Rate)
		case m.Rate > clockshim.MaxRate:
			add("rate %v: ten times the real one is more than any clock is tried with", m.Rate)
		}
	}
	if m.Step != 0 {
		kinds++
		if m.Step.Abs() > clockshim.MaxStep {
			add("step %v: the limit is %v", m.Step, clockshim.MaxStep)
		} else if m.Step.Abs() < MinStep {
			add("step %v: less than %v cannot be told from what clocks do by themselves", m.Step, MinStep)
		}
	}
	if m.Strobe != 0 || m.Every != 0 {
		kinds++
		if m.Strobe.Abs() < MinStep || m.Strobe.Abs() > clockshim.MaxStep {
			add("strobe by %v: it must be at least %v, and at most %v", m.Strobe, MinStep, clockshim.MaxStep)
		}
		if m.Every <= 0 || m.Every > maxEvery {
			add("strobe every %v: it must be more than nothing, and at most %v", m.Every, maxEvery)
		}
	}
	if kinds != 1 {
		add("one of a rate, a step and a strobe is to be given, not %d", kinds)
	}
	return errors.Join(problems...)
}

// Fit returns why the move cannot be made in this way; nil means that it can. The move must be valid.
func (w Way) Fit(m Move) error {
	l := w.Limits()
	switch {
	case m.Rate != 0 && (m.Rate < l.MinRate || m.Rate > l.MaxRate):
		return fmt.Errorf("rate %v is not between %v and %v (%s)", m.Rate, l.MinRate, l.MaxRate, l.Why)
	case m.Strobe != 0 && m.Every < l.MinEvery:
		return fmt.Errorf("strobe every %v: at least %v (%s)", m.Every, l.MinEvery, l.Why)
	}
	return nil
}
