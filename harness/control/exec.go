package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// Exec runs a script like Run, but in its own session and shell, with stdin as its standard input (empty if nil)
// and its standard output going to stdout (discarded if nil). It is meant for bulk data, and limited by
// [Options.BulkTimeout].
//
// It returns once the script has exited and all its output has arrived; with OpenSSH on the host that includes the
// output of background children, which must therefore be redirected. An error of stdin or stdout kills the script;
// in particular, a script never takes a failure of stdin for its end. Exec does not wait for a reader or writer
// that blocks after the script has exited or the deadline has passed.
func (c *Client) Exec(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	start := time.Now()
	err := c.execScript(ctx, script, stdin, stdout)
	c.trace(script, start, err)
	return err
}

func (c *Client) execScript(ctx context.Context, script string, stdin io.Reader, stdout io.Writer) error {
	if err := checkScript(script, execBytesMax); err != nil {
		return c.failure(script, err)
	}
	if stdin == nil {
		stdin = strings.NewReader("")
	}
	if stdout == nil {
		stdout = io.Discard
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.BulkTimeout)
	defer cancel()
	cn, err := c.connection(ctx)
	if err != nil {
		return c.wrap(script, err)
	}
	x := &execution{client: c, conn: cn, messages: tail{max: stderrTailMax}, known: make(chan group, 1)}
	if err := cn.session(ctx, &c.work, func(s *ssh.Session) error { return x.attach(s, script) }); err != nil {
		return c.wrap(script, err)
	}
	defer func() { _ = x.session.Close() }()

	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ended := make(chan error, 1)
	go func() { ended <- x.relay(stdin, stdout, stop) }() // not counted in c.work: its reader and writer may block
	select {
	case err = <-ended:
		if cause := context.Cause(ctx); cause != nil && ctx.Err() == context.Canceled {
			err = cause
		}
	case <-ctx.Done():
		return x.abort(script, deadlineError(ctx), ended)
	}
	return x.result(script, err)
}

// execution is one Exec in progress.
type execution struct {
	client   *Client
	conn     *connection
	session  *ssh.Session
	stdin    io.WriteCloser
	stdout   io.Reader
	stderr   stream
	messages tail       // the end of standard error
	known    chan group // receives the process group to kill, once the script has reported it
}

// groupMark surrounds the line on standard error in which a script of Exec reports its process group.
const groupMark = "elenchus-group:"

func (x *execution) attach(session *ssh.Session, script string) (err error) {
	x.session = session
	if x.stdin, err = session.StdinPipe(); err != nil {
		return err
	}
	if x.stdout, err = session.StdoutPipe(); err != nil {
		return err
	}
	if x.stderr.r, err = session.StderrPipe(); err != nil {
		return err
	}
	who := fmt.Sprintf("read -r stat </proc/$$/stat && printf '%s%%s%[1]s' \"$stat\" >&2; ", groupMark)
	return session.Start(x.client.shellCommand() + " -c " + Quote(prologue+who+"unset stat; "+script))
}

// relay copies all data and returns how the session ended. An error of the caller's reader or writer goes to fail.
func (x *execution) relay(stdin io.Reader, stdout io.Writer, fail func(error)) error {
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		x.feed(stdin, fail)
	}()
	var outputs sync.WaitGroup
	outputs.Go(func() {
		to := &faultWriter{w: stdout}
		if _, _ = io.Copy(to, x.stdout); to.err != nil {
			fail(fmt.Errorf("write output: %w", to.err))
		}
	})
	outputs.Go(x.readMessages)
	outputs.Wait()
	err := x.session.Wait()
	select {
	case <-fed:
	case <-time.After(readersPatience): // stdin is silent: the script did not wait for it, so neither do we
	}
	return err
}

// feed copies the input. Its end is passed on, but a failure is not: the script would take it for the end.
func (x *execution) feed(stdin io.Reader, fail func(error)) {
	from := &faultReader{r: stdin}
	_, _ = io.Copy(x.stdin, from) // a script need not read all of its input
	if from.err != nil {
		fail(fmt.Errorf("read input: %w", from.err))
		return
	}
	_ = x.stdin.Close()
}

// readMessages reads standard error, which begins with the script's process group.
func (x *execution) readMessages() {
	to := io.Writer(&x.messages)
	if more := x.client.options.Stderr; more != nil {
		to = io.MultiWriter(&x.messages, more)
	}
	if x.stderr.until(groupMark, to) != nil {
		_ = x.stderr.rest(to)
		return
	}
	line := &limited{max: 4 << 10}
	if x.stderr.until(groupMark, line) == nil {
		if g, err := parseGroup(line.Bytes()); err == nil {
			x.known <- g
		}
	}
	_ = x.stderr.rest(to)
}

// abort kills the script and gives the readers a moment to notice its end.
func (x *execution) abort(script string, cause error, ended <-chan error) error {
	select {
	case g := <-x.known:
		cause = x.client.killed(x.conn, g, cause)
	case <-time.After(readersPatience):
		cause = fmt.Errorf("%w (and it may still be running: it never said who it is)", cause)
	}
	_ = x.session.Close()
	e := x.client.failure(script, cause)
	select {
	case <-ended: //nolint:errcheck // how the reading ended is in what was read
		e.Stderr = tailOf(x.messages.data)
	case <-time.After(readersPatience):
	}
	return e
}

// result converts the end of the session to an Error.
func (x *execution) result(script string, err error) error {
	if err == nil {
		return nil
	}
	e := x.client.failure(script, nil)
	e.Stderr = tailOf(x.messages.data)
	var exit *ssh.ExitError
	var missing *ssh.ExitMissingError
	switch {
	case errors.As(err, &exit) && exit.Signal() != "":
		e.Signal = exit.Signal()
	case errors.As(err, &exit):
		e.ExitStatus = exit.ExitStatus()
	case errors.As(err, &missing):
		e.Err = x.conn.explain(err)
	default:
		e.Err = err
	}
	return e
}

// faultReader remembers an error other than io.EOF.
type faultReader struct {
	r   io.Reader
	err error
}

func (f *faultReader) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

// faultWriter remembers an error.
type faultWriter struct {
	w   io.Writer
	err error
}

func (f *faultWriter) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	f.err = err
	return n, err
}
