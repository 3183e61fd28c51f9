package sshd

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

// ErrServerClosed is returned by Serve after Close.
var ErrServerClosed = errors.New("ssh server closed")

// Defaults and limits of a Server.
const (
	handshakeTimeoutDefault = 30 * time.Second
	lingerDefault           = 100 * time.Millisecond
	connsMaxDefault         = 128 // at a time, authenticated or not
	sessionsMaxDefault      = 100 // at a time on one connection
)

// Server is an SSH server for one user with one key. HostKey and AuthorizedKey are required, the rest may be zero.
// The fields must not be changed after the first call of Serve. A Server must not be copied.
type Server struct {
	HostKey       ssh.Signer
	AuthorizedKey ssh.PublicKey

	// User is the only login name accepted; empty means any. It does not affect the user that commands run as.
	User string

	// Dir is the initial directory of commands; "/" when empty. Env is their whole environment; when nil, a PATH of
	// the usual system directories, HOME=/root, SHELL=/bin/sh and USER. The environment of the server's own process
	// is not passed on.
	Dir string
	Env []string

	// HandshakeTimeout limits the time from a connection to its successful authentication; 30 s when zero.
	HandshakeTimeout time.Duration

	// Linger is how long after its command's exit a session keeps relaying the output of background children,
	// unless they close their ends sooner; 100 ms when zero.
	Linger time.Duration

	// ConnsMax and SessionsMax limit concurrent connections, and sessions per connection; 128 and 100 when zero.
	// Further ones are refused.
	ConnsMax    int
	SessionsMax int

	// Logf, if not nil, logs refused connections and failed commands. It must be safe for concurrent use.
	Logf func(format string, args ...any)

	mu        sync.Mutex
	closed    bool
	listeners map[net.Listener]struct{}
	conns     map[net.Conn]struct{}
	commands  map[*command]struct{}
	work      sync.WaitGroup // every goroutine and every running command
}

// validate lists everything that is wrong with the fields.
func (s *Server) validate() error {
	var errs []error
	if s.HostKey == nil {
		errs = append(errs, errors.New("host key is missing"))
	}
	if s.AuthorizedKey == nil {
		errs = append(errs, errors.New("authorized key is missing"))
	}
	if s.HandshakeTimeout < 0 || s.Linger < 0 {
		errs = append(errs, errors.New("timeouts must not be negative"))
	}
	if s.ConnsMax < 0 || s.SessionsMax < 0 {
		errs = append(errs, errors.New("limits must not be negative"))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("configure ssh server: %w", err)
	}
	return nil
}

// Serve accepts connections from l and closes it before it returns. It returns ErrServerClosed after Close, and
// otherwise the error of Accept. It may be called for several listeners.
func (s *Server) Serve(l net.Listener) error {
	defer func() { _ = l.Close() }()
	if err := s.validate(); err != nil {
		return err
	}
	if !s.addListener(l) {
		return ErrServerClosed
	}
	defer s.removeListener(l)

	config := s.config()
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			s.accept(nc, config)
		case s.isClosed():
			return ErrServerClosed
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ECONNABORTED):
			s.logf("accept: %v", err)
			time.Sleep(50 * time.Millisecond) // out of descriptors: wait for others to finish
		default:
			return fmt.Errorf("accept ssh connection: %w", err)
		}
	}
}

// Close stops accepting, closes every connection, kills the process group of every running command, and returns
// when all of them are gone. Background children whose command has exited are not touched, because the server does
// not track them.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	for l := range s.listeners {
		_ = l.Close()
	}
	for nc := range s.conns {
		_ = nc.Close()
	}
	for c := range s.commands {
		c.kill()
	}
	s.mu.Unlock()
	s.work.Wait()
	return nil
}

func (s *Server) config() *ssh.ServerConfig {
	authorized := s.AuthorizedKey.Marshal()
	config := &ssh.ServerConfig{
		MaxAuthTries: 6,
		PublicKeyCallback: func(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if s.User != "" && meta.User() != s.User {
				return nil, fmt.Errorf("user %q may not log in", meta.User())
			}
			if !bytes.Equal(key.Marshal(), authorized) {
				return nil, fmt.Errorf("key %s is not authorized", ssh.FingerprintSHA256(key))
			}
			return nil, nil
		},
	}
	config.AddHostKey(s.HostKey)
	return config
}

// accept starts serving a connection, or refuses it.
func (s *Server) accept(nc net.Conn, config *ssh.ServerConfig) {
	s.mu.Lock()
	refused := s.closed || len(s.conns) >= orDefault(s.ConnsMax, connsMaxDefault)
	if !refused {
		s.conns[nc] = struct{}{}
		s.work.Add(1)
	}
	s.mu.Unlock()
	if refused {
		s.logf("refused %v: too many connections", nc.RemoteAddr())
		_ = nc.Close()
		return
	}
	go func() {
		defer s.work.Done()
		defer s.forget(nc)
		s.serveConn(nc, config)
	}()
}

// forget closes the connection and stops tracking it.
func (s *Server) forget(nc net.Conn) {
	_ = nc.Close()
	s.mu.Lock()
	delete(s.conns, nc)
	s.mu.Unlock()
}

func (s *Server) addListener(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.listeners == nil {
		s.listeners = make(map[net.Listener]struct{})
		s.conns = make(map[net.Conn]struct{})
		s.commands = make(map[*command]struct{})
	}
	s.listeners[l] = struct{}{}
	return true
}

func (s *Server) removeListener(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func (s *Server) logf(format string, args ...any) {
	if s.Logf != nil {
		s.Logf(format, args...)
	}
}

// orDefault returns v, or fallback if v is zero.
func orDefault[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}
