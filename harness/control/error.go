package control

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"unicode"

	"golang.org/x/sys/unix"
)

// Reasons why a host could not be commanded. Errors of this package with one of these causes match it with
// errors.Is.
var (
	// ErrUnreachable: no connection could be made, or it was lost. After a loss, it is unknown whether a running
	// command took effect, and it may still be running.
	ErrUnreachable = errors.New("host unreachable")

	// ErrAuth: the host refused the user or the key, or the key cannot be used.
	ErrAuth = errors.New("authentication failed")

	// ErrHostKey: the host's key does not match, or there is no key to compare it with.
	ErrHostKey = errors.New("host key verification failed")

	// ErrTimeout: the deadline passed. What was running on the host was killed, if the host still answered.
	ErrTimeout = errors.New("timed out")

	// ErrClosed: the client has been closed.
	ErrClosed = errors.New("client closed")
)

// Error describes a command that failed on a host.
type Error struct {
	Host       string // the host's name
	Command    string // the script, shortened; empty for connection errors
	ExitStatus int    // of a command that exited, otherwise -1
	Signal     string // name of the signal that killed the command: "KILL"; empty for a command that exited
	Stderr     string // the end of its standard error
	Err        error  // the cause, if it is not just the command's exit
}

// Error formats the error as "host: command: what happened: the end of standard error".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Host)
	if e.Command != "" {
		fmt.Fprintf(&b, ": `%s`", e.Command)
	}
	switch {
	case e.Err != nil:
		fmt.Fprintf(&b, ": %v", e.Err)
	case e.Signal != "":
		fmt.Fprintf(&b, ": killed by SIG%s", e.Signal)
	default:
		fmt.Fprintf(&b, ": exit status %d%s", e.ExitStatus, statusHint(e.ExitStatus))
	}
	if text := strings.TrimSpace(e.Stderr); text != "" {
		fmt.Fprintf(&b, ": %s", text)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// statusHint explains the statuses with which a shell reports that a command was killed or could not be run.
func statusHint(status int) string {
	switch {
	case status == 127:
		return " (command not found)"
	case status > 128 && status <= 128+64:
		if name := unix.SignalName(syscall.Signal(status - 128)); name != "" {
			return " (" + name + "?)"
		}
	}
	return ""
}

// connectError returns an Error about the host rather than about a command.
func connectError(h Host, kind error, format string, args ...any) *Error {
	err := fmt.Errorf("%w: %w", kind, fmt.Errorf(format, args...))
	return &Error{Host: h.Name, ExitStatus: -1, Err: err}
}

// deadlineError returns the cause of a failure due to ctx being done: ErrTimeout, or the cancellation.
func deadlineError(ctx context.Context) error {
	if err := context.Cause(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrTimeout, context.DeadlineExceeded)
}

const commandShownMax = 160 // characters of a command in an error

// shorten puts a script on one line: runs of space become one space, and the end is cut off.
func shorten(script string) string {
	line := strings.Join(strings.FieldsFunc(script, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if runes := []rune(line); len(runes) > commandShownMax {
		return string(runes[:commandShownMax]) + "…"
	}
	return line
}
