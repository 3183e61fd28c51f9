package server

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"sync"

	"elenchus/node/client"
	"elenchus/node/protocol"
	"elenchus/node/register"
)

// sessionsMax is the maximum number of sessions of one incarnation, and so of concurrent mutations without a session of
// their own.
const sessionsMax = 1 << 16

// sessions is the pool of the node's own sessions, for mutations whose clients gave none.
//
// A session has one mutation outstanding at a time. It is reused even if the outcome of its last mutation is unknown
// and that mutation may still be in flight, because the store applies a mutation only if its number is above the
// session's last. So the old mutation either was applied before the new one or never will be, and "unknown" covers
// both. A number used up by a failed mutation leaves a gap, which the store permits.
//
// Ids consist of the top bit, which no client may set, then 4 bits for the node and 43 random bits for the incarnation.
// A boot number in place of the random bits would restart at 1 when a disk is wiped, and the new incarnation's first
// mutations would be taken for repeats of the old one's.
type sessions struct {
	mu   sync.Mutex
	base uint64
	made uint64
	free []*session // most recently used last, and taken first, which keeps the session tables small
}

type session struct {
	id  register.ClientID
	seq uint64
}

func newSessions(node protocol.NodeID) (*sessions, error) {
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, fmt.Errorf("make session ids: %w", err)
	}
	incarnation := binary.LittleEndian.Uint64(random[:]) >> (64 - 43)
	return &sessions{base: (client.SessionMax + 1) | uint64(node)<<59 | incarnation<<16}, nil
}

// take returns a session with its next seq, or nil if all are in use.
func (s *sessions) take() *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := len(s.free) - 1; last >= 0 {
		taken := s.free[last]
		s.free = s.free[:last]
		taken.seq++
		return taken
	}
	if s.made == sessionsMax {
		return nil
	}
	s.made++
	return &session{id: register.ClientID(s.base | (s.made - 1)), seq: 1}
}

// give returns a session to the pool.
func (s *sessions) give(done *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, done)
}
