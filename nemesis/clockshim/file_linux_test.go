package clockshim

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func newControl(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clock")
	if err := Create(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustSet(t testing.TB, path string, c Change) State {
	t.Helper()
	s, err := Set(path, c)
	if errors.Is(err, ErrLate) { // the machine is busy; it has been done all the same
		t.Log(err)
		s, err = Get(path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSetAndGet(t *testing.T) {
	path := newControl(t)
	if err := Create(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made twice: %v", err)
	}
	s := mustSet(t, path, Change{MonoRate: 2 * Nominal, WallStep: -time.Hour})
	if s.Changes != 1 || s.Mono.Rate != 2*Nominal || s.Mono.Offset <= 0 || s.Wall.Real || s.Wall.Rate != Nominal {
		t.Errorf("got %+v", s)
	}
	if off := s.Wall.Offset + time.Hour; off.Abs() > time.Second {
		t.Errorf("wall clock is off by %v, want -1h", s.Wall.Offset)
	}
	later, err := Get(path)
	if err != nil || later.Mono.Offset <= s.Mono.Offset {
		t.Errorf("a fast clock does not gain: %v, then %v (%v)", s.Mono.Offset, later.Mono.Offset, err)
	}
	s = mustSet(t, path, Change{Reset: true})
	if !s.Wall.Real || s.Mono.Rate != Nominal || s.Mono.Offset <= later.Mono.Offset {
		t.Errorf("after reset: %+v", s)
	}
	s = mustSet(t, path, Change{Reset: true, Force: true})
	if !s.Wall.Real || !s.Mono.Real || s.Changes != 3 {
		t.Errorf("after forced reset: %+v", s)
	}
}

func TestRefusedChangeChangesNothing(t *testing.T) {
	path := newControl(t)
	mustSet(t, path, Change{MonoRate: Nominal / 2})
	for want, c := range map[error]Change{
		ErrRate: {MonoRate: 100 * Nominal}, ErrBackward: {MonoStep: -1}, ErrRange: {MonoStep: -MaxStep, Force: true},
	} {
		if _, err := Set(path, c); !errors.Is(err, want) {
			t.Errorf("%+v: %v, want %v", c, err, want)
		}
	}
	s := mustSet(t, path, Change{})
	if s.Changes != 2 || s.Mono.Rate != Nominal/2 || !s.Wall.Real {
		t.Errorf("got %+v", s)
	}
}

func TestUnusableFilesAreRefused(t *testing.T) {
	damage := func(word int, value uint64) func([]byte) []byte {
		return func(b []byte) []byte { binary.NativeEndian.PutUint64(b[8*word:], value); return b }
	}
	for name, tc := range map[string]struct {
		change func([]byte) []byte
		want   error
	}{
		"empty":         {func([]byte) []byte { return nil }, ErrControlFile},
		"short":         {func(b []byte) []byte { return b[:Size-1] }, ErrControlFile},
		"long":          {func(b []byte) []byte { return append(b, 0) }, ErrControlFile},
		"zeros":         {func(b []byte) []byte { clear(b); return b }, ErrControlFile},
		"newer version": {damage(wordVersion, 2), ErrControlFile},
		"rate":          {damage(wordSlots+slotLines+1, uint64(20*Nominal)), ErrControlFile},
		"base":          {damage(wordSlots+slotLines, 5), ErrControlFile},
		"stray word":    {damage(500, 1), ErrControlFile},
		"other boot":    {damage(wordBoot, 1), ErrElsewhere},
		"other clocks":  {damage(wordNS, 1), ErrElsewhere},
	} {
		t.Run(name, func(t *testing.T) {
			path := newControl(t)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, tc.change(b), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err = Get(path)
			_, err2 := Set(path, Change{WallStep: 1})
			for _, err := range []error{err, err2, Exec(path, []string{"true"}, nil)} {
				if !errors.Is(err, tc.want) && !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), path) {
					t.Errorf("got %v, want %v and the name", err, tc.want)
				}
			}
		})
	}
	missing := filepath.Join(t.TempDir(), "missing")
	if _, err := Set(missing, Change{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, err := Get(t.TempDir()); !errors.Is(err, ErrControlFile) {
		t.Errorf("directory: %v", err)
	}
}

// A writer that died half way leaves the clocks as they were, and the next one finds them so.
func TestWriterThatDied(t *testing.T) {
	path := newControl(t)
	mustSet(t, path, Change{MonoRate: 2 * Nominal})
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	binary.NativeEndian.PutUint64(b[8*wordSeq:], 3)
	for _, i := range []int{0, slotLines, slotLines + 1} { // slot 0 is not in use
		b[8*(wordSlots+i)+7] = 0xff
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if s, err := Get(path); err != nil || s.Mono.Rate != 2*Nominal {
		t.Errorf("before: %+v, %v", s, err)
	}
	if s := mustSet(t, path, Change{WallStep: time.Hour}); s.Mono.Rate != 2*Nominal || s.Changes != 2 {
		t.Errorf("after: %+v", s)
	}
}

func TestWritersTakeTurns(t *testing.T) {
	path := newControl(t)
	const writers, each = 4, 5
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				if _, err := Set(path, Change{MonoStep: time.Second}); err != nil && !errors.Is(err, ErrLate) {
					t.Error(err)
				}
				if _, err := Get(path); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	s, err := Get(path)
	if err != nil || s.Changes != writers*each || s.Mono.Offset.Round(time.Millisecond) != writers*each*time.Second {
		t.Errorf("got %+v, %v", s, err)
	}
}
