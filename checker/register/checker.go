package register

import (
	"fmt"
	"math"
)

// Decision is what is known of a history.
type Decision uint8

// The decisions.
const (
	// Abstained says nothing: the history is not one that can be decided here. [Checker.Reason] says why.
	Abstained Decision = iota
	// Valid histories are linearizable. [Checker.Order] proves it.
	Valid
	// Violated histories are not linearizable. [Checker.Core] proves it.
	Violated
)

// String is the decision in one word.
func (d Decision) String() string {
	switch d {
	case Valid:
		return "valid"
	case Violated:
		return "violated"
	}
	return "abstained"
}

// Instants must lie within ±2⁶¹, so that two of them can be added.
const (
	instantMax = 1 << 61
	ever       = math.MinInt64 // before every instant
	never      = math.MaxInt64 // after every instant
)

// Checker decides histories of single registers, one after another, and proves its decisions. The zero value is ready.
// It keeps its memory, so that a Checker that has seen its largest history allocates nothing more. It must not be
// copied once used, and serves one goroutine at a time.
type Checker struct {
	ops    []Op
	values table     // value → segment
	sees   []int32   // operation → segment that it saw, or unwritten; of a Write, nothing
	segs   []segment // segs[initial] is the absent register
	blocks []block
	order  []keyed // blocks but the initial one, by f+s
	spare  []keyed
	counts []int32 // scratch of Order

	decision Decision
	why      objection
	breach   breach
}

// segment is one value's time in the register: its update and the reads that saw it.
type segment struct {
	minReturn int64 // of its reads; never without any
	maxCall   int64 // of its reads; ever without any
	writer    int32 // the operation that wrote it; none for the initial segment
	prev      int32 // of a CAS: the segment that it saw, or unwritten; else none
	next      int32 // the segment of the live CAS that saw this one; 0 for none, because nobody writes the initial segment
	live      bool  // it was certainly in the register
}

const (
	initial   = 0  // the segment of the absent register
	none      = -1 // no operation, no segment
	unwritten = -2 // the segment of a value that nobody wrote
)

// block is a chain of segments that each build on the one before, which nothing can come between.
type block struct {
	first int64 // f: the earliest return
	last  int64 // s: the latest call
	root  int32 // its first segment
}

// Decide decides whether the operations on one register, absent at first, are linearizable. It refers to ops until the
// next call, and expects them unchanged if a proof is asked for. The cost is O(n log n), whatever the operations.
func (c *Checker) Decide(ops []Op) Decision {
	c.Reset()
	c.ops = ops
	if !c.index() {
		return c.decision
	}
	if c.observe() && c.link() && c.chain() && c.arrange() {
		c.decision = Valid
	} else {
		c.decision = Violated
	}
	return c.decision
}

// Reset forgets the last history and keeps the memory.
func (c *Checker) Reset() {
	c.ops, c.decision, c.why, c.breach = nil, Abstained, objection{}, breach{}
	c.sees, c.segs, c.blocks, c.order = c.sees[:0], c.segs[:0], c.blocks[:0], c.order[:0]
}

// objection is why a history cannot be decided.
type objection struct {
	text string
	op   int
	with int
}

// Reason says why the Checker abstained, and is empty otherwise.
func (c *Checker) Reason() string {
	w := c.why
	switch w.text {
	case "":
		return ""
	case repeated:
		return fmt.Sprintf("operations %d and %d both write %d", w.with, w.op, c.ops[w.op].Writes)
	}
	return fmt.Sprintf("operation %d %s", w.op, w.text)
}

const (
	repeated  = "repeats a value"
	backwards = "returns before its call"
	outside   = "lies outside of the range of times"
	readless  = "is a read without an answer"
	tooMany   = "is one too many"
)

func (c *Checker) abstain(text string, op, with int) bool {
	c.why = objection{text, op, with}
	return false
}

// index gives every value that is written a segment. It reports false for histories that the method does not cover.
func (c *Checker) index() bool {
	if len(c.ops) >= math.MaxInt32 {
		return c.abstain(tooMany, math.MaxInt32, 0)
	}
	updates := 0
	for i := range c.ops {
		op := &c.ops[i]
		switch {
		case !op.Unknown && op.Return < op.Call:
			return c.abstain(backwards, i, 0)
		case op.Call <= -instantMax, op.Call >= instantMax, !op.Unknown && op.Return >= instantMax:
			return c.abstain(outside, i, 0)
		case op.Unknown && !op.updates():
			return c.abstain(readless, i, 0)
		case op.updates():
			updates++
		}
	}
	c.values.reset(updates)
	c.segs = grown(c.segs, updates+1)
	c.segs = append(c.segs, segment{minReturn: never, maxCall: ever, writer: none, prev: none, live: true})
	for i := range c.ops {
		op := &c.ops[i]
		if !op.updates() {
			continue
		}
		if old := c.values.insert(op.Writes, int32(len(c.segs))); old != nowhere {
			return c.abstain(repeated, i, int(c.segs[old].writer))
		}
		c.segs = append(c.segs, segment{minReturn: never, maxCall: ever, writer: int32(i), prev: none})
	}
	return true
}

// grown is s, empty, with room for n elements.
func grown[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, 0, n)
	}
	return s[:0]
}

// observe finds for every operation the segment that it saw.
func (c *Checker) observe() bool {
	c.sees = grown(c.sees, len(c.ops))[:len(c.ops)]
	mine := int32(initial) // the segment of the latest update: they were numbered in this order
	for i := range c.ops {
		op := &c.ops[i]
		if op.updates() {
			mine++
		}
		if op.Kind == Write {
			c.sees[i] = none
			continue
		}
		if op.Kind == Impossible {
			return c.violated(breach{kind: impossibleAnswer, op: int32(i)})
		}
		seen := int32(initial)
		if !op.Absent {
			seen = c.values.find(op.Sees)
		}
		if seen == nowhere {
			seen = unwritten
			if !op.Unknown {
				return c.violated(breach{kind: neverWritten, op: int32(i)})
			}
		}
		c.sees[i] = seen
		if op.Kind == CAS {
			c.segs[mine].prev = seen
			continue
		}
		s := &c.segs[seen]
		s.minReturn = min(s.minReturn, op.Return)
		s.maxCall = max(s.maxCall, op.Call)
	}
	return true
}

// link finds the segments that were certainly in the register, and with them the updates of unknown outcome that took
// effect: those whose value was seen, by a read or by a CAS that took effect itself. It links each CAS to what it saw.
func (c *Checker) link() bool {
	for i := 1; i < len(c.segs); i++ {
		if s := &c.segs[i]; c.ops[s.writer].Unknown && s.minReturn == never {
			continue
		}
		for v := int32(i); v != none && !c.segs[v].live; v = c.segs[v].prev {
			s := &c.segs[v]
			s.live = true
			switch {
			case s.prev == none:
			case s.prev == unwritten:
				return c.violated(breach{kind: neverWritten, op: s.writer})
			case s.prev == v:
				return c.violated(breach{kind: circle, a: v})
			case c.segs[s.prev].next != 0:
				return c.violated(breach{kind: replacedTwice, a: c.segs[s.prev].next, b: v})
			default:
				c.segs[s.prev].next = v
			}
		}
	}
	return true
}

// chain walks every chain from its root, verifies that it keeps real time by itself, and makes a block of it.
func (c *Checker) chain() bool {
	c.blocks = grown(c.blocks, len(c.segs))
	live, walked := 0, 0
	for i := range c.segs {
		s := &c.segs[i]
		if !s.live {
			continue
		}
		live++
		if s.prev != none {
			continue
		}
		b := block{first: never, last: ever, root: int32(i)}
		for v := b.root; ; {
			walked++
			if !c.extend(&b, v) {
				return c.violated(breach{kind: againstTime, a: b.root, b: v})
			}
			if v = c.segs[v].next; v == 0 {
				break
			}
		}
		c.blocks = append(c.blocks, b)
	}
	if walked < live { // what has no root goes round in a circle
		return c.violated(breach{kind: circle, a: c.rootless()})
	}
	return true
}

// extend puts segment v behind everything in b: first its update, then its reads. It reports false if one of these had
// returned before something in front of it was called.
func (c *Checker) extend(b *block, v int32) bool {
	s := &c.segs[v]
	if s.writer != none {
		w := &c.ops[s.writer]
		if !w.Unknown {
			if w.Return < b.last {
				return false
			}
			b.first = min(b.first, w.Return)
		}
		b.last = max(b.last, w.Call)
	}
	if s.minReturn < b.last {
		return false
	}
	b.first = min(b.first, s.minReturn)
	b.last = max(b.last, s.maxCall)
	return true
}

// arrange sorts the blocks and verifies that each may stand behind all that are before it.
func (c *Checker) arrange() bool {
	n := len(c.blocks)
	c.order = grown(c.order, n)
	for i := 1; i < n; i++ {
		b := &c.blocks[i]
		c.order = append(c.order, keyed{key: b.first + b.last, id: int32(i)})
	}
	c.spare = grown(c.spare, n)[:len(c.order)]
	c.order, c.spare = sortByKey(c.order, c.spare)
	latest, holder := c.blocks[initial].last, int32(initial)
	for _, k := range c.order {
		b := &c.blocks[k.id]
		if b.first < latest {
			return c.violated(breach{kind: cameBack, a: holder, b: k.id})
		}
		if b.last > latest {
			latest, holder = b.last, k.id
		}
	}
	return true
}
