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

// Log is a history as it was read back.
type Log struct {
	Events []Event // without the End line

	// Complete says that the history ends with its End line: nothing is missing. When it is false the harness was
	// stopped before it could write it.
	Complete bool

	// Truncated says that the file ended in the middle of a line, which was left out.
	Truncated bool
}

// errAfterEnd is wrapped when something follows the End line.
var errAfterEnd = errors.New("line after the end of the history")

// ReadFile reads and verifies the history at path. See [ReadFrom].
func ReadFile(path string) (Log, error) {
	f, err := os.Open(path)
	if err != nil {
		return Log{}, fmt.Errorf("open history: %w", err)
	}
	defer f.Close()
	size := int64(0)
	if info, err := f.Stat(); err == nil {
		size = info.Size()
	}
	return readFrom(f, filepath.Base(path), size)
}

// ReadFrom reads a history and verifies everything that can be: the checksum of each line, that seq is dense and time
// rises, that every completion answers an invocation that is outstanding, that a process has one operation at a time,
// stays at one node, and is not heard of after an unknown. A cut at the very end is reported, everything else that is
// wrong is an error that begins with name and line: "history.jsonl:812: …".
func ReadFrom(r io.Reader, name string) (Log, error) {
	size := int64(0)
	if l, ok := r.(interface{ Len() int }); ok {
		size = int64(l.Len())
	}
	return readFrom(r, name, size)
}

// estimateAfter is the number of events from which the number of all is estimated, if the size of the file is known.
const estimateAfter = 1000

func readFrom(r io.Reader, name string, size int64) (Log, error) {
	var events []Event
	read := int64(0)
	complete, truncated, err := scan(r, name, func(e *Event, bytes int) error {
		if read += int64(bytes); len(events) == estimateAfter && size > read {
			events = slices.Grow(events, int(size*(estimateAfter+50)/read)) // one allocation, where growing takes many
		}
		events = append(events, *e)
		return nil
	})
	if err != nil {
		return Log{}, err
	}
	return Log{Events: events, Complete: complete, Truncated: truncated}, nil
}

// Scan is [ReadFrom] for histories of any size: it calls each for every event, which is valid until each returns, and
// keeps none. Complete and truncated are those of [Log]. An error of each ends the scan.
func Scan(r io.Reader, name string, each func(*Event) error) (complete, truncated bool, err error) {
	return scan(r, name, func(e *Event, _ int) error { return each(e) })
}

func scan(r io.Reader, name string, each func(e *Event, bytes int) error) (complete, truncated bool, err error) {
	var o order
	var d decoder
	var e Event
	truncated, err = ScanLines(r, name, func(line []byte, _ int) error {
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
		err = fmt.Errorf("%s: %w", name, errAfterEnd)
	}
	return complete, truncated, err
}

// parse verifies and decodes a line. Count is that of the End line, or -1.
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
