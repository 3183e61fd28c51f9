package clockshim

import "time"

// State is what processes under the shim see at one moment.
type State struct {
	Changes uint64 // number of changes so far
	Mono    Skew   // CLOCK_MONOTONIC
	Wall    Skew   // CLOCK_REALTIME
}

// Skew is how a clock differs from the machine's.
type Skew struct {
	Real   bool          // it is the machine's clock, including all changes to that
	Rate   Rate          // nominal if Real
	Offset time.Duration // lead over the machine's clock at this moment; it changes with any rate that is not nominal
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
	offsets [numLines]int64 // lead of each line's clock over mono, ns
}

// line returns the machine's clock of a line at an instant of its monotonic clock.
func (r realClocks) line(i int, mono int64) int64 { return mono + r.offsets[i] }
