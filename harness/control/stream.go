package control

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// errOutputLimit is the cause if a command was killed because of its output's length.
var errOutputLimit = errors.New("output is longer than the limit")

// stream reads one output of a shell and finds the marks that delimit the output of a command.
type stream struct {
	r       io.Reader
	pending []byte // read but not consumed
}

// until consumes everything up to and including mark and writes what came before it to w. If the stream ends
// without the mark, w gets everything.
func (s *stream) until(mark string, w io.Writer) error {
	for {
		if i := bytes.Index(s.pending, []byte(mark)); i >= 0 {
			_, err := w.Write(s.pending[:i])
			s.pending = s.pending[i+len(mark):]
			return err
		}
		// The mark may have begun in the last bytes; everything before them can be written.
		if n := len(s.pending) - len(mark) + 1; n > 0 {
			if _, err := w.Write(s.pending[:n]); err != nil {
				return err
			}
			s.pending = append(s.pending[:0], s.pending[n:]...)
		}
		if err := s.fill(); err != nil {
			_, _ = w.Write(s.pending) // the stream's own error matters more
			s.pending = nil
			return err
		}
	}
}

// fill reads once. The end of the stream is an error, because more was expected.
func (s *stream) fill() error {
	buf := make([]byte, 32<<10)
	n, err := s.r.Read(buf)
	s.pending = append(s.pending, buf[:n]...)
	if n > 0 {
		return nil
	}
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("read output: %w", err)
	}
	return nil
}

// rest copies the remaining data to w.
func (s *stream) rest(w io.Writer) error {
	if _, err := w.Write(s.pending); err != nil {
		return err
	}
	s.pending = nil
	_, err := io.Copy(w, s.r)
	return err
}

// limited buffers up to max bytes and fails when there are more.
type limited struct {
	bytes.Buffer
	max int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > l.max {
		return 0, fmt.Errorf("%w of %d bytes", errOutputLimit, l.max)
	}
	return l.Buffer.Write(p)
}

// tail keeps the last max bytes.
type tail struct {
	data []byte
	max  int
}

func (t *tail) Write(p []byte) (int, error) {
	t.data = append(t.data, p[max(0, len(p)-t.max):]...)
	t.data = append(t.data[:0], t.data[max(0, len(t.data)-t.max):]...)
	return len(p), nil
}

// tailOf returns the last stderrTailMax bytes of data, as text.
func tailOf(data []byte) string {
	t := tail{max: stderrTailMax}
	_, _ = t.Write(data) // never fails
	return string(bytes.ToValidUTF8(t.data, []byte("?")))
}
