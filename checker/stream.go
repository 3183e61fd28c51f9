package checker

import (
	"time"

	"elenchus/checker/register"
	"elenchus/checker/rules"
	"elenchus/results/history"
)

// Stream is a verdict in the making: it is shown a history event by event and keeps sums of it, and of the operations
// only those that are under way. Every part of the verdict that needs operations has a watcher of its own.
//
// Registers are decided as they go by, each with a proof that is verified at the same time ([register.Proof]). Only
// keys of which there is more to say are read again and held in memory for it, see [Stream.Finish].
//
// Memory grows with what overlaps, with keys, with updates of unknown outcome that nobody has seen, and by about two
// bytes for an update, for the promise that no value is written twice. What overlaps is much where a client never
// learns what became of an operation and says so only at the end: such an operation overlaps with all that follow.
type Stream struct {
	in     Input
	counts *outcomes
	faulty *underFaults
	astray *deposedReads
	silent *silences
	served *service
	keys   *registers
	named  *named
	told   rules.Answers

	open history.Calls[underWay]
	last time.Duration // when the latest event was
	all  []Watcher
}

// underWay is what is to be known of an operation that has not completed.
type underWay struct {
	register *registerWatch
	pending  register.Pending
	told     rules.Told // when it was invoked
}

// call is an operation between invocation and completion.
type call = history.Call[underWay]

// Watcher is shown every operation of a history: in order of completion, and at last those that never completed, in
// order of invocation. It must not keep them.
type Watcher interface {
	Observe(op *history.Operation)
}

// NewStream begins a verdict. Of in, everything but what is about the history must be there.
func NewStream(in Input) *Stream { return newStream(in, true) }

// newStream begins a verdict that is to decide registers as they go by, or is not.
func newStream(in Input, prove bool) *Stream {
	windows := history.Windows(in.Faults.Events)
	s := &Stream{
		in: in, counts: new(outcomes), faulty: newUnderFaults(windows), astray: newDeposedReads(in.Nodes, in.Facts.Reads),
		silent: newSilences(in.Faults.Events, in.Facts.Recovery), served: newService(), keys: newRegisters(prove),
		named: newNamed(in.Broken),
	}
	s.all = []Watcher{s.counts, s.faulty, s.astray, s.silent, s.served, s.named}
	return s
}

// Know replaces what is known of the run, but for its faults and its nodes, which must be what they were.
func (s *Stream) Know(in Input) { s.in = in }

// Repeats reports whether a value was written twice to a key so far.
func (s *Stream) Repeats() bool { return s.keys.repeated != nil }

// Watch has another watcher look on, from the next completion.
func (s *Stream) Watch(w Watcher) { s.all = append(s.all, w) }

// Observe takes the next event of a valid history.
func (s *Stream) Observe(e *history.Event) {
	s.last = e.Time
	switch e.Type {
	case history.End:
	case history.Invoke:
		c := s.open.Begin(e)
		c.With.register = s.keys.of(e.Op.Key)
		c.With.register.invoke(c)
		c.With.told = s.told.Latest()
	default:
		if c := s.open.End(e); c != nil {
			s.conclude(c)
			s.open.Free(c)
		}
	}
}

// conclude shows an operation that is over to everybody.
func (s *Stream) conclude(c *call) {
	c.With.register.complete(c)
	s.told.Complete(&c.Operation, c.With.told)
	for _, w := range s.all {
		w.Observe(&c.Operation)
	}
}

// Operations is how many have been invoked so far.
func (s *Stream) Operations() int { return s.open.Invoked() }
