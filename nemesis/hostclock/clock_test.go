//go:build linux

package hostclock

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"elenchus/nemesis/clockshim"
)

const second = time.Second

// apply makes a move and wants it to be seen.
func (h *fakeHost) apply(t *testing.T, fault string, m Move) Report {
	t.Helper()
	r, err := h.clock().Apply(fault, m, 0)
	if err != nil {
		t.Fatalf("%s: %v", fault, err)
	}
	if text, err := r.Moved(m); err != nil {
		t.Errorf("%s: %v", fault, err)
	} else {
		t.Logf("%s: %s", fault, text)
	}
	return r
}

func (h *fakeHost) revert(t *testing.T, fault string) Report {
	t.Helper()
	r, err := h.clock().Revert(fault, 0)
	if err != nil {
		t.Fatalf("revert %s: %v", fault, err)
	}
	if text, err := r.Restored(); err != nil {
		t.Errorf("revert %s: %v", fault, err)
	} else {
		t.Logf("revert %s: %s", fault, text)
	}
	return r
}

// wantUntouched checks that the host is as if nobody had ever touched it, but for its monotonic clock.
func (h *fakeHost) wantUntouched(t *testing.T) {
	t.Helper()
	if want := newFakeHost().kept; h.kept != want {
		t.Errorf("the clock is kept with %+v, want %+v", h.kept, want)
	}
	if off := h.wallOff(); off.Abs() > 2*time.Microsecond {
		t.Errorf("the wall clock is %v off", off)
	}
	if len(h.stopped) > 0 || len(h.strobes) > 0 || len(h.book.Moves) > 0 || h.book.Origin != nil {
		t.Errorf("left: %v stopped, strobes %v, book %+v", h.stopped, h.strobes, h.book)
	}
}

func TestRate(t *testing.T) {
	for _, rate := range []clockshim.Rate{
		900_000_000, 1_100_000_000, 999_000_000, 1_000_050_000, 1_000_123_457, 999_700_000,
	} {
		h := newFakeHost()
		r := h.apply(t, "f1", Move{Rate: rate})
		if got := h.kept.rate(); math.Abs(got-float64(rate)) > 0.02 || h.kept.Status != statusUnsync {
			t.Errorf("rate %v: kept at %v with %+v", rate, got, h.kept)
		}
		if len(h.stopped) != 2 || len(r.Done) != 2 || r.Done[0] != "stopped chronyd.service" {
			t.Errorf("rate %v: stopped %v, said %q", rate, h.stopped, r.Done)
		}
		h.sleep(30 * second)
		r = h.revert(t, "f1")
		if !slices.Contains(r.Done, "started VBoxService (process 77)") {
			t.Errorf("said %q", r.Done)
		}
		h.wantUntouched(t)
		if gained := time.Duration(h.mono) - time.Duration(h.raw-5e9); gained.Abs() < time.Millisecond {
			t.Errorf("rate %v: the monotonic clock has jumped back: it gained %v", rate, gained)
		}
	}
}

func TestStep(t *testing.T) {
	for _, step := range []time.Duration{2 * second, -time.Hour, 5 * time.Millisecond, -clockshim.MaxStep} {
		h := newFakeHost()
		h.apply(t, "f1", Move{Step: step})
		h.sleep(second)
		if off := h.wallOff() - step; off.Abs() > time.Millisecond {
			t.Errorf("step %v: off by %v", step, off)
		}
		h.revert(t, "f1")
		h.wantUntouched(t)
	}
}

func TestStrobe(t *testing.T) {
	h := newFakeHost()
	m := Move{Strobe: -200 * time.Millisecond, Every: 10 * time.Millisecond}
	h.apply(t, "f1", m)
	r, err := h.clock().Apply("f2", m, 0)
	if err != nil || r.Skipped == "" || len(h.strobes) != 1 {
		t.Errorf("a second strobe: %+v, %v", r, err)
	}
	h.sleep(123 * time.Millisecond)
	h.revert(t, "f1")
	h.wantUntouched(t)
}

// A reader that loses the processor between two clocks sees them apart by more or less than they are. That is no reason
// to believe that a strobe does not take effect, as long as it can be told from none.
func TestStrobeSeenThroughPreemption(t *testing.T) {
	m := Move{Strobe: 20 * time.Millisecond, Every: 400 * time.Millisecond}
	for away, says := range map[time.Duration]string{
		0: "", time.Millisecond: "", 8 * time.Millisecond: "cannot be told from none",
	} {
		h := newFakeHost()
		h.preempted = away
		r, err := h.clock().Apply("f1", m, 0)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := r.Moved(m); (err != nil) != (says != "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("away for %v: %q, %v", away, text, err)
		}
		if _, err := r.Moved(Move{Strobe: 4 * m.Strobe, Every: m.Every}); err == nil {
			t.Errorf("away for %v: it is taken for a larger one", away)
		}
	}
}

// Faults that move one host's clocks at the same time: the last rate counts, steps add up, and who ends last puts all
// right.
func TestOverlap(t *testing.T) {
	h := newFakeHost()
	wantRate := func(rate float64) {
		t.Helper()
		if got := h.kept.rate() / 1e9; math.Abs(got-rate) > 1e-9 {
			t.Errorf("rate %v, want %v", got, rate)
		}
	}
	h.apply(t, "f1", Move{Rate: 950_000_000})
	h.apply(t, "f2", Move{Step: 5 * second})
	h.apply(t, "f3", Move{Rate: 1_050_000_000})
	wantRate(1.05)
	h.apply(t, "f4", Move{Step: -second})
	h.apply(t, "f5", Move{Strobe: second, Every: 20 * time.Millisecond})
	h.sleep(second)
	h.revert(t, "f1")
	wantRate(1.05)
	h.revert(t, "f3")
	wantRate(1)
	h.revert(t, "f5")
	h.revert(t, "f2")
	if off := h.wallOff() + second; off.Abs() > 500*time.Millisecond {
		t.Errorf("the wall clock is %v off what is left of the steps", off)
	}
	h.revert(t, "f4")
	h.wantUntouched(t)
}

func TestTwiceIsOnce(t *testing.T) {
	h := newFakeHost()
	for range 2 {
		r, err := h.clock().Apply("f1", Move{Step: second}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if off := h.wallOff() - second; off.Abs() > time.Millisecond {
			t.Errorf("off by %v after %q", off, r.Done)
		}
	}
	for range 2 {
		h.revert(t, "f1")
		h.wantUntouched(t)
	}
	r, err := h.clock().Reset()
	if err != nil || len(r.Done) != 0 {
		t.Errorf("reset of what nobody moved: %q, %v", r.Done, err)
	}
}

// Whatever a helper was doing when it died, the next one can put right.
func TestResetAfterAnything(t *testing.T) {
	for _, broken := range []string{"running", "stop", "setControl", "shift", "read"} {
		h := newFakeHost()
		h.broken[broken] = errors.New("broken: " + broken)
		for i, m := range []Move{{Step: second}, {Rate: 950_000_000}, {Strobe: second, Every: second}} {
			_, err := h.clock().Apply(string(rune('a'+i)), m, 0)
			t.Logf("%s: %v", broken, err)
		}
		delete(h.broken, broken)
		h.sleep(second)
		if len(h.book.Moves) == 0 {
			continue // nothing was begun
		}
		r, err := h.clock().Reset()
		if err != nil || len(r.Done) == 0 {
			t.Errorf("%s: reset: %q, %v", broken, r.Done, err)
		}
		h.wantUntouched(t)
	}
}

// What is in the book before anything is done is what is needed to undo it.
func TestBookComesFirst(t *testing.T) {
	h := newFakeHost()
	h.broken["stop"] = errors.New("no")
	_, err := h.clock().Apply("f1", Move{Rate: 950_000_000}, 0)
	if err == nil || h.kept != newFakeHost().kept {
		t.Fatalf("%v, kept %+v", err, h.kept)
	}
	last := h.books[len(h.books)-1]
	if last.Origin == nil || len(last.Origin.Daemons) != 2 || len(last.Moves) != 1 {
		t.Errorf("the book has %+v", last)
	}
}

func TestFight(t *testing.T) {
	h := newFakeHost()
	h.apply(t, "f1", Move{Step: second})
	h.setsBack = true
	h.sleep(second)
	r, err := h.clock().Revert("f1", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Restored(); err == nil || !strings.Contains(err.Error(), "somebody else moves the clocks: the wall clock") {
		t.Errorf("a fight went unnoticed: %v", err)
	}
}

// A clock that did not move, or moved otherwise, must not pass for one that did.
func TestNotMoved(t *testing.T) {
	for _, m := range []Move{{Rate: 900_000_000}, {Rate: 1_000_100_000}, {Step: second}, {Step: -MinStep}, {Step: 10 * time.Millisecond},
		{Strobe: second, Every: 10 * time.Millisecond}} {
		h := newFakeHost()
		h.apply(t, "f0", Move{Step: time.Minute}) // so that there is a book
		before, err := h.clock().Look(0)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := before.Moved(m); err == nil {
			t.Errorf("%+v passed without being made: %s", m, text)
		}
	}
	h := newFakeHost()
	h.deaf = true
	if _, err := h.clock().Apply("f1", Move{Rate: 900_000_000}, 0); err == nil {
		t.Error("a kernel that keeps its rate went unnoticed")
	}
	h = newFakeHost()
	h.clamp = true
	if _, err := h.clock().Apply("f1", Move{Rate: 1_000_050_000}, 0); err == nil {
		t.Error("a kernel that does less than asked went unnoticed")
	}
	not := false
	r := newFakeHost().apply(t, "f1", Move{Step: second})
	r.Attached = &not
	if _, err := r.Moved(Move{Step: second}); !errors.Is(err, errNotAttached) {
		t.Errorf("a process with other clocks: %v", err)
	}
}

func TestLimits(t *testing.T) {
	for _, test := range []struct {
		way  Way
		move Move
		want string
	}{
		{Kernel, Move{Rate: 899_999_999}, "is not between 0.900000000 and 1.100000000"},
		{Kernel, Move{Rate: 1_100_000_001}, "tick can be changed by 10 % at most"},
		{Kernel, Move{Rate: 1_100_000_000}, ""},
		{Kernel, Move{Strobe: second, Every: 10 * time.Microsecond}, "every 10µs: at least 1ms"},
		{Shim, Move{Rate: 1}, ""},
		{Shim, Move{Rate: clockshim.MaxRate}, ""},
		{Shim, Move{Strobe: second, Every: 29 * time.Millisecond}, "at least 30ms"},
		{Shim, Move{Strobe: second, Every: 30 * time.Millisecond}, ""},
	} {
		err := errors.Join(test.move.Validate(), test.way.Fit(test.move))
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %+v: %v, want %q", test.way, test.move, err, test.want)
		}
	}
	for _, m := range []Move{
		{}, {Rate: -1}, {Rate: clockshim.Nominal}, {Rate: 1e18}, {Step: clockshim.MaxStep + 1}, {Rate: 2, Step: second},
		{Step: MinStep - 1}, {Rate: clockshim.Nominal - MinDrift + 1}, {Strobe: MinStep - 1, Every: second},
		{Strobe: second}, {Every: second}, {Strobe: second, Every: -1}, {Strobe: second, Every: 2 * time.Hour},
	} {
		if m.Validate() == nil {
			t.Errorf("%+v is valid", m)
		}
		if _, err := newFakeHost().clock().Apply("f1", m, 0); err == nil {
			t.Errorf("%+v was made", m)
		}
	}
	if _, err := newFakeHost().clock().Apply("f1", Move{Rate: 500_000_000}, 0); err == nil {
		t.Error("a kernel's clock was to run at half its rate")
	}
}

// Nobody moves this machine's clocks: the id of its boot is not told to those who would.
func TestKernelOfAnotherBoot(t *testing.T) {
	for _, boot := range []string{"", "11111111-2222-3333-4444-555555555555"} {
		if _, err := OpenKernel(boot, "/none"); !errors.Is(err, ErrNotOwnKernel) {
			t.Errorf("boot %q: %v", boot, err)
		}
		if err := StrobeKernel(t.Context(), boot, Move{Strobe: second, Every: second}); !errors.Is(err, ErrNotOwnKernel) {
			t.Errorf("strobe, boot %q: %v", boot, err)
		}
	}
}

func TestBookOnDisk(t *testing.T) {
	f := file{filepath.Join(t.TempDir(), "sub", "book")}
	unlock, err := f.lock()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := f.load(); err != nil || len(b.Moves) != 0 {
		t.Fatalf("no book: %+v, %v", b, err)
	}
	want := book{Moves: []entry{{"f1", Move{Rate: 7}, &process{1, 2}}}, Origin: &origin{Control: control{Tick: 3}},
		Left: &leftAt{Rate: 5, Moment: clockshim.Moment{Raw: 9}}}
	if err := f.save(want); err != nil {
		t.Fatal(err)
	}
	got, err := f.load()
	if err != nil || len(got.Moves) != 1 || *got.Moves[0].Strober != *want.Moves[0].Strober || got.Origin.Control.Tick != 3 ||
		*got.Left != *want.Left {
		t.Errorf("read %+v, %v", got, err)
	}
	locked := make(chan struct{})
	go func() {
		defer close(locked)
		again, err := f.lock()
		if err != nil {
			t.Error(err)
			return
		}
		again()
	}()
	select {
	case <-locked:
		t.Error("two have the lock")
	case <-time.After(20 * time.Millisecond):
	}
	unlock()
	<-locked
	if err := f.save(book{}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(f.path); !os.IsNotExist(err) {
		t.Errorf("an empty book is left: %v", err)
	}
	if err := os.WriteFile(f.path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.load(); err == nil {
		t.Error("a torn book was read")
	}
}
