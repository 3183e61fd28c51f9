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

// Text is the standard output without space around it.
func (o Output) Text() string { return string(bytes.TrimSpace(o.Stdout)) }

// ExitStatus is the status of a command that ran to its end and failed, taken from the error of Run or Exec. It is
// false for every other error.
func ExitStatus(err error) (int, bool) {
	var e *Error
	if errors.As(err, &e) && e.Err == nil && e.Signal == "" {
		return e.ExitStatus, true
	}
	return 0, false
}

// Run runs a POSIX shell script on the host, as root if the host has a Become, with empty standard input, in /. It is
// the quick way: the script goes to a shell that is kept for the next one, which costs less than half a millisecond
// where the network costs nothing. The script runs in a subshell, so whatever it does to its variables, directory or
// options, and its exit, ends with it. Up to [Options.ShellsMax] Runs work at the same time; others wait.
//
// A script that exits with another status than 0 is an *Error; the Output is returned as well. When ctx is done, or
// [Options.CommandTimeout] has passed, the script's process group is killed on the host and the error matches
// ErrTimeout (or context.Canceled). When the connection breaks, it matches ErrUnreachable, and the script may have run,
// or may be running still.
//
// What a script starts in the background does not make Run wait, but it must have its outputs redirected: what it
// prints would be lost or end up in the output of a later script.
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

// checkScript rejects what cannot be sent.
func checkScript(script string, bytesMax int) error {
	if len(script) > bytesMax {
		return fmt.Errorf("script of %d bytes is longer than %d", len(script), bytesMax)
	}
	if strings.IndexByte(script, 0) >= 0 {
		return errors.New("script contains a NUL byte")
	}
	return nil
}

// wrap names the command in an error from before it was started, unless it is about the connection anyway.
func (c *Client) wrap(script string, err error) error {
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	return c.failure(script, err)
}

// acquire takes an idle shell or opens one. To each acquire that succeeds belongs one release.
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

// takeIdle takes the shell that was used last, if one is left that lives.
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

// release gives a shell back, for others to use if it is still good.
func (c *Client) release(s *shell, good bool) {
	c.mu.Lock()
	if good && !c.closed {
		c.idle = append(c.idle, s)
	}
	c.mu.Unlock()
	<-c.slots
}
