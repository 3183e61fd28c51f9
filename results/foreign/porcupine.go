package foreign

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"elenchus/results/history"
)

// scanPorcupine reads the history formats of Porcupine's tests, see the package documentation.
func scanPorcupine(r io.Reader, name string, each func(*history.Event) error) (History, error) {
	in := bufio.NewReaderSize(r, 1<<16)
	for {
		first, err := in.Peek(1)
		switch {
		case errors.Is(err, io.EOF):
			return History{}, fmt.Errorf("%s: there is no history in the file", name)
		case err != nil:
			return History{}, fmt.Errorf("read %s: %w", name, err)
		case first[0] == '{':
			return readStore(in, name, each)
		case !bytes.ContainsAny(first, " \t\r\n"):
			return readEtcd(in, name, each)
		}
		_, _ = in.Discard(1) // it was peeked at
	}
}

// readStore reads operations of a key-value store whose appends concatenate strings: its registers hold text.
func readStore(r io.Reader, name string, each func(*history.Event) error) (History, error) {
	d, b := newEDNReader(r, name), newBuilder(name, each)
	for number := 0; ; number++ {
		v, err := d.value(0)
		if errors.Is(err, io.EOF) {
			return b.finish(), nil
		}
		if errors.Is(err, errClose) {
			return History{}, d.errorf("%q closes nothing", v)
		}
		if err != nil {
			return History{}, err
		}
		l, err := b.storeLine(v)
		if err != nil {
			return History{}, d.errorf("%w", err)
		}
		l.number, l.time = d.line, time.Duration(number)*noTime
		if err := b.add(l); err != nil {
			return History{}, err
		}
	}
}

func (b *builder) storeLine(v any) (line, error) {
	m, _ := v.(ednMap)
	op, err := parseOperation(v)
	if err != nil {
		return line{}, err
	}
	process, ok := op.process.(int64)
	if !ok || process > 1<<31 {
		return line{}, fmt.Errorf(":process must be a number, not %s", show(op.process))
	}
	key, ok := m.get("key")
	if !ok {
		return line{}, errors.New(":key is missing")
	}
	l := line{process: int(process), typ: types[op.typ], op: history.Op{Key: show(key)}}
	switch op.f {
	case "get":
		l.op.Func = history.Read
		if text, present := op.value.(string); present && text != "" && l.typ == history.OK {
			l.values = []int64{b.text(text)}
		}
	case "put":
		l.op.Func = history.Write
		l.op.Value = b.text(show(op.value))
	case "append":
		return line{}, errors.New(":append joins strings, which is not supported: only :get and :put are")
	default:
		return line{}, fmt.Errorf(":f :%s is not supported: there are :get and :put", op.f)
	}
	return l, nil
}

// text returns the number that a string contains, or the number assigned to it.
func (b *builder) text(s string) int64 {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n < firstName && strconv.FormatInt(n, 10) == s {
		return n
	}
	return b.name(s)
}

// etcdLine matches a line of Jepsen's log: process, type, function and value, and words that are ignored.
var etcdLine = regexp.MustCompile(`^INFO\s+jepsen\.util\s+-\s+(\d+)\s+:(\w+)\s+:(\w+)\s+(.*?)\s*$`)

// readEtcd reads the log of an etcd register. A read that timed out has no result, and so no effect either way.
func readEtcd(r io.Reader, name string, each func(*history.Event) error) (History, error) {
	b := newBuilder(name, each)
	t := translator{builder: b}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, atomMax)
	for number := 1; lines.Scan(); number++ {
		fields := etcdLine.FindStringSubmatch(lines.Text())
		if fields == nil {
			continue // logs contain other lines, too
		}
		op := operation{line: number, typ: keyword(fields[2]), f: keyword(fields[3]),
			time: time.Duration(number) * noTime}
		if types[op.typ] == "" {
			return History{}, fmt.Errorf("%s:%d: unknown type :%s", name, number, op.typ)
		}
		process, err := strconv.ParseInt(fields[1], 10, 31)
		if err != nil {
			return History{}, fmt.Errorf("%s:%d: process %s is beyond all reason", name, number, fields[1])
		}
		op.process = process
		if op.value, err = newEDNReader(strings.NewReader(fields[4]), name).value(0); err != nil {
			return History{}, fmt.Errorf("%s:%d: value %q: %w", name, number, fields[4], err)
		}
		if op.value == keyword("timed-out") {
			op.value, op.err = nil, keyword("timed-out")
		}
		if err := t.translate(op); err != nil {
			return History{}, err
		}
	}
	if err := lines.Err(); err != nil {
		return History{}, fmt.Errorf("read %s: %w", name, err)
	}
	if b.events == 0 {
		return History{}, fmt.Errorf("%s: there is no history in the file", name)
	}
	return b.finish(), nil
}

// FitsPorcupine returns an error if a history has no form that Porcupine's tests can read.
func FitsPorcupine(events []history.Event) error {
	has := funcs(events)
	if slices.Contains(has, history.Append) {
		return ErrAppends
	}
	if n := countKeys(events); n > 1 && slices.Contains(has, history.CAS) {
		return fmt.Errorf("%w, and this one has %d", ErrRegisters, n)
	}
	return nil
}

// Reasons why Porcupine's tests cannot read a history.
var (
	ErrAppends   = errors.New("appends to lists have no form that Porcupine's tests know: use the format jepsen")
	ErrRegisters = errors.New("a history with cas is written one register a file")
)

// WritePorcupine writes a history in a format that Porcupine's tests read, see the package documentation.
// Operations that certainly had no effect are left out: these readers know failures of cas only.
func WritePorcupine(w io.Writer, events []history.Event) error {
	if err := FitsPorcupine(events); err != nil {
		return err
	}
	write := storeEvent
	if slices.Contains(funcs(events), history.CAS) {
		write = etcdEvent
	}
	out := bufio.NewWriter(w)
	for _, e := range effective(events) {
		write(out, e)
	}
	return out.Flush()
}

func countKeys(events []history.Event) int {
	keys := map[string]bool{}
	for _, e := range events {
		keys[e.Op.Key] = true
	}
	return len(keys)
}

// effective returns the events of operations that did not fail.
func effective(events []history.Event) []history.Event {
	failed := map[int64]bool{} // by the number of the invocation
	open := map[int]int64{}
	for _, e := range events {
		switch e.Type {
		case history.Invoke:
			open[e.Process] = e.Seq
		case history.Fail:
			failed[open[e.Process]], failed[e.Seq] = true, true
		}
	}
	return slices.DeleteFunc(slices.Clone(events), func(e history.Event) bool { return failed[e.Seq] })
}

// storeEvent writes an event of a key-value store. In this format an operation of unknown outcome has no
// completion.
func storeEvent(w io.Writer, e history.Event) {
	f, value := "get", "nil"
	if e.Op.Func == history.Write {
		f, value = "put", quote(strconv.FormatInt(e.Op.Value, 10))
	}
	switch {
	case e.Type == history.Unknown:
		return
	case e.Type == history.OK && f == "get":
		value = `""` // a key that was never put
		if len(e.Result.Values) > 0 {
			value = quote(strconv.FormatInt(e.Result.Values[0], 10))
		}
	}
	fmt.Fprintf(w, "{:process %d, :type :%s, :f :%s, :key %s, :value %s}\n", e.Process, e.Type, f, quote(e.Op.Key), value)
}

// etcdEvent writes an event of the single register of a log.
func etcdEvent(w io.Writer, e history.Event) {
	typ, value := typeNames[e.Type], "nil"
	switch {
	case e.Type == history.Unknown:
		value = ":timed-out"
	case e.Op.Func == history.Write:
		value = strconv.FormatInt(e.Op.Value, 10)
	case e.Op.Func == history.CAS:
		expect := "nil"
		if e.Op.Expect != nil {
			expect = strconv.FormatInt(*e.Op.Expect, 10)
		}
		value = fmt.Sprintf("[%s %d]", expect, e.Op.Value)
		if e.Type == history.OK && !e.Result.Matched {
			typ = "fail"
		}
	case e.Type == history.OK && len(e.Result.Values) > 0:
		value = strconv.FormatInt(e.Result.Values[0], 10)
	}
	fmt.Fprintf(w, "INFO  jepsen.util - %d\t:%s\t:%s\t%s\n", e.Process, typ, e.Op.Func, value)
}
