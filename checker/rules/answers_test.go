package rules

import (
	"testing"

	"elenchus/results/history"
)

func TestAnswers(t *testing.T) {
	update := history.Operation{Outcome: history.OK, Node: "n1", Op: history.Op{Func: history.Write, Key: "x"},
		By: history.Witness{Slot: 5, Ballot: "1.n1"}}
	old := update
	old.Node, old.By.Slot = "n2", 4
	read := old
	read.Op.Func = history.Read
	failed, unnamed, attempt := read, read, old
	failed.Outcome, unnamed.By.Slot, attempt.Op.Request = history.Unknown, 0, history.Request{Client: 1, Seq: 2}
	for name, c := range map[string]struct {
		op    history.Operation
		early bool // it is invoked before anybody was told of slot 5
		want  string
	}{
		"a read":                                  {op: read, want: "read-fresh@n2"},
		"a read of the same slot":                 {op: update},
		"a read that overlaps":                    {op: read, early: true},
		"an update":                               {op: old, want: "ack-order@n2"},
		"an attempt of what may have been":        {op: attempt},
		"without an answer":                       {op: failed},
		"an answer of which nothing else is said": {op: unnamed},
	} {
		t.Run(name, func(t *testing.T) {
			var a Answers
			early := a.Latest()
			a.Complete(&update, a.Latest())
			before := a.Latest()
			if c.early {
				before = early
			}
			a.Complete(&c.op, before)
			in := Input{Answers: &a}
			r := Check(in)
			if got := broken(r); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if len(r.Violations) > 0 && (r.Violations[0].Slot != 4 || !r.Violations[0].Placed) {
				t.Errorf("%+v", r.Violations[0])
			}
		})
	}
}
