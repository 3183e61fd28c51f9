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

// sessionsMax bounds the sessions of one incarnation of a node, and so how many changes without a session of their own
// it works on at a time.
const sessionsMax = 1 << 16

// sessions are the node's own, for changes whose clients brought none.
//
// A session has one change outstanding at a time. It is used again even if the outcome of its last change is unknown
// and that change may still be under way: the store applies a change only if its number is above the session's last.
// So the old change either was applied before the new one, or never will be; both are what "unknown" means. A number
// that was used up by a change that failed leaves a gap, which the store does not mind.
//
// Ids have the top bit set, which no client may use, then 4 bits of the node and 43 random ones of the incarnation. A
// boot number instead would start again at 1 when a disk is wiped, and the new incarnation's first changes would be
// taken for repeats of the old one's.
type sessions struct {
	mu   sync.Mutex
	base uint64
	made uint64
	free []*session // the most recently used last: it is taken first, which keeps the session tables small
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

// give ends a session's use.
func (s *sessions) give(done *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, done)
}
