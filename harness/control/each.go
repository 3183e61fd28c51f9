package control

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Each calls f for every client concurrently and waits for all of them. It returns all errors, each naming its
// host, in the order of the clients.
func Each(ctx context.Context, clients []*Client, f func(context.Context, *Client) error) error {
	errs := make([]error, len(clients))
	var wg sync.WaitGroup
	for i, c := range clients {
		wg.Go(func() { errs[i] = named(c.Host().Name, f(ctx, c)) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// named prefixes an error with the host's name unless it has that already.
func named(host string, err error) error {
	var e *Error
	if err == nil || errors.As(err, &e) && e.Host == host {
		return err
	}
	return fmt.Errorf("%s: %w", host, err)
}
