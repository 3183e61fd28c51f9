package history

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// syncInterval is the interval between syncs, and so what is lost if the harness's host loses power. A harness that
// is killed loses nothing, because every line is handed to the operating system before its request is sent.
const syncInterval = time.Second

// ErrClosed is returned by a Writer that was closed.
var ErrClosed = errors.New("history is closed")

// File is the interface that a Writer needs of its file.
type File interface {
	io.Writer
	Sync() error
	Close() error
}

// WriterOptions configures a Writer.
type WriterOptions struct {
	// Start is the beginning of the run, with its monotonic reading. Default: the creation of the Writer.
	Start time.Time

	// Now returns the time since the run began, for virtual time. Default: time.Since(Start).
	Now func() time.Duration

	// Each is called for every event, in order, once it is recorded and before Invoke or Complete returns. It must
	// not keep the event or call the Writer, and should be fast: nothing else can be recorded meanwhile.
	Each func(*Event)
}

// Counts is the number of operations in a history, by outcome.
type Counts struct {
	OK, Fail, Unknown, Outstanding int
}

// Writer appends events to a history. It is the only sequencer of a run and safe for concurrent use.
//
// Errors of the file are sticky: after the first one every call returns it, including Invoke, so that no unrecorded
// operation is ever sent. Other errors are misuse (a process that invokes twice, an invalid operation); they record
// nothing and leave the Writer usable.
type Writer struct {
	now  func() time.Duration
	each func(*Event)

	mu     sync.Mutex // held while a line is handed to the operating system, which orders the history
	file   File
	order  order
	counts Counts
	buf    []byte
	dirty  bool
	err    error

	stop chan struct{}
	done chan struct{}
}

// Create creates a new history file; it fails if the file exists.
func Create(path string, opts WriterOptions) (*Writer, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("create history: %w", err)
	}
	return NewWriter(f, opts), nil
}

// NewWriter returns a Writer of a history to file, and takes ownership of it. Close must be called.
func NewWriter(file File, opts WriterOptions) *Writer {
	w := &Writer{file: file, now: opts.Now, each: opts.Each, stop: make(chan struct{}), done: make(chan struct{})}
	if w.now == nil {
		start := opts.Start
		if start.IsZero() {
			start = time.Now()
		}
		w.now = func() time.Duration { return time.Since(start) }
	}
	go w.syncLoop()
	return w
}

// Invoke records that process is about to send op to node, and returns once the operating system has the record.
// Send the request only after that, and not at all if there is an error.
func (w *Writer) Invoke(process int, node string, phase Phase, op Op) (Event, error) {
	return w.append(Event{Type: Invoke, Process: process, Node: node, Phase: phase, Op: op})
}

// Complete records the outcome of the operation invoked by inv. The reason is for Fail and Unknown, the result for
// OK; after Unknown the process is retired.
func (w *Writer) Complete(inv Event, typ Type, res Result, reason string, by Witness) (Event, error) {
	by = Witness{Slot: by.Slot, Ballot: text(by.Ballot), Leader: text(by.Leader)}
	return w.append(Event{
		Type: typ, Process: inv.Process, Node: inv.Node, Phase: inv.Phase, Op: inv.Op,
		Result: res, Reason: text(reason), By: by,
	})
}

// Counts returns the current counts.
func (w *Writer) Counts() Counts {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts
}

// Err returns the error that stopped the Writer, or nil.
func (w *Writer) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

func (w *Writer) append(e Event) (Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return Event{}, w.err
	}
	w.stamp(&e)
	line, err := AppendLine(w.buf[:0], e.line())
	if err != nil {
		return Event{}, fmt.Errorf("record %s of %v: %w", e.Type, e.Op, err)
	}
	if err := w.order.admit(&e); err != nil {
		return Event{}, fmt.Errorf("record %s of %v: %w", e.Type, e.Op, err)
	}
	if err := w.write(line); err != nil {
		return Event{}, err
	}
	w.count(e.Type)
	if w.each != nil {
		w.each(&e)
	}
	return e, nil
}

// stamp assigns e its place in the order. Two readings of a coarse clock can be equal, but event times must differ:
// the later one is then a nanosecond later.
func (w *Writer) stamp(e *Event) {
	e.Seq = w.order.next
	e.Time = max(w.now(), 0)
	if e.Seq > 0 && e.Time <= w.order.last {
		e.Time = w.order.last + 1
	}
}

func (w *Writer) write(line []byte) error {
	w.buf = line
	w.dirty = true
	if _, err := w.file.Write(line); err != nil {
		w.err = fmt.Errorf("write history: %w", err)
	}
	return w.err
}

func (w *Writer) count(t Type) {
	if t == Invoke {
		w.counts.Outstanding++
		return
	}
	w.counts.Outstanding--
	switch t {
	case OK:
		w.counts.OK++
	case Fail:
		w.counts.Fail++
	case Unknown:
		w.counts.Unknown++
	}
}

// syncLoop syncs without holding the lock, so that a slow disk does not delay the operations.
func (w *Writer) syncLoop() {
	defer close(w.done)
	ticker := time.NewTicker(syncInterval)
	defer ticker.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-ticker.C:
		}
		w.mu.Lock()
		dirty := w.dirty && w.err == nil
		w.dirty = false
		w.mu.Unlock()
		if !dirty {
			continue
		}
		if err := w.file.Sync(); err != nil {
			w.mu.Lock()
			w.err = errors.Join(w.err, fmt.Errorf("sync history: %w", err))
			w.mu.Unlock()
		}
	}
}

// Close writes the End line, syncs and closes the file. After a write error there is no End line. Outstanding
// operations stay so, and count as unknown.
func (w *Writer) Close() error {
	w.mu.Lock()
	if errors.Is(w.err, ErrClosed) {
		w.mu.Unlock()
		return ErrClosed
	}
	failed := w.err
	if failed == nil {
		failed = w.writeEnd()
	}
	w.err = errors.Join(ErrClosed, failed)
	w.mu.Unlock()

	close(w.stop)
	<-w.done
	errs := []error{failed}
	if err := w.file.Sync(); err != nil {
		errs = append(errs, fmt.Errorf("sync history: %w", err))
	}
	if err := w.file.Close(); err != nil {
		errs = append(errs, fmt.Errorf("close history: %w", err))
	}
	return errors.Join(errs...)
}

func (w *Writer) writeEnd() error {
	e := Event{Type: End}
	w.stamp(&e)
	count := e.Seq
	line, err := AppendLine(w.buf[:0], eventLine{Seq: e.Seq, Time: int64(e.Time), Type: End, Count: &count})
	if err != nil {
		return err
	}
	return w.write(line)
}
