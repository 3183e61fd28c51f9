package server

import (
	"time"

	"elenchus/node/protocol"
)

// timers holds the machine's timers, on its monotonic clock.
type timers struct {
	at map[protocol.TimerID]time.Duration
}

func (t *timers) set(s protocol.TimerSet) {
	if t.at == nil {
		t.at = make(map[protocol.TimerID]time.Duration)
	}
	if s.At == 0 {
		delete(t.at, s.ID)
		return
	}
	t.at[s.ID] = s.At
}

// next returns the earliest timer; among equals, the one with the lowest id.
func (t *timers) next() (id protocol.TimerID, at time.Duration, ok bool) {
	for i, instant := range t.at {
		if !ok || instant < at || instant == at && i < id {
			id, at, ok = i, instant, true
		}
	}
	return id, at, ok
}

// take removes and returns a timer that is due at now.
func (t *timers) take(now time.Duration) (protocol.TimerID, bool) {
	id, at, ok := t.next()
	if !ok || at > now {
		return 0, false
	}
	delete(t.at, id)
	return id, true
}
