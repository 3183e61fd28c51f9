package history

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// eventLine is the encoding of an Event. Fields that do not apply to an event are omitted.
type eventLine struct {
	Seq     int64  `json:"seq"`
	Time    int64  `json:"t"` // nanoseconds
	Type    Type   `json:"type"`
	Process *int   `json:"process,omitempty"`
	Node    string `json:"node,omitempty"`
	Phase   Phase  `json:"phase,omitempty"`

	Func    Func    `json:"f,omitempty"`
	Key     string  `json:"key,omitempty"`
	Value   *int64  `json:"value,omitempty"`
	Expect  *int64  `json:"expect,omitempty"`
	Request Request `json:"request,omitzero"`
	Matched *bool   `json:"matched,omitempty"`
	Values  []int64 `json:"values,omitempty"`
	Reason  string  `json:"reason,omitempty"`
	Witness

	Count *int64 `json:"count,omitempty"` // End only: number of events before it
}

func (l eventLine) event() Event {
	e := Event{
		Seq: l.Seq, Time: time.Duration(l.Time), Type: l.Type, Node: l.Node, Phase: l.Phase,
		Op:     Op{Func: l.Func, Key: l.Key, Expect: l.Expect, Request: l.Request},
		Result: Result{Values: l.Values},
		Reason: l.Reason, By: l.Witness,
	}
	if l.Process != nil {
		e.Process = *l.Process
	}
	if l.Value != nil {
		e.Op.Value = *l.Value
	}
	if l.Matched != nil {
		e.Result.Matched = *l.Matched
	}
	return e
}

func (e Event) line() eventLine {
	l := eventLine{
		Seq: e.Seq, Time: int64(e.Time), Type: e.Type, Process: &e.Process, Node: e.Node, Phase: e.Phase,
		Func: e.Op.Func, Key: e.Op.Key, Expect: e.Op.Expect, Request: e.Op.Request, Values: e.Result.Values, Reason: e.Reason,
		Witness: e.By,
	}
	if e.Op.Func != Read {
		l.Value = &e.Op.Value
	}
	if e.Op.Func == CAS && e.Type == OK {
		l.Matched = &e.Result.Matched
	}
	return l
}

// validate lists everything that is wrong with e by itself. It is called for every event, and is cheap if nothing
// is wrong.
func (e *Event) validate() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if e.Type != Invoke && e.Type != OK && e.Type != Fail && e.Type != Unknown {
		fail("event type %q is none of invoke, ok, fail, unknown", e.Type)
	}
	if e.Process < 0 {
		fail("process %d is negative", e.Process)
	}
	if e.Node == "" {
		fail("node is missing")
	}
	if !slices.Contains(Phases, e.Phase) {
		fail("phase %q is unknown", e.Phase)
	}
	if !slices.Contains(Funcs, e.Op.Func) {
		fail("operation %q is none of read, write, cas, append", e.Op.Func)
	}
	if e.Op.Key == "" {
		fail("key is missing")
	}
	if !utf8.ValidString(e.Op.Key) {
		fail("key %q is not valid UTF-8", e.Op.Key)
	}
	if !utf8.ValidString(e.Node) {
		fail("node %q is not valid UTF-8", e.Node)
	}
	if e.Op.Func == Read && e.Op.Value != 0 {
		fail("a read has no value to write, not %d", e.Op.Value)
	}
	if e.Op.Func != CAS && e.Op.Expect != nil {
		fail("only a cas expects a value, not a %s", e.Op.Func)
	}
	if r := e.Op.Request; !r.IsZero() && (r.Client == 0 || r.Seq == 0) {
		fail("request %v has no client or no place in its session", r)
	}
	if e.Op.Func == Read && !e.Op.Request.IsZero() {
		fail("only an update has a request, not a read")
	}
	if e.Type != OK && (e.Result.Matched || len(e.Result.Values) > 0) {
		fail("only ok has a result, not %s", e.Type)
	}
	if e.Op.Func != CAS && e.Result.Matched {
		fail("only a cas can match, not a %s", e.Op.Func)
	}
	if e.Type != Fail && e.Type != Unknown && e.Reason != "" {
		fail("only fail and unknown have a reason, not %s", e.Type)
	}
	return errors.Join(errs...)
}

// text sanitizes text from the system under test: it becomes valid UTF-8 of bounded length.
func text(s string) string {
	const bytesMax = 1000
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > bytesMax {
		s = strings.ToValidUTF8(s[:bytesMax], "") + "…"
	}
	return s
}
