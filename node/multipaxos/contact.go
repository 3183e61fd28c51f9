package multipaxos

import (
	"fmt"
	"slices"
	"time"

	"elenchus/node/protocol"
)

// contact is what a leader knows of being answered.
type contact struct {
	answered uint64 // the latest heartbeat that a majority has answered
	missed   int    // how many times the periodic one was due since that last changed
}

// lostContact reports whether no majority has answered for twice the election timeout. A leader that hears nothing but
// is heard keeps the others from electing one that can do something, so it steps down. It counts heartbeats instead of
// looking at the clock: a node that was stopped for a while has not read its answers yet.
//
// While a lease is valid nobody else could be elected, and reads can be answered.
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

// answered is the latest heartbeat that a majority, this node included, has answered. A node alone needs no answers.
func (m *Machine) answered() (beat uint64, alone bool) {
	if m.members.quorum == 1 {
		return 0, true
	}
	copied := m.reading.acked // this node's own is zero
	acked := copied[:len(m.members.ids)]
	slices.Sort(acked)
	return acked[len(acked)-m.members.quorum+1], false
}

// giveWay steps down, and leaves it to the others to campaign first.
func (m *Machine) giveWay(reason string) {
	m.stepDown(reason)
	m.after(TimerElection, m.stretched(2*m.opts.ElectionTimeout))
}

// checkContact steps down when contact is lost, and reports that.
func (m *Machine) checkContact() bool {
	if m.role != protocol.RoleLeader || !m.lostContact() {
		return false
	}
	m.giveWay(fmt.Sprintf("no majority has answered the last %d heartbeats", m.leading.contact.missed))
	return true
}
