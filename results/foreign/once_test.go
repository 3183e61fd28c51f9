package foreign

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"elenchus/results/history"
)

// A request that was sent twice is one operation of a process of its own when it is written for others, and what they
// read is a list to which it was appended once.
func TestRequestsAreWrittenOnce(t *testing.T) {
	op := history.Op{Func: history.Append, Key: "x", Value: 5, Request: history.Request{Client: 1, Seq: 1}}
	five := history.Result{Values: []int64{5}}
	var events []history.Event
	add := func(process int, typ history.Type, op history.Op, r history.Result) {
		n := len(events)
		events = append(events, history.Event{Seq: int64(n), Time: time.Duration(n) * time.Second, Type: typ,
			Process: process, Node: "n1", Phase: history.PhaseMain, Op: op, Result: r})
	}
	read := history.Op{Func: history.Read, Key: "x"}
	add(0, history.Invoke, op, history.Result{})
	add(1, history.Invoke, op, history.Result{})
	add(0, history.Unknown, op, history.Result{})
	add(1, history.OK, op, five)
	add(1, history.Invoke, read, history.Result{})
	add(1, history.OK, read, five)

	once, merged := Once(events)
	if merged != 1 || len(once) != 4 || once[0].Process != 2 || once[0].Time != 0 || once[1].Process != 2 ||
		once[1].Type != history.OK || once[1].Time != 3*time.Second || once[2].Process != 1 {
		t.Fatalf("%d merged: %+v", merged, once)
	}
	var text bytes.Buffer
	if err := WriteJepsen(&text, once, nil); err != nil {
		t.Fatal(err)
	}
	h, _, err := Read(strings.NewReader(text.String()), "x", FormatJepsen, Options{})
	if err != nil || len(h.Events) != 4 || h.Events[1].Result.String() != "5" {
		t.Errorf("%v: %+v of\n%s", err, h.Events, &text)
	}
	plain := events[4:]
	if once, merged := Once(plain); merged != 0 || &once[0] != &plain[0] {
		t.Error("a history without requests is changed")
	}
}
