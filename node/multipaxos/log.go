package multipaxos

import (
	"fmt"
	"maps"
	"slices"

	"elenchus/node/protocol"
)

// slotLog holds the accepted entries from slot first on; everything below first is chosen and covered by a snapshot.
// Any number of slots may be missing above the committed prefix, since a lagging node accepts new proposals long before
// it has the entries below them. The log is therefore a sparse map of pages.
type slotLog struct {
	pages  map[protocol.Slot]*page // by page number: slot / pageSlots
	recent *page                   // the last page looked up, usually the next one wanted; nil if it does not exist
	number protocol.Slot           // the number of recent; noPage if there was no lookup
	spare  *page                   // a dropped page for reuse
	first  protocol.Slot
	last   protocol.Slot // the highest slot that holds an entry or is covered by a snapshot
}

// page holds pageSlots consecutive slots. A missing entry has slot zero, which no real entry has.
type page [pageSlots]logEntry

const pageSlots = 32

// noPage is not the number of any page.
const noPage = ^protocol.Slot(0)

type logEntry struct {
	protocol.Entry
	chosen bool // the value is known to be chosen
}

// newLog builds the log from what was recovered. Of the entries also covered by the snapshot, it keeps those directly
// below the end of the snapshot, without a gap, if they are known to be chosen; they help lagging peers. The others may
// hold anything: a snapshot from a peer covers slots in which this node had accepted another value, or none.
func newLog(rec protocol.Recovered) (slotLog, error) {
	base := protocol.Slot(0)
	if rec.Snapshot != nil {
		base = rec.Snapshot.Slot
	}
	l := slotLog{pages: make(map[protocol.Slot]*page), number: noPage, first: base + 1, last: base}
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
		e := l.get(slot)
		if e == nil {
			return l, fmt.Errorf("recovered log lacks slot %d of the committed prefix up to %d", slot, rec.Committed)
		}
		e.chosen = true
	}
	return l, nil
}

// get returns the entry of a slot, or nil. The pointer stays valid while the entry is in the log.
func (l *slotLog) get(slot protocol.Slot) *logEntry {
	p := l.page(slot / pageSlots)
	if p == nil || p[slot%pageSlots].Slot == 0 {
		return nil
	}
	return &p[slot%pageSlots]
}

// page returns the page with the given number, or nil.
func (l *slotLog) page(number protocol.Slot) *page {
	if l.number != number {
		l.recent, l.number = l.pages[number], number
	}
	return l.recent
}

// put stores an accepted entry, replacing any earlier one in its slot. The chosen flag is kept: a chosen value can only
// be replaced by the same value in a higher ballot.
func (l *slotLog) put(e protocol.Entry) {
	number := e.Slot / pageSlots
	p := l.page(number)
	if p == nil {
		if p, l.spare = l.spare, nil; p == nil {
			p = new(page)
		}
		l.pages[number], l.recent = p, p
	}
	p[e.Slot%pageSlots].Entry = e
	l.last = max(l.last, e.Slot)
}

// collect returns the entries of slots first…last, up to one of the limits, and the last slot it looked at.
func (l *slotLog) collect(first, last protocol.Slot, entriesMax, bytesMax int) ([]protocol.Entry, protocol.Slot) {
	var list []protocol.Entry
	bytes := 0
	for slot := first; slot <= last; slot++ {
		e := l.get(slot)
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

// forget drops the entries below slot first, which a snapshot covers.
func (l *slotLog) forget(first protocol.Slot) {
	l.recent, l.number = nil, noPage
	maps.DeleteFunc(l.pages, func(number protocol.Slot, p *page) bool {
		dropped := number < first/pageSlots
		if dropped {
			clear(p[:])
			l.spare = p
		}
		return dropped
	})
	if p := l.pages[first/pageSlots]; p != nil {
		clear(p[:first%pageSlots])
	}
	l.first, l.last = max(l.first, first), max(l.last, first-1)
}

// all yields every entry in slot order.
func (l *slotLog) all(yield func(e *protocol.Entry) bool) {
	numbers := slices.AppendSeq(make([]protocol.Slot, 0, len(l.pages)), maps.Keys(l.pages))
	slices.Sort(numbers)
	for _, number := range numbers {
		for i := range l.pages[number] {
			if e := &l.pages[number][i]; e.Slot != 0 && !yield(&e.Entry) {
				return
			}
		}
	}
}

// size returns the approximate encoded size of the entries above a slot, in bytes.
func (l *slotLog) size(above protocol.Slot) (bytes int) {
	for e := range l.all {
		if e.Slot > above {
			bytes += e.Size()
		}
	}
	return bytes
}
