package transport

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
)

// peer is the link to one other node: the connection this node dials, and the queue of outgoing messages.
type peer struct {
	t       *Transport
	id      uint16
	address string
	logger  hclog.Logger

	queue      chan []byte
	queueBytes atomic.Int64 // bytes queued or not yet handed to the operating system
	connected  atomic.Bool

	heard     atomic.Int64 // Transport.now at the last byte received, 0 if none
	roundTrip atomic.Int64
	inbound   atomic.Int64
	connects  atomic.Uint64
	sent      atomic.Uint64
	received  atomic.Uint64
	dropped   atomic.Uint64
	failure   atomic.Pointer[string]
}

func newPeer(t *Transport, id uint16, address string) *peer {
	return &peer{
		t: t, id: id, address: address,
		logger: t.logger.With("peer", fmt.Sprintf("n%d", id)),
		queue:  make(chan []byte, t.opts.QueueMessagesMax),
	}
}

func (p *peer) hear() { p.heard.Store(p.t.now()) }

func (p *peer) snapshot() Stats {
	s := Stats{
		Connected: p.connected.Load(), Inbound: int(p.inbound.Load()), HeardAgo: -1,
		RoundTrip: time.Duration(p.roundTrip.Load()), Connects: p.connects.Load(),
		Sent: p.sent.Load(), Received: p.received.Load(), Dropped: p.dropped.Load(),
	}
	if heard := p.heard.Load(); heard != 0 {
		s.HeardAgo = time.Duration(p.t.now() - heard)
	}
	if reason := p.failure.Load(); reason != nil {
		s.Error = *reason
	}
	return s
}

// send queues a message, or drops it if the peer is not connected or the queue is full. Older messages are never
// dropped for it, which keeps the order.
func (p *peer) send(payload []byte) {
	size := int64(len(payload))
	if len(payload) > p.t.opts.FrameBytesMax {
		p.dropped.Add(1)
		p.logger.Error("message is too long to send", "bytes", len(payload), "limit", p.t.opts.FrameBytesMax)
		return
	}
	if !p.connected.Load() || p.queueBytes.Load()+size > int64(p.t.opts.QueueBytesMax) {
		p.dropped.Add(1)
		return
	}
	p.queueBytes.Add(size)
	select {
	case p.queue <- payload:
	default:
		p.queueBytes.Add(-size)
		p.dropped.Add(1)
	}
}

// run keeps a connection to the peer until the transport closes.
func (p *peer) run() {
	for {
		conn, err := p.dial()
		if err != nil {
			return
		}
		p.connects.Add(1)
		p.failure.Store(nil)
		p.discard() // a concurrent send may have queued a message after the last connection broke
		p.connected.Store(true)
		p.logger.Info("peer connected", "address", p.address)
		err = p.serve(conn)
		p.connected.Store(false)
		p.discard()
		if p.t.ctx.Err() != nil {
			return
		}
		p.note(err)
		p.logger.Warn("peer lost", "error", err)
	}
}

// note records why there is no connection, and reports whether the reason changed.
func (p *peer) note(err error) (changed bool) {
	reason := err.Error()
	old := p.failure.Swap(&reason)
	return old == nil || *old != reason
}

// discard drops the messages queued for a connection that is gone.
func (p *peer) discard() {
	for {
		select {
		case payload := <-p.queue:
			p.queueBytes.Add(-int64(len(payload)))
			p.dropped.Add(1)
		default:
			return
		}
	}
}

// dial returns a connection after a successful handshake. It fails only when the transport closes.
func (p *peer) dial() (net.Conn, error) {
	ctx, cancel := context.WithCancel(p.t.ctx)
	defer cancel()
	type result struct {
		conn net.Conn
		err  error
	}
	results := make(chan result)
	attempt := func() {
		conn, err := p.attempt(ctx)
		select {
		case results <- result{conn, err}:
		case <-ctx.Done():
			if err == nil {
				_ = conn.Close() // another attempt was faster
			}
		}
	}
	ticker := time.NewTicker(p.t.opts.DialEvery)
	defer ticker.Stop()
	p.t.group.Go(attempt)
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-ticker.C:
			p.t.group.Go(attempt)
		case r := <-results:
			if r.err == nil {
				return r.conn, nil
			}
			if p.note(r.err) {
				p.logger.Debug("dial failed", "address", p.address, "error", r.err)
			}
		}
	}
}

// attempt dials once and performs the handshake.
func (p *peer) attempt(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, p.t.opts.DialPatience)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", p.address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	if err = p.t.greet(conn, bufio.NewWriter(conn), p.id); err == nil {
		if stop() {
			return conn, nil
		}
		err = ctx.Err()
	}
	stop()
	if errors.Is(err, net.ErrClosed) {
		err = fmt.Errorf("handshake with %s: %w", p.address, os.ErrDeadlineExceeded)
	}
	_ = conn.Close()
	return nil, err
}

// serve sends queued messages until the connection breaks, and returns the reason. Only the reading side detects a dead
// connection: a write that blocks on a slow link is no evidence of one.
func (p *peer) serve(conn net.Conn) error {
	defer conn.Close()
	stop := context.AfterFunc(p.t.ctx, func() { _ = conn.Close() })
	defer stop()
	ended := make(chan error, 1)
	p.t.group.Go(func() {
		ended <- p.readPongs(conn)
		_ = conn.Close()
	})
	err := p.write(conn, ended)
	_ = conn.Close()
	if err == nil {
		return p.describe(<-ended)
	}
	// The reader's error is more specific, unless our own close caused it.
	if readErr := <-ended; !errors.Is(readErr, net.ErrClosed) {
		err = readErr
	}
	return p.describe(err)
}

// writeBufferBytes is the size of the write buffer.
const writeBufferBytes = 64 << 10

// write writes queued messages and heartbeats. It returns nil if the reader has ended, having put its error in ended.
func (p *peer) write(conn net.Conn, ended chan error) error {
	w := bufio.NewWriterSize(conn, writeBufferBytes)
	ticker := time.NewTicker(p.t.opts.Heartbeat)
	defer ticker.Stop()
	unflushed := int64(0)
	flushed := func() {
		p.queueBytes.Add(-unflushed)
		unflushed = 0
	}
	defer flushed()
	for {
		select {
		case err := <-ended:
			ended <- err
			return nil
		case payload := <-p.queue:
			unflushed += int64(len(payload))
			if err := writeFrame(w, frameMessage, payload); err != nil {
				return err
			}
			p.sent.Add(1)
			if len(p.queue) > 0 && unflushed < writeBufferBytes {
				continue
			}
		case <-ticker.C:
			if err := writeFrame(w, framePing, p.t.stamp()); err != nil {
				return err
			}
		}
		if err := w.Flush(); err != nil {
			return err
		}
		flushed()
	}
}

// readPongs reads heartbeats until the connection fails or goes silent.
func (p *peer) readPongs(conn net.Conn) error {
	r := bufio.NewReader(aliveReader{conn, p.t.opts.DeadAfter, p.hear})
	for {
		kind, payload, err := readFrame(r, helloBytesMax)
		if err != nil {
			return err
		}
		if kind != framePong {
			return fmt.Errorf("peer sends frame kind %d where a heartbeat is expected", kind)
		}
		if len(payload) == stampBytes {
			p.roundTrip.Store(p.t.now() - int64(binary.LittleEndian.Uint64(payload)))
		}
	}
}

// describe replaces a read deadline error by what it means here.
func (p *peer) describe(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("no sign of life for %v", p.t.opts.DeadAfter)
	}
	return err
}
