package clockshim

import (
	"errors"
	"testing"
	"time"
)

// Moments of an unmoved process: the clocks go forward, alike, and the raw one is between its bars.
func TestWatch(t *testing.T) {
	w, err := NewWatch()
	if errors.Is(err, ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	first, err := w.Now()
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Millisecond)
	second, err := w.Now()
	if err != nil {
		t.Fatal(err)
	}
	mono, raw := second.Mono-first.Mono, second.Raw-first.Raw
	if mono < int64(10*time.Millisecond) || first.Error < 0 {
		t.Errorf("slept 10ms, and the clock went on by %d: %+v, %+v", mono, first, second)
	}
	// A time daemon may slew the clock by 500 ppm.
	if off := mono - raw; off > first.Error+second.Error+raw/1000 || -off > first.Error+second.Error+raw/1000 {
		t.Errorf("in %d of raw time the clock went on by %d: %+v, %+v", raw, mono, first, second)
	}
	if off := time.Now().UnixNano() - second.Wall; off < 0 || off > int64(time.Minute) {
		t.Errorf("the wall clock is off by %d", off)
	}
}

func BenchmarkWatch(b *testing.B) {
	w, err := NewWatch()
	if err != nil {
		b.Skip(err)
	}
	for b.Loop() {
		if _, err := w.Now(); err != nil {
			b.Fatal(err)
		}
	}
}
