package control

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// errOutputLimit is why a command whose output is too long was stopped.
var errOutputLimit = errors.New("output is longer than the limit")

// stream reads one output of a shell and finds the marks that separate what belongs to one command from the rest.
type stream struct {
	r       io.Reader
	pending []byte // read but not consumed
}

// until consumes everything up to and including mark and writes what came before it to w. When the stream ends without
// the mark, w gets all there was.
func (s *stream) until(mark string, w io.Writer) error {
	for {
		if i := bytes.Index(s.pending, []byte(mark)); i >= 0 {
			_, err := w.Write(s.pending[:i])
			s.pending = s.pending[i+len(mark):]
			return err
		}
		// The mark may have begun in the last bytes; what is before them can go.
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

// fill reads once. The end of the stream is an error: there should have been more.
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

// rest copies everything that is left to w.
func (s *stream) rest(w io.Writer) error {
	if _, err := w.Write(s.pending); err != nil {
		return err
	}
	s.pending = nil
	_, err := io.Copy(w, s.r)
	return err
}

// limited collects up to max bytes and fails when there are more.
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

// tailOf is the last stderrTailMax bytes of data, as text.
func tailOf(data []byte) string {
	t := tail{max: stderrTailMax}
	_, _ = t.Write(data) // never fails
	return string(bytes.ToValidUTF8(t.data, []byte("?")))
}
