package run

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"elenchus/results/history"
	"elenchus/workloads"
)

// retries decides whether an update that was not answered in time is retried: as the same request of the same
// session, which the system must execute at most once. In the history it remains one operation, which may take effect
// at any time from its first attempt to its last answer.
type retries struct {
	share float64

	mu     sync.Mutex
	random *rand.Rand
}

// RetriesMax is how often an operation is retried at most.
const RetriesMax = 3

const (
	// attemptsMax is the largest number of attempts for one operation. Each has an equal share of the time limit, so
	// that there is time for all of them.
	attemptsMax = 1 + RetriesMax

	// retryStream separates these random numbers from all others of the same seed.
	retryStream = 0x7265747279
)

// newRetries returns nil if nothing is ever retried.
func newRetries(seed uint64, share float64) *retries {
	if share <= 0 {
		return nil
	}
	return &retries{share: share, random: rand.New(rand.NewPCG(seed, retryStream))}
}

// draw decides whether to retry, and at which of the nodes: half of the time at the same one.
func (r *retries) draw(same, nodes int) (node int, again bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.random.Float64() >= r.share {
		return 0, false
	}
	if r.random.IntN(2) == 0 {
		return same, true
	}
	return r.random.IntN(nodes), true
}

// ask sends one operation, and retries it if retries decides so.
func (s *session) ask(ctx context.Context, op history.Op) workloads.Answer {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	if s.load.retry == nil || !op.Func.Mutates() {
		return s.client.Do(ctx, s.seq, op)
	}
	answer := s.attempt(ctx, s.client, op)
	for attempts := 2; answer.Type == history.Unknown && attempts <= attemptsMax && ctx.Err() == nil; attempts++ {
		node, again := s.load.retry.draw(s.place(), len(s.load.nodes))
		if !again {
			break
		}
		// A new connection: on the old one, an answer may still arrive.
		other := s.load.dial(s.load.nodes[node], s.process)
		answer = s.attempt(ctx, other, op)
		_ = other.Close() // nothing more is sent on it, so that an error means nothing
		if answer.Type == history.Fail {
			// This attempt had no effect, but an earlier one may have had.
			answer.Type = history.Unknown
		}
		if answer.Reason != "" {
			answer.Reason = fmt.Sprintf("asked %d times, at last at %s: %s", attempts, s.load.nodes[node], answer.Reason)
		}
	}
	return answer
}

// attempt sends the request once, with its share of the time limit.
func (s *session) attempt(ctx context.Context, client workloads.Client, op history.Op) workloads.Answer {
	ctx, cancel := context.WithTimeout(ctx, s.patience/time.Duration(attemptsMax))
	defer cancel()
	return client.Do(ctx, s.seq, op)
}

// place is the index of the session's node.
func (s *session) place() int {
	for i, node := range s.load.nodes {
		if node == s.node {
			return i
		}
	}
	return 0
}
