package foreign

import (
	"time"

	"elenchus/results/history"
)

// Saver writes events to a history file of the project's own, verifying that they form a valid history.
type Saver struct {
	writer *history.Writer
	now    time.Duration
	open   map[int]history.Event
}

// NewSaver returns a Saver that writes to file and takes ownership of it. Close must be called.
func NewSaver(file history.File) *Saver {
	s := &Saver{open: make(map[int]history.Event)}
	s.writer = history.NewWriter(file, history.WriterOptions{Now: func() time.Duration { return s.now }})
	return s
}

// Add writes the next event.
func (s *Saver) Add(e *history.Event) error {
	s.now = e.Time
	if e.Type == history.Invoke {
		began, err := s.writer.Invoke(e.Process, e.Node, e.Phase, e.Op)
		s.open[e.Process] = began
		return err
	}
	_, err := s.writer.Complete(s.open[e.Process], e.Type, e.Result, e.Reason, e.By)
	delete(s.open, e.Process)
	return err
}

// Close completes the history.
func (s *Saver) Close() error { return s.writer.Close() }
