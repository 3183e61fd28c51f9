package control

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// A persistent shell is an sh on the host that reads commands from its standard input and does not exit: a command
// costs one round trip and one fork instead of a new session and a new shell.
//
// For every command the shell prints a mark on both outputs, runs the script in a subshell with empty input, and
// prints another mark with the exit status. The marks contain a random number that occurs in no process's
// arguments, environment or variables, so no output can contain one by accident.

// prologue makes shells uniform: sbin programs are found, messages are in English, and no directory is kept busy.
const prologue = "PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; LC_ALL=C; export PATH LC_ALL; umask 022; cd /; "

// sayGroup prints the shell's /proc/PID/stat, which identifies what to kill to end the shell and all it has
// started.
const sayGroup = "read -r stat </proc/$$/stat && echo \"$stat\""

// readersPatience is how long the readers of a session may take to notice its end.
const readersPatience = time.Second

// shell is a persistent shell. It runs one command at a time.
type shell struct {
	client *Client
	conn   *connection
	group  group
	mark   string // the random part of the marks
	count  int    // of commands

	session *ssh.Session
	stdin   io.WriteCloser
	stdout  stream
	stderr  stream

	ended chan struct{} // closed when the session is over
	exit  error         // how it ended; valid after ended is closed
}

// openShell starts a shell on the connection, as root if the host has a Become.
func (c *Client) openShell(ctx context.Context, cn *connection) (*shell, error) {
	s := &shell{client: c, conn: cn, mark: "elenchus-" + rand.Text(), ended: make(chan struct{})}
	if err := cn.session(ctx, &c.work, s.attach); err != nil {
		return nil, err
	}
	c.work.Go(func() {
		s.exit = s.session.Wait()
		close(s.ended)
	})
	out, status, err := s.command(ctx, prologue+sayGroup)
	if err == nil && status != 0 {
		err = fmt.Errorf("exit status %d", status)
	}
	if err == nil {
		s.group, err = parseGroup(out.Stdout)
	}
	if err != nil {
		s.discard()
		if text := strings.TrimSpace(string(out.Stderr)); text != "" {
			err = fmt.Errorf("%w: %s", err, text)
		}
		return nil, fmt.Errorf("start a shell (%s): %w", c.shellCommand(), err)
	}
	return s, nil
}

// shellCommand returns the command that starts a shell.
func (c *Client) shellCommand() string { return strings.TrimSpace("exec "+c.host.Become) + " sh" }

func (s *shell) attach(session *ssh.Session) (err error) {
	s.session = session
	if s.stdin, err = session.StdinPipe(); err != nil {
		return err
	}
	if s.stdout.r, err = session.StdoutPipe(); err != nil {
		return err
	}
	if s.stderr.r, err = session.StderrPipe(); err != nil {
		return err
	}
	return session.Start(s.client.shellCommand())
}

// over reports whether the shell has become unusable.
func (s *shell) over() bool {
	select {
	case <-s.ended:
		return true
	default:
		return s.conn.broken()
	}
}

// run runs the script in a subshell.
func (s *shell) run(ctx context.Context, script string) (Output, int, error) {
	return s.command(ctx, "(eval "+Quote(script)+") </dev/null")
}

// command runs one command line and returns its output and exit status. After an error the shell is unusable; it
// may have been left running.
func (s *shell) command(ctx context.Context, line string) (Output, int, error) {
	s.count++
	begin := fmt.Sprintf("%s b %d\n", s.mark, s.count)
	end := fmt.Sprintf("%s e %d ", s.mark, s.count)
	text := fmt.Sprintf("printf '%s\\n'; printf '%[1]s\\n' >&2; %s; printf '%s%%d\\n' $?; printf '%[3]s' >&2\n",
		strings.TrimSpace(begin), line, end)

	stdout := &limited{max: s.client.options.OutputBytesMax}
	stderr := &limited{max: s.client.options.OutputBytesMax}
	status := -1
	results := make(chan error, 2)
	s.client.work.Go(func() {
		_, err := io.WriteString(s.stdin, text)
		if err == nil {
			err = collect(&s.stdout, begin, end, stdout)
		}
		if err == nil {
			status, err = s.readStatus()
		}
		results <- err
	})
	s.client.work.Go(func() { results <- collect(&s.stderr, begin, end, stderr) })

	settled, err := s.await(ctx, results, 2)
	if !settled {
		return Output{}, -1, err // the readers may still write to the buffers
	}
	return Output{Stdout: stdout.Bytes(), Stderr: stderr.Bytes()}, status, err
}

// await waits for the results of n readers. When one fails or ctx is done, it kills the shell and all it has
// started, which should end the other readers too; settled says whether it did.
func (s *shell) await(ctx context.Context, results <-chan error, n int) (settled bool, err error) {
	for n > 0 && err == nil {
		select {
		case err = <-results:
			n--
		case <-ctx.Done():
			err = deadlineError(ctx)
		}
	}
	if err == nil {
		return true, nil
	}
	err = s.stop(ctx, err)
	patience := time.NewTimer(readersPatience)
	defer patience.Stop()
	for ; n > 0; n-- {
		select {
		case <-results: //nolint:errcheck // the shell is given up whatever it says
		case <-patience.C:
			return false, err
		}
	}
	return true, err
}

// stop ends a shell that failed with err, and returns a more specific cause.
func (s *shell) stop(ctx context.Context, err error) error {
	defer s.discard()
	if ctx.Err() != nil || errors.Is(err, errOutputLimit) {
		return s.client.killed(s.conn, s.group, err)
	}
	select {
	case <-s.ended:
		var missing *ssh.ExitMissingError
		if s.exit != nil && !errors.As(s.exit, &missing) {
			return fmt.Errorf("the shell ended: %w", s.exit)
		}
	case <-s.conn.done:
	case <-time.After(lossDelay):
	}
	return s.conn.explain(fmt.Errorf("the shell ended: %w", err))
}

// discard closes the session. Its shell, if still running, reads the end of its input and exits.
func (s *shell) discard() { _ = s.session.Close() }

// collect copies the output between the two marks.
func collect(from *stream, begin, end string, into io.Writer) error {
	// Output before the first mark is noise from the login shell, or from children of an earlier script. If the
	// mark never comes, it is the host's error message instead: that sudo wants a password, for example.
	noise := &tail{max: stderrTailMax}
	if err := from.until(begin, noise); err != nil {
		_, _ = into.Write(noise.data) // the stream's own error matters more
		return err
	}
	return from.until(end, into)
}

// readStatus reads the rest of the last mark.
func (s *shell) readStatus() (int, error) {
	line := &limited{max: 16}
	if err := s.stdout.until("\n", line); err != nil {
		return -1, err
	}
	return strconv.Atoi(line.String())
}
