package server

import (
	"context"
	"net/http"
	"time"

	"elenchus/node/protocol"
	"elenchus/node/register"
)

// replyGrace is how much longer than the request's deadline to wait for the machine's own answer.
const replyGrace = 250 * time.Millisecond

// do submits a command to the machine and waits for its reply. If there is none, the error gives the outcome.
func (s *Server) do(ctx context.Context, c register.Command, timeout time.Duration) (protocol.Reply, error) {
	deadline := s.opts.Clock().Mono + timeout
	select {
	case s.inFlight <- struct{}{}:
		defer func() { <-s.inFlight }()
	default:
		return protocol.Reply{}, refuse(http.StatusTooManyRequests, "%d requests are in flight", s.opts.InFlightMax)
	}
	if c.Op.Mutates() && c.Client == 0 {
		own := s.sessions.take()
		if own == nil {
			return protocol.Reply{}, refuse(http.StatusTooManyRequests, "all sessions of the node are in use")
		}
		defer s.sessions.give(own)
		c.Client, c.Seq = own.id, own.seq
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	reply := make(chan protocol.Reply, 1)
	request := protocol.Request{ID: protocol.RequestID(s.lastID.Add(1)), Command: c, Deadline: deadline}
	select {
	case s.loop.inbox <- event{submission: &submission{request, reply}}:
	case <-s.loop.done:
		return protocol.Reply{}, refuse(http.StatusServiceUnavailable, "node is stopping")
	case <-timer.C:
		return protocol.Reply{}, refuse(http.StatusServiceUnavailable, "node is too busy to take the request")
	case <-ctx.Done():
		return protocol.Reply{}, refuse(http.StatusServiceUnavailable, "client is gone")
	}
	timer.Reset(deadline - s.opts.Clock().Mono + replyGrace)
	select {
	case r := <-reply:
		return r, nil
	case <-s.loop.done:
		return s.lastWord(reply, c.Op, "node is stopping")
	case <-timer.C:
		return s.lastWord(reply, c.Op, "node did not answer in time")
	case <-ctx.Done():
		return s.lastWord(reply, c.Op, "client is gone")
	}
}

// lastWord returns the reply if it has arrived after all, and otherwise an error: a read has failed, since it has no
// effect; a mutation is unknown.
func (s *Server) lastWord(reply <-chan protocol.Reply, op register.Op, reason string) (protocol.Reply, error) {
	select {
	case r := <-reply:
		return r, nil
	default:
	}
	if !op.Mutates() {
		return protocol.Reply{}, refuse(http.StatusServiceUnavailable, "%s", reason)
	}
	return protocol.Reply{}, refuse(http.StatusGatewayTimeout, "%s", reason)
}
