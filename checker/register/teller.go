package register

import (
	"cmp"
	"slices"
)

// teller is where a Monitor tells a linearization of what it watches, one operation after the other, as soon as it is
// certain that nothing that is still to come belongs before it. The package documentation has the argument.
//
// What it holds back is what the Monitor remembers, and the operations on it.
type teller struct {
	listener *Replay // nil if nobody listens
	links    slab[link]
}

// list is a queue of operations in order of completion.
type list struct{ head, tail int32 }

type link struct{ id, next int32 }

func (t *teller) idle() bool { return t.listener == nil }

func (t *teller) reset() { t.links.reset() }

// tellRead takes note of a completed operation that saw segment v and changed nothing.
func (m *Monitor) tellRead(v, id int32) {
	t := &m.teller
	s := &m.segs.items[v]
	switch {
	case t.idle():
	case m.blocks.items[s.block].open == v:
		t.listener.Place(id)
	default:
		l := t.links.take(link{id, none})
		if s.reads.tail == none {
			s.reads.head = l
		} else {
			t.links.items[s.reads.tail].next = l
		}
		s.reads.tail = l
	}
}

// tellFrom begins to tell of a block, whose last segment may still be seen.
func (m *Monitor) tellFrom(block int32) {
	b := &m.blocks.items[block]
	if m.teller.idle() || b.open != none {
		return
	}
	b.open = b.head
	m.tellSegment(b.open)
	m.tellOn(block)
}

// tellOn goes on with the next segment of a block that is being told, if nobody can see the last one any more.
func (m *Monitor) tellOn(block int32) {
	b := &m.blocks.items[block]
	if m.teller.idle() || b.open == none {
		return
	}
	for s := &m.segs.items[b.open]; s.forgotten && s.next != none; s = &m.segs.items[b.open] {
		b.open = m.conclude(b.open)
		m.tellSegment(b.open)
	}
}

// tellAll tells all that was not told yet of a block that nobody can see any more.
func (m *Monitor) tellAll(block int32) {
	if m.teller.idle() {
		return
	}
	m.tellFrom(block)
	b := &m.blocks.items[block]
	for {
		next := m.conclude(b.open)
		if next == none {
			break
		}
		b.open = next
		m.tellSegment(next)
	}
	b.open = none
}

// tellSegment tells an update and the reads that saw its value, as far as there are any yet. In order of completion
// none returned before one in front of it was called.
func (m *Monitor) tellSegment(v int32) {
	t := &m.teller
	s := &m.segs.items[v]
	if s.writer != none {
		t.listener.Place(s.writer)
	}
	for l := s.reads.head; l != none; {
		k := t.links.items[l]
		t.listener.Place(k.id)
		t.links.give(l)
		l = k.next
	}
	s.reads = list{none, none}
}

// conclude takes note that nothing more is to be told of segment v, and returns the next one of its block.
func (m *Monitor) conclude(v int32) (next int32) {
	s := &m.segs.items[v]
	next, s.told = s.next, true
	if s.forgotten {
		m.segs.give(v)
	}
	return next
}

// tellRest tells what is left when nothing is to come any more: the blocks in order of f+s.
func (m *Monitor) tellRest() {
	if m.teller.idle() || m.front == none || m.decision != Valid {
		return
	}
	rest := append([]int32{m.front}, m.alive.items[m.alive.head:]...)
	if m.blocks.items[m.front].open != none {
		m.tellAll(m.front)
		rest = rest[1:]
	}
	slices.SortFunc(rest, func(i, j int32) int {
		a, b := &m.blocks.items[i], &m.blocks.items[j]
		return cmp.Compare(a.first+a.last, b.first+b.last)
	})
	for _, i := range rest {
		m.tellAll(i)
	}
	m.front = none
	m.alive.reset()
}
