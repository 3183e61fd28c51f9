//go:build linux

package hostclock

import (
	"errors"
	"math"
	"time"

	"elenchus/nemesis/clockshim"
)

// fakeHost is an in-memory machine with its own kernel. Time passes when somebody sleeps, and a little when a clock
// is read.
type fakeHost struct {
	raw        int64
	mono, wall float64 // since they were 7e9 and wallBegan: small numbers, to avoid rounding
	kept       control
	clamp      bool // silently do less than requested, as kernels do with frequencies
	deaf       bool // report success without doing anything

	all      []daemon
	stopped  map[string]bool
	setsBack bool // an unknown daemon corrects the wall clock at every opportunity
	broken   map[string]error

	preempted time.Duration // how long a reader is away, at most, between its readings of two clocks
	reads     int

	strobes map[int]*fakeStrobe
	books   []book // every one that was saved
	book    book
}

const wallBegan = 1_700_000_000_000_000_000

type fakeStrobe struct {
	Move
	left time.Duration
	up   bool
}

func newFakeHost() *fakeHost {
	return &fakeHost{
		raw: 5e9, kept: control{Tick: nominalTick, Freq: 12 * freqPerPPM, Status: 1},
		all: []daemon{{Name: "chronyd.service"}, {Name: "VBoxService", Process: &process{77, 7}}}, stopped: map[string]bool{},
		broken: map[string]error{}, strobes: map[int]*fakeStrobe{},
	}
}

func (h *fakeHost) clock() *Clock {
	return &Clock{driver: &kernel{calls: h, daemons: h}, shelf: h, strobers: fakeStrobers{h}, sleep: h.sleep}
}

func (h *fakeHost) sleep(d time.Duration) {
	for d > 0 {
		step := min(d, time.Millisecond)
		d -= step
		h.raw += int64(step)
		went := float64(step) * h.kept.rate() / float64(clockshim.Nominal)
		h.mono += went
		h.wall += went
		for _, s := range h.strobes {
			if s.left -= step; s.left <= 0 {
				h.flip(s)
			}
		}
		if h.setsBack {
			h.wall = float64(h.raw - 5e9)
		}
	}
}

func (h *fakeHost) flip(s *fakeStrobe) {
	by := float64(s.Strobe)
	if s.up {
		by = -by
	}
	h.wall += by
	s.up, s.left = !s.up, s.Every
}

func (h *fakeHost) Now() (clockshim.Moment, error) {
	h.sleep(time.Microsecond)
	m := clockshim.Moment{Mono: 7e9 + int64(h.mono)}
	h.reads++
	gone := h.preempted * time.Duration(1+h.reads/(2*momentTries)%2) / 2
	h.sleep(gone)
	m.Wall, m.Error = wallBegan+int64(h.wall), 400+int64(gone)/2
	m.Raw = h.raw - int64(gone)/2
	return m, h.broken["read"]
}

func (h *fakeHost) control() (control, error) { return h.kept, nil }

func (h *fakeHost) setControl(c control) error {
	if err := h.broken["setControl"]; err != nil || h.deaf {
		return err
	}
	if h.clamp {
		c.Freq = max(-10*freqPerPPM, min(c.Freq, 10*freqPerPPM))
	}
	h.kept = c
	return nil
}

func (h *fakeHost) shift(d time.Duration) error {
	if err := h.broken["shift"]; err != nil || h.deaf {
		return err
	}
	h.wall += float64(d)
	return nil
}

func (h *fakeHost) running() ([]daemon, error) { return h.all, h.broken["running"] }

func (h *fakeHost) stop(d daemon) error { h.stopped[d.Name] = true; return h.broken["stop"] }

func (h *fakeHost) start(d daemon) error { delete(h.stopped, d.Name); return h.broken["start"] }

func (h *fakeHost) lock() (func(), error) { return func() {}, nil }

func (h *fakeHost) load() (book, error) { return h.book, nil }

func (h *fakeHost) save(b book) error {
	h.book = b
	h.book.Moves = append([]entry(nil), b.Moves...)
	h.books = append(h.books, h.book)
	return h.broken["save"]
}

// wallOff is how far the wall clock is from where it would be if nobody had ever touched the machine.
func (h *fakeHost) wallOff() time.Duration {
	untouched := float64(h.raw-5e9) * (1 + 12e-6)
	return time.Duration(math.Round(h.wall - untouched))
}

// fakeStrobers have strobes that are no processes.
type fakeStrobers struct{ *fakeHost }

func (f fakeStrobers) start(m Move) (process, error) {
	pid := 100 + len(f.books)
	f.strobes[pid] = &fakeStrobe{Move: m}
	f.flip(f.strobes[pid])
	return process{PID: pid, Start: 1}, nil
}

func (f fakeStrobers) stop(p process) (string, error) {
	s := f.strobes[p.PID]
	if s == nil {
		return "", errors.New("no such strobe")
	}
	if s.up {
		f.flip(s)
	}
	delete(f.strobes, p.PID)
	return "", nil
}
