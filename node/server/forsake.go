package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"elenchus/node/client"
	"elenchus/node/protocol"
)

// serveForsake makes this node give up leadership and its lease.
func (s *Server) serveForsake(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), statusPatience)
	defer cancel()
	before, err := s.forsake(ctx)
	switch {
	case err != nil && s.loop.ended():
		s.fail(w, refuse(http.StatusServiceUnavailable, "node is stopping"))
	case err != nil:
		s.fail(w, refuse(http.StatusGatewayTimeout, "node is too busy"))
	case before.Role != protocol.RoleLeader && before.Leader != 0:
		s.fail(w, refuse(http.StatusConflict, "this node does not lead, %v does", before.Leader))
	case before.Role != protocol.RoleLeader:
		s.fail(w, refuse(http.StatusConflict, "this node does not lead"))
	default:
		s.write(w, http.StatusOK, client.Answer{
			Outcome: client.OK, Node: s.opts.ID.String(), Ballot: before.Ballot.String(),
		})
	}
}

// forsake tells the machine to give up leadership, and returns its status from just before.
func (s *Server) forsake(ctx context.Context) (before protocol.Status, err error) {
	answer := make(chan protocol.Status, 1)
	select {
	case s.loop.inbox <- event{forsake: answer}:
	case <-s.loop.done:
		return before, errStopped
	case <-ctx.Done():
		return before, ctx.Err()
	}
	select {
	case before = <-answer:
		return before, nil
	case <-s.loop.done:
		return before, errStopped
	case <-ctx.Done():
		return before, ctx.Err()
	}
}

// handOver gives up leadership before an orderly shutdown, so that the others need not wait for a lease to expire. If
// the machine is too busy to do so in time, the node stops without.
func (s *Server) handOver() {
	ctx, cancel := context.WithTimeout(context.Background(), stopPatience)
	defer cancel()
	if _, err := s.forsake(ctx); err != nil && !errors.Is(err, errStopped) {
		s.logger.Warn("leadership not handed over", "error", err)
	}
}

// drain gives the last messages time to be sent.
func (s *Server) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), drainPatience)
	defer cancel()
	if err := s.transport.Drain(ctx); err != nil {
		s.logger.Debug("last messages may be lost", "error", err)
	}
}

// drainPatience is how long a stopping node waits for peers to take its last messages.
const drainPatience = 200 * time.Millisecond
