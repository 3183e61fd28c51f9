package run

import (
	"context"
	"fmt"
	"sync"

	"elenchus/checker"
	"elenchus/results"
	"elenchus/results/history"
)

// Sentinel decides every register and every list while a run goes on, and ends its workload at the first answer that
// leaves one of them without a linearization. It is told of events by the writer of the history, in order, and costs a
// few hundred nanoseconds for each. The zero value is ready; a nil Sentinel never ends anything.
type Sentinel struct {
	mu     sync.Mutex
	online checker.Online
	end    context.CancelFunc // of the workload; nil while there is none to end
	found  *results.Stopped
}

// Observe learns of the next event and reports whether everything is linearizable so far. When it finds a violation it
// has ended the workload by the time it returns, so that no client begins another operation after the one that it is
// about to ask for.
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

// arm says how the workload is ended.
func (s *Sentinel) arm(end context.CancelFunc) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end = end
	if s.found != nil { // already before the workload
		end()
	}
}

// Stopped is the violation at which the workload was ended, if it was, and from now on none ends anything.
func (s *Sentinel) Stopped() *results.Stopped {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end = nil
	return s.found
}

// StoppedBecause tells people why a workload was ended early; it is empty if it was not.
func StoppedBecause(s *results.Stopped) string {
	if s == nil {
		return ""
	}
	return fmt.Sprintf("at %.3f s %s had no linearization any more, by %s", s.At.Seconds(), s.Key, s.Reason)
}
