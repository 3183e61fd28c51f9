package multipaxos

import (
	"time"

	"elenchus/node/protocol"
)

// The machine's timers.
const (
	TimerElection  protocol.TimerID = iota + 1 // the election timeout, or the end of a back-off
	TimerHeartbeat                             // the leader's next heartbeat
	TimerRetry                                 // resends unanswered Prepares and Accepts
	TimerCatchup                               // a Catchup was not answered in time
	TimerGrace                                 // a candidate stops waiting for more promises
	TimerDeadline                              // the earliest request deadline
	TimerCommit                                // records the committed prefix when nothing else is written
	timersEnd
)

// timer keeps the instant at which something is due apart from the instant requested from the driver. Most deadlines
// only move later (every heartbeat postpones the election), so the driver is not asked each time: its timer fires early
// and is set again for the rest.
type timer struct {
	due   time.Duration // zero if nothing is due
	armed time.Duration // zero if the driver has no live timer
}

// after makes the timer due d from now.
func (m *Machine) after(id protocol.TimerID, d time.Duration) { m.at(id, m.now+d) }

func (m *Machine) at(id protocol.TimerID, due time.Duration) {
	t := &m.timers[id]
	t.due = due
	if t.armed == 0 || due < t.armed {
		m.arm(id)
	}
}

// ensure makes the timer due d from now unless it is already due at some time.
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

// stretched returns d extended by a random fraction of up to Jitter.
func (m *Machine) stretched(d time.Duration) time.Duration {
	return d + time.Duration(float64(d)*m.opts.Jitter*m.rng.Float64())
}
