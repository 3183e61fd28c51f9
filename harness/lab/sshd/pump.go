package sshd

import (
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// pipeCapacity is the default capacity of a Linux pipe (pipe(7)): the most that a command which has exited can have
// left in one.
const pipeCapacity = 64 << 10

// pump copies from the pipe f to w. It returns at the end of the file, when every process that held the other end
// has closed it. After the command's own exit (signalled by a read deadline on f) it waits for that no longer than
// linger, and then only drains the pipe, so that nothing the command itself wrote is lost.
func pump(w io.Writer, f *os.File, linger time.Duration) {
	buf := make([]byte, 32<<10)
	if !copyUntilDeadline(w, f, buf) {
		return
	}
	_ = f.SetReadDeadline(time.Now().Add(linger))
	if !copyUntilDeadline(w, f, buf) {
		return
	}
	_ = f.SetReadDeadline(time.Time{})
	for left := pipeCapacity; left > 0; {
		n, err := readAvailable(f, buf)
		if n <= 0 || err != nil {
			return
		}
		if _, err := w.Write(buf[:n]); err != nil {
			return
		}
		left -= n
	}
}

// copyUntilDeadline copies until f's read deadline passes, or returns false because there is nothing more to copy.
func copyUntilDeadline(w io.Writer, f *os.File, buf []byte) bool {
	for {
		n, err := f.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return false
			}
		}
		if err != nil {
			return errors.Is(err, os.ErrDeadlineExceeded)
		}
	}
}

// readAvailable reads once without blocking. A deadline could not do this: one in the past fails a read even if
// there is data, and one in the future depends on how soon this goroutine runs.
func readAvailable(f *os.File, buf []byte) (n int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var readErr error
	err = raw.Read(func(fd uintptr) bool {
		n, readErr = unix.Read(int(fd), buf)
		return true
	})
	return n, errors.Join(err, readErr)
}
