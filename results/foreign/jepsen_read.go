package foreign

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// scanJepsen reads a history of Jepsen or Knossos, see the package documentation.
func scanJepsen(r io.Reader, name string, o Options, each func(*history.Event) error) (History, error) {
	t := translator{builder: newBuilder(name, each), keyed: o.Keys == KeysPair, guess: o.Keys == KeysAuto}
	if err := readOperations(r, name, t.translate); err != nil {
		return History{}, err
	}
	h := t.finish()
	h.Faults = t.faults
	if t.others > 0 {
		h.Notes = append(h.Notes, fmt.Sprintf(
			"left out: %s of processes that are neither clients nor :nemesis", verdict.Count(t.others, "operation")))
	}
	return h, nil
}

// operation is one map of a history.
type operation struct {
	line    int
	process any // int64 or keyword
	typ, f  keyword
	value   any
	time    time.Duration
	err     any
}

// readOperations reads all maps, inside a vector or not.
func readOperations(r io.Reader, name string, each func(operation) error) error {
	d := newEDNReader(r, name)
	inVector, err := openVector(d)
	if err != nil {
		return err
	}
	for number := 0; ; number++ {
		v, err := d.value(0)
		switch {
		case errors.Is(err, io.EOF) && inVector:
			return d.errorf("the file ends inside the history")
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errClose) && v == ']' && inVector:
			if v, err = d.value(0); !errors.Is(err, io.EOF) {
				return d.errorf("%v follows the end of the history", v)
			}
			return nil
		case errors.Is(err, errClose):
			return d.errorf("%q closes nothing", v)
		case err != nil:
			return err
		}
		op, err := parseOperation(v)
		if err != nil {
			return d.errorf("%w", err)
		}
		op.line = d.line
		if op.time < 0 {
			op.time = time.Duration(number) * noTime // there are no times, only the order of lines
		}
		if err := each(op); err != nil {
			return err
		}
	}
}

// openVector enters the vector that contains the history, if there is one.
func openVector(d *ednReader) (bool, error) {
	first, err := d.skip()
	if errors.Is(err, io.EOF) {
		return false, fmt.Errorf("%s: there is no history in the file", d.name)
	}
	if err != nil {
		return false, err
	}
	if first == '[' {
		return true, nil
	}
	d.back(first)
	return false, nil
}

var types = map[keyword]history.Type{
	"invoke": history.Invoke, "ok": history.OK, "fail": history.Fail, "info": history.Unknown,
}

func parseOperation(v any) (operation, error) {
	if t, ok := v.(tagged); ok { // jepsen.history prints records
		v = t.value
	}
	m, ok := v.(ednMap)
	if !ok {
		return operation{}, fmt.Errorf("an operation is a map such as {:type :invoke, :f :read, …}, not %s", show(v))
	}
	op := operation{time: -1}
	op.process, _ = m.get("process")
	switch op.process.(type) {
	case int64, keyword:
	default:
		return operation{}, fmt.Errorf(":process must be a number or a keyword, not %s", show(op.process))
	}
	typ, _ := m.get("type")
	if op.typ, ok = typ.(keyword); !ok || types[op.typ] == "" {
		return operation{}, fmt.Errorf(":type must be :invoke, :ok, :fail or :info, not %s", show(typ))
	}
	f, _ := m.get("f")
	if op.f, ok = f.(keyword); !ok {
		return operation{}, fmt.Errorf(":f must be a keyword, not %s", show(f))
	}
	op.value, _ = m.get("value")
	op.err, _ = m.get("error")
	if at, ok := m.get("time"); ok {
		ns, ok := at.(int64)
		if !ok || ns < 0 {
			return operation{}, fmt.Errorf(":time must be nanoseconds since the beginning, not %s", show(at))
		}
		op.time = time.Duration(ns)
	}
	return op, nil
}

// ErrMixed is wrapped if a history seemed to have many keys, because every value was a pair of a key and a value,
// until one was not. Read it with [KeysNone] as a single register whose values are pairs.
var ErrMixed = errors.New("is no pair of a key and a value, although those before it are")

// guessKeys decides whether the history has many keys: every value of a client is a pair, and that of a cas is a
// pair that contains a pair.
func (t *translator) guessKeys(op operation) error {
	if !t.guess || op.value == nil || op.f == "txn" {
		return nil
	}
	_, inner, ok := pair(op.value)
	if ok && op.f == "cas" {
		_, _, ok = pair(inner)
	}
	switch {
	case ok:
		t.keyed = true
	case t.keyed:
		return fmt.Errorf("value %s %w", show(op.value), ErrMixed)
	default:
		t.guess = false
	}
	return nil
}

// pair splits a vector of two.
func pair(v any) (first, second any, ok bool) {
	if t, is := v.(tagged); is { // #jepsen.independent.Tuple
		v = t.value
	}
	items, is := v.(vector)
	if !is || len(items) != 2 {
		return nil, nil, false
	}
	return items[0], items[1], true
}

// translator converts operations to our events.
type translator struct {
	*builder
	keyed   bool
	guess   bool // whether values are pairs is only a guess
	faults  []history.FaultEvent
	nemesis nemesisLog
	others  int
}

func (t *translator) translate(op operation) error {
	fail := func(err error) error { return fmt.Errorf("%s:%d: %w", t.file, op.line, err) }
	process, client := op.process.(int64)
	switch {
	case op.process == keyword("nemesis"):
		t.faults = t.nemesis.add(t.faults, op)
		return nil
	case !client:
		t.others++
		return nil
	case process > 1<<31:
		return fail(fmt.Errorf("process %d is beyond all reason", process))
	}
	l := line{number: op.line, time: op.time, process: int(process), typ: types[op.typ]}
	if op.err != nil {
		l.reason = show(op.err)
	}
	err := t.guessKeys(op)
	if err != nil {
		return fail(err)
	}
	if op.f == "txn" {
		err = t.transaction(&l, op)
	} else {
		err = t.register(&l, op)
	}
	if err != nil {
		return fail(err)
	}
	return t.add(l)
}

// register translates an operation on a register.
func (t *translator) register(l *line, op operation) error {
	l.op.Key = onlyKey
	value := op.value
	if open := t.outstanding(l.process); open != nil {
		l.op = open.Op // completions may leave the value out
	}
	if t.keyed && value != nil {
		key, inner, ok := pair(value)
		if !ok {
			return fmt.Errorf("value %s is no pair of a key and a value", show(value))
		}
		l.op.Key, value = show(key), inner
	}
	switch op.f {
	case "read":
		l.op.Func = history.Read
		if l.typ == history.OK {
			id, present := t.number(value)
			l.values = valuesOf(id, present)
		}
	case "write":
		l.op.Func = history.Write
		id, present := t.number(value)
		if !present && l.typ == history.Invoke {
			return errors.New("a write of nil is not supported: nil is a register that was never written")
		}
		if l.typ == history.Invoke {
			l.op.Value = id
		}
	case "cas":
		l.op.Func, l.matched = history.CAS, l.typ == history.OK
		if l.typ == history.Invoke {
			return t.compareAndSet(l, value)
		}
	default:
		return fmt.Errorf(":f :%s is not supported: there are :read, :write, :cas, and :txn of one append or read", op.f)
	}
	return nil
}

func (t *translator) compareAndSet(l *line, value any) error {
	expect, replace, ok := pair(value)
	if !ok {
		return fmt.Errorf("the value of a cas is a pair [old new], not %s", show(value))
	}
	if id, present := t.number(expect); present {
		l.op.Expect = &id
	}
	if l.op.Value, ok = t.number(replace); !ok {
		return errors.New("a cas to nil is not supported: nil is a register that was never written")
	}
	return nil
}

// outstanding returns the process's outstanding invocation, or nil.
func (t *translator) outstanding(process int) *history.Event {
	if p, replaced := t.fresh[process]; replaced {
		process = p
	}
	return t.open[process]
}

// number returns the number assigned to a value; nil means absent.
func (t *translator) number(v any) (id int64, present bool) {
	switch v := v.(type) {
	case nil:
		return 0, false
	case int64:
		if v < firstName {
			return v, true
		}
	}
	return t.name(show(v)), true
}

// show formats a value roughly as EDN; strings are not quoted, so that a key "x" becomes x.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "nil"
	case string:
		return v
	case keyword:
		return ":" + string(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case tagged:
		return "#" + v.tag + " " + show(v.value)
	case vector:
		parts := make([]string, len(v))
		for i, item := range v {
			parts[i] = show(item)
		}
		return "[" + strings.Join(parts, " ") + "]"
	case ednMap:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = show(e.key) + " " + show(e.value)
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return fmt.Sprint(v)
}
