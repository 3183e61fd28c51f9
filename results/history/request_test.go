package history

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"
)

// attempt is an operation that appends 5 to x as part of request 7:1.
func attempt(id int, call, ret int64, outcome Type, values ...int64) Operation {
	return Operation{
		ID: id, Process: id, Node: "n1", Phase: PhaseMain, Op: Op{Func: Append, Key: "x", Value: 5, Request: Request{7, 1}},
		Outcome: outcome, Result: Result{Values: values}, Call: time.Duration(call), Return: time.Duration(ret),
		CallSeq: call, ReturnSeq: ret,
	}
}

func TestOnce(t *testing.T) {
	for _, tt := range []struct {
		name      string
		ops       []Operation
		id        int
		outcome   Type
		call, ret int64
	}{
		{"one attempt", []Operation{attempt(0, 0, 1, OK, 5)}, 0, OK, 0, 1},
		{"repeated after its answer", []Operation{attempt(0, 0, 1, OK, 5), attempt(1, 2, 3, OK, 5)}, 0, OK, 0, 1},
		{"the second is answered first", []Operation{attempt(0, 0, 9, OK, 5), attempt(1, 2, 3, OK, 5)}, 0, OK, 0, 3},
		{"after a timeout", []Operation{attempt(0, 0, 1, Unknown), attempt(1, 2, 3, OK, 5)}, 0, OK, 0, 3},
		{"after a failure", []Operation{attempt(0, 0, 1, Fail), attempt(1, 2, 3, OK, 5)}, 1, OK, 2, 3},
		{"a failure and a timeout", []Operation{attempt(0, 0, 1, Fail), attempt(1, 2, 3, Unknown)}, 1, Unknown, 2, 3},
		{"an answer and a timeout", []Operation{attempt(0, 0, 1, OK, 5), attempt(1, 2, 3, Unknown)}, 0, OK, 0, 1},
		{"only timeouts", []Operation{attempt(0, 0, 1, Unknown), attempt(1, 2, 3, Unknown)}, 0, Unknown, 0, 1},
		{"only failures", []Operation{attempt(0, 0, 1, Fail), attempt(1, 2, 3, Fail)}, 0, Fail, 0, 1},
	} {
		once, requests := Once(tt.ops)
		if len(once) != 1 || len(requests[Request{7, 1}]) != len(tt.ops) {
			t.Fatalf("%s: %+v, %+v", tt.name, once, requests)
		}
		got := once[0]
		if got.ID != tt.id || got.Outcome != tt.outcome || got.CallSeq != tt.call || got.ReturnSeq != tt.ret ||
			got.Call != time.Duration(tt.call) || got.Return != time.Duration(tt.ret) {
			t.Errorf("%s: got %+v", tt.name, got)
		}
		if again, _ := Once(once); !reflect.DeepEqual(again, once) {
			t.Errorf("%s: doing it again changes it to %+v", tt.name, again)
		}
	}
}

// What has no request stays where it is, among those that have one.
func TestOnceKeepsTheRest(t *testing.T) {
	read := Operation{ID: 1, Op: Op{Func: Read, Key: "x"}, Outcome: OK, CallSeq: 2, ReturnSeq: 3}
	plain := []Operation{read}
	if once, requests := Once(plain); requests != nil || &once[0] != &plain[0] {
		t.Error("operations without requests were copied")
	}
	once, _ := Once([]Operation{attempt(0, 0, 1, Fail), read, attempt(2, 4, 5, OK, 5)})
	if len(once) != 2 || once[0].ID != 1 || once[1].ID != 2 {
		t.Errorf("got %+v", once)
	}
}

func TestOddRequests(t *testing.T) {
	other := attempt(1, 2, 3, OK, 6)
	other.Op.Value = 6
	_, requests := Once([]Operation{attempt(0, 0, 1, OK, 5), other})
	if a, b, found := requests.Odd(); !found || a.ID != 0 || b.ID != 1 {
		t.Errorf("found %v: %+v, %+v", found, a, b)
	}
	_, requests = Once([]Operation{attempt(0, 0, 1, OK, 5), attempt(1, 2, 3, OK, 5)})
	if _, _, found := requests.Odd(); found {
		t.Error("two equal attempts are odd")
	}
}

func TestLatestRequests(t *testing.T) {
	in := func(client, seq uint64, id int) Operation {
		op := attempt(id, int64(id), -1, Unknown)
		op.Op.Request, op.Op.Value = Request{client, seq}, int64(10*client+seq)
		return op
	}
	_, requests := Once([]Operation{in(9, 1, 0), in(7, 1, 1), in(9, 2, 2), in(7, 2, 3), in(9, 1, 4)})
	var got []string
	for _, op := range requests.Latest() {
		got = append(got, op.Request.String())
	}
	if want := []string{"9:2", "7:2"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestRequestText(t *testing.T) {
	var r Request
	if err := r.UnmarshalText([]byte("13:2")); err != nil || r != (Request{13, 2}) || r.String() != "13:2" {
		t.Errorf("got %v, %v", r, err)
	}
	for _, text := range []string{"", "13", ":", "13:", ":2", "013:2", "13:-2", "13:2:1", "a:b"} {
		if err := r.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for %v", text, r)
		}
	}
}

// A request is recorded with its operation, must be whole, and belongs to updates only.
func TestRequestsAreRecorded(t *testing.T) {
	file := &memory{room: -1}
	w := NewWriter(file, WriterOptions{})
	op := attempt(0, 0, 0, OK).Op
	inv, err := w.Invoke(0, "n1", PhaseMain, op)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Complete(inv, OK, Result{Values: []int64{5}}, "", Witness{}); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []Op{
		{Func: Read, Key: "x", Request: Request{7, 2}}, {Func: Append, Key: "x", Value: 1, Request: Request{7, 0}},
		{Func: Append, Key: "x", Value: 1, Request: Request{0, 7}},
	} {
		if _, err := w.Invoke(1, "n1", PhaseMain, bad); err == nil || !strings.Contains(err.Error(), "request") {
			t.Errorf("%+v is recorded: %v", bad, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(file.String(), `"value":5,"request":"7:1"`) {
		t.Errorf("written: %s", file)
	}
	log, err := ReadFrom(bytes.NewReader(file.Bytes()), "h")
	if err != nil || len(log.Events) < 2 || log.Events[0].Op != op || log.Events[1].Op != op {
		t.Errorf("read %+v, %v", log.Events, err)
	}
}

func TestDiscord(t *testing.T) {
	for _, tt := range []struct {
		name         string
		ops          []Operation
		first, other int
		found        bool
	}{
		{"alike", []Operation{attempt(0, 0, 1, OK, 5), attempt(1, 2, 3, OK, 5)}, 0, 0, false},
		{"another list", []Operation{attempt(0, 0, 1, OK, 5), attempt(1, 2, 3, OK, 4, 5)}, 0, 1, true},
		{"in order of answers", []Operation{attempt(0, 0, 9, OK, 5), attempt(1, 2, 3, OK, 4, 5)}, 1, 0, true},
		{"no answer is none", []Operation{attempt(0, 0, 1, OK, 5), attempt(1, 2, 3, Unknown), attempt(2, 4, 5, Fail)}, 0, 0,
			false},
		{"the earliest", []Operation{attempt(0, 0, 1, OK, 5), attempt(1, 2, 9, OK, 6), attempt(2, 4, 5, OK, 7)}, 0, 2, true},
	} {
		_, requests := Once(tt.ops)
		first, other, found := requests.Discord()
		if found != tt.found || found && (first.ID != tt.first || other.ID != tt.other) {
			t.Errorf("%s: found %v: %d and %d", tt.name, found, first.ID, other.ID)
		}
	}
}
