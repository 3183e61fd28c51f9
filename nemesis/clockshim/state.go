package clockshim

import "time"

// State is what processes under the shim see of the clocks at one moment.
type State struct {
	Changes uint64 // how many there have been
	Mono    Skew   // CLOCK_MONOTONIC
	Wall    Skew   // CLOCK_REALTIME
}

// Skew is how far a clock is off the machine's.
type Skew struct {
	Real   bool          // it is the machine's clock, and follows whatever is done to that
	Rate   Rate          // nominal if Real
	Offset time.Duration // what it is ahead of the machine's at this moment; a rate that is not nominal changes it
}

// state evaluates a page.
func (p *page) state(real realClocks) State {
	s := p.at(real.mono)
	skew := func(i int) Skew {
		l := s.lines[i]
		if l.real() {
			return Skew{Real: true, Rate: Nominal}
		}
		return Skew{Rate: l.rate, Offset: time.Duration(l.value(real.mono-s.at) - real.line(i, real.mono))}
	}
	return State{Changes: p.seq / 2, Mono: skew(lineMono), Wall: skew(lineWall)}
}

// realClocks is a reading of the machine's clocks.
type realClocks struct {
	mono    int64           // ns
	offsets [numLines]int64 // what each line's clock is ahead of mono, ns
}

// line returns the machine's clock of a line at an instant of its monotonic clock.
func (r realClocks) line(i int, mono int64) int64 { return mono + r.offsets[i] }
