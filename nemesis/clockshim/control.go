package clockshim

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// The control file is one page of 64-bit words in native byte order, mapped into the processes under the shim:
//
//	word  0      magic
//	word  1      version
//	words 2, 3   boot id, because the clocks that it builds on restart with every boot
//	word  4      the time namespace, for the same reason
//	word  8      the sequence number of the state; odd while the inactive slot is being written
//	words 32-41  slot 0: at, unused, then base and rate of the lines wall, mono, boot and tai
//	words 48-57  slot 1
//
// The active slot is number/2 mod 2. It defines what the clocks show from the real monotonic instant at on; before
// that, the other slot still applies. So a change is published a little before it takes effect, and takes effect at
// the same instant for all readers. A reader that finds the number changed after reading the real clock starts
// over; it never waits, and a writer that dies half way leaves the active slot untouched.
const (
	// Size of a control file in bytes.
	Size = 4096

	controlMagic   uint64 = 0x31_4b_4c_43_48_4c_45_00 // "\0ELHCLK1"
	controlVersion uint64 = 1

	wordMagic   = 0
	wordVersion = 1
	wordBoot    = 2
	wordNS      = 4
	wordSeq     = 8
	wordSlots   = 32
	slotWords   = 16
	slotLines   = 2
)

// ErrControlFile reports a file that is not a control file, or a damaged one.
var ErrControlFile = errors.New("not a usable control file")

// ErrElsewhere reports a control file from another boot or time namespace, whose clocks had another origin.
var ErrElsewhere = errors.New("control file of another boot or time namespace")

// The lines of a slot, one for each clock with an origin of its own.
const (
	lineWall = iota
	lineMono
	lineBoot
	lineTAI
	numLines
)

var lineNames = [numLines]string{"CLOCK_REALTIME", "CLOCK_MONOTONIC", "CLOCK_BOOTTIME", "CLOCK_TAI"}

// line is a clock as a function of the real monotonic clock: base at the slot's instant, rate since.
type line struct {
	base int64 // ns
	rate Rate  // 0 means the real clock
}

func (l line) real() bool { return l.rate == 0 }

// value returns what the clock shows d nanoseconds after the slot's instant, rounded down and saturated.
func (l line) value(d int64) int64 {
	hi, lo := bits.Mul64(uint64(max(d, 0)), uint64(l.rate))
	if hi >= uint64(Nominal) {
		return math.MaxInt64
	}
	quo, _ := bits.Div64(hi, lo, uint64(Nominal))
	return l.base + int64(min(quo, uint64(math.MaxInt64-l.base)))
}

// slot defines all clocks from an instant on.
type slot struct {
	at    int64 // CLOCK_MONOTONIC of the machine, ns
	lines [numLines]line
}

// origin identifies the boot and time namespace in which the clocks began.
type origin struct {
	boot   [2]uint64
	timeNS uint64
}

// page is the contents of a control file.
type page struct {
	origin origin
	seq    uint64
	slots  [2]slot
}

// active returns the index of the active slot.
func (p *page) active() int { return int(p.seq >> 1 & 1) }

// at returns the slot that applies at an instant of the real monotonic clock.
func (p *page) at(mono int64) slot {
	s := p.slots[p.active()]
	if mono < s.at && p.seq&1 == 0 {
		return p.slots[p.active()^1]
	}
	return s
}

// words is a control file in memory.
type words [Size / 8]uint64

// decode decodes a page and rejects what [page.encode] cannot have written.
func decode(w *words) (page, error) {
	bad := func(format string, args ...any) (page, error) {
		return page{}, fmt.Errorf("%w: "+format, append([]any{ErrControlFile}, args...)...)
	}
	switch {
	case w[wordMagic] != controlMagic:
		return bad("no magic number at its beginning")
	case w[wordVersion] != controlVersion:
		return bad("version %d, this program knows %d", w[wordVersion], controlVersion)
	}
	p := page{origin: origin{boot: [2]uint64(w[wordBoot : wordBoot+2]), timeNS: w[wordNS]}, seq: w[wordSeq]}
	known := p
	for i := range p.slots {
		p.slots[i] = decodeSlot((*[slotWords]uint64)(w[wordSlots+i*slotWords:]))
		if i != p.active() && p.seq&1 == 1 {
			continue // inactive: being written, or left half-written by a writer that died
		}
		if err := p.slots[i].validate(); err != nil {
			return bad("slot %d: %w", i, err)
		}
		known.slots[i] = p.slots[i]
	}
	rest, again := *w, known.encode()
	for i := range p.slots {
		clear(rest[wordSlots+i*slotWords+slotLines:][:2*numLines])
		clear(again[wordSlots+i*slotWords+slotLines:][:2*numLines])
		rest[wordSlots+i*slotWords], again[wordSlots+i*slotWords] = 0, 0
	}
	if rest != again {
		return bad("something is written where nothing should be")
	}
	return known, nil
}

// encode is the inverse of decode.
func (p *page) encode() words {
	var w words
	w[wordMagic], w[wordVersion] = controlMagic, controlVersion
	w[wordBoot], w[wordBoot+1], w[wordNS] = p.origin.boot[0], p.origin.boot[1], p.origin.timeNS
	w[wordSeq] = p.seq
	for i, s := range p.slots {
		copy(w[wordSlots+i*slotWords:], s.encode())
	}
	return w
}

func (s *slot) encode() []uint64 {
	w := []uint64{uint64(s.at), 0}
	for _, l := range s.lines {
		w = append(w, uint64(l.base), uint64(l.rate))
	}
	return w
}

func decodeSlot(w *[slotWords]uint64) slot {
	s := slot{at: int64(w[0])}
	for i := range s.lines {
		s.lines[i] = line{base: int64(w[slotLines+2*i]), rate: Rate(w[slotLines+2*i+1])}
	}
	return s
}

// validate rejects states that no sequence of [Change] values leads to.
func (s *slot) validate() error {
	if s.at < 0 {
		return fmt.Errorf("it counts since %d", s.at)
	}
	for i, l := range s.lines {
		switch {
		case l.real() && l.base != 0:
			return fmt.Errorf("%s is real and has a base", lineNames[i])
		case !l.real() && l.rate.validate() != nil:
			return fmt.Errorf("%s: %w", lineNames[i], l.rate.validate())
		case l.base < 0 || l.base > maxClock:
			return fmt.Errorf("%s: %w: base %d", lineNames[i], ErrRange, l.base)
		}
	}
	if s.lines[lineMono].rate != s.lines[lineBoot].rate || s.lines[lineWall].rate != s.lines[lineTAI].rate {
		return errors.New("clocks of one kind have different rates")
	}
	return nil
}
