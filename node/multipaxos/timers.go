package multipaxos

import (
	"time"

	"elenchus/node/protocol"
)

// The machine's timers.
const (
	TimerElection  protocol.TimerID = iota + 1 // nothing was heard from a leader, or a back-off is over
	TimerHeartbeat                             // the leader makes itself heard
	TimerRetry                                 // unanswered Prepares and Accepts are sent again
	TimerCatchup                               // an unanswered Catchup goes to another peer
	TimerGrace                                 // a candidate stops waiting for stragglers
	TimerDeadline                              // the next request runs out of time
	TimerCommit                                // the committed prefix is written down while nothing else is
	timersEnd
)

// timer separates the instant at which something is due from the one the driver was asked for. Most deadlines only
// move away (every heartbeat postpones the election), so the driver is not bothered: its timer fires too early, and is
// set again for what is left.
type timer struct {
	due   time.Duration // zero: nothing is due
	armed time.Duration // zero: the driver has no live timer
}

// after makes the timer due at d from now.
func (m *Machine) after(id protocol.TimerID, d time.Duration) { m.at(id, m.now+d) }

func (m *Machine) at(id protocol.TimerID, due time.Duration) {
	t := &m.timers[id]
	t.due = due
	if t.armed == 0 || due < t.armed {
		m.arm(id)
	}
}

// ensure makes the timer due at d from now unless it is due already.
func (m *Machine) ensure(id protocol.TimerID, d time.Duration) {
	if m.timers[id].due == 0 {
		m.after(id, d)
	}
}

func (m *Machine) cancel(id protocol.TimerID) { m.timers[id].due = 0 }

func (m *Machine) arm(id protocol.TimerID) {
	t := &m.timers[id]
	t.armed = t.due
	m.fx.Timers = append(m.fx.Timers, protocol.TimerSet{ID: id, At: t.due})
}

func (m *Machine) onTimer(id protocol.TimerID) {
	if id == 0 || id >= timersEnd {
		return
	}
	t := &m.timers[id]
	t.armed = 0
	switch {
	case t.due == 0:
		return
	case m.now < t.due:
		m.arm(id)
		return
	}
	t.due = 0
	switch id {
	case TimerElection:
		m.onElectionTimeout()
	case TimerHeartbeat:
		m.onHeartbeatTimer()
	case TimerRetry:
		m.onRetryTimer()
	case TimerCatchup:
		m.onCatchupTimer()
	case TimerGrace:
		m.campaigning.graceOver = true
	case TimerDeadline:
		m.expire()
	case TimerCommit:
		m.recordCommit()
	}
}

// stretched is d lengthened by a random share of at most Jitter.
func (m *Machine) stretched(d time.Duration) time.Duration {
	return d + time.Duration(float64(d)*m.opts.Jitter*m.rng.Float64())
}
