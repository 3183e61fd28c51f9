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

// Transport is one node's end of the links to its peers.
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
	refusals map[string]string // the last reason logged, by remote host
}

// inboundPerPeer bounds accepted connections, allowing for overlapping attempts and for old ones not yet known to be
// dead.
const inboundPerPeer = 32

// New starts accepting connections from listener, which it owns from then on, and dialling the peers.
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

// Addr returns the address peers dial.
func (t *Transport) Addr() net.Addr { return t.listener.Addr() }

// Send queues a message for a peer and returns at once. The message may be lost (see the package comment); Stats counts
// those lost on this side. The payload must not be modified afterwards.
func (t *Transport) Send(to uint16, payload []byte) {
	if p := t.peers[to]; p != nil {
		p.send(payload)
	}
}

// Drain waits until every message queued so far has been handed to the operating system or lost, or ctx ends.
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

// Close closes all connections and ends all goroutines. Queued messages are lost.
func (t *Transport) Close() error {
	t.cancel()
	err := t.listener.Close()
	t.group.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Stats describes the links to one peer.
type Stats struct {
	Connected bool          // messages can be sent to the peer
	Inbound   int           // connections opened by the peer
	HeardAgo  time.Duration // time since the last byte from the peer, on any connection; negative if there was none
	RoundTrip time.Duration // round-trip time of the last heartbeat; zero if unknown
	Connects  uint64        // connections opened to the peer; all but the first are reconnects
	Sent      uint64        // messages handed to the connection
	Received  uint64
	Dropped   uint64 // messages lost before they reached a connection
	Error     string // why the peer is not, or last was not, connected
}

// Stats returns the state of the links to each peer.
func (t *Transport) Stats() map[uint16]Stats {
	all := make(map[uint16]Stats, len(t.peers))
	for id, p := range t.peers {
		all[id] = p.snapshot()
	}
	return all
}

// now returns the time since the transport started, as stored in atomics. It is never zero.
func (t *Transport) now() int64 { return int64(time.Since(t.start)) + 1 }

const stampBytes = 8

// stamp returns the payload of a ping: the current time.
func (t *Transport) stamp() []byte { return binary.LittleEndian.AppendUint64(nil, uint64(t.now())) }
