package control

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Client commands one host. It is safe for concurrent use.
//
// It holds one connection, shared by all sessions. When that breaks, whatever was running on it fails with
// ErrUnreachable and is not retried, because it may have taken effect; the next call reconnects.
type Client struct {
	host    Host
	options Options
	login   *login

	dialing chan struct{} // holds a token while a dial is in progress
	slots   chan struct{} // holds a token for every shell in use
	work    sync.WaitGroup

	mu     sync.Mutex
	conn   *connection
	idle   []*shell
	closed bool
}

// Dial connects to the host and logs in. Errors match ErrUnreachable, ErrTimeout (it does not answer, or stalls in the
// handshake), ErrAuth or ErrHostKey, and say what is probably wrong. Close the client after use.
func Dial(ctx context.Context, h Host, o Options) (*Client, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("configure ssh client: %w", err)
	}
	l, err := newLogin(h, o)
	if err != nil {
		return nil, err
	}
	c := &Client{host: h, options: o, login: l,
		dialing: make(chan struct{}, 1), slots: make(chan struct{}, o.ShellsMax)}
	if _, err := c.connection(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// Host returns the host that the client commands.
func (c *Client) Host() Host { return c.host }

// Close ends the connection and waits for everything of the client on this side, except an Exec whose own reader or
// writer blocks. Commands running on the host are not killed.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	conn := c.conn
	c.idle = nil
	c.mu.Unlock()
	if conn != nil {
		conn.fail(ErrClosed)
	}
	c.work.Wait()
	return nil
}

// connection returns the live connection, dialing if there is none.
func (c *Client) connection(ctx context.Context) (*connection, error) {
	if cn, err := c.current(); cn != nil || err != nil {
		return cn, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.DialTimeout)
	defer cancel()
	select {
	case c.dialing <- struct{}{}:
		defer func() { <-c.dialing }()
	case <-ctx.Done():
		return nil, connectError(c.host, ErrUnreachable, "wait for another to connect: %w", deadlineError(ctx))
	}
	if cn, err := c.current(); cn != nil || err != nil {
		return cn, err // another call has just dialed it
	}
	client, err := connect(ctx, c.host, c.login)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		_ = client.Close()
		return nil, &Error{Host: c.host.Name, ExitStatus: -1, Err: ErrClosed}
	}
	c.conn = newConnection(client, c.options, &c.work)
	return c.conn, nil
}

// current returns the live connection, or nil if there is none.
func (c *Client) current() (*connection, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, &Error{Host: c.host.Name, ExitStatus: -1, Err: ErrClosed}
	}
	if c.conn == nil || c.conn.broken() {
		return nil, nil
	}
	return c.conn, nil
}

// failure returns the Error for a script that did not run to its end.
func (c *Client) failure(script string, err error) *Error {
	return &Error{Host: c.host.Name, Command: shorten(script), ExitStatus: -1, Err: err}
}

// trace reports a finished command to the hook.
func (c *Client) trace(script string, start time.Time, err error) {
	if c.options.Trace != nil {
		c.options.Trace(c.host.Name, script, time.Since(start), err)
	}
}
