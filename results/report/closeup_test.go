package report

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"elenchus/results"
	"elenchus/results/history"
	"elenchus/results/verdict"
)

// stale is a register whose old value is read after it was replaced. Times are in milliseconds.
func stale() (Input, verdict.Finding) {
	at := func(ms int) time.Duration { return time.Duration(ms) * time.Millisecond }
	in := Input{Manifest: &results.Manifest{Config: results.Config{SharedClock: true}},
		Nodes: []Node{{Name: "n1"}, {Name: "n2"}, {Name: "n3"}, {Name: "n4"}, {Name: "n5"}, {Name: "n6"}}}
	add := func(node string, call, ret int, f history.Func, value int64, saw ...int64) {
		id := len(in.Operations)
		in.Operations = append(in.Operations, history.Operation{ID: id, Process: id, Node: node, Outcome: history.OK,
			Op: history.Op{Func: f, Key: "x", Value: value}, Result: history.Result{Values: saw},
			Call: at(call), Return: at(ret), CallSeq: int64(call), ReturnSeq: int64(ret)})
	}
	add("n1", 100, 110, history.Write, 1)
	add("n1", 500, 510, history.Read, 0, 1)
	add("n2", 20_000, 20_040, history.Write, 2)
	add("n2", 20_100, 20_110, history.Read, 0, 2)
	add("n3", 20_200, 20_210, history.Read, 0, 1)
	add("n3", 30_000, 30_010, history.Read, 0, 2)
	return in, verdict.Finding{Key: "x", At: at(20_210), Operations: []int{0, 2, 4}}
}

// closeupOf is a finding's picture.
func closeupOf(in Input, f verdict.Finding) *closeup {
	in.addUp()
	return newCloseup(in, newStories(in), f)
}

func TestCloseup(t *testing.T) {
	in, f := stale()
	c := closeupOf(in, f)
	if c == nil || len(c.Rows) != 3 {
		t.Fatalf("%+v", c)
	}
	if r := c.Rows[0]; !r.Earlier || r.Bar.W != 0 || !strings.Contains(r.Label, "at 0.110 s") {
		t.Errorf("twenty seconds before, it should be told in words: %+v", r)
	}
	if r := c.Rows[2]; !r.Culprit || r.Bar.Class != "op-bad" || r.Label != "read x → 1" || r.Who != "process 4 at n3" {
		t.Errorf("the culprit: %+v", r)
	}
	if c.Rows[1].Bar.X+c.Rows[1].Bar.W > c.Rows[2].Bar.X {
		t.Error("the write ends before the read begins, and should be seen to")
	}
	if len(c.Others) != 1 || !strings.Contains(c.Others[0].Title, "read x → 2 by process 3 at n2, 20.100 s") {
		t.Errorf("others: %+v", c.Others)
	}
	rules := fmt.Sprint(c.Rules)
	if !strings.Contains(rules, "began 20.200 s start") || !strings.Contains(rules, "acknowledged 20.040 s end") {
		t.Errorf("rules: %s", rules)
	}
	if len(c.Seen) != 0 {
		t.Errorf("the writer is not in the picture: %+v", c.Seen)
	}
	if len(c.Lanes) != 3 || c.Lanes[0].Label != "n1" || c.Hidden != "n4, n5, n6" {
		t.Errorf("%d lanes, hidden %q", len(c.Lanes), c.Hidden)
	}
}

func TestCloseupSaysWhoSawWhat(t *testing.T) {
	in, f := stale()
	in.Operations[0].Call, in.Operations[0].Return = 19*time.Second, 19*time.Second+10*time.Millisecond
	c := closeupOf(in, f)
	if len(c.Seen) != 1 || c.Seen[0].Class != "saw-bad" || c.Seen[0].Title != "read x → 1 saw what write x 1 wrote" {
		t.Errorf("%+v", c.Seen)
	}
	if len(c.Dots) != 3 {
		t.Errorf("%d operations at their nodes", len(c.Dots))
	}
}

// Whatever the times, rules and bars are in the order of what they stand for, and all is inside.
func TestCloseupOfAllLengths(t *testing.T) {
	for _, unit := range []time.Duration{time.Nanosecond, time.Microsecond, time.Millisecond, time.Second, time.Minute} {
		in, f := stale()
		for i := range in.Operations {
			op := &in.Operations[i]
			op.Call, op.Return = op.Call/time.Millisecond*unit, op.Return/time.Millisecond*unit
		}
		in.Operations[2].Outcome = history.Unknown
		c := closeupOf(in, f)
		for _, r := range c.Rows {
			if r.Bar.X < 0 || r.Bar.X+r.Bar.W > c.Width || r.Bar.W < opWidthMin && !r.Earlier {
				t.Errorf("in %v: %+v", unit, r.Bar)
			}
		}
		if len(c.Ticks) == 0 || len(c.Ticks) > 30 {
			t.Errorf("in %v: %d ticks", unit, len(c.Ticks))
		}
	}
}

func TestCloseupOfNothing(t *testing.T) {
	in, f := stale()
	f.Operations = nil
	if closeupOf(in, f) != nil {
		t.Error("a picture of no operations")
	}
	f.Operations = []int{-1, 99}
	if closeupOf(in, f) != nil {
		t.Error("a picture of operations that do not exist")
	}
}

func TestLabelsAreNotWrittenOverEachOther(t *testing.T) {
	bands := []band{
		{X: 300, W: 100, Label: "f3 pause"}, {X: 100, W: 200, Label: "f1 partition"}, {X: 110, W: 150, Label: "f2 kill"},
		{X: 112, W: 20, Label: "f4 kill"}, {X: 305, W: 30, Label: "f5"},
	}
	labelFaults(bands)
	got := ""
	for _, b := range bands {
		got += fmt.Sprintf("%q at %.0f, ", b.Label, b.LabelX)
		for _, o := range bands {
			if b.Label != "" && o.Label != "" && o.X > b.X && o.LabelX < b.LabelX+charWidth*float64(len(b.Label)) {
				t.Errorf("%q is written over %q", o.Label, b.Label)
			}
		}
	}
	if !strings.HasPrefix(got, `"f3 pause" at 304, "f1 partition" at 104, "f2 kill" at 188, "" at`) {
		t.Error(got)
	}
}
