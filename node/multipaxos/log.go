package multipaxos

import (
	"fmt"
	"maps"
	"slices"

	"elenchus/node/protocol"
)

// slotLog is what this node has accepted, by slot, from slot first on; everything below is chosen and in a snapshot.
// Slots may be missing above the committed prefix, and so may any number of them: a node that lags accepts what is
// proposed now long before it has what came before. So the log is in pages, and has only those that something is in.
type slotLog struct {
	pages  map[protocol.Slot]*page // by their number: that of a slot, divided by pageSlots
	recent *page                   // the one looked at last, which mostly is wanted next; nil if there is none …
	number protocol.Slot           // … of this number, or if this is noPage none was looked at
	spare  *page                   // one that was dropped
	first  protocol.Slot
	last   protocol.Slot // the highest slot that holds something, or that a snapshot covers
}

// page is so many consecutive slots. The entry of slot zero, which there is not, stands for one that is missing.
type page [pageSlots]logEntry

const pageSlots = 32

// noPage is no page's number.
const noPage = ^protocol.Slot(0)

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

// get returns what a slot holds, or nil. It stays in its place for as long as it is in the log.
func (l *slotLog) get(slot protocol.Slot) *logEntry {
	p := l.page(slot / pageSlots)
	if p == nil || p[slot%pageSlots].Slot == 0 {
		return nil
	}
	return &p[slot%pageSlots]
}

// page returns a page by its number, or nil.
func (l *slotLog) page(number protocol.Slot) *page {
	if l.number != number {
		l.recent, l.number = l.pages[number], number
	}
	return l.recent
}

// put stores an accepted entry in place of what its slot held. That a value is chosen outlives its replacement by the
// same value in a higher ballot.
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

// collect appends the entries of the slots first…last to a new slice until one of the limits is reached. It returns
// them with the last slot looked at.
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

// forget drops what is below the slot first, which a snapshot holds.
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

// all yields every entry in the order of their slots.
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

// size is about how many bytes the entries above a slot take on disk.
func (l *slotLog) size(above protocol.Slot) (bytes int) {
	for e := range l.all {
		if e.Slot > above {
			bytes += e.Size()
		}
	}
	return bytes
}
