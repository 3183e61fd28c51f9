package run

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"elenchus/results/history"
	"elenchus/workloads"
)

// dialClient makes a client for one process of the history. It talks to one node only.
type dialClient func(node string, process int) workloads.Client

// load runs the clients of the main phase. Worker w is pinned to node w mod len(nodes) for the whole run, deposed and
// isolated nodes included: that is where stale reads are.
type load struct {
	nodes     []string
	workers   int
	rate      float64 // operations per second over all workers; 0 means no limit
	opTimeout time.Duration
	dial      dialClient
	history   *history.Writer
	retry     *retries // nil if nothing is retried

	processes atomic.Int64 // how many process ids have been used

	mu  sync.Mutex // guards gen
	gen workloads.Generator
}

// newSession starts a new process of the history, with an id that was never used before.
func (l *load) newSession(node string) *session {
	return &session{load: l, node: node, process: int(l.processes.Add(1)) - 1, patience: l.opTimeout}
}

// failPause is how long a worker waits after a definite failure. A node that is down refuses within microseconds; its
// worker must not use up the operations per second that all workers share.
const failPause = 50 * time.Millisecond

// run drives all workers until ctx ends, then waits for the operations in progress. An error means that the history
// could not be written, so that no more operations may be sent.
func (l *load) run(ctx context.Context) error {
	limiter := rate.NewLimiter(rate.Inf, l.workers)
	if l.rate > 0 {
		limiter = rate.NewLimiter(rate.Limit(l.rate), max(1, l.workers/2))
	}
	group, ctx := errgroup.WithContext(ctx)
	for w := range l.workers {
		group.Go(func() error { return l.worker(ctx, w, limiter) })
	}
	return group.Wait()
}

func (l *load) worker(ctx context.Context, w int, limiter *rate.Limiter) error {
	s := l.newSession(l.nodes[w%len(l.nodes)])
	defer s.close()
	for {
		if err := limiter.Wait(ctx); err != nil {
			return nil //nolint:nilerr // the phase has ended
		}
		l.mu.Lock()
		op := l.gen.Next(w)
		l.mu.Unlock()
		answer, err := s.do(ctx, history.PhaseMain, op)
		if err != nil {
			return err
		}
		l.mu.Lock()
		l.gen.Observe(w, op, answer)
		l.mu.Unlock()
		if answer.Type == history.Fail && !sleep(ctx, failPause) {
			return nil
		}
	}
}

// sleep waits for d and reports whether ctx lasted that long.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// session is the current process of a worker: its id, its connection, and the number of its last operation.
type session struct {
	load    *load
	node    string
	process int
	client  workloads.Client
	seq     uint64

	patience time.Duration // the time limit of one operation
}

// do performs and records one operation. The invocation is handed to the operating system before the request is sent,
// and the completion is recorded after the answer has arrived. The end of ctx does not cancel an operation, only its
// own deadline does; so the last operations of a run have an outcome, too.
func (s *session) do(ctx context.Context, phase history.Phase, op history.Op) (workloads.Answer, error) {
	if s.client == nil {
		s.client = s.load.dial(s.node, s.process)
	}
	s.seq++
	inv, err := s.load.history.Invoke(s.process, s.node, phase, op)
	if err != nil {
		return workloads.Answer{}, fmt.Errorf("record invocation: %w", err)
	}
	answer := s.ask(context.WithoutCancel(ctx), op)
	if _, err := s.load.history.Complete(inv, answer.Type, answer.Result, answer.Reason, answer.By); err != nil {
		return workloads.Answer{}, fmt.Errorf("record completion: %w", err)
	}
	if answer.Type == history.Unknown {
		s.retire()
	}
	return answer, nil
}

// retire ends the process, which may have an operation in progress for ever, and replaces it by another with a new
// connection and a new session.
func (s *session) retire() {
	s.close()
	patience := s.patience
	*s = *s.load.newSession(s.node)
	s.patience = patience
}

func (s *session) close() {
	if s.client != nil {
		_ = s.client.Close() // nothing more is sent on it, so that an error means nothing
		s.client = nil
	}
}

// finalReads reads every key at every node until each read has succeeded once, or ctx ends. These reads reveal
// updates that were lost in a change of the leader and not overwritten since.
func (l *load) finalReads(ctx context.Context, keys []string) error {
	return l.everywhere(func(_ int, s *session) (missed string, err error) {
		for _, key := range keys {
			ok, err := s.untilOK(ctx, history.PhaseFinal, func() history.Op { return history.Op{Func: history.Read, Key: key} })
			if !ok || err != nil {
				return "a final read of " + key, err
			}
		}
		return "", nil
	})
}

// updateEverywhere has every node answer an update, or ctx end: a system that can no longer agree on anything new may
// still serve reads.
func (l *load) updateEverywhere(ctx context.Context) error {
	return l.everywhere(func(node int, s *session) (missed string, err error) {
		ok, err := s.untilOK(ctx, history.PhaseRecovery, func() history.Op { return l.nextUpdate(node % l.workers) })
		if !ok {
			missed = "an update"
		}
		return missed, err
	})
}

// repeatEverywhere sends requests once more, each to one of the nodes, until each was answered or ctx ends: they must
// not be executed again, and must be answered as before.
func (l *load) repeatEverywhere(ctx context.Context, requests []history.Op) error {
	return l.everywhere(func(node int, s *session) (missed string, err error) {
		for i := node; i < len(requests); i += len(l.nodes) {
			ok, err := s.untilOK(ctx, history.PhaseRecovery, func() history.Op { return requests[i] })
			if !ok || err != nil {
				return fmt.Sprintf("request %v, which was repeated", requests[i].Request), err
			}
		}
		return "", nil
	})
}

// nextUpdate returns the next operation of a worker that is not a read. The worker must not be one that only reads:
// those with the lowest numbers are not.
func (l *load) nextUpdate(worker int) history.Op {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if op := l.gen.Next(worker); op.Func.Mutates() {
			return op
		}
	}
}

// everywhere runs do in a session at every node at the same time. If nodes did not answer, the error is an
// [unansweredError]; any other error is one of the harness.
func (l *load) everywhere(do func(node int, s *session) (missed string, err error)) error {
	var (
		group  errgroup.Group
		mu     sync.Mutex
		missed []error
	)
	for i, node := range l.nodes {
		group.Go(func() error {
			s := l.newSession(node)
			defer s.close()
			what, err := do(i, s)
			if err == nil && what != "" {
				mu.Lock()
				missed = append(missed, fmt.Errorf("%s did not answer %s", node, what))
				mu.Unlock()
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := errors.Join(missed...); err != nil {
		return unansweredError{err}
	}
	return nil
}

// unansweredError means that the system did not answer, as opposed to errors of the harness.
type unansweredError struct{ error }

// untilOK repeats an operation until it is ok, or ctx ends.
func (s *session) untilOK(ctx context.Context, phase history.Phase, next func() history.Op) (bool, error) {
	for {
		answer, err := s.do(ctx, phase, next())
		if err != nil {
			return false, err
		}
		if answer.Type == history.OK {
			return true, nil
		}
		if !sleep(ctx, failPause) {
			return false, nil
		}
	}
}
