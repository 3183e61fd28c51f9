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

// retries decides whether an update that was not answered in time is asked for again: as the same request of the same
// session, so that the system must execute it once at most. To whoever records the history it stays one operation,
// which may take effect at any moment from its first attempt to its last answer.
type retries struct {
	share float64

	mu     sync.Mutex
	random *rand.Rand
}

// RetriesMax is how often an operation is asked for again at most.
const RetriesMax = 3

const (
	// attemptsMax is how often it is asked for at most. Each attempt has an equal part of the patience, so that there is
	// time for the others.
	attemptsMax = 1 + RetriesMax

	// retryStream keeps these draws apart from all others of the same seed.
	retryStream = 0x7265747279
)

// newRetries is nil where nothing is ever asked for twice.
func newRetries(seed uint64, share float64) *retries {
	if share <= 0 {
		return nil
	}
	return &retries{share: share, random: rand.New(rand.NewPCG(seed, retryStream))}
}

// draw says whether to ask again, and at which of so many nodes: half of the time at the same one.
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

// ask asks for one operation, again where retries want so.
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
		// A connection of its own: on the old one an answer may still be under way.
		other := s.load.dial(s.load.nodes[node], s.process)
		answer = s.attempt(ctx, other, op)
		_ = other.Close() // nothing more will be sent on it
		if answer.Type == history.Fail {
			// This attempt had no effect, which says nothing of those before.
			answer.Type = history.Unknown
		}
		if answer.Reason != "" {
			answer.Reason = fmt.Sprintf("asked %d times, at last at %s: %s", attempts, s.load.nodes[node], answer.Reason)
		}
	}
	return answer
}

// attempt asks once, with a part of the patience.
func (s *session) attempt(ctx context.Context, client workloads.Client, op history.Op) workloads.Answer {
	ctx, cancel := context.WithTimeout(ctx, s.patience/time.Duration(attemptsMax))
	defer cancel()
	return client.Do(ctx, s.seq, op)
}

// place is which of the nodes the session is at.
func (s *session) place() int {
	for i, node := range s.load.nodes {
		if node == s.node {
			return i
		}
	}
	return 0
}
