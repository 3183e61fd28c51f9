package sshd

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

// serveConn authenticates one connection and serves its sessions until it breaks.
func (s *Server) serveConn(nc net.Conn, config *ssh.ServerConfig) {
	_ = nc.SetDeadline(time.Now().Add(orDefault(s.HandshakeTimeout, handshakeTimeoutDefault)))
	conn, channels, requests, err := ssh.NewServerConn(nc, config)
	if err != nil {
		s.logf("refused %v: %v", nc.RemoteAddr(), err)
		return
	}
	_ = nc.SetDeadline(time.Time{})

	var sessions sync.WaitGroup
	sessions.Go(func() { answerGlobal(requests) })
	var open atomic.Int64
	for channel := range channels {
		if channel.ChannelType() != "session" {
			_ = channel.Reject(ssh.Prohibited, "only sessions are served")
			continue
		}
		if open.Load() >= int64(orDefault(s.SessionsMax, sessionsMaxDefault)) {
			_ = channel.Reject(ssh.ResourceShortage, "too many sessions")
			continue
		}
		open.Add(1)
		sessions.Go(func() {
			defer open.Add(-1)
			s.serveSession(channel)
		})
	}
	_ = conn.Close()
	sessions.Wait()
}

// answerGlobal answers requests that concern the whole connection: keepalives with yes, the rest (forwarding) with no.
func answerGlobal(requests <-chan *ssh.Request) {
	for r := range requests {
		if r.WantReply {
			_ = r.Reply(r.Type == "keepalive@openssh.com", nil)
		}
	}
}

// serveSession serves one session channel until the client or the command has closed it. A session runs one command.
func (s *Server) serveSession(newChannel ssh.NewChannel) {
	channel, requests, err := newChannel.Accept()
	if err != nil {
		return
	}
	var c *command
	for r := range requests {
		accepted := false
		if argv := commandOf(r); argv != nil && c == nil {
			if c, err = s.start(argv); err != nil {
				s.logf("start %q: %v", argv, err)
			}
			accepted = err == nil
		}
		if r.WantReply {
			_ = r.Reply(accepted, nil)
		}
		if accepted {
			c.relay(channel)
		}
	}
	_ = channel.Close()
	if c != nil {
		c.disconnect()
	}
}

// commandOf returns the command line of an exec or shell request, nil for any other request.
func commandOf(r *ssh.Request) []string {
	switch r.Type {
	case "shell":
		return []string{"/bin/sh"}
	case "exec":
		var payload struct{ Command string }
		if ssh.Unmarshal(r.Payload, &payload) != nil {
			return nil
		}
		return []string{"/bin/sh", "-c", payload.Command}
	default:
		return nil
	}
}
