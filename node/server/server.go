package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"elenchus/node/protocol"
	"elenchus/node/storage"
	"elenchus/node/transport"
	"elenchus/node/wal"
	"elenchus/node/wire"
)

// Server is a running node.
type Server struct {
	opts      Options
	logger    hclog.Logger
	boot      uint64
	started   time.Time
	store     *storage.Store
	loop      loop
	transport *transport.Transport
	http      *http.Server
	httpAddr  net.Addr
	sessions  *sessions
	inFlight  chan struct{}
	lastID    atomic.Uint64
	warned    atomic.Bool // set once an undecodable message has been logged

	cancel context.CancelFunc // ends the loop
	group  sync.WaitGroup
	once   sync.Once
	ended  chan struct{} // closed when everything has stopped
	err    error         // why the node stopped by itself; valid once ended is closed
}

// stopPatience is how long a stopping node waits for answers to be delivered.
const stopPatience = 2 * time.Second

// Start recovers the node from its data and runs it. On error it closes the listeners.
//
// Errors are those of wal.Open (wal.ErrCorrupt, wal.ErrIdentity, wal.ErrLocked, wal.ErrMissing), network errors, or
// list problems with the options.
func Start(opts Options) (*Server, error) {
	s := &Server{ended: make(chan struct{}), started: time.Now()}
	listeners, err := s.configure(opts)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start node: %w", err), closeAll(listeners))
	}
	if err := s.recover(); err != nil {
		return nil, errors.Join(err, closeAll(listeners))
	}
	if err := s.launch(listeners[0], listeners[1]); err != nil {
		return nil, errors.Join(err, s.loop.observer.Close(), s.store.Close(), closeAll(listeners[1:]))
	}
	return s, nil
}

func closeAll(listeners []net.Listener) error {
	var errs []error
	for _, l := range listeners {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// configure validates the options and returns the two listeners, or on error those already open.
func (s *Server) configure(opts Options) ([]net.Listener, error) {
	var listeners []net.Listener
	for _, l := range []net.Listener{opts.PeerListener, opts.HTTPListener} {
		if l != nil {
			listeners = append(listeners, l)
		}
	}
	if err := opts.Validate(); err != nil {
		return listeners, err
	}
	s.opts = opts.withDefaults()
	s.logger = s.opts.Logger
	s.inFlight = make(chan struct{}, s.opts.InFlightMax)
	var err error
	if s.sessions, err = newSessions(opts.ID); err != nil {
		return listeners, err
	}
	listen := func(given net.Listener, address, whom string) (net.Listener, error) {
		if given != nil {
			return given, nil
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			return nil, fmt.Errorf("listen for %s: %w", whom, err)
		}
		listeners = append(listeners, l)
		return l, nil
	}
	peers, err := listen(opts.PeerListener, s.opts.PeerAddress, "peers")
	if err != nil {
		return listeners, err
	}
	clients, err := listen(opts.HTTPListener, s.opts.HTTPAddress, "clients")
	if err != nil {
		return listeners, err
	}
	return []net.Listener{peers, clients}, nil
}

// recover opens the log, increments the boot number and creates the machine.
func (s *Server) recover() (err error) {
	before, err := readBoot(s.opts.FS, s.opts.Data)
	if err != nil {
		return err
	}
	id := wal.Identity{Cluster: s.opts.Cluster, Node: uint16(s.opts.ID)}
	store, recovered, info, err := storage.Open(s.opts.FS, s.opts.Data, id,
		wal.Options{MustExist: before.number > 0, FramesMin: before.frames})
	if errors.Is(err, wal.ErrMissing) {
		return fmt.Errorf("%w, but the node was started %d times with this data: its promises are lost", err,
			before.number)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, store.Close())
		}
	}()
	if torn := info.Torn; torn != nil {
		s.logger.Warn("torn tail cut off the log", "file", filepath.Join(s.opts.Data, wal.FileName),
			"offset", torn.Offset, "bytes", torn.Bytes, "reason", torn.Reason)
	}
	s.boot = before.number + 1
	if err := writeBoot(s.opts.FS, s.opts.Data, boot{s.boot, info.Frames}); err != nil {
		return err
	}
	machine, err := s.opts.Machine(recovered, s.boot)
	if err != nil {
		return fmt.Errorf("start protocol: %w", err)
	}
	observer, err := newObserver(s.opts, s.boot)
	if err != nil {
		return err
	}
	s.store = store
	s.loop = loop{
		machine: machine, store: store, observer: observer, clock: s.opts.Clock, logger: s.logger, self: s.opts.ID,
		tracing: !s.opts.NoTrace,
		send:    func(to protocol.NodeID, payload []byte) { s.transport.Send(uint16(to), payload) },
	}
	s.loop.init()
	s.logger.Info("log opened", "boot", s.boot, "records", info.Records, "bytes", info.Bytes, "base", info.Base)
	return nil
}

// launch starts the goroutines.
func (s *Server) launch(peers, clients net.Listener) error {
	addresses := make(map[uint16]string, len(s.opts.Peers))
	for id, address := range s.opts.Peers {
		addresses[uint16(id)] = address
	}
	var err error
	s.transport, err = transport.New(peers, transport.Options{
		Cluster: s.opts.Cluster, Self: uint16(s.opts.ID), Peers: addresses, Deliver: s.deliver,
		Logger: s.logger.Named("transport"), FrameBytesMax: protocol.EncodedBytesMax,
		Heartbeat: s.opts.LinkSilence / 4, DeadAfter: s.opts.LinkSilence, DialEvery: s.opts.LinkSilence / 4,
	})
	if err != nil {
		return err
	}
	s.http, s.httpAddr = s.newHTTP(), clients.Addr()
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.group.Go(s.loop.sync)
	s.group.Go(s.loop.saveSnapshots)
	s.group.Go(func() {
		if err := s.http.Serve(clients); !errors.Is(err, http.ErrServerClosed) {
			s.logger.Error("client listener failed", "error", err)
		}
	})
	s.group.Go(func() {
		if err := s.loop.run(ctx); err != nil {
			s.err = err
			s.logger.Error("node stops for good", "error", err)
			go s.shutdown(true)
		}
	})
	s.logger.Info("node started", "id", s.opts.ID.String(), "cluster", s.opts.Cluster,
		"peers", peers.Addr().String(), "clients", clients.Addr().String(), "boot", s.boot)
	return nil
}

// deliver passes a message from a peer to the loop. It blocks while the loop is busy, and returns when the loop ends.
func (s *Server) deliver(from uint16, payload []byte) {
	msg, err := wire.DecodeMessage(payload)
	if err == nil && (uint16(msg.From) != from || msg.To != s.opts.ID) {
		err = fmt.Errorf("%v from %v to %v came from n%d", msg.Kind, msg.From, msg.To, from)
	}
	if err != nil {
		level := hclog.Debug
		if !s.warned.Swap(true) {
			level = hclog.Warn // warn once, or a peer of another build would fill the disk with logs
		}
		s.logger.Log(level, "message refused", "peer", protocol.NodeID(from).String(), "error", err)
		return
	}
	select {
	case s.loop.inbox <- event{message: &msg}:
	case <-s.loop.done:
	}
}

// HTTPAddr returns the address at which clients are served.
func (s *Server) HTTPAddr() net.Addr { return s.httpAddr }

// Done returns a channel that is closed when the node has stopped for any reason.
func (s *Server) Done() <-chan struct{} { return s.ended }

// Wait waits until the node has stopped and returns the reason if it stopped by itself, or nil after Stop or Kill.
func (s *Server) Wait() error {
	<-s.ended
	return s.err
}

// Stop shuts the node down in good order: it gives up leadership, answers requests in flight, if need be as unknown,
// and syncs the log.
func (s *Server) Stop() error {
	s.shutdown(true)
	return s.Wait()
}

// Kill stops the node as abruptly as is possible within a process: no request is answered and nothing is synced.
func (s *Server) Kill() {
	s.shutdown(false)
	<-s.ended
}

func (s *Server) shutdown(orderly bool) {
	s.once.Do(func() {
		if orderly {
			s.handOver()
		}
		s.cancel()
		if !orderly {
			_ = s.http.Close()
		}
		<-s.loop.done
		if orderly {
			ctx, cancel := context.WithTimeout(context.Background(), stopPatience)
			if err := s.http.Shutdown(ctx); err != nil {
				_ = s.http.Close()
			}
			cancel()
			s.drain()
		}
		var errs []error
		errs = append(errs, s.transport.Close())
		if orderly {
			if _, err := s.store.Sync(); !errors.Is(err, wal.ErrBroken) { // a broken log is the reason for stopping
				errs = append(errs, err)
			}
		}
		s.group.Wait()
		errs = append(errs, s.store.Close(), s.loop.observer.Close())
		if err := errors.Join(errs...); err != nil {
			s.logger.Warn("shutdown was not clean", "error", err)
		}
		close(s.ended)
	})
}
