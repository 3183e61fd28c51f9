package clockshim

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// prober calls the redirected functions in the target and compares their results with what they should return.
type prober struct {
	*tracee
	vdso    *vdso
	code    uintptr
	scratch uintptr // a page: results at its beginning, the stack at its end
	control *mapped
}

// verify fails unless every redirected function reaches the shim and returns the time that the control file
// defines.
func (p *prober) verify() error {
	clocks := []int32{
		unix.CLOCK_REALTIME, unix.CLOCK_MONOTONIC, unix.CLOCK_MONOTONIC_RAW, unix.CLOCK_REALTIME_COARSE,
		unix.CLOCK_MONOTONIC_COARSE, unix.CLOCK_BOOTTIME, unix.CLOCK_TAI,
	}
	for _, clock := range clocks {
		if err := p.check("__vdso_clock_gettime", clock, 1, uint64(clock), uint64(p.scratch)); err != nil {
			return fmt.Errorf("clock %d: %w", clock, err)
		}
	}
	if err := p.check("__vdso_gettimeofday", unix.CLOCK_REALTIME, 1000, uint64(p.scratch), 0); err != nil {
		return fmt.Errorf("gettimeofday: %w", err)
	}
	if err := p.check("__vdso_time", unix.CLOCK_REALTIME_COARSE, 1e9, uint64(p.scratch)); err != nil {
		return fmt.Errorf("time: %w", err)
	}
	return nil
}

// check calls a function that writes a clock's reading, the second word of which is in multiples of unit
// nanoseconds.
func (p *prober) check(name string, clock int32, unit int64, args ...uint64) error {
	function := p.vdso.base + uintptr(p.vdso.symbols[name].offset)
	for {
		page, err := p.control.read()
		if err != nil {
			return err
		}
		earliest, slot := page.look(clock)
		if err := p.pokeWords(p.scratch, 0, 0); err != nil {
			return err
		}
		via, trap, stack := p.code+redirected[name], p.code+blobTrap, p.scratch+Size-64
		if _, err := p.call(function, via, trap, stack, args...); err != nil {
			return err
		}
		latest, slotAfter := page.look(clock)
		var result [2]uint64
		if err := p.peekWords(p.scratch, result[:]); err != nil {
			return err
		}
		if p.control.seq() != page.seq || slotAfter != slot {
			continue // a change was published or took effect meanwhile
		}
		got := int64(result[0])*1e9 + int64(result[1])*unit
		if got < earliest-earliest%unit || got > latest {
			return fmt.Errorf("it says %d, expected %d to %d", got, earliest, latest)
		}
		return nil
	}
}

// look returns what the shim currently shows of a clock, and since when the slot that defines it applies.
func (p *page) look(clock int32) (value, since int64) {
	axis, number := int32(unix.CLOCK_MONOTONIC), -1
	switch clock {
	case unix.CLOCK_REALTIME_COARSE:
		axis, number = unix.CLOCK_MONOTONIC_COARSE, lineWall
	case unix.CLOCK_MONOTONIC_COARSE:
		axis, number = unix.CLOCK_MONOTONIC_COARSE, lineMono
	case unix.CLOCK_REALTIME:
		number = lineWall
	case unix.CLOCK_MONOTONIC:
		number = lineMono
	case unix.CLOCK_BOOTTIME:
		number = lineBoot
	case unix.CLOCK_TAI:
		number = lineTAI
	}
	mono := readClock(axis)
	s := p.at(mono)
	if number < 0 || s.lines[number].real() {
		return readClock(clock), s.at
	}
	return s.lines[number].value(mono - s.at), s.at
}
