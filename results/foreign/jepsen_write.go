package foreign

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"elenchus/results/history"
)

// WriteJepsen writes a history for Jepsen, Knossos and Elle, one map per line. Registers are written as those of
// jepsen.independent, with pairs of key and value; appends, and the reads of histories that contain appends, as
// transactions for Elle. Faults become operations of :nemesis, merged by time.
func WriteJepsen(w io.Writer, events []history.Event, faults []history.FaultEvent) error {
	has := funcs(events)
	out := jepsenWriter{w: bufio.NewWriter(w), lists: slices.Contains(has, history.Append)}
	if out.lists && (slices.Contains(has, history.Write) || slices.Contains(has, history.CAS)) {
		return errors.New("a history with both appends and writes has no form that Jepsen's checkers know")
	}
	for _, e := range events {
		for len(faults) > 0 && faults[0].Begin <= e.Time {
			out.fault(faults[0])
			faults = faults[1:]
		}
		out.event(e)
	}
	for _, f := range faults {
		out.fault(f)
	}
	return out.w.Flush()
}

// jepsenWriter relies on its bufio.Writer to keep the first error.
type jepsenWriter struct {
	w     *bufio.Writer
	lists bool
	index int
}

// put writes one map. Fields after the function are given as EDN.
func (j *jepsenWriter) put(typ string, ns int64, process, f, value, err string) {
	fmt.Fprintf(j.w, "{:index %d, :time %d, :type :%s, :process %s, :f :%s, :value %s",
		j.index, ns, typ, process, f, value)
	if err != "" {
		fmt.Fprintf(j.w, ", :error %s", quote(err))
	}
	_, _ = j.w.WriteString("}\n") // Flush returns the error
	j.index++
}

// typeNames are Jepsen's names for the types of events.
var typeNames = map[history.Type]string{
	history.Invoke: "invoke", history.OK: "ok", history.Fail: "fail", history.Unknown: "info",
}

func (j *jepsenWriter) event(e history.Event) {
	typ, reason := typeNames[e.Type], e.Reason
	if e.Op.Func == history.CAS && e.Type == history.OK && !e.Result.Matched {
		typ, reason = "fail", "mismatch, found "+e.Result.String()
	}
	f, value := string(e.Op.Func), j.value(e)
	if j.lists {
		f = "txn"
	}
	j.put(typ, int64(e.Time), strconv.Itoa(e.Process), f, value, reason)
}

// value returns an event's value: [key value], or the steps of a transaction.
func (j *jepsenWriter) value(e history.Event) string {
	key := quote(e.Op.Key)
	if j.lists {
		seen := "nil"
		if e.Type == history.OK {
			seen = "[" + join(e.Result.Values) + "]"
		}
		if e.Op.Func == history.Append {
			return fmt.Sprintf("[[:append %s %d] [:r %s %s]]", key, e.Op.Value, key, seen)
		}
		return fmt.Sprintf("[[:r %s %s]]", key, seen)
	}
	switch {
	case e.Op.Func == history.CAS:
		expect := "nil"
		if e.Op.Expect != nil {
			expect = strconv.FormatInt(*e.Op.Expect, 10)
		}
		return fmt.Sprintf("[%s [%s %d]]", key, expect, e.Op.Value)
	case e.Op.Func == history.Write:
		return fmt.Sprintf("[%s %d]", key, e.Op.Value)
	case e.Type == history.OK && len(e.Result.Values) > 0:
		return fmt.Sprintf("[%s %d]", key, e.Result.Values[0])
	}
	return fmt.Sprintf("[%s nil]", key)
}

func join(values []int64) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = strconv.FormatInt(v, 10)
	}
	return strings.Join(parts, " ")
}

// fault writes a step of a fault as two lines of a nemesis.
func (j *jepsenWriter) fault(f history.FaultEvent) {
	name := "start-" + f.Kind
	if f.Step == history.FaultRevert {
		name = "stop-" + f.Kind
	}
	value := quote(strings.TrimSpace(f.Played))
	j.put("info", int64(f.Begin), ":nemesis", name, value, "")
	j.put("info", int64(f.End), ":nemesis", name, quote(strings.Join(f.Evidence, "; ")), f.Error)
}

// quote returns an EDN string literal.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch r {
		case '"', '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
