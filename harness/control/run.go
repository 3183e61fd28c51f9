package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Output is what a command printed.
type Output struct {
	Stdout []byte
	Stderr []byte
}

// Text returns the standard output without surrounding space.
func (o Output) Text() string { return string(bytes.TrimSpace(o.Stdout)) }

// ExitStatus returns the status of a command that ran to its end and failed, given the error of Run or Exec. It is
// false for every other error.
func ExitStatus(err error) (int, bool) {
	var e *Error
	if errors.As(err, &e) && e.Err == nil && e.Signal == "" {
		return e.ExitStatus, true
	}
	return 0, false
}

// Run runs a POSIX shell script on the host in /, with empty standard input, as root if the host has a Become. It
// is the fast way: the script goes to a persistent shell, which costs less than half a millisecond besides network
// latency. The script runs in a subshell, so changes to variables, directory or options, and its exit, end with it.
// Up to [Options.ShellsMax] Runs proceed concurrently; others wait.
//
// If a script exits with a status other than 0, the error is an *Error; the Output is returned as well. When ctx is
// done, or [Options.CommandTimeout] has passed, the script's process group is killed on the host and the error
// matches ErrTimeout (or context.Canceled). When the connection breaks, it matches ErrUnreachable, and the script
// may have run, or may still be running.
//
// Run does not wait for background children of a script, but their outputs must be redirected, or they would be
// lost or end up in the output of a later script.
func (c *Client) Run(ctx context.Context, script string) (Output, error) {
	start := time.Now()
	out, err := c.runScript(ctx, script)
	c.trace(script, start, err)
	return out, err
}

func (c *Client) runScript(ctx context.Context, script string) (Output, error) {
	if err := checkScript(script, scriptBytesMax); err != nil {
		return Output{}, c.failure(script, err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.CommandTimeout)
	defer cancel()
	s, err := c.acquire(ctx)
	if err != nil {
		return Output{}, c.wrap(script, err)
	}
	out, status, err := s.run(ctx, script)
	c.release(s, err == nil)
	if err == nil && status == 0 {
		return out, nil
	}
	e := c.failure(script, err)
	e.Stderr = tailOf(out.Stderr)
	if err == nil {
		e.ExitStatus = status
	}
	return out, e
}

// checkScript rejects scripts that cannot be sent.
func checkScript(script string, bytesMax int) error {
	if len(script) > bytesMax {
		return fmt.Errorf("script of %d bytes is longer than %d", len(script), bytesMax)
	}
	if strings.IndexByte(script, 0) >= 0 {
		return errors.New("script contains a NUL byte")
	}
	return nil
}

// wrap adds the command to an error from before it was started, unless the error concerns the connection.
func (c *Client) wrap(script string, err error) error {
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	return c.failure(script, err)
}

// acquire takes an idle shell or opens one. Every successful acquire needs one release.
func (c *Client) acquire(ctx context.Context) (*shell, error) {
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for one of %d shells: %w", c.options.ShellsMax, deadlineError(ctx))
	}
	if s := c.takeIdle(); s != nil {
		return s, nil
	}
	cn, err := c.connection(ctx)
	if err == nil {
		var s *shell
		if s, err = c.openShell(ctx, cn); err == nil {
			return s, nil
		}
	}
	<-c.slots
	return nil, err
}

// takeIdle takes the most recently used live shell, if there is one.
func (c *Client) takeIdle() *shell {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.idle) > 0 {
		s := c.idle[len(c.idle)-1]
		c.idle = c.idle[:len(c.idle)-1]
		if !s.over() {
			return s
		}
		s.discard()
	}
	return nil
}

// release returns a shell, for reuse if it is still good.
func (c *Client) release(s *shell, good bool) {
	c.mu.Lock()
	if good && !c.closed {
		c.idle = append(c.idle, s)
	}
	c.mu.Unlock()
	<-c.slots
}
