package run

import (
	"context"
	"fmt"
	"sync"

	"elenchus/checker"
	"elenchus/results"
	"elenchus/results/history"
)

// Sentinel checks the operations on every register and list while a run goes on, and ends the workload at the first
// answer that leaves one of them without a linearization. The writer of the history calls it for every event, in
// order; a call takes a few hundred nanoseconds. The zero value is ready to use; a nil Sentinel never ends anything.
type Sentinel struct {
	mu     sync.Mutex
	online checker.Online
	end    context.CancelFunc // ends the workload; nil while there is none
	found  *results.Stopped
}

// Observe processes the next event and reports whether everything is linearizable so far. When it finds a violation,
// it has ended the workload by the time it returns; so a client that is about to invoke another operation does not.
func (s *Sentinel) Observe(e *history.Event) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.found != nil {
		return false
	}
	if s.online.Observe(e) {
		return true
	}
	_, why := s.online.Decision(e.Op.Key)
	s.found = stopAt(e, why)
	if s.end != nil {
		s.end()
	}
	return false
}

func stopAt(e *history.Event, why string) *results.Stopped {
	return &results.Stopped{At: e.Time, Seq: e.Seq, Key: e.Op.Key,
		Reason: fmt.Sprintf("the answer to %v of process %d at %s: %s", e.Op, e.Process, e.Node, why)}
}

// arm sets the function that ends the workload.
func (s *Sentinel) arm(end context.CancelFunc) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end = end
	if s.found != nil { // a violation was found before the workload began
		end()
	}
}

// Stopped returns the violation at which the workload was ended, or nil, and makes sure that none ends it from now
// on.
func (s *Sentinel) Stopped() *results.Stopped {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end = nil
	return s.found
}

// StoppedBecause describes why a workload was ended early; it is empty if it was not.
func StoppedBecause(s *results.Stopped) string {
	if s == nil {
		return ""
	}
	return fmt.Sprintf("at %.3f s %s had no linearization any more, by %s", s.At.Seconds(), s.Key, s.Reason)
}
