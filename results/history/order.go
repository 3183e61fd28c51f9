package history

import (
	"fmt"
	"time"
)

// order defines which sequences of events are valid. Writer and reader share this code: a checker's answer on an
// invalid history would be meaningless.
//
// It remembers the processes that may act again, and of the others, which are as many as there are unknown outcomes,
// one bit.
type order struct {
	next    int64         // seq of the next event
	last    time.Duration // time of the last one
	procs   map[int]*process
	retired bitSet // processes with an unknown outcome: their last operation may still take effect
}

// process is the state of a client.
type process struct {
	node string

	open  bool // it has an outstanding invocation, which is …
	op    Op
	phase Phase
	seq   int64
}

// admit verifies that e may follow everything admitted so far, and records it. On error nothing has changed.
func (o *order) admit(e *Event) error {
	if e.Seq != o.next {
		return fmt.Errorf("seq is %d, want %d", e.Seq, o.next)
	}
	if e.Time < 0 || o.next > 0 && e.Time <= o.last {
		return fmt.Errorf("time %d ns is not after %d ns", e.Time, o.last)
	}
	if e.Type != End {
		if err := o.admitOperation(e); err != nil {
			return err
		}
	}
	o.next, o.last = e.Seq+1, e.Time
	return nil
}

func (o *order) admitOperation(e *Event) error {
	if err := e.validate(); err != nil {
		return err
	}
	p := o.procs[e.Process]
	switch {
	case p != nil && p.node != e.Node:
		return fmt.Errorf("process %d is pinned to %s and cannot move to %s", e.Process, p.node, e.Node)
	case p == nil && o.retired.has(e.Process):
		return fmt.Errorf("process %d was retired by an unknown outcome and cannot act again", e.Process)
	}
	if e.Type != Invoke {
		return o.admitCompletion(p, e)
	}
	if p == nil {
		p = &process{node: e.Node}
		if o.procs == nil {
			o.procs = make(map[int]*process)
		}
		o.procs[e.Process] = p
	}
	if p.open {
		return fmt.Errorf("process %d invokes %v while its %v (seq %d) is outstanding", e.Process, e.Op, p.op, p.seq)
	}
	p.open, p.op, p.phase, p.seq = true, e.Op, e.Phase, e.Seq
	return nil
}

func (o *order) admitCompletion(p *process, e *Event) error {
	if p == nil || !p.open {
		return fmt.Errorf("process %d completes %v, which it has not invoked", e.Process, e.Op)
	}
	if !p.op.equal(&e.Op) || p.phase != e.Phase {
		return fmt.Errorf("process %d completes %v (%s), but had invoked %v (%s, seq %d)",
			e.Process, e.Op, e.Phase, p.op, p.phase, p.seq)
	}
	*p = process{node: p.node} // what it has asked for may hold on to the memory of many events
	if e.Type == Unknown {
		delete(o.procs, e.Process)
		o.retired.add(e.Process)
	}
	return nil
}

// bitSet is a set of numbers, which take a bit or two each if most of those between them are in it, too. The zero value
// is empty.
type bitSet struct{ words map[int]uint64 }

func (s *bitSet) has(n int) bool { return s.words[n>>6]&(1<<(n&63)) != 0 }

func (s *bitSet) add(n int) {
	if s.words == nil {
		s.words = make(map[int]uint64)
	}
	s.words[n>>6] |= 1 << (n & 63)
}

func (o *Op) equal(p *Op) bool {
	if (o.Expect == nil) != (p.Expect == nil) || o.Expect != nil && *o.Expect != *p.Expect {
		return false
	}
	return o.Func == p.Func && o.Key == p.Key && o.Value == p.Value && o.Request == p.Request
}
