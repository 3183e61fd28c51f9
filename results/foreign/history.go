package foreign

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"elenchus/results/history"
)

// History is a history of another tool as one of ours.
type History struct {
	Events []history.Event
	Faults []history.FaultEvent

	// Names are the values that were no whole numbers, by the numbers that stand for them.
	Names map[int64]string

	// Notes say what was left out or changed, for people.
	Notes []string
}

// Options say how a history is to be read. The zero value works.
type Options struct {
	// Keys says whether values are pairs of a key and a value.
	Keys Keys
}

// Keys says how a history of Jepsen's names its registers.
type Keys uint8

// The ways to name registers.
const (
	KeysAuto Keys = iota // pairs if every operation has one
	KeysNone             // there is one register; a pair is the value of a cas
	KeysPair             // every value is a pair of a key and a value
)

// onlyKey names the register of a history that has only one.
const onlyKey = "x"

// firstName is the number of the first value that has no number: beyond those that people count to.
const firstName = int64(1) << 60

// line is one operation as it stands in a file: an invocation or a completion.
type line struct {
	number  int // in the file, for errors
	time    time.Duration
	process int
	typ     history.Type
	op      history.Op
	values  []int64 // what an ok read or append saw
	matched bool    // an ok cas
	reason  string
}

// noTime is how far apart lines are taken to be where a file has no times: their order is all there is, and findings,
// which tell thousandths of a second, then tell lines apart.
const noTime = time.Millisecond

// builder makes a history out of lines, in their order, and hands its events on. It holds the operations that are under
// way, and the names of values.
type builder struct {
	file    string
	emit    func(*history.Event) error
	events  int64 // how many there were
	names   map[int64]string
	ids     map[string]int64
	open    map[int]*history.Event // the outstanding invocation of each process
	retired map[int]bool
	last    time.Duration
	moved   int // times that had to be moved forward to be in order
	reused  int // processes that went on after an unknown
	fresh   map[int]int
	highest int
}

func newBuilder(file string, emit func(*history.Event) error) *builder {
	return &builder{file: file, emit: emit, ids: map[string]int64{}, open: map[int]*history.Event{},
		retired: map[int]bool{},
		fresh:   map[int]int{}}
}

// name is the number that stands for a value which is none.
func (b *builder) name(text string) int64 {
	if id, known := b.ids[text]; known {
		return id
	}
	id := firstName + int64(len(b.ids))
	b.ids[text] = id
	if b.names == nil {
		b.names = map[int64]string{}
	}
	b.names[id] = text
	return id
}

// add puts a line into the history.
func (b *builder) add(l line) error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("%s:%d: "+format, append([]any{b.file, l.number}, args...)...)
	}
	process, known := b.fresh[l.process]
	if !known {
		process = l.process
	}
	open := b.open[process]
	e := history.Event{
		Seq: b.events, Type: l.typ, Process: process, Node: history.NodeUnknown,
		Phase: history.PhaseMain, Op: l.op,
	}
	switch {
	case l.process < 0:
		return fail("process %d is negative", l.process)
	case l.typ == history.Invoke && open != nil:
		return fail("process %d invokes %v while its %v is outstanding", l.process, l.op, open.Op)
	case l.typ == history.Invoke && b.retired[process]:
		e.Process = b.replace(l.process)
	case l.typ != history.Invoke && open == nil:
		return fail("process %d completes an operation that it has not invoked", l.process)
	case l.typ != history.Invoke:
		if err := complete(&e, open, l); err != nil {
			return fail("%w", err)
		}
	}
	e.Time = b.at(l.time)
	b.events++
	if err := b.emit(&e); err != nil {
		return fail("%w", err)
	}
	b.highest = max(b.highest, e.Process)
	if l.typ == history.Invoke {
		b.open[e.Process] = &e
		return nil
	}
	delete(b.open, e.Process)
	b.retired[e.Process] = l.typ == history.Unknown
	return nil
}

// complete makes e the completion of open. What it says of its operation must be what was invoked.
func complete(e, open *history.Event, l line) error {
	if open.Op.Func != l.op.Func || open.Op.Key != l.op.Key {
		return fmt.Errorf("process %d completes %v, but had invoked %v", l.process, l.op, open.Op)
	}
	e.Op, e.Reason = open.Op, l.reason
	if l.typ == history.OK {
		e.Result = history.Result{Values: l.values, Matched: l.matched}
	}
	return nil
}

// replace finds another process for one that goes on after an unknown. Its last operation may still take effect, so it
// cannot be the same client.
func (b *builder) replace(process int) int {
	b.reused++
	b.highest++
	b.fresh[process] = b.highest
	return b.highest
}

// at is a time after all that were before.
func (b *builder) at(t time.Duration) time.Duration {
	if b.events > 0 && t <= b.last {
		if t < b.last {
			b.moved++
		}
		t = b.last + 1
	}
	b.last = max(t, 0)
	return b.last
}

// finish is what there is to say of the history besides its events.
func (b *builder) finish() History {
	h := History{Names: b.names}
	note := func(count int, format string) {
		if count > 0 {
			h.Notes = append(h.Notes, fmt.Sprintf(format, count))
		}
	}
	note(b.moved, "%d times were earlier than one before them and were moved behind it; the order of lines counts")
	note(b.reused, "%d times a process went on after an operation whose outcome is unknown: it counts as another one")
	note(len(b.ids), "%d values are no whole numbers and have been given some, from "+strconv.FormatInt(firstName, 10))
	return h
}

// valuesOf are all that a register holds, for a result.
func valuesOf(id int64, present bool) []int64 {
	if !present {
		return nil
	}
	return []int64{id}
}

// funcs are the functions that a history has.
func funcs(events []history.Event) []history.Func {
	var found []history.Func
	for _, f := range history.Funcs {
		if slices.ContainsFunc(events, func(e history.Event) bool { return e.Op.Func == f }) {
			found = append(found, f)
		}
	}
	return found
}
