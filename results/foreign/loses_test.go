package foreign

import (
	"bytes"
	"slices"
	"testing"

	"elenchus/results/history"
)

// What is said to be lost is what the history is short of when it is read again.
func TestLoses(t *testing.T) {
	events := scriptOfLosses()
	count := func(events []history.Event, want func(*history.Event) bool) (n int) {
		for i := range events {
			if want(&events[i]) {
				n++
			}
		}
		return n
	}
	failed := func(e *history.Event) bool { return e.Type == history.Fail }
	invoked := func(e *history.Event) bool { return e.Type == history.Invoke }

	const mismatch = "2 cas operations that did not match became :fail, which does not say what was found"
	if got := Loses(FormatJepsen, events); !slices.Equal(got, []string{mismatch}) {
		t.Errorf("%q", got)
	}
	var edn bytes.Buffer
	if err := WriteJepsen(&edn, events, nil); err != nil {
		t.Fatal(err)
	}
	again, _, err := Read(&edn, "again", FormatJepsen, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if a, b := count(events, failed), count(again.Events, failed); b != a+2 {
		t.Errorf("%d failed, and %d when read again", a, b)
	}
	if a, b := count(events, invoked), count(again.Events, invoked); a != b {
		t.Errorf("%d invoked, and %d when read again", a, b)
	}

	const left = "1 operation that failed, and so had no effect, left out: the format has no word for that"
	if got := Loses(FormatPorcupine, events); !slices.Equal(got, []string{mismatch, left}) {
		t.Errorf("%q", got)
	}
	var log bytes.Buffer
	if err := WritePorcupine(&log, events); err != nil {
		t.Fatal(err)
	}
	again, _, err = Read(&log, "again", FormatPorcupine, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if a, b := count(events, invoked), count(again.Events, invoked); b != a-1 {
		t.Errorf("%d invoked, and %d when read again", a, b)
	}
	if got := Loses(FormatJepsen, events[:2]); got != nil {
		t.Errorf("a write alone loses %q", got)
	}
}

// scriptOfLosses is a write, two cas that do not match, one that does, and a write that fails, one after the other.
func scriptOfLosses() []history.Event {
	value := func(v int64) *int64 { return &v }
	cas := func(expect, v int64) history.Op {
		return history.Op{Func: history.CAS, Key: "x", Expect: value(expect), Value: v}
	}
	var events []history.Event
	for _, one := range []struct {
		op      history.Op
		outcome history.Type
		result  history.Result
	}{
		{history.Op{Func: history.Write, Key: "x", Value: 1}, history.OK, history.Result{}},
		{cas(7, 2), history.OK, history.Result{Values: []int64{1}}},
		{cas(8, 3), history.OK, history.Result{Values: []int64{1}}},
		{cas(1, 4), history.OK, history.Result{Matched: true}},
		{history.Op{Func: history.Write, Key: "x", Value: 5}, history.Fail, history.Result{}},
	} {
		n := int64(len(events))
		events = append(events,
			history.Event{Seq: n, Type: history.Invoke, Op: one.op, Phase: history.PhaseMain},
			history.Event{Seq: n + 1, Type: one.outcome, Op: one.op, Result: one.result, Phase: history.PhaseMain})
	}
	return events
}
