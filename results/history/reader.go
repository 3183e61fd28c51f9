package history

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// Log is a history read back.
type Log struct {
	Events []Event // without the End line

	// Complete says that the history ends with its End line. Otherwise the harness was stopped before it could
	// write it.
	Complete bool

	// Truncated says that the file ended in the middle of a line, which was dropped.
	Truncated bool
}

// errAfterEnd is wrapped if anything follows the end line of a history or a fault log.
var errAfterEnd = errors.New("line after the end")

// ReadFile reads and verifies the history at path. See [ReadFrom].
func ReadFile(path string) (Log, error) {
	f, err := os.Open(path)
	if err != nil {
		return Log{}, fmt.Errorf("open history: %w", err)
	}
	defer f.Close()
	log, err := read(f, filepath.Base(path), sizeOf(f))
	if err != nil {
		return Log{}, err
	}
	return log, nil
}

// ScanFile calls [Scan] for the history at path.
func ScanFile(path string, each func(*Event) error) (complete, truncated bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return false, false, fmt.Errorf("open history: %w", err)
	}
	defer f.Close()
	return Scan(f, filepath.Base(path), each)
}

// ScanOperations calls each for the operations of the history at path: in order of completion, and at the end those
// that never completed, in order of invocation. Each must not keep them.
func ScanOperations(path string, each func(*Operation)) error {
	var calls Calls[struct{}]
	_, _, err := ScanFile(path, func(e *Event) error {
		if e.Type == Invoke {
			calls.Begin(e)
		} else if c := calls.End(e); c != nil {
			each(&c.Operation)
			calls.Free(c)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, c := range calls.Rest() {
		each(&c.Operation)
	}
	return nil
}

// sizeOf returns the size of a file in bytes, or zero if it is unknown.
func sizeOf(f *os.File) int64 {
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// ReadFrom reads a history and verifies it: the checksum of each line, that seq is consecutive and time increases,
// that every completion belongs to an outstanding invocation, that a process has one operation at a time, stays at
// one node, and does not reappear after an unknown. A truncation at the very end is reported as such; everything
// else that is wrong is an error, a [Damage] that begins with name and line: "history.jsonl:812: …".
func ReadFrom(r io.Reader, name string) (Log, error) {
	size := int64(0)
	if l, ok := r.(interface{ Len() int }); ok {
		size = int64(l.Len())
	}
	log, err := read(r, name, size)
	if err != nil {
		return Log{}, err
	}
	return log, nil
}

// estimateAfter is the number of events after which the total is estimated, if the size of the file is known.
const estimateAfter = 1000

// read is ReadFrom, but returns what it had read along with an error. Size is in bytes, or zero if unknown.
func read(r io.Reader, name string, size int64) (log Log, err error) {
	done := int64(0)
	log.Complete, log.Truncated, err = scan(r, name, func(e *Event, bytes int) error {
		if done += int64(bytes); len(log.Events) == estimateAfter && size > done {
			// One allocation instead of growing many times.
			log.Events = slices.Grow(log.Events, int(size*(estimateAfter+50)/done))
		}
		log.Events = append(log.Events, *e)
		return nil
	})
	return log, err
}

// Scan is like [ReadFrom] for histories of any size: it calls each for every event, which is valid until each
// returns. Complete and truncated are as in [Log]. An error of each ends the scan.
func Scan(r io.Reader, name string, each func(*Event) error) (complete, truncated bool, err error) {
	return scan(r, name, func(e *Event, _ int) error { return each(e) })
}

func scan(r io.Reader, name string, each func(e *Event, bytes int) error) (complete, truncated bool, err error) {
	var o order
	var d decoder
	var e Event
	lines := 0
	truncated, err = ScanLines(r, name, func(line []byte, number int) error {
		lines = number
		if complete {
			return errAfterEnd
		}
		count, err := d.parse(line, &e)
		if err != nil {
			return err
		}
		if err := o.admit(&e); err != nil {
			return err
		}
		if e.Type != End {
			return each(&e, len(line))
		}
		if count != e.Seq {
			return fmt.Errorf("end line does not count the %d events before it", e.Seq)
		}
		complete = true
		return nil
	})
	if err == nil && truncated && complete {
		err = &Damage{File: name, Line: lines + 1, Err: errAfterEnd}
	}
	return complete, truncated, err
}

// parse verifies and decodes a line. For the End line it returns its count, otherwise -1.
func (d *decoder) parse(line []byte, e *Event) (count int64, err error) {
	if err := verifyLine(line); err != nil {
		return 0, err
	}
	if d.decode(line, e, &count) {
		return count, nil
	}
	var l eventLine
	if err := json.Unmarshal(line, &l); err != nil {
		return 0, fmt.Errorf("decode line: %w", err)
	}
	*e, count = l.event(), -1
	if l.Count != nil {
		count = *l.Count
	}
	return count, nil
}
