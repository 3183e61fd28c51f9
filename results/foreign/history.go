package foreign

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// History is a history of another tool, converted to ours.
type History struct {
	Events []history.Event
	Faults []history.FaultEvent

	// Names maps the numbers assigned to values that were not integers to those values.
	Names map[int64]string

	// Notes describe what was left out or changed, for humans.
	Notes []string
}

// Options configures how a history is read. The zero value is ready to use.
type Options struct {
	// Keys says whether values are pairs of a key and a value.
	Keys Keys
}

// Keys is how a Jepsen history names its registers.
type Keys uint8

// The ways to name registers.
const (
	KeysAuto Keys = iota // pairs if all values are pairs
	KeysNone             // there is one register; a pair is the value of a cas
	KeysPair             // every value is a pair of a key and a value
)

// onlyKey is the key of a history with a single register.
const onlyKey = "x"

// firstName is the first number assigned to a value that is no number: larger than those that histories use.
const firstName = int64(1) << 60

// line is one line of a file: an invocation or a completion.
type line struct {
	number  int // line number, for errors
	time    time.Duration
	process int
	typ     history.Type
	op      history.Op
	values  []int64 // result of an ok read or append
	matched bool    // whether an ok cas took effect
	reason  string
}

// noTime is the interval assumed between lines in files without times, where only their order is known. Findings
// show milliseconds, so that lines stay distinguishable.
const noTime = time.Millisecond

// builder converts lines, in order, to events and passes them on. It keeps the outstanding operations and the names
// of values.
type builder struct {
	file    string
	emit    func(*history.Event) error
	events  int64 // number of events so far
	names   map[int64]string
	ids     map[string]int64
	open    map[int]*history.Event // outstanding invocation by process
	retired map[int]bool
	last    time.Duration
	moved   int // number of times that were moved forward to restore order
	reused  int // number of processes that continued after an unknown
	fresh   map[int]int
	highest int
}

func newBuilder(file string, emit func(*history.Event) error) *builder {
	return &builder{file: file, emit: emit, ids: map[string]int64{}, open: map[int]*history.Event{},
		retired: map[int]bool{},
		fresh:   map[int]int{}}
}

// name returns the number assigned to a value that is none.
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

// add adds a line to the history.
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

// complete turns e into the completion of open. It must agree with the invocation.
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

// replace returns a new process for one that continues after an unknown. Its last operation may still take effect,
// so it must not stay the same client.
func (b *builder) replace(process int) int {
	b.reused++
	b.highest++
	b.fresh[process] = b.highest
	return b.highest
}

// at returns t, moved after all earlier times if necessary.
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

// finish returns the history without its events.
func (b *builder) finish() History {
	h := History{Names: b.names}
	note := func(count int, noun, text string) {
		if count > 0 {
			h.Notes = append(h.Notes, verdict.Count(count, noun)+" "+text)
		}
	}
	note(b.moved, "line", "with an earlier time than one before, and moved behind it: the order of lines counts")
	note(b.reused, "time", "a process went on after an operation whose outcome is unknown: it counts as another one")
	note(len(b.ids), "value", "without a whole number, and given one, from "+strconv.FormatInt(firstName, 10)+" on")
	return h
}

// valuesOf returns the contents of a register as the values of a result.
func valuesOf(id int64, present bool) []int64 {
	if !present {
		return nil
	}
	return []int64{id}
}

// funcs lists the functions that occur in a history.
func funcs(events []history.Event) []history.Func {
	var found []history.Func
	for _, f := range history.Funcs {
		if slices.ContainsFunc(events, func(e history.Event) bool { return e.Op.Func == f }) {
			found = append(found, f)
		}
	}
	return found
}
