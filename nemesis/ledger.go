package nemesis

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// maxLedgerSize is the largest ledger that is read, in bytes: far more than the longest schedule needs.
const maxLedgerSize = 256 << 20

// Ledger is a file that records the outstanding faults, so that they survive a crash of the harness. An entry is on
// disk before its fault touches a host, and is closed once the fault was seen to be gone. Entries found open when a
// ledger is opened were left by a harness that crashed: see [Heal].
//
// The file consists of JSON lines, {"open": 3, "entry": {...}} and {"close": 3}. The last line may be torn;
// anything else that cannot be read is an error, because a missing entry would hide a fault.
//
// The methods may be called concurrently, and on a nil ledger, which records nothing.
type Ledger struct {
	mu   sync.Mutex
	file *os.File
	size int64 // of the file, in bytes: where the next line begins
	next int
	open map[int]Entry
}

// Entry is one outstanding fault.
type Entry struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	Played    string    `json:"played"`              // the resolved fault in the syntax of the schedule
	Hosts     []string  `json:"hosts"`               // all hosts it touches
	Processes []Process `json:"processes,omitempty"` // those killed or stopped
}

// ledgerLine is a line of the file: either Open with Entry, or Close.
type ledgerLine struct {
	Open  int    `json:"open,omitempty"`
	Entry *Entry `json:"entry,omitempty"`
	Close int    `json:"close,omitempty"`
}

// OpenLedger opens a ledger or creates a new one. If nothing is outstanding the file is truncated, so that it does
// not grow from run to run. Only one process at a time may have a ledger open. Keep it with the lab and not in the
// directory of a run, so that the next run finds it.
func OpenLedger(path string) (*Ledger, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	l := &Ledger{file: file, next: 1, open: map[int]Entry{}}
	if err := l.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("open ledger %s: %w", path, err), file.Close())
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, errors.Join(fmt.Errorf("open ledger %s: %w", path, err), file.Close())
	}
	return l, nil
}

// syncDir makes the name of a new file durable.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// load reads the file and truncates a torn last line.
func (l *Ledger) load() error {
	text, err := io.ReadAll(io.LimitReader(l.file, maxLedgerSize+1))
	if err != nil {
		return err
	}
	if len(text) > maxLedgerSize {
		return fmt.Errorf("more than %d bytes", maxLedgerSize)
	}
	whole := bytes.LastIndexByte(text, '\n') + 1
	for i, one := range bytes.Split(text[:whole], []byte("\n")) {
		if len(one) == 0 {
			continue
		}
		if err := l.replay(one); err != nil {
			return fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	if len(l.open) == 0 {
		whole = 0
	}
	if err := l.file.Truncate(int64(whole)); err != nil {
		return err
	}
	l.size = int64(whole)
	return l.file.Sync()
}

func (l *Ledger) replay(text []byte) error {
	var one ledgerLine
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&one); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	_, isOpen := l.open[one.Close]
	switch {
	case one.Open >= l.next && one.Entry != nil && one.Close == 0:
		l.open[one.Open], l.next = *one.Entry, one.Open+1
	case one.Open == 0 && one.Entry == nil && isOpen:
		delete(l.open, one.Close)
	default:
		return fmt.Errorf("out of order: %s", text)
	}
	return nil
}

// write writes a line durably. After an error the next line overwrites whatever was written of this one.
func (l *Ledger) write(one ledgerLine) error {
	text, err := json.Marshal(one)
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if _, err := l.file.WriteAt(text, l.size); err != nil {
		return errors.Join(err, l.file.Truncate(l.size))
	}
	if err := l.file.Sync(); err != nil {
		return err
	}
	l.size += int64(len(text))
	return nil
}

// Enter records that a fault is about to be applied and returns the number of its entry. On an error the fault must
// not be applied.
func (l *Ledger) Enter(e Entry) (int, error) {
	if l == nil {
		return 0, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	number := l.next
	if err := l.write(ledgerLine{Open: number, Entry: &e}); err != nil {
		return 0, fmt.Errorf("write %s into the ledger: %w", e.ID, err)
	}
	l.open[number], l.next = e, number+1
	return number, nil
}

// Settle records that a fault is gone. It does nothing if that was recorded before.
func (l *Ledger) Settle(number int) error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, isOpen := l.open[number]; !isOpen {
		return nil
	}
	if err := l.write(ledgerLine{Close: number}); err != nil {
		return fmt.Errorf("settle entry %d of the ledger: %w", number, err)
	}
	delete(l.open, number)
	return nil
}

// outstanding returns the open entries with their numbers, oldest first.
func (l *Ledger) outstanding() ([]int, []Entry) {
	if l == nil {
		return nil, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var numbers []int
	for number := range l.open {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	var entries []Entry
	for _, number := range numbers {
		entries = append(entries, l.open[number])
	}
	return numbers, entries
}

// Outstanding lists the faults that were, or were about to be, applied and are not known to be gone, oldest first.
func (l *Ledger) Outstanding() []Entry {
	_, entries := l.outstanding()
	return entries
}

// Close closes the file and leaves its entries as they are.
func (l *Ledger) Close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}
