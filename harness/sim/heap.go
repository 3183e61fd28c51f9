package sim

import (
	"math/bits"
	"time"
)

// eventKind says what happens.
type eventKind uint8

// What can happen in a world.
const (
	eventMessage eventKind = iota + 1 // a message arrives: sub is the sender, gen the connection, arg its place
	eventTimer                        // a machine's timer is due: sub is which, gen its setting
	eventSync                         // a disk has done a sync: gen is the incarnation
	eventSynced                       // the process is told of it: arg is the last record
	eventSaved                        // a disk has written a snapshot: gen is the incarnation, arg the slot
	eventRequest                      // a client's request arrives at its node: arg is the call
	eventAnswer                       // an answer arrives at its client: arg is the call
	eventTimeout                      // a client may have lost patience
	eventThink                        // a client has thought of something: gen is its phase
	eventFault                        // a fault begins: arg is its place in the plan
	eventHeal                         // a fault ends
	eventStrobe                       // a wall clock jumps to and fro: arg is the fault
	eventRestart                      // a node is started: gen is the incarnation that ended
	eventReseed                       // what is drawn from now on comes from the plan's other seed
)

// event is one thing that happens. It is a plain value, so that the heap of them is one piece of memory.
type event struct {
	at   time.Duration
	seq  uint64
	arg  uint64
	gen  uint32
	kind eventKind
	node uint8
	sub  uint16
}

func (e *event) before(f *event) bool { return e.precedes(f) != 0 }

// precedes is 1 if e comes before f, and 0 otherwise: what is borrowed when (at, seq) of f, as a number of 128 bits, is
// taken from that of e. No processor can predict which of two events is the earlier one, so that a branch on it costs
// more than all the rest of a comparison.
func (e *event) precedes(f *event) uint64 {
	_, borrow := bits.Sub64(e.seq, f.seq, 0)
	_, borrow = bits.Sub64(uint64(e.at), uint64(f.at), borrow)
	return borrow
}

// eventHeap is a heap with four children to a node, the earliest event on top: shallower than a binary one, and the
// children lie next to one another (LaMarca and Ladner 1996). Ties are broken by the order in which events were added.
type eventHeap struct {
	items []event
	added uint64
}

func (h *eventHeap) reset() { h.items, h.added = h.items[:0], 0 }

// push adds an event.
func (h *eventHeap) push(e event) {
	h.added++
	e.seq = h.added
	h.items = append(h.items, e)
	items := h.items
	i := len(items) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if !e.before(&items[parent]) {
			break
		}
		items[i] = items[parent]
		i = parent
	}
	items[i] = e
}

// pop takes the earliest event out. The heap must not be empty.
func (h *eventHeap) pop() event {
	items := h.items
	top := items[0]
	last := len(items) - 1
	e := items[last]
	items = items[:last]
	h.items = items
	if last == 0 {
		return top
	}
	i := 0
	for {
		child := 4*i + 1
		if child >= last {
			break
		}
		children, least := items[child:min(child+4, last)], 0
		for c := 1; c < len(children); c++ {
			least += (c - least) & -int(children[c].precedes(&children[least]))
		}
		least += child
		if !items[least].before(&e) {
			break
		}
		items[i] = items[least]
		i = least
	}
	items[i] = e
	return top
}
