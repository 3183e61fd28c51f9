package transport

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// accept accepts connections until the listener closes.
func (t *Transport) accept() {
	for {
		conn, err := t.listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || t.ctx.Err() != nil {
				return
			}
			t.logger.Error("accept failed", "error", err)
			select { // most likely out of file descriptors; wait for some to be closed
			case <-t.ctx.Done():
				return
			case <-time.After(100 * time.Millisecond):
				continue
			}
		}
		select {
		case t.inbound <- struct{}{}:
			t.group.Go(func() {
				defer func() { <-t.inbound }()
				t.receive(conn)
			})
		default:
			t.logRefusal(conn, "too many connections")
			_ = conn.Close()
		}
	}
}

// receive handles an accepted connection until it ends.
func (t *Transport) receive(conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(t.ctx, func() { _ = conn.Close() })
	defer stop()
	if err := conn.SetDeadline(time.Now().Add(t.opts.DialPatience)); err != nil {
		return
	}
	w := bufio.NewWriter(conn)
	from, err := t.welcome(conn, w)
	if err != nil {
		if t.ctx.Err() == nil {
			t.logRefusal(conn, err.Error())
		}
		return
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return
	}
	p := t.peers[from]
	p.inbound.Add(1)
	defer p.inbound.Add(-1)
	p.hear()

	pings := make(chan []byte, 1)
	done := make(chan struct{})
	t.group.Go(func() { t.sendPongs(conn, w, pings, done) })
	err = t.readMessages(conn, p, pings)
	close(done)
	if t.ctx.Err() == nil {
		p.logger.Debug("inbound connection ended", "error", p.describe(err))
	}
}

// readMessages delivers a peer's messages until its connection breaks or goes silent.
func (t *Transport) readMessages(conn net.Conn, p *peer, pings chan<- []byte) error {
	r := bufio.NewReaderSize(aliveReader{conn, t.opts.DeadAfter, p.hear}, 64<<10)
	for {
		kind, payload, err := readFrame(r, t.opts.FrameBytesMax)
		if err != nil {
			return err
		}
		switch {
		case kind == frameMessage:
			p.received.Add(1)
			t.opts.Deliver(p.id, payload)
		case kind == framePing && len(payload) == stampBytes:
			select {
			case pings <- payload:
			default: // the answer to an earlier ping is still to be written
			}
		default:
			return fmt.Errorf("peer sends frame kind %d with %d bytes where a message is expected", kind, len(payload))
		}
	}
}

// sendPongs answers pings, and sends unsolicited pongs while none arrive because a long message is being received.
func (t *Transport) sendPongs(conn net.Conn, w *bufio.Writer, pings <-chan []byte, done <-chan struct{}) {
	ticker := time.NewTicker(t.opts.Heartbeat)
	defer ticker.Stop()
	for {
		var payload []byte
		select {
		case <-done:
			return
		case payload = <-pings:
		case <-ticker.C:
		}
		if err := errors.Join(writeFrame(w, framePong, payload), w.Flush()); err != nil {
			_ = conn.Close()
			return
		}
	}
}

// logRefusal logs a refused connection, once per remote host and reason, because diallers keep retrying.
func (t *Transport) logRefusal(conn net.Conn, reason string) {
	const hostsMax = 64
	host, _, err := net.SplitHostPort(conn.RemoteAddr().String())
	if err != nil {
		host = conn.RemoteAddr().String()
	}
	t.mu.Lock()
	known := t.refusals[host] == reason
	if len(t.refusals) >= hostsMax {
		clear(t.refusals)
	}
	t.refusals[host] = reason
	t.mu.Unlock()
	if !known {
		t.logger.Warn("connection refused", "remote", host, "reason", reason)
	}
}
