package run

import (
	"context"
	"fmt"
	"sync"

	"elenchus/nemesis"
)

// WhileHeld returns a context that ends with ctx, or as soon as the lab is lost. Its cause is then [nemesis.ErrLost]
// with the reason, and the lab's new owner must not be disturbed. Call stop when the lab is no longer needed.
func WhileHeld(ctx context.Context, lost <-chan struct{}, why func() error) (held context.Context, stop func()) {
	held, cancel := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-lost:
			cancel(fmt.Errorf("%w: %w", nemesis.ErrLost, why()))
		case <-held.Done():
		}
	})
	return held, func() {
		cancel(nil)
		watch.Wait()
	}
}

// whileHeld does a part of the run for as long as the lab is not lost. If it was, that is the error.
func (t *test) whileHeld(ctx context.Context, do func(context.Context) error) error {
	held, stop := WhileHeld(ctx, t.lock.Lost(), t.lock.Err)
	defer stop()
	err := do(held)
	if why := t.lock.Err(); why != nil {
		return fmt.Errorf("%w: %w", nemesis.ErrLost, why)
	}
	return err
}
