package checker

import (
	"slices"
	"strings"
	"testing"
	"time"

	"elenchus/results/clocks"
	"elenchus/results/history"
	"elenchus/results/verdict"
)

// granters are two nodes: n1 holds a lease from 1 s to 2 s, and n2, which granted it until then, is elected at 1.9 s.
func granters() Input {
	moment := func(at time.Duration) history.Moment { return history.Moment{Mono: at} }
	line := func(node string, at time.Duration, kind, ballot string, until time.Duration) history.Observation {
		o := history.Observation{Node: node, Boot: "1", Mono: at, Kind: kind, Ballot: ballot, Lease: "rate"}
		if until != 0 {
			o.Until, o.Since = moment(until), moment(until-time.Second)
		}
		return o
	}
	const s = time.Second
	in := Input{
		Facts: Facts{Nodes: []string{"n1", "n2"}, Protocol: multipaxos, Lease: Lease{Mode: "rate", DriftBound: 0.01}},
		Nodes: []NodeObservations{
			{Node: "n1", Log: history.ObservationLog{Observations: []history.Observation{
				line("n1", s, history.ObservedLeaseHeld, "1.n1", 2*s)}}},
			{Node: "n2", Log: history.ObservationLog{Observations: []history.Observation{
				line("n2", s, history.ObservedLeaseGranted, "1.n1", 2*s),
				line("n2", s*18/10, history.ObservedCampaign, "2.n2", 0),
				line("n2", s*19/10, history.ObservedElected, "2.n2", 0)}}},
		},
	}
	for i := range in.Nodes {
		n := &in.Nodes[i]
		for _, o := range n.Log.Observations {
			n.When, n.Until = append(n.When, o.Mono), append(n.Until, o.Until.Mono)
			n.Slack = append(n.Slack, 0)
		}
	}
	return in
}

func held(in Input) (verdict.Check, []verdict.Finding) {
	return protocolCheck(in, nil, newDiagnosis(in, nil), nil)
}

func TestProtocolCheck(t *testing.T) {
	c, findings := held(granters())
	if c.Status != verdict.Violated || len(findings) != 2 {
		t.Fatalf("%+v %+v", c, findings)
	}
	f := findings[0]
	if f.Checker != CheckProtocol || f.Name != "grant-honoured" || f.At != 1800*time.Millisecond ||
		f.Heading() != "a lease granted and not honoured (grant-honoured)" ||
		!strings.HasPrefix(f.Summary, "n2 campaigns in ballot 2.n2 at 1.800 s; it had granted") ||
		len(f.Causes) != 1 || f.Causes[0].Name != "a grant that was not kept" ||
		!strings.Contains(f.Story[len(f.Story)-1], "Whoever grants a lease") {
		t.Errorf("%+v", f)
	}
	if f := findings[1]; f.Name != "lease-exclusive" || f.Title != "two leaders under one lease" ||
		!strings.HasPrefix(f.Summary, "n1 believes in its lease of ballot 1.n1 from 1.000 s") ||
		!strings.Contains(f.Summary, "n2 is elected in ballot 2.n2 at 1.9") {
		t.Errorf("%+v", f)
	}
	if c, findings := held(Input{Facts: Facts{Protocol: multipaxos}}); c.Status != verdict.None || findings != nil {
		t.Errorf("nobody said anything: %+v", c)
	}
}

// Without instants a finding has no story that goes by them, and rules about several clocks do not apply.
func TestProtocolCheckWithoutInstants(t *testing.T) {
	in := granters()
	for i := range in.Nodes {
		in.Nodes[i].When, in.Nodes[i].Until, in.Nodes[i].Slack = nil, nil, nil
	}
	c, findings := held(in)
	if len(findings) != 1 || findings[0].Name != "grant-honoured" || findings[0].At != 0 ||
		!strings.Contains(c.Detail, "not all nodes can be placed") {
		t.Errorf("%+v %+v", c, findings)
	}
}

// ticking is a clock that was read ten times a second, ran at a rate and was off by so much.
func ticking(node string, rate float64, ahead, err time.Duration) clocks.Track {
	t := clocks.Track{Node: node}
	for at := time.Duration(0); at < 4*time.Second; at += 100 * time.Millisecond {
		t.Points = append(t.Points, clocks.Point{At: at, Error: err, Mono: int64(1e12 + rate*float64(at)),
			Wall: int64(at + ahead)})
	}
	return t
}

func TestClockExcess(t *testing.T) {
	const ms = time.Millisecond
	moved := history.FaultLog{Events: []history.FaultEvent{{
		ID: "f1", Kind: "clock", Step: history.FaultApply, Status: history.FaultInstalled, Begin: time.Second, End: time.Second,
	}}}
	suspended, awake := moved.Events[0], moved.Events[0]
	suspended.Kind, awake.Kind = "suspend", "suspend"
	awake.Step, awake.Status = history.FaultRevert, history.FaultReverted
	resumed := awake
	resumed.Begin, resumed.End = 1100*ms, 1100*ms
	rate, wall := Lease{Mode: "rate", DriftBound: 0.01}, Lease{Mode: "wall", MaxOffset: 50 * ms}
	for name, c := range map[string]struct {
		lease       Lease
		faults      history.FaultLog
		tracks      []clocks.Track
		least, most time.Duration
	}{
		"within the bound":         {rate, moved, []clocks.Track{ticking("n1", 1, 0, 0), ticking("n2", 1.009, 0, 0)}, 0, 0},
		"beyond the bound":         {rate, moved, []clocks.Track{ticking("n1", 1, 0, 0), ticking("n2", 1.11, 0, 0)}, 99 * ms, 101 * ms},
		"perhaps beyond the bound": {rate, moved, []clocks.Track{ticking("n1", 1, 0, ms), ticking("n2", 1.009, 0, ms)}, 5 * ms, 40 * ms},
		"not meant to be moved": {rate, history.FaultLog{},
			[]clocks.Track{ticking("n1", 1, 0, ms), ticking("n2", 1.009, 0, ms)}, 0, 0},
		"suspended, and perhaps beyond the bound": {rate, history.FaultLog{Events: []history.FaultEvent{suspended, awake}},
			[]clocks.Track{ticking("n1", 1, 0, ms), ticking("n2", 1.009, 0, ms)}, 5 * ms, 40 * ms},
		"suspended for some time": {rate, history.FaultLog{Events: []history.FaultEvent{suspended, resumed}},
			[]clocks.Track{ticking("n1", 1, 0, 0), ticking("n2", 1, 0, 0)}, 100 * ms, 100 * ms},
		"moved and not measured": {rate, moved, []clocks.Track{ticking("n1", 1, 0, ms)}, history.Forever, history.Forever},
		"not measured":           {rate, history.FaultLog{}, nil, 0, 0},
		"wall clocks within":     {wall, moved, []clocks.Track{ticking("n1", 1, 0, 0), ticking("n2", 1, 50*ms, 0)}, 0, 0},
		"wall clocks too far apart": {wall, moved, []clocks.Track{ticking("n1", 1, -20*ms, ms), ticking("n2", 1, 50*ms, ms)},
			22 * ms, 22 * ms},
		"wall clocks that nobody moved": {wall, history.FaultLog{},
			[]clocks.Track{ticking("n1", 1, -20*ms, ms), ticking("n2", 1, 50*ms, ms)}, 18 * ms, 18 * ms},
	} {
		in := Input{Facts: Facts{Nodes: []string{"n1", "n2"}, Lease: c.lease}, Faults: c.faults, Clocks: c.tracks}
		if got := in.clockExcess(time.Second, 2*time.Second, time.Second); got < c.least || got > c.most {
			t.Errorf("%s: %v, want %v to %v", name, got, c.least, c.most)
		}
	}
}

// A read from before what somebody was told is found although nobody wrote to its register.
func TestProtocolCheckComparesAnswers(t *testing.T) {
	write := history.Operation{Process: 0, Node: "n1", Phase: history.PhaseMain, CallSeq: 0, ReturnSeq: 1, Call: 10, Return: 20,
		Op: history.Op{Func: history.Write, Key: "x", Value: 1}, Outcome: history.OK,
		By: history.Witness{Slot: 5, Ballot: "2.n1", Leader: "n1"}}
	read := history.Operation{ID: 1, Process: 1, Node: "n2", Phase: history.PhaseMain, CallSeq: 2, ReturnSeq: 3, Call: 30, Return: 40,
		Op: history.Op{Func: history.Read, Key: "y"}, Outcome: history.OK,
		By: history.Witness{Slot: 4, Ballot: "1.n2", Leader: "n2"}}
	for _, c := range []struct {
		reads string
		slot  uint64
		want  verdict.Status
	}{
		{"lease", 4, verdict.Violated}, {"lease", 5, verdict.Valid}, {"quorum", 4, verdict.Violated},
		{"local", 4, verdict.None}, {"", 4, verdict.None},
	} {
		read.By.Slot = c.slot
		v := judgedWith(t, []history.Operation{write, read}, nil, Facts{Protocol: multipaxos, Reads: c.reads})
		i := slices.IndexFunc(v.Safety.Checks, func(c verdict.Check) bool { return c.Checker == CheckProtocol })
		if i < 0 || v.Safety.Checks[i].Status != c.want {
			t.Errorf("reads %q, slot %d: %+v", c.reads, c.slot, v.Safety.Checks)
		}
		if c.want != verdict.Violated {
			continue
		}
		f := v.Safety.Findings[0]
		if f.Name != "read-fresh" || f.At != 40 || !slices.Equal(f.Operations, []int{1}) || len(f.Table) != 1 ||
			!strings.Contains(f.Summary, "n1 had told a client of slot 5") {
			t.Errorf("reads %q: %+v", c.reads, f)
		}
	}
}

// Who may have said last that it gave its lease up is not taken to hold it, and who granted one is held to that.
func TestWhatMayBeMissingIsNotHeldAgainstANode(t *testing.T) {
	for name, missing := range map[string]func(*NodeObservations){
		"its machine failed it": func(n *NodeObservations) { n.Failed = true },
		"it ended by itself":    func(n *NodeObservations) { n.Ended = []string{"panic: oh"} },
		"lines were not written": func(n *NodeObservations) {
			n.Log.Lost = []history.Loss{{Before: len(n.Log.Observations), Lines: 1}}
		},
	} {
		in := granters()
		missing(&in.Nodes[0])
		if _, findings := held(in); len(findings) != 1 || findings[0].Name != "grant-honoured" {
			t.Errorf("%s: %+v", name, findings)
		}
	}
}
