package client

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/sys/unix"
)

// conn is one connection to a node. It tracks whether any of the current request may have been sent.
type conn struct {
	net.Conn
	r       *bufio.Reader
	w       *bufio.Writer
	written int64 // bytes of the current request that were, or may have been, handed to the operating system
}

func newConn(nc net.Conn) *conn {
	c := &conn{Conn: nc}
	c.r, c.w = bufio.NewReader(nc), bufio.NewWriterSize(countingWriter{c}, 64<<10)
	return c
}

// countingWriter counts bytes before they are written, because a failed write may have sent some.
type countingWriter struct{ c *conn }

func (w countingWriter) Write(b []byte) (int, error) {
	w.c.written += int64(len(b))
	return w.c.Write(b)
}

// idle reports whether the connection is open and silent. The peek detects a close that has already arrived. One still
// in transit makes the next operation unknown, as it must.
func (c *conn) idle() bool {
	if c.r.Buffered() > 0 || c.SetDeadline(time.Time{}) != nil {
		return false
	}
	tcp, ok := c.Conn.(*net.TCPConn)
	if !ok {
		return false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false
	}
	idle := false
	err = raw.Read(func(fd uintptr) bool {
		var b [1]byte
		_, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		idle = err == unix.EAGAIN
		return true
	})
	return err == nil && idle
}

// exchange sends one request and reads the whole answer. It reports whether the connection can be reused.
func (c *conn) exchange(ctx context.Context, req *http.Request) (code int, body []byte, keep bool, err error) {
	c.written = 0
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(deadline); err != nil {
			return 0, nil, false, err
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := req.Write(c.w); err != nil {
		return 0, nil, false, err
	}
	if err := c.w.Flush(); err != nil {
		return 0, nil, false, err
	}
	resp, err := http.ReadResponse(c.r, req)
	if err != nil {
		return 0, nil, false, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, AnswerBytesMax+1))
	if err != nil {
		return 0, nil, false, err
	}
	if len(body) > AnswerBytesMax {
		return 0, nil, false, fmt.Errorf("answer is longer than %d bytes", AnswerBytesMax)
	}
	return resp.StatusCode, body, stop() && !resp.Close, nil
}
