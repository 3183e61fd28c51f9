package sim

import "time"

// eventKind says what happens in an event.
type eventKind uint8

// The kinds of events.
const (
	eventMessage eventKind = iota + 1 // a message arrives: sub is the sender, gen the connection, arg its place
	eventTimer                        // a machine's timer is due: sub is which, gen its setting
	eventSync                         // a disk has done a sync: gen is the incarnation
	eventSynced                       // the process is told of it: arg is the last record
	eventSaved                        // a disk has written a snapshot: gen is the incarnation, arg the slot
	eventRequest                      // a client's request arrives at its node: arg is the call
	eventAnswer                       // an answer arrives at its client: arg is the call
	eventTimeout                      // a client may have waited long enough
	eventThink                        // a client has finished thinking: gen is its phase
	eventFault                        // a fault begins: arg is its place in the plan
	eventHeal                         // a fault ends
	eventStrobe                       // a wall clock is stepped back or forth: arg is the fault
	eventRestart                      // a node is started: gen is the incarnation that ended
	eventReseed                       // from now on, random choices are made with the plan's other seed
)

// event is something that happens at one time. It is a plain value, so that the queue is one piece of memory.
type event struct {
	at   time.Duration
	seq  uint64
	arg  uint64
	gen  uint32
	kind eventKind
	node uint8
	sub  uint16
}

func (e *event) before(f *event) bool { return e.at < f.at || e.at == f.at && e.seq < f.seq }

// eventQueue returns events in their order: by time, and at equal times in the order in which they were added.
//
// Nearly every event is added a moment before it is due, and few wait for longer. So the next ones are in a sorted
// list, with the very next at its end: removing it costs nothing, and adding one moves the few that precede it. When
// the list grows long, its later half is moved to a heap, from where it returns in time.
type eventQueue struct {
	near  []event // sorted, the latest first
	far   eventHeap
	added uint64
}

// nearMax is the length from which a list costs more than a heap.
const nearMax = 128

func (q *eventQueue) reset() { q.near, q.far, q.added = q.near[:0], q.far[:0], 0 }

func (q *eventQueue) len() int { return len(q.near) + len(q.far) }

// first returns the next event; the pointer is valid until another event is added. The queue must not be empty.
func (q *eventQueue) first() *event {
	if len(q.near) == 0 {
		q.fetch()
	}
	return &q.near[len(q.near)-1]
}

// drop removes the next event, which first has returned.
func (q *eventQueue) drop() { q.near = q.near[:len(q.near)-1] }

// push adds an event.
func (q *eventQueue) push(e event) {
	q.added++
	e.seq = q.added
	if len(q.near) == nearMax {
		q.spill()
	}
	if len(q.far) > 0 && q.far[0].before(&e) {
		q.far.push(e)
		return
	}
	q.near = append(q.near, event{})
	near := q.near
	i := len(near) - 1
	for i > 0 && near[i-1].before(&e) {
		near[i] = near[i-1]
		i--
	}
	near[i] = e
}

// spill moves the later half of the list to the heap.
func (q *eventQueue) spill() {
	half := len(q.near) / 2
	for i := range half {
		q.far.push(q.near[i])
	}
	q.near = q.near[:copy(q.near, q.near[half:])]
}

// fetch fills the empty list with the earliest events of the heap.
func (q *eventQueue) fetch() {
	count := min(nearMax/2, len(q.far))
	q.near = append(q.near, q.far[:count]...)
	for i := range count {
		q.near[count-1-i] = q.far.pop()
	}
}

// eventHeap is a heap with four children to a node, the earliest event on top: shallower than a binary one, and the
// children lie next to one another (LaMarca and Ladner 1996).
type eventHeap []event

func (h *eventHeap) push(e event) {
	*h = append(*h, e)
	items := *h
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

// pop removes the earliest event. The heap must not be empty.
func (h *eventHeap) pop() event {
	items := *h
	top := items[0]
	last := len(items) - 1
	e := items[last]
	items = items[:last]
	*h = items
	if last == 0 {
		return top
	}
	i := 0
	for {
		child := 4*i + 1
		if child >= last {
			break
		}
		least := child
		for c := child + 1; c < min(child+4, last); c++ {
			if items[c].before(&items[least]) {
				least = c
			}
		}
		if !items[least].before(&e) {
			break
		}
		items[i] = items[least]
		i = least
	}
	items[i] = e
	return top
}
