package register

// forget drops what no operation that is outstanding or still to come can see without contradiction. All of these are
// called no earlier than the oldest outstanding one, at an instant w, or no earlier than now. So nobody can see any
// more
//
//   - a segment whose successor was known to have been in the register before w;
//   - a block A, if some block B was first seen before w and something of B was called after A was first seen: then A
//     stands before B and whoever comes now stands behind it.
//
// A forgotten block does not matter to others either: what it would forbid to a block that is remembered, another block
// forbids, or that block is forgotten at the same time (package documentation).
func (m *Monitor) forget() {
	w := m.now
	if m.oldest != none {
		w = m.ops.items[m.oldest].call
	}
	for r := &m.recent; !r.empty() && r.firstOf(r.head) < w; r.head++ {
		m.earlier.note(r.head, r.lastOf(r.head))
	}
	for !m.replaced.empty() && m.segs.items[m.replaced.front()].until < w {
		m.drop(m.replaced.pop())
	}
	for m.front != none { // until one is not gone: its first is before w (package documentation)
		front := &m.blocks.items[m.front]
		gone := m.gone(m.front)
		// Blocks that must stand before the front one are gone with it, or by it (package documentation).
		for !m.alive.empty() && m.blocks.items[m.alive.front()].first < front.last {
			m.leave(m.alive.pop())
		}
		if !gone {
			if m.alive.empty() {
				m.tellFrom(m.front)
			}
			return
		}
		m.leave(m.front)
		if m.front = none; !m.alive.empty() {
			m.front = m.alive.pop()
		}
	}
}

// leave tells all of a block that nobody can see any more, and forgets it.
func (m *Monitor) leave(i int32) {
	m.tellAll(i)
	m.drop(m.blocks.items[i].tail)
}

// gone reports whether no operation can see block i any more.
func (m *Monitor) gone(i int32) bool {
	b := &m.blocks.items[i]
	return b.first < m.earlier.besides(b.place)
}

// drop forgets a segment, and its block with the last one.
func (m *Monitor) drop(v int32) {
	s := &m.segs.items[v]
	if v == m.absent {
		m.absent = none
	} else {
		m.values.remove(s.value)
	}
	b := &m.blocks.items[s.block]
	if b.segments--; b.segments == 0 {
		m.blocks.give(s.block)
	}
	s.forgotten = true
	if s.told {
		m.segs.give(v)
		return
	}
	m.tellOn(s.block)
}

// greatestTwo knows the greatest of some numbers that only rise, each at a place of its own, and the greatest of all
// the others.
type greatestTwo struct {
	first, second int64
	place         int // of the first
}

func (g *greatestTwo) note(place int, n int64) {
	switch {
	case place == g.place:
		g.first = max(g.first, n)
	case n > g.first:
		g.first, g.second, g.place = n, g.first, place
	default:
		g.second = max(g.second, n)
	}
}

// besides is the greatest number at another place.
func (g *greatestTwo) besides(place int) int64 {
	if place == g.place {
		return g.second
	}
	return g.first
}

// slab keeps things under small numbers and uses them again.
type slab[T any] struct {
	items []T
	free  []int32
}

func (s *slab[T]) reset() { s.items, s.free = s.items[:0], s.free[:0] }

func (s *slab[T]) take(item T) int32 {
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		s.items[i] = item
		return i
	}
	s.items = append(s.items, item)
	return int32(len(s.items) - 1)
}

func (s *slab[T]) give(i int32) { s.free = append(s.free, i) }

// queue is first in, first out.
type queue[T any] struct {
	items []T
	head  int
}

func (q *queue[T]) reset()      { q.items, q.head = q.items[:0], 0 }
func (q *queue[T]) empty() bool { return q.head == len(q.items) }
func (q *queue[T]) front() T    { return q.items[q.head] }

func (q *queue[T]) push(x T) {
	if q.head > len(q.items)/2 { // no more than half of it is ever waste
		q.items = q.items[:copy(q.items, q.items[q.head:])]
		q.head = 0
	}
	q.items = append(q.items, x)
}

func (q *queue[T]) pop() T {
	x := q.items[q.head]
	q.head++
	return x
}
