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

// dialClient makes a client for one process, which talks to one node and to nobody else.
type dialClient func(node string, process int) workloads.Client

// load runs the clients of the main phase. Worker w is pinned to node w mod len(nodes) for the whole run, deposed and
// isolated nodes included: that is where stale reads are.
type load struct {
	nodes     []string
	workers   int
	rate      float64 // operations a second over all workers; 0 is as fast as answers come
	opTimeout time.Duration
	dial      dialClient
	history   *history.Writer
	retry     *retries // nil if nothing is asked for twice

	processes atomic.Int64 // how many process ids are taken

	mu  sync.Mutex // guards gen
	gen workloads.Generator
}

// newSession starts a process that nobody has been before.
func (l *load) newSession(node string) *session {
	return &session{load: l, node: node, process: int(l.processes.Add(1)) - 1, patience: l.opTimeout}
}

// failPause is how long a worker rests after a definite failure: a node that is down refuses in microseconds, and its
// worker must not use up the rate that belongs to the others.
const failPause = 50 * time.Millisecond

// run drives all workers until ctx ends, then waits for the operations that are under way. An error means that the
// history could not be written, so that nothing more may be sent.
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
			return nil //nolint:nilerr // the phase is over
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

// session is a worker's present process: its id, its connection and its place in the sequence of its operations.
type session struct {
	load    *load
	node    string
	process int
	client  workloads.Client
	seq     uint64

	patience time.Duration // for one operation
}

// do performs and records one operation. The invocation is in the operating system's hands before the request leaves,
// and the answer is in hand before the completion is recorded. ctx ending does not cut an operation short: its own
// deadline does, so that a run's last operations have outcomes too.
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

// retire ends the process, which may still have an operation under way somewhere, and starts another in its place with
// a connection and a session of its own.
func (s *session) retire() {
	s.close()
	patience := s.patience
	*s = *s.load.newSession(s.node)
	s.patience = patience
}

func (s *session) close() {
	if s.client != nil {
		_ = s.client.Close() // whatever it says, nothing will be sent on it again
		s.client = nil
	}
}

// finalReads reads every key at every node until each read has succeeded once, or ctx ends. What a failover lost and no
// later write covered shows here at the latest.
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

// updateEverywhere has every node answer an update, or ctx end: a system that has lost the ability to agree on
// something new may well go on serving reads.
func (l *load) updateEverywhere(ctx context.Context) error {
	return l.everywhere(func(node int, s *session) (missed string, err error) {
		ok, err := s.untilOK(ctx, history.PhaseRecovery, func() history.Op { return l.nextUpdate(node % l.workers) })
		if !ok {
			missed = "an update"
		}
		return missed, err
	})
}

// repeatEverywhere sends requests once more, each to one of the nodes, until each was answered or ctx ends: after all
// that has happened they must neither be executed again nor be answered otherwise than before.
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

// nextUpdate is the next thing of a worker's that is no read. The workers with the lowest numbers do not only read.
func (l *load) nextUpdate(worker int) history.Op {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if op := l.gen.Next(worker); op.Func.Mutates() {
			return op
		}
	}
}

// everywhere does something in a session at every node at the same time. What a node did not answer is an
// [unansweredError], everything else the harness's own failure.
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

// unansweredError is the system's failure to answer, as opposed to the harness's failure to ask.
type unansweredError struct{ error }

// untilOK does one operation after another until one is ok, or ctx ends.
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
