package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"elenchus/harness/hunt"
)

// labStart is a hunt from one seed on, in one lab or several side by side.
type labStart struct {
	hunt   *labHunt
	budget time.Duration
	before time.Duration // what earlier calls have spent
	begun  time.Time
	found  context.CancelFunc // ends the tests that are under way

	mu   sync.Mutex
	s    hunt.Start
	next uint64 // seed
}

// start hunts from one seed on, or goes on with a hunt that has found nothing yet. The error is one that goes for all
// tests: the program cannot be run, or is called wrongly, or the lab never comes up. What came of the tests before
// that, or before the end of ctx, is valid.
func (l *labHunt) start(ctx context.Context, number int, budget time.Duration, so hunt.Start) (hunt.Start, error) {
	if so.From == 0 {
		so.From = 1 + uint64(number)*hunt.SeedsPerStart
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	h := &labStart{hunt: l, budget: budget, before: so.CPU, begun: time.Now(), found: cancel, s: so,
		next: so.From + so.Runs}
	var group errgroup.Group
	for range max(1, l.labs) {
		group.Go(func() error { return h.tests(ctx) })
	}
	err := group.Wait()
	if h.s.Found() {
		err = nil // whatever the others have come to
	}
	return h.s, err
}

func (h *labStart) spent() time.Duration { return h.before + time.Since(h.begun) }

// draw returns the seed of the next test and how long it may take; not if something was found, or time is up.
func (h *labStart) draw() (seed uint64, limit time.Duration, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.s.Found() {
		return 0, 0, false
	}
	if limit = min(labLimit, h.budget-h.spent()-labOverhead); limit < labLeast && h.next > h.s.From {
		return 0, 0, false
	}
	seed = h.next
	h.next++
	return seed, max(limit, labLeast), true
}

// tests runs one test after the other in a lab of its own each.
func (h *labStart) tests(ctx context.Context) error {
	for {
		seed, limit, ok := h.draw()
		if !ok {
			return nil
		}
		at := time.Now()
		came, err := h.hunt.test(ctx, seed, limit)
		if err != nil {
			return err
		}
		if over, err := h.count(seed, time.Since(at), came); over || err != nil {
			return err
		}
	}
}

// count takes note of a test that has ended. Over says that there is nothing left to do.
func (h *labStart) count(seed uint64, took time.Duration, came labRun) (over bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.s.Found() { // by another lab meanwhile
		_ = os.RemoveAll(came.dir)
		return true, nil
	}
	h.s.Runs++
	h.s.CPU = h.spent()
	h.hunt.step(seed, took, came)
	if came.failed != "" {
		h.s.Failed++
		h.s.Message = came.failed
	}
	if h.s.Failed == h.s.Runs && h.s.Failed >= labFailures {
		return true, fmt.Errorf("the lab failed %d times in a row: %s", h.s.Failed, came.failed)
	}
	if came.check != "" {
		h.s.Check, h.s.Seed, h.s.Message = came.check, seed, came.message
		h.found()
	}
	if came.check != "" || came.failed != "" {
		return came.check != "", h.hunt.keepRun(came.dir)
	}
	if came.dir != "" {
		_ = os.RemoveAll(came.dir) // it is a temporary directory's, which goes in the end anyway
	}
	return false, nil
}
