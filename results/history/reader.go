package history

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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

// errAfterEnd is wrapped when something follows the end line of a history or a fault log.
var errAfterEnd = errors.New("line after the end")

// ReadFile reads and verifies the history at path. See [ReadFrom].
func ReadFile(path string) (Log, error) {
	f, err := os.Open(path)
	if err != nil {
		return Log{}, fmt.Errorf("open history: %w", err)
	}
	defer f.Close()
	return ReadFrom(f, filepath.Base(path))
}

// ReadPrefix reads the history at path up to the first line that is damaged, if one is. Such a history is not complete.
func ReadPrefix(path string) (Log, *Damage, error) {
	f, err := os.Open(path)
	if err != nil {
		return Log{}, nil, fmt.Errorf("open history: %w", err)
	}
	defer f.Close()
	log, err := read(f, filepath.Base(path))
	if damage := (*Damage)(nil); errors.As(err, &damage) {
		return Log{Events: log.Events}, damage, nil
	}
	return log, nil, err
}

// ReadFrom reads a history and verifies everything that can be: the checksum of each line, that seq is dense and time
// rises, that every completion answers an invocation that is outstanding, that a process has one operation at a time,
// stays at one node, and is not heard of after an unknown. A cut at the very end is reported, everything else that is
// wrong is an error, a [Damage] that begins with name and line: "history.jsonl:812: …".
func ReadFrom(r io.Reader, name string) (Log, error) {
	log, err := read(r, name)
	if err != nil {
		return Log{}, err
	}
	return log, nil
}

// read is ReadFrom that returns with an error what it had read by then.
func read(r io.Reader, name string) (Log, error) {
	var log Log
	var o order
	lines := 0
	torn, err := ScanLines(r, name, func(line []byte, number int) error {
		lines = number
		if log.Complete {
			return errAfterEnd
		}
		var l eventLine
		if err := ParseLine(line, &l); err != nil {
			return err
		}
		e := l.event()
		if err := o.admit(e); err != nil {
			return err
		}
		if e.Type != End {
			log.Events = append(log.Events, e)
			return nil
		}
		if l.Count == nil || *l.Count != e.Seq {
			return fmt.Errorf("end line does not count the %d events before it", e.Seq)
		}
		log.Complete = true
		return nil
	})
	if err == nil && torn && log.Complete {
		err = &Damage{File: name, Line: lines + 1, Err: errAfterEnd}
	}
	if err != nil {
		return log, err
	}
	log.Truncated = torn
	return log, nil
}
