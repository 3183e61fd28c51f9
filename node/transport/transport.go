package transport

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Transport is one node's end of all its links.
type Transport struct {
	opts     Options
	logger   hclog.Logger
	listener net.Listener
	start    time.Time
	peers    map[uint16]*peer
	ctx      context.Context
	cancel   context.CancelFunc
	group    sync.WaitGroup
	inbound  chan struct{} // one token per accepted connection

	mu       sync.Mutex
	refusals map[string]string // by remote host: the last reason logged
}

// inboundPerPeer bounds accepted connections: overlapping attempts, and old ones that are not yet known to be dead.
const inboundPerPeer = 32

// New starts to accept connections from listener, which it owns from now on, and to dial the peers.
func New(listener net.Listener, opts Options) (*Transport, error) {
	if err := opts.Validate(); err != nil {
		return nil, errors.Join(fmt.Errorf("start transport: %w", err), listener.Close())
	}
	t := &Transport{
		opts:     opts.withDefaults(),
		listener: listener,
		start:    time.Now(),
		peers:    make(map[uint16]*peer),
		refusals: make(map[string]string),
	}
	t.logger = t.opts.Logger
	t.ctx, t.cancel = context.WithCancel(context.Background())
	for id, address := range t.opts.Peers {
		if id != t.opts.Self {
			t.peers[id] = newPeer(t, id, address)
		}
	}
	t.inbound = make(chan struct{}, inboundPerPeer*max(1, len(t.peers)))
	t.group.Go(t.accept)
	for _, p := range t.peers {
		t.group.Go(p.run)
	}
	return t, nil
}

// Addr is the address peers dial.
func (t *Transport) Addr() net.Addr { return t.listener.Addr() }

// Send queues a message for a peer and returns at once. It may be lost (package comment); Stats counts those that are
// lost here. The payload must not be modified afterwards.
func (t *Transport) Send(to uint16, payload []byte) {
	if p := t.peers[to]; p != nil {
		p.send(payload)
	}
}

// Drain waits until everything queued so far has been handed to the operating system or lost, or ctx ends.
func (t *Transport) Drain(ctx context.Context) error {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for _, p := range t.peers {
		for p.queueBytes.Load() > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-ticker.C:
			}
		}
	}
	return nil
}

// Close ends all connections and goroutines. Messages still queued are lost.
func (t *Transport) Close() error {
	t.cancel()
	err := t.listener.Close()
	t.group.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Stats describes the links with one peer.
type Stats struct {
	Connected bool          // the peer can be sent messages
	Inbound   int           // connections that the peer has opened to this node
	HeardAgo  time.Duration // since the last byte from the peer, on any connection; negative when there was none
	RoundTrip time.Duration // of the last heartbeat; zero when unknown
	Connects  uint64        // connections opened to the peer: all but the first are reconnects
	Sent      uint64        // messages handed to the connection
	Received  uint64
	Dropped   uint64 // messages that were lost before they reached a connection
	Error     string // why the peer is not connected, or was not before
}

// Stats returns the state of the links with each peer.
func (t *Transport) Stats() map[uint16]Stats {
	all := make(map[uint16]Stats, len(t.peers))
	for id, p := range t.peers {
		all[id] = p.snapshot()
	}
	return all
}

// now is the time since the transport started, as stored in atomics; never zero.
func (t *Transport) now() int64 { return int64(time.Since(t.start)) + 1 }

const stampBytes = 8

// stamp is what a ping carries: now.
func (t *Transport) stamp() []byte { return binary.LittleEndian.AppendUint64(nil, uint64(t.now())) }
