package history

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// ClockLine is one line of the hosts' clock measurements: a sample, or a change of the measuring itself.
//
// A sample is a request and its response. The host read its clocks at some unknown time between Sent and Received;
// everything that is concluded about its clocks follows from that alone (see package results/clocks).
type ClockLine struct {
	Node string `json:"node"`

	// Sent and Received are on the harness's monotonic clock, since the run began; for an event they are equal.
	Sent     time.Duration `json:"sent_ns"`
	Received time.Duration `json:"received_ns"`

	// Readings of the host's clocks in nanoseconds: CLOCK_MONOTONIC, CLOCK_REALTIME and CLOCK_MONOTONIC_RAW as the
	// node sees them.
	Mono int64 `json:"mono_ns,omitempty"`
	Wall int64 `json:"wall_ns,omitempty"`
	Raw  int64 `json:"raw_ns,omitempty"`

	Event  ClockEvent `json:"event,omitempty"` // empty for a sample
	Detail string     `json:"detail,omitempty"`
}

// ClockEvent is a change in the measuring of a host's clocks.
type ClockEvent string

// The events.
const (
	ClockOpened  ClockEvent = "opened"  // samples follow; Detail says what is measured
	ClockLost    ClockEvent = "lost"    // no samples until the next opened; Detail says why
	ClockMissing ClockEvent = "missing" // the clocks of this host cannot be measured at all; Detail says why
)

// IsSample reports whether the line is a sample.
func (l ClockLine) IsSample() bool { return l.Event == "" }

func (l ClockLine) validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(l.Node != "", "node is missing")
	check(slices.Contains([]ClockEvent{"", ClockOpened, ClockLost, ClockMissing}, l.Event), "event %q is unknown", l.Event)
	check(l.Received >= l.Sent, "received at %v, before it was sent at %v", l.Received, l.Sent)
	check(!l.IsSample() || l.Mono > 0 && l.Wall > 0, "a sample without a monotonic and a wall clock's reading")
	return errors.Join(errs...)
}

// ClockWriter appends measurements of clocks to a file of checksummed lines. It is safe for concurrent use. Its errors
// are sticky.
type ClockWriter struct {
	mu   sync.Mutex
	file File
	buf  *bufio.Writer
	line []byte
	err  error
}

// CreateClocks creates a new file of measurements; it fails if the file exists.
func CreateClocks(path string) (*ClockWriter, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("create clock log: %w", err)
	}
	return &ClockWriter{file: f, buf: bufio.NewWriterSize(f, 1<<15)}, nil
}

// Append writes l. Lines are buffered, some kilobytes at a time, and flushed by Close: a harness that dies loses
// the last seconds, which is acceptable for data that only illustrates the history.
func (w *ClockWriter) Append(l ClockLine) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	err := l.validate()
	if err == nil {
		w.line, err = AppendLine(w.line[:0], l)
	}
	if err == nil {
		_, err = w.buf.Write(w.line)
	}
	if err != nil {
		w.err = fmt.Errorf("write clock log: %w", err)
	}
	return w.err
}

// Close flushes and closes the file.
func (w *ClockWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if errors.Is(w.err, ErrClosed) {
		return ErrClosed
	}
	err := w.buf.Flush()
	if err == nil {
		err = w.file.Sync()
	}
	err = errors.Join(err, w.file.Close())
	w.err = ErrClosed
	if err != nil {
		return fmt.Errorf("write clock log: %w", err)
	}
	return nil
}

// ClockLog is a file of measurements read back.
type ClockLog struct {
	Lines     []ClockLine // in file order: by Received for each node
	Truncated bool        // the file ended in the middle of a line, which was dropped
}

// ReadClocks reads and verifies the measurements at path. On an error that begins with name and line, the log
// contains all lines before that one: partial measurements are still useful.
func ReadClocks(path string) (ClockLog, error) {
	f, err := os.Open(path)
	if err != nil {
		return ClockLog{}, fmt.Errorf("open clock log: %w", err)
	}
	defer f.Close()
	var log ClockLog
	log.Truncated, err = ScanLines(f, filepath.Base(path), func(line []byte, _ int) error {
		var l ClockLine
		if err := ParseLine(line, &l); err != nil {
			return err
		}
		if err := l.validate(); err != nil {
			return err
		}
		log.Lines = append(log.Lines, l)
		return nil
	})
	return log, err
}
