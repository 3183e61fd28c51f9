package register

import "fmt"

// Monitor decides the history of one register while it happens. After every event it knows whether what happened so
// far has a linearization, exactly as [Checker] would decide it if all outstanding updates were of unknown outcome; so
// it objects to the first completion that none explains, and to no other.
//
// Memory grows with what overlaps, not with the length of the history: it remembers the operations that are
// outstanding, the values that may still be seen, and what was first seen since the oldest outstanding operation was
// invoked. Updates of unknown outcome whose value was never seen may be seen at any time, and are remembered for good.
//
// The zero value is ready. It must not be copied once used, and serves one goroutine at a time.
//
// Events come in order of time, and invocations before completions of the same instant. Values are unique; a value that
// is written twice makes the Monitor abstain if it still remembers the first, and is taken for a new one otherwise.
type Monitor struct {
	now      int64
	decision Decision
	reason   string

	values table // value → segment, of all values that may still be seen
	segs   slab[span]
	blocks slab[stretch]
	ops    slab[outstanding]
	oldest int32 // outstanding operation, or none
	newest int32

	absent   int32        // the segment of the absent register; none once it cannot be seen any more
	recent   maxRing      // first and last of the blocks that were first seen since the oldest operation was invoked
	earlier  greatestTwo  // last of all blocks before these
	front    int32        // of the blocks that may still be seen, the one that was first seen first; or none
	alive    queue[int32] // the others, in order of first
	replaced queue[int32] // segments with a successor that may still be seen, in order of until
	path     []int32      // scratch of prove

	teller teller // tells the linearization; it does nothing unless somebody listens
}

// outstanding is an operation between invocation and completion, in a list in order of invocation.
type outstanding struct {
	call       int64
	kind       Kind
	segment    int32 // of an update
	prev, next int32
	id         int32 // its name in the linearization that is told
}

// span is one value's time in the register, as far as it is known.
type span struct {
	value, expect int64
	call          int64 // of its update
	until         int64 // when its successor was first known to have been in the register; never before that
	block         int32 // none until it is known to have been in the register
	prev          int32 // scratch of prove
	kind          Kind  // of its update
	absent        bool  // its update is a CAS that expects nothing
	linking       bool  // scratch of prove
	forgotten     bool  // nobody can see it any more
	told          bool  // it is in the linearization with everything that saw it, or nobody listens

	// For the linearization that is told:
	writer int32 // its update, none of the absent register
	next   int32 // its successor, or none
	reads  list  // what saw it and is not told yet
}

// stretch is a block: a chain of segments that nothing can come between.
type stretch struct {
	first    int64 // the earliest return
	last     int64 // the latest call
	place    int   // how many blocks were first seen before this one
	tail     int32 // its last segment
	segments int32 // how many of its segments are remembered
	open     int32 // the segment up to which it was told, the reads of which are told as they come; none before it began
	head     int32 // its first segment, if it was not told yet
}

// Ticket stands for an outstanding operation.
type Ticket int32

// Reset forgets everything and keeps the memory.
func (m *Monitor) Reset() {
	m.now, m.decision, m.reason = ever, Valid, ""
	m.values.reset(0)
	m.segs.reset()
	m.blocks.reset()
	m.ops.reset()
	m.oldest, m.newest = none, none
	m.recent.reset()
	m.earlier = greatestTwo{first: ever, second: ever}
	m.front = none
	m.alive.reset()
	m.replaced.reset()
	m.teller.reset()
	m.absent = m.segs.take(span{until: never, writer: none, next: none, reads: list{none, none}, told: m.teller.idle()})
	m.begin(stretch{first: ever, last: ever, tail: m.absent, head: m.absent, segments: 1, open: m.absent})
}

// Decision is Valid as long as there is a linearization, and never changes again once it is something else.
func (m *Monitor) Decision() Decision {
	if m.segs.items == nil { // nothing happened yet
		return Valid
	}
	return m.decision
}

// Reason says why the Monitor abstained or objected, in terms of values.
func (m *Monitor) Reason() string { return m.reason }

// begun makes a zero Monitor usable.
func (m *Monitor) begun() {
	if m.segs.items == nil {
		m.Reset()
	}
}

// Invoke begins an operation. Of op only Kind (Read, Write or CAS), Call, Writes, and for a CAS Sees and Absent matter.
func (m *Monitor) Invoke(op *Op) Ticket { return m.invoke(op, none) }

// invoke is Invoke of an operation that has a name in the linearization that is told.
func (m *Monitor) invoke(op *Op, id int32) Ticket {
	m.begun()
	if m.decision != Valid {
		return none
	}
	m.now = op.Call
	o := outstanding{call: op.Call, kind: op.Kind, segment: none, prev: m.newest, next: none, id: id}
	if op.updates() {
		o.segment = m.segs.take(span{
			value: op.Writes, expect: op.Sees, absent: op.Absent, kind: op.Kind,
			call: op.Call, until: never, block: none,
			writer: id, next: none, reads: list{none, none}, told: m.teller.idle(),
		})
		if m.values.insert(op.Writes, o.segment) != nowhere {
			m.decision, m.reason = Abstained, fmt.Sprintf("%d is written twice", op.Writes)
			return none
		}
	}
	t := m.ops.take(o)
	if m.newest != none {
		m.ops.items[m.newest].next = t
	} else {
		m.oldest = t
	}
	m.newest = t
	return Ticket(t)
}

// Done completes a Write or a CAS that took effect. Like all completions it reports whether there still is a
// linearization.
func (m *Monitor) Done(t Ticket, at int64) bool {
	if m.decision == Valid {
		m.now = at
		m.prove(m.ops.items[t].segment)
		m.retire(t)
	}
	return m.decision == Valid
}

// Found completes a Read that saw a value, or a CAS that did not match and found it instead of what it expected.
func (m *Monitor) Found(t Ticket, at, value int64) bool {
	if m.decision == Valid {
		m.now = at
		if o := &m.ops.items[t]; o.kind == CAS {
			if s := &m.segs.items[o.segment]; !s.absent && s.expect == value {
				m.object("a CAS found %d, which it expected, and did not match", value)
			}
		}
		m.withdraw(t) // before the value is looked up: nobody sees what an operation did not write, not even itself
		m.saw(t, m.values.find(value), value)
	}
	return m.decision == Valid
}

// FoundNothing completes a Read that found the register absent, or a CAS that did not match for that reason.
func (m *Monitor) FoundNothing(t Ticket, at int64) bool {
	if m.decision == Valid {
		m.now = at
		if o := &m.ops.items[t]; o.kind == CAS && m.segs.items[o.segment].absent {
			m.object("a CAS found nothing, as it expected, and did not match")
		}
		m.withdraw(t)
		if m.absent == none {
			m.object("the register was seen absent, but had certainly been written long ago")
		}
		m.saw(t, m.absent, 0)
	}
	return m.decision == Valid
}

// Impossible completes an operation with an answer that no register ever gives.
func (m *Monitor) Impossible(_ Ticket, at int64) bool {
	m.now = at
	m.object("an answer is impossible")
	return m.decision == Valid
}

// Abstain makes the Monitor decide nothing more, because something happened that it does not cover.
func (m *Monitor) Abstain(reason string) {
	if m.Decision() == Valid {
		m.begun()
		m.decision, m.reason = Abstained, reason
	}
}

// Fail completes an operation that certainly had no effect, or a Read without an answer.
func (m *Monitor) Fail(t Ticket, at int64) bool {
	if m.decision == Valid {
		m.now = at
		m.withdraw(t)
		m.retire(t)
	}
	return m.decision == Valid
}

// Unknown completes an update that may have taken effect, or may yet.
func (m *Monitor) Unknown(t Ticket, at int64) {
	if m.decision == Valid {
		m.now = at
		m.retire(t)
	}
}

func (m *Monitor) object(format string, args ...any) {
	if m.decision == Valid {
		m.decision, m.reason = Violated, fmt.Sprintf(format, args...)
	}
}

// saw completes an operation that saw segment v.
func (m *Monitor) saw(t Ticket, v int32, value int64) {
	if v == none {
		m.object("%d was seen, which was never written or certainly replaced long ago", value)
	}
	if m.decision == Valid {
		m.prove(v)
	}
	if m.decision != Valid {
		return
	}
	call := m.ops.items[t].call
	s := &m.segs.items[v]
	if s.until < call {
		m.object("%d was seen by an operation that was invoked after its successor had been seen", s.value)
		return
	}
	if m.raise(s.block, call); m.decision != Valid {
		return
	}
	m.tellRead(v, m.ops.items[t].id)
	m.retire(t)
}

// withdraw forgets the value of an operation that turned out not to write it.
func (m *Monitor) withdraw(t Ticket) {
	v := m.ops.items[t].segment
	if v == none || m.decision != Valid {
		return
	}
	s := &m.segs.items[v]
	if s.block != none {
		m.object("%d was seen, but the operation that wrote it had no effect", s.value)
		return
	}
	m.values.remove(s.value)
	m.segs.give(v)
}

// retire takes an operation off the list.
func (m *Monitor) retire(t Ticket) {
	if m.decision != Valid {
		return
	}
	o := m.ops.items[t]
	if o.prev != none {
		m.ops.items[o.prev].next = o.next
	} else {
		m.oldest = o.next
	}
	if o.next != none {
		m.ops.items[o.next].prev = o.prev
	} else {
		m.newest = o.prev
	}
	m.ops.give(int32(t))
	if o.prev == none {
		m.forget()
	}
}

// prove takes note that segment v has been in the register by now, and with it everything that it builds on.
func (m *Monitor) prove(v int32) {
	if b := m.segs.items[v].block; b != none {
		m.reach(b)
		return
	}
	m.path = m.path[:0]
	latest := int64(ever)
	block := int32(none)
	for block == none {
		s := &m.segs.items[v]
		if s.linking {
			m.object("%d was replaced by a value that builds on it", s.value)
			return
		}
		s.linking = true
		m.path = append(m.path, v)
		latest = max(latest, s.call)
		if s.kind == Write {
			block = m.begin(stretch{first: m.now, last: latest, tail: v, head: v, open: none})
			break
		}
		p := m.absent
		if !s.absent {
			p = m.values.find(s.expect)
		}
		if p == none {
			m.object("%d was replaced, which was never written or certainly replaced long ago", s.expect)
			return
		}
		if m.segs.items[p].until != never {
			m.object("%d was replaced twice", s.expect)
			return
		}
		s.prev = p
		v, block = p, m.segs.items[p].block
	}
	m.reach(block)
	m.attach(block)
	m.raise(block, latest)
}

// reach objects if no operation can see block i any more.
func (m *Monitor) reach(i int32) {
	if m.gone(i) {
		m.object("a value was seen that had certainly been replaced")
	}
}

// attach makes the segments of the path, the last of which comes first, the end of the chain of a block.
func (m *Monitor) attach(block int32) {
	b := &m.blocks.items[block]
	for i := len(m.path) - 1; i >= 0; i-- {
		v := m.path[i]
		s := &m.segs.items[v]
		s.linking, s.block = false, block
		b.segments++
		b.tail = v
		if s.kind == CAS {
			p := &m.segs.items[s.prev]
			p.until, p.next = m.now, v
			m.replaced.push(s.prev)
		}
	}
}

// begin takes note of a block that was first seen now, which is after all others.
func (m *Monitor) begin(b stretch) int32 {
	b.place = m.recent.push(b.first, b.last)
	i := m.blocks.take(b)
	if m.front == none {
		m.front = i
	} else {
		m.alive.push(i)
	}
	return i
}

// raise takes note that an operation on block i was called at an instant, and objects if another block can now stand
// neither before nor behind it.
func (m *Monitor) raise(i int32, call int64) {
	b := &m.blocks.items[i]
	if call <= b.last {
		return
	}
	b.last = call
	r := &m.recent
	if b.place < r.head {
		m.earlier.note(b.place, call)
	} else {
		r.raise(b.place, call)
	}
	// Only blocks that were first seen before the call matter. Those earlier than the recent ones do not object, or b
	// would be gone; b itself does not count.
	to := r.before(call)
	from := min(max(b.place+1, r.head), to)
	if max(r.greatest(r.head, min(b.place, to)), r.greatest(from, to)) > b.first {
		m.object("a value was seen before and after another")
	}
}
