package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

// connection is one logged-in SSH connection. It is used until it breaks, and never repaired.
type connection struct {
	ssh  *ssh.Client
	done chan struct{} // closed when the connection is broken

	once  sync.Once
	cause error // why it broke; valid after done is closed
}

// connect dials and logs in. ctx limits all of it, including the handshake: a server that accepts and then stays
// silent is an error at the deadline.
func connect(ctx context.Context, h Host, l *login) (*ssh.Client, error) {
	var dialer net.Dialer
	nc, err := dialer.DialContext(ctx, "tcp", l.address)
	if err != nil {
		return nil, explainDial(ctx, h, l, err)
	}
	config := l.config
	if l.agent {
		auth, done, err := askAgent()
		if err != nil {
			_ = nc.Close()
			return nil, connectError(h, ErrAuth, "%w", err)
		}
		defer done()
		config.Auth = []ssh.AuthMethod{auth}
	}
	// The library's error hides that the host key check failed.
	hostKeyErr := make(chan error, 1)
	config.HostKeyCallback = func(address string, remote net.Addr, key ssh.PublicKey) error {
		err := l.config.HostKeyCallback(address, remote, key)
		if err != nil {
			hostKeyErr <- err // sent only once: the handshake ends here
		}
		return err
	}
	// Only closing the socket interrupts the library.
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
	conn, channels, requests, err := ssh.NewClientConn(nc, l.address, &config)
	if !stop() && err == nil {
		err = ctx.Err()
		_ = conn.Close()
	}
	if err != nil {
		_ = nc.Close()
		select {
		case err := <-hostKeyErr:
			return nil, connectError(h, ErrHostKey, "%w", err)
		default:
			return nil, explainHandshake(ctx, h, l, err)
		}
	}
	return ssh.NewClient(conn, channels, requests), nil
}

// explainDial adds the probable cause of a failed TCP connection.
func explainDial(ctx context.Context, h Host, l *login, err error) error {
	var dns *net.DNSError
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return connectError(h, ErrUnreachable, "connect to %s: %w", l.address, context.Cause(ctx))
	case ctx.Err() != nil, errors.Is(err, syscall.ETIMEDOUT):
		return connectError(h, ErrUnreachable, "%w: %s does not answer: wrong address, host down, or a firewall: %w",
			ErrTimeout, l.address, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return connectError(h, ErrUnreachable, "nothing listens at %s: is the SSH server running?: %w", l.address, err)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return connectError(h, ErrUnreachable, "no route to %s: is the lab up?: %w", l.address, err)
	case errors.As(err, &dns):
		return connectError(h, ErrUnreachable, "the name %q is not known: %w", dns.Name, err)
	default:
		return connectError(h, ErrUnreachable, "%w", err)
	}
}

// explainHandshake adds the probable cause of a failed handshake.
func explainHandshake(ctx context.Context, h Host, l *login, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return connectError(h, ErrUnreachable, "log in at %s: %w", l.address, context.Cause(ctx))
	case ctx.Err() != nil:
		return connectError(h, ErrUnreachable, "%w: %s accepted the connection, but its SSH handshake did not finish: %w",
			ErrTimeout, l.address, err)
	case strings.Contains(err.Error(), "unable to authenticate"): // the library has no error type for it
		return connectError(h, ErrAuth, "user %q may not log in at %s with %s: is its public half in the user's "+
			"authorized_keys?: %w", h.User, l.address, l.key, err)
	default:
		return connectError(h, ErrUnreachable, "%s ended the SSH handshake: too many connections, or not an SSH server?: %w",
			l.address, err)
	}
}

// newConnection starts monitoring a connection: keepalives are sent, and done is closed when it breaks. Its
// goroutines are counted in work and end with the connection.
func newConnection(client *ssh.Client, o Options, work *sync.WaitGroup) *connection {
	cn := &connection{ssh: client, done: make(chan struct{})}
	work.Go(func() {
		err := client.Wait()
		cn.fail(fmt.Errorf("connection lost: %w", err))
		close(cn.done)
	})
	work.Go(func() { cn.keepAlive(o.KeepAlive, o.KeepAliveTimeout, work) })
	return cn
}

// fail breaks the connection; only the first cause is kept.
func (cn *connection) fail(cause error) {
	cn.once.Do(func() { cn.cause = cause })
	_ = cn.ssh.Close()
}

// broken reports whether the connection is known to be broken.
func (cn *connection) broken() bool {
	select {
	case <-cn.done:
		return true
	default:
		return false
	}
}

// keepAlive sends a keepalive every interval and fails the connection if a response takes longer than timeout.
func (cn *connection) keepAlive(interval, timeout time.Duration, work *sync.WaitGroup) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	answered := make(chan struct{}, 1)
	for {
		select {
		case <-cn.done:
			return
		case <-ticker.C:
		}
		// Any response will do, even a refusal. An error means that the connection is ending, which done reports.
		work.Go(func() {
			_, _, _ = cn.ssh.SendRequest("keepalive@openssh.com", true, nil)
			answered <- struct{}{}
		})
		late := time.NewTimer(timeout)
		select {
		case <-answered:
			late.Stop()
		case <-cn.done:
			late.Stop()
			return
		case <-late.C:
			cn.fail(fmt.Errorf("connection lost: no sign of life for %v", timeout))
			return
		}
	}
}

// session opens a session and lets setup start something in it. If ctx ends meanwhile, it continues for a moment,
// because only this client could stop what was started; so ctx may be done when session returns without an error. A
// session that opens even later is closed.
func (cn *connection) session(ctx context.Context, work *sync.WaitGroup, setup func(*ssh.Session) error) error {
	done, abandoned := make(chan error), make(chan struct{})
	work.Go(func() {
		s, err := cn.ssh.NewSession()
		if err == nil {
			if err = setup(s); err != nil {
				_ = s.Close()
			}
		}
		select {
		case done <- err:
		case <-abandoned:
			if err == nil {
				_ = s.Close()
			}
		}
	})
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		select {
		case err = <-done:
		case <-time.After(readersPatience):
			close(abandoned)
			return fmt.Errorf("%w (while a session was opened)", deadlineError(ctx))
		}
	}
	if err != nil {
		return cn.explain(fmt.Errorf("open session: %w", err))
	}
	return nil
}

// lossDelay is how much earlier than the loss of its connection the end of a session may be noticed. The library
// propagates the loss within microseconds.
const lossDelay = 200 * time.Millisecond

// explain converts an error caused by the loss of the connection to ErrUnreachable.
func (cn *connection) explain(err error) error {
	select {
	case <-cn.done:
		return fmt.Errorf("%w: %w", ErrUnreachable, cn.cause)
	case <-time.After(lossDelay):
		return err
	}
}
