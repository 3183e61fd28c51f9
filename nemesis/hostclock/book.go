//go:build linux

package hostclock

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"elenchus/nemesis/clockshim"
)

// book is the persistent state of a host's moved clocks. It is written before the clocks are touched.
type book struct {
	Moves []entry `json:"moves,omitempty"` // in effect, or about to be, in order of application

	// Left holds the readings after the last change and the rate that was set then.
	Left *leftAt `json:"left,omitempty"`

	// Origin holds a kernel's clocks before the first change, and how they were disciplined. Nil means that they
	// are untouched.
	Origin *origin `json:"origin,omitempty"`
}

type entry struct {
	Fault string `json:"fault"`
	Move
	Strober *process `json:"strober,omitempty"`
}

type leftAt struct {
	clockshim.Moment
	Rate     clockshim.Rate `json:"rate"`
	Strobing bool           `json:"strobing,omitempty"`
}

// process identifies a process of the host uniquely, by PID and start time.
type process struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"`
}

func (b *book) index(fault string) int {
	return slices.IndexFunc(b.Moves, func(e entry) bool { return e.Fault == fault })
}

// rate returns the rate of the last move applied that has one.
func (b *book) rate() clockshim.Rate {
	rate := clockshim.Nominal
	for _, e := range b.Moves {
		if e.Rate != 0 {
			rate = e.Rate
		}
	}
	return rate
}

func (b *book) step() (sum time.Duration) {
	for _, e := range b.Moves {
		sum += e.Step
	}
	return sum
}

func (b *book) strobing() bool {
	return slices.ContainsFunc(b.Moves, func(e entry) bool { return e.Strobe != 0 })
}

func (b *book) moves() []Move {
	var moves []Move
	for _, e := range b.Moves {
		moves = append(moves, e.Move)
	}
	return moves
}

// shelf stores the book of a host's clocks. Between lock and unlock nobody else reads or writes it.
type shelf interface {
	lock() (unlock func(), err error)
	load() (book, error)
	save(b book) error
}

// file is a book stored on disk.
type file struct{ path string }

const lockTimeout = 20 * time.Second

func (f file) lock() (func(), error) {
	if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
		return nil, fmt.Errorf("lock book of clocks: %w", err)
	}
	lock, err := os.OpenFile(f.path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock book of clocks: %w", err)
	}
	for deadline := time.Now().Add(lockTimeout); ; time.Sleep(2 * time.Millisecond) {
		err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = lock.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(deadline) {
			_ = lock.Close()
			return nil, fmt.Errorf("lock book of clocks %s: %w", f.path, err)
		}
	}
}

func (f file) load() (book, error) {
	text, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return book{}, nil
	}
	var b book
	if err == nil {
		err = json.Unmarshal(text, &b)
	}
	if err != nil {
		return book{}, fmt.Errorf("read book of clocks %s: %w", f.path, err)
	}
	return b, nil
}

// save writes the book atomically. An empty book is stored as no file at all.
func (f file) save(b book) error {
	if len(b.Moves) == 0 && b.Origin == nil {
		if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove book of clocks: %w", err)
		}
		return nil
	}
	text, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("write book of clocks: %w", err)
	}
	next := f.path + ".next"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return fmt.Errorf("write book of clocks: %w", err)
	}
	if err := os.Rename(next, f.path); err != nil {
		return fmt.Errorf("write book of clocks: %w", err)
	}
	return nil
}
