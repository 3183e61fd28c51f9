package multipaxos

import (
	"fmt"
	"slices"
	"time"

	"elenchus/node/protocol"
)

// contact tracks whether a majority still answers the leader.
type contact struct {
	answered uint64 // the latest heartbeat answered by a majority
	missed   int    // periodic heartbeats due since answered last changed
}

// lostContact reports whether no majority has answered for twice the election timeout. Such a leader steps down: if it
// can still be heard, it keeps the others from electing one that can make progress. It counts heartbeats instead of
// reading the clock, because a node that was stopped for a while has not yet read the answers waiting for it.
//
// Contact is not lost while the lease is valid: nobody else could be elected, and reads can be served.
func (m *Machine) lostContact() bool {
	c := &m.leading.contact
	answered, alone := m.answered()
	if c.answered < answered || alone || m.holdsLease() {
		*c = contact{answered: answered}
		return false
	}
	c.missed++
	return time.Duration(c.missed)*m.heartbeatEvery() >= 2*m.opts.ElectionTimeout
}

// answered returns the latest heartbeat answered by a majority, counting this node. A cluster of one needs no answers.
func (m *Machine) answered() (beat uint64, alone bool) {
	if m.members.quorum == 1 {
		return 0, true
	}
	copied := m.reading.acked // this node's own entry is zero
	acked := copied[:len(m.members.ids)]
	slices.Sort(acked)
	return acked[len(acked)-m.members.quorum+1], false
}

// giveWay steps down and waits longer than usual, so that another node campaigns first.
func (m *Machine) giveWay(reason string) {
	m.stepDown(reason)
	m.after(TimerElection, m.stretched(2*m.opts.ElectionTimeout))
}

// checkContact steps down if contact is lost, and reports whether it did.
func (m *Machine) checkContact() bool {
	if m.role != protocol.RoleLeader || !m.lostContact() {
		return false
	}
	m.giveWay(fmt.Sprintf("no majority has answered the last %d heartbeats", m.leading.contact.missed))
	return true
}
