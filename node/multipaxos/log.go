package multipaxos

import (
	"fmt"
	"maps"
	"slices"

	"elenchus/node/protocol"
)

// slotLog is what this node has accepted, by slot, from slot first on; everything below is chosen and in a snapshot.
// Slots may be missing above the committed prefix.
type slotLog struct {
	entries map[protocol.Slot]*logEntry
	first   protocol.Slot
	last    protocol.Slot // the highest slot that holds something, or that a snapshot covers
}

type logEntry struct {
	protocol.Entry
	chosen bool // the value is known to be chosen
}

// newLog is what a disk held. Of the entries that the snapshot covers too, those are kept that lie behind it without a
// gap and are known to be chosen, for the sake of others who lag. The rest may hold anything: a snapshot that came from
// a peer covers slots of which this node had accepted another value, or none.
func newLog(rec protocol.Recovered) (slotLog, error) {
	base := protocol.Slot(0)
	if rec.Snapshot != nil {
		base = rec.Snapshot.Slot
	}
	l := slotLog{entries: make(map[protocol.Slot]*logEntry, len(rec.Entries)), first: base + 1, last: base}
	for slot, e := range rec.Entries {
		if slot == 0 || slot == protocol.SlotLast || slot != e.Slot {
			return l, fmt.Errorf("recovered entry of slot %d under slot %d", e.Slot, slot)
		}
		if slot > base {
			l.put(e)
		}
	}
	for base > 0 && rec.Committed >= base {
		e, ok := rec.Entries[l.first-1]
		if !ok {
			break
		}
		l.put(e)
		l.first--
	}
	for slot := l.first; slot <= rec.Committed; slot++ {
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

// forget drops what is below the slot first, which a snapshot holds.
func (l *slotLog) forget(first protocol.Slot) {
	if span := first - l.first; first > l.first && span > protocol.Slot(len(l.entries)) {
		maps.DeleteFunc(l.entries, func(slot protocol.Slot, _ *logEntry) bool { return slot < first })
		l.first = first
	}
	for ; l.first < first; l.first++ {
		delete(l.entries, l.first)
	}
	l.last = max(l.last, first-1)
}

// all returns every entry in the order of their slots.
func (l *slotLog) all() []protocol.Entry {
	list := make([]protocol.Entry, 0, len(l.entries))
	for _, slot := range slices.Sorted(maps.Keys(l.entries)) {
		list = append(list, l.entries[slot].Entry)
	}
	return list
}

// size is about how many bytes the entries above a slot take on disk.
func (l *slotLog) size(above protocol.Slot) (bytes int) {
	for slot, e := range l.entries {
		if slot > above {
			bytes += e.Size()
		}
	}
	return bytes
}
