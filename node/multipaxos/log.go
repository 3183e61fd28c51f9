package multipaxos

import (
	"fmt"

	"elenchus/node/protocol"
)

// slotLog is what this node has accepted, by slot. Slots may be missing above the committed prefix.
type slotLog struct {
	entries map[protocol.Slot]*logEntry
	last    protocol.Slot // the highest slot that holds something
}

type logEntry struct {
	protocol.Entry
	chosen bool // the value is known to be chosen
}

func newLog(rec protocol.Recovered) (slotLog, error) {
	l := slotLog{entries: make(map[protocol.Slot]*logEntry, len(rec.Entries))}
	for slot, e := range rec.Entries {
		if slot == 0 || slot == protocol.SlotLast || slot != e.Slot {
			return l, fmt.Errorf("recovered entry of slot %d under slot %d", e.Slot, slot)
		}
		l.put(e)
	}
	for slot := protocol.Slot(1); slot <= rec.Committed; slot++ {
		e := l.entries[slot]
		if e == nil {
			return l, fmt.Errorf("recovered log lacks slot %d of the committed prefix up to %d", slot, rec.Committed)
		}
		e.chosen = true
	}
	return l, nil
}

func (l *slotLog) get(slot protocol.Slot) *logEntry { return l.entries[slot] }

// put stores an accepted entry in place of what its slot held. That a value is chosen outlives its replacement by the
// same value in a higher ballot.
func (l *slotLog) put(e protocol.Entry) {
	if old := l.entries[e.Slot]; old != nil {
		old.Entry = e
		return
	}
	l.entries[e.Slot] = &logEntry{Entry: e}
	l.last = max(l.last, e.Slot)
}

// collect appends the entries of the slots first…last to a new slice until one of the limits is reached. It returns
// them with the last slot looked at.
func (l *slotLog) collect(first, last protocol.Slot, entriesMax, bytesMax int) ([]protocol.Entry, protocol.Slot) {
	var list []protocol.Entry
	bytes := 0
	for slot := first; slot <= last; slot++ {
		e := l.entries[slot]
		if e == nil {
			continue
		}
		list = append(list, e.Entry)
		bytes += e.Size()
		if len(list) >= entriesMax || bytes >= bytesMax {
			return list, slot
		}
	}
	return list, last
}
