package register

import "math"

// breach is where the decision failed.
type breach struct {
	kind breachKind
	op   int32
	a, b int32 // segments; of cameBack, blocks
}

type breachKind uint8

const (
	impossibleAnswer breachKind = iota + 1 // op
	neverWritten                           // op saw a value that nobody wrote
	replacedTwice                          // the CAS of segments a and b saw the same segment
	circle                                 // segment a builds on itself
	againstTime                            // of the chain from a, segment b cannot follow what is before it
	cameBack                               // neither of blocks a and b can stand before the other
)

func (c *Checker) violated(b breach) bool {
	c.breach = b
	return false
}

// Witness is an operation in a core.
type Witness struct {
	Op int // its number
	// AsWrite says that it was a CAS, of which only this matters here: that it wrote its value.
	AsWrite bool
}

// In is the operation that w stands for among ops.
func (w Witness) In(ops []Op) Op {
	op := ops[w.Op]
	if w.AsWrite {
		op.Kind, op.Sees, op.Absent = Write, 0, false
	}
	return op
}

// Core appends to dst a few operations that have no linearization by themselves, unless the last decision was not
// Violated. That they have none proves that all of ops have none, because everything that is left out, every
// linearization could spare: reads, whole blocks, and both ends of chains. A CAS that begins such a piece of a chain
// stands for the write that it also was, which demands less.
//
// Updates of unknown outcome come with an operation that saw their value. The cost is O(n).
func (c *Checker) Core(dst []Witness) []Witness {
	if c.decision != Violated {
		return dst
	}
	k := core{Checker: c}
	switch b := c.breach; b.kind {
	case impossibleAnswer:
		k.add(b.op, false)
	case neverWritten:
		k.add(b.op, false)
		if c.ops[b.op].Unknown {
			k.evidence(c.values.find(c.ops[b.op].Writes))
		}
	case replacedTwice:
		k.piece(c.segs[b.a].prev, b.a)
		k.piece(c.segs[b.b].prev, b.b)
	case circle:
		k.circle(b.a)
	case againstTime:
		k.againstTime(b.b)
	case cameBack:
		k.cameBack(k.closest(b.a, b.b), b.b)
	}
	return append(dst, k.witnesses...)
}

// core collects witnesses.
type core struct {
	*Checker
	witnesses []Witness
}

// add adds an operation. One that is there as a write becomes the CAS that it was once that is asked for.
func (k *core) add(op int32, asWrite bool) {
	if op == none {
		return
	}
	for i := range k.witnesses {
		if w := &k.witnesses[i]; w.Op == int(op) {
			w.AsWrite = w.AsWrite && asWrite
			return
		}
	}
	k.witnesses = append(k.witnesses, Witness{int(op), asWrite})
}

// piece adds the updates of a chain from segment lo to hi, and evidence for the last. All others have the CAS behind
// them for evidence.
func (k *core) piece(lo, hi int32) {
	k.add(k.segs[lo].writer, k.segs[lo].prev != none)
	for v := lo; v != hi; {
		v = k.after(v, hi)
		k.add(k.segs[v].writer, false)
	}
	k.evidence(hi)
}

// after is the segment that follows v on the way to hi. Where two CAS replaced one value, next knows only one of them.
func (k *core) after(v, hi int32) int32 {
	if k.segs[hi].prev == v {
		return hi
	}
	return k.segs[v].next
}

// evidence adds what proves that the value of segment v was in the register, if nothing in the core does yet.
func (k *core) evidence(v int32) {
	for {
		s := &k.segs[v]
		if s.writer == none || !k.ops[s.writer].Unknown {
			return
		}
		for _, w := range k.witnesses {
			if k.ops[w.Op].Kind == Read && k.sees[w.Op] == v {
				return
			}
		}
		if s.minReturn != never {
			k.add(k.earliestRead(v), false)
			return
		}
		v = s.next
		k.add(k.segs[v].writer, false)
	}
}

// earliestRead is the read of segment v that returned first, latestRead the one that was called last.
func (k *core) earliestRead(v int32) int32 {
	return k.readWhere(v, func(op *Op) bool { return op.Return == k.segs[v].minReturn })
}

func (k *core) latestRead(v int32) int32 {
	return k.readWhere(v, func(op *Op) bool { return op.Call == k.segs[v].maxCall })
}

func (k *core) readWhere(v int32, fits func(*Op) bool) int32 {
	for i := range k.ops {
		if op := &k.ops[i]; op.Kind == Read && k.sees[i] == v && fits(op) {
			return int32(i)
		}
	}
	return none
}

// rootless is a live segment that no root leads to.
func (c *Checker) rootless() int32 {
	c.counts = grown(c.counts, len(c.segs))[:len(c.segs)]
	clear(c.counts)
	for _, b := range c.blocks {
		for v := b.root; ; {
			c.counts[v] = 1
			if v = c.segs[v].next; v == 0 {
				break
			}
		}
	}
	for v := range c.segs {
		if c.segs[v].live && c.counts[v] == 0 {
			return int32(v)
		}
	}
	return none
}

// circle adds the CAS that go round in a circle through segment v. If all their outcomes are unknown, whatever saw one
// of their values is evidence for all.
func (k *core) circle(v int32) {
	certain, seen := false, int32(none)
	for w := v; ; {
		s := &k.segs[w]
		k.add(s.writer, false)
		certain = certain || !k.ops[s.writer].Unknown
		if s.minReturn != never {
			seen = w
		}
		if w = s.prev; w == v {
			break
		}
	}
	switch {
	case certain:
	case seen != none:
		k.add(k.earliestRead(seen), false)
	default: // a CAS beside the circle, which only a circle of one can have
		k.evidence(v)
	}
}

// againstTime adds what of segment v returned too early, the last thing in front of it that was called only then, and
// the piece of chain between them.
func (k *core) againstTime(v int32) {
	s := &k.segs[v]
	early := s.writer // the operation of v that returned before something in front of it was called
	x, from := int32(none), int32(none)
	if early != none && !k.ops[early].Unknown {
		x, from = k.calledAfter(s.prev, k.ops[early].Return)
	}
	if x == none {
		early = k.earliestRead(v)
		if w := s.writer; w != none && k.ops[w].Call > s.minReturn {
			x, from = w, v
		} else {
			x, from = k.calledAfter(s.prev, s.minReturn)
		}
	}
	k.add(early, false) // first, so that it serves as evidence
	k.add(x, x == k.segs[from].writer && k.segs[from].prev != none)
	k.piece(from, v)
}

// calledAfter is the closest operation to the end of the chain that ends with segment v that was called after an
// instant, and its segment.
func (k *core) calledAfter(v int32, instant int64) (op, segment int32) {
	for ; v >= 0; v = k.segs[v].prev {
		s := &k.segs[v]
		if s.maxCall > instant {
			return k.latestRead(v), v
		}
		if s.writer != none && k.ops[s.writer].Call > instant {
			return s.writer, v
		}
	}
	return none, none
}

// closest is the block, like a, that cannot stand on either side of b, for which the fewest operations prove it, and
// among these in the shortest time. It is what people understand best.
func (k *core) closest(a, b int32) int32 {
	other := &k.blocks[b]
	best, bestOps, bestSpan := a, 4, int64(never)
	for i := range k.blocks {
		x := &k.blocks[i]
		first := x.first
		if i == initial {
			first = ever
		}
		if int32(i) == b || first >= other.last || other.first >= x.last {
			continue
		}
		ops := k.operationsFor(x, other)
		span := max(x.last, other.last) - min(max(first, -instantMax), other.first)
		if ops < bestOps || ops == bestOps && span < bestSpan {
			best, bestOps, bestSpan = int32(i), ops, span
		}
	}
	return best
}

// operationsFor guesses how many operations of block x it takes to prove that it was there both before something of
// block b was called and after something of it had returned: its write alone, or one or two reads besides.
func (k *core) operationsFor(x, b *block) int {
	s := &k.segs[x.root]
	n, before, after := 1, false, false
	if s.writer == none {
		n, before = 0, true
	} else {
		w := &k.ops[s.writer]
		before, after = !w.Unknown && w.Return < b.last, w.Call > b.first
	}
	if !before {
		n++
	}
	if !after {
		n++
	}
	return n
}

// cameBack adds proof that neither of blocks a and b can stand before the other: of each an operation that returned
// before one of the other was called.
func (k *core) cameBack(a, b int32) {
	early, late := k.straddle(k.blocks[a].root, k.blocks[b].last, k.blocks[b].first)
	until, since := int64(ever), k.ops[late].Call
	if early != none {
		until = k.ops[early].Return
	}
	k.straddle(k.blocks[b].root, since, until)
}

// straddle adds operations of the chain from root, as close to one another in the chain as possible: one that returned
// before an instant and one that was called after another. The first is none for the absent register, which was there
// before everything.
func (k *core) straddle(root int32, returned, called int64) (early, late int32) {
	e, l, reversed := k.nearest(root, returned, called)
	early, late = k.earliestRead(e), k.latestRead(l)
	switch w := k.segs[e].writer; {
	case e == initial:
		early = none
	case !k.ops[w].Unknown && k.ops[w].Return < returned:
		early = w
	}
	if w := k.segs[l].writer; w != none && k.ops[w].Call > called {
		late = w
	}
	if e == l && k.isRead(early) && k.isRead(late) { // perhaps one read is both
		both := k.readWhere(e, func(op *Op) bool { return op.Return < returned && op.Call > called })
		if both != none {
			early, late = both, both
		}
	}
	for _, op := range []int32{early, late} {
		if k.isRead(op) {
			k.add(op, false)
		}
	}
	if reversed {
		e, l = l, e
	}
	k.piece(e, l)
	return early, late
}

func (k *core) isRead(op int32) bool { return op != none && k.ops[op].Kind == Read }

// nearest finds in the chain from root a segment with an operation that returned before an instant and one with an
// operation that was called after another, as close to one another as possible; reversed says that the latter comes
// first. There are both.
func (k *core) nearest(root int32, returned, called int64) (early, late int32, reversed bool) {
	const far = math.MaxInt32
	earlyAt, lateAt, best := -far, -far, far
	e, l := int32(none), int32(none) // the last ones on the way
	for v, n := root, 0; ; n++ {
		s := &k.segs[v]
		w := s.writer
		if w == none || !k.ops[w].Unknown && k.ops[w].Return < returned || s.minReturn < returned {
			e, earlyAt = v, n
		}
		if w != none && k.ops[w].Call > called || s.maxCall > called {
			l, lateAt = v, n
		}
		if d := max(earlyAt-lateAt, lateAt-earlyAt); e != none && l != none && d < best {
			best, early, late, reversed = d, e, l, earlyAt > lateAt
		}
		if v = s.next; v == 0 {
			return early, late, reversed
		}
	}
}
