package rules

import (
	"testing"
	"time"

	"elenchus/results/history"
)

// bounded are accounts of nodes that read under leases, whose clocks may differ by a tenth or by 20 ms.
func bounded(t *testing.T, text string) Input {
	t.Helper()
	in := accounts(t, text)
	in.LeaseReads, in.Bounds = true, &Bounds{Drift: 0.1, Offset: 20 * time.Millisecond}
	return in
}

func TestMargins(t *testing.T) {
	const asked = `
		n1 1 10 lease-asked 1.n1 since=10 until=110
		n1 1 10 sent-lease-ask 1.n1 seq=1
	`
	const onWall = `
		n1 1 10 lease-asked 1.n1 since=10 until=110 lease=wall
		n1 1 10 sent-lease-ask 1.n1 seq=1
	`
	for name, c := range map[string]struct{ text, want string }{
		"long enough": {asked + `
			n2 1 12 lease-granted 1.n1 since=12 until=122
			n2 1 12 sent-lease-grant 1.n1 seq=1`, ""},
		"without the drift": {asked + `
			n2 1 12 lease-granted 1.n1 since=12 until=112
			n2 1 12 sent-lease-grant 1.n1 seq=1`, "lease-margin@n2"},
		"a grant of which nobody says what was asked for": {`
			n2 1 12 lease-granted 1.n1 since=12 until=112
			n2 1 12 sent-lease-grant 1.n1 seq=1`, ""},
		"the end is not known": {asked + `n2 1 12 sent-lease-grant 1.n1 seq=1`, ""},
		"long enough by wall clocks": {onWall + `
			n2 1 12 lease-granted 1.n1 since=12 until=130 lease=wall
			n2 1 12 sent-lease-grant 1.n1 seq=1`, ""},
		"without the offset": {onWall + `
			n2 1 12 lease-granted 1.n1 since=12 until=129 lease=wall
			n2 1 12 sent-lease-grant 1.n1 seq=1`, "lease-margin@n2"},
		"silent for long enough":                {asked + `n2 2 40 lease-silence 1.n1 since=40 until=150`, ""},
		"silent without the drift":              {asked + `n2 2 40 lease-silence 1.n1 since=40 until=140`, "lease-margin@n2"},
		"silent for long enough by wall clocks": {onWall + `n2 2 40 lease-silence 1.n1 since=40 until=180 lease=wall`, ""},
		"silent without all offsets": {onWall + `
			n2 2 40 lease-silence 1.n1 since=40 until=170 lease=wall`, "lease-margin@n2"},
		"silent, and nobody says for what": {`n2 2 40 lease-silence 1.n1 since=40 until=41`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			in := bounded(t, c.text)
			if got := broken(Check(in)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			in.Bounds = nil
			if got := broken(Check(in)); got != "" {
				t.Errorf("bounds that nobody knows are broken: %q", got)
			}
		})
	}
}

func TestReadsUnderLeases(t *testing.T) {
	const held = `n1 1 13 lease-held 1.n1 until=112
	`
	for name, c := range map[string]struct{ text, want string }{
		"while it lasts":               {held + `n1 1 111 served 1.n1 slot=3`, ""},
		"when it is over":              {held + `n1 1 112 served 1.n1 slot=3`, "lease-read@n1"},
		"after it was extended":        {held + "n1 1 60 lease-renewed 1.n1 until=160\nn1 1 150 served 1.n1", ""},
		"after it was noticed as lost": {held + "n1 1 100 lease-lost 1.n1 until=112\nn1 1 111 served 1.n1", ""},
		"after it was given up":        {held + "n1 1 50 lease-forsaken 1.n1\nn1 1 60 served 1.n1", "lease-read@n1"},
		"without any":                  {`n1 1 50 served 1.n2 slot=3`, "lease-read@n1"},
		"of an earlier life":           {held + "n1 2 50 recovered 1.n1\nn1 2 60 served 1.n1", "lease-read@n1"},
		"when lines are missing":       {held + "n1 lost\nn1 1 150 served 1.n1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			in := bounded(t, c.text)
			if got := broken(Check(in)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			in.LeaseReads = false
			if got := broken(Check(in)); got != "" {
				t.Errorf("reads that need no lease are accused: %q", got)
			}
		})
	}
}

func TestStates(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"the same":          {"n1 1 10 applied 1.n1 slot=4 state=a\nn2 1 20 applied 1.n1 slot=4 state=a", ""},
		"another":           {"n1 1 10 applied 1.n1 slot=4 state=a\nn2 1 20 applied 1.n1 slot=4 state=b", "state-hash@n2"},
		"after other slots": {"n1 1 10 applied 1.n1 slot=4 state=a\nn2 1 20 applied 1.n1 slot=5 state=b", ""},
		"another in a second life": {"n1 1 10 applied 1.n1 slot=4 state=a\nn1 2 20 applied 1.n1 slot=4 state=b",
			"state-hash@n1"},
		"not said": {"n1 1 10 applied 1.n1 slot=4 state=a\nn2 1 20 applied 1.n1 slot=4", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := broken(Check(accounts(t, c.text))); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

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
