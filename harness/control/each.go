package control

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Each calls f for every client at the same time and waits for all. It returns all errors, each naming its host, in the
// order of the clients.
func Each(ctx context.Context, clients []*Client, f func(context.Context, *Client) error) error {
	errs := make([]error, len(clients))
	var wg sync.WaitGroup
	for i, c := range clients {
		wg.Go(func() { errs[i] = named(c.Host().Name, f(ctx, c)) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// named puts the host's name before an error that does not have it already.
func named(host string, err error) error {
	var e *Error
	if err == nil || errors.As(err, &e) && e.Host == host {
		return err
	}
	return fmt.Errorf("%s: %w", host, err)
}
