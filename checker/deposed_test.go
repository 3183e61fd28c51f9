package checker

import (
	"slices"
	"strings"
	"testing"
	"time"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// diary is what a node wrote down, in milliseconds since the run began.
type diary struct{ n NodeObservations }

func newDiary(host, self string) *diary {
	d := &diary{observed(host)}
	d.n.When = []time.Duration{}
	return d.at(0, "1", self, history.ObservedRecovered, "")
}

func (d *diary) at(ms int, boot, self, kind, ballot string) *diary {
	d.n.Log.Observations = append(d.n.Log.Observations, history.Observation{Boot: boot, Node: self, Kind: kind, Ballot: ballot})
	d.n.When = append(d.n.When, time.Duration(ms)*time.Millisecond)
	return d
}

// readAt is a read at a node; by is who answered and with which ballot the state was last changed.
func readAt(node string, call, ret int, outcome history.Type, leader, ballot string) history.Operation {
	return history.Operation{Node: node, Op: read(), Outcome: outcome, By: history.Witness{Leader: leader, Ballot: ballot},
		Call: time.Duration(call) * time.Millisecond, Return: time.Duration(ret) * time.Millisecond}
}

// overthrow: host a is node n1 and leads ballot 3.n1 from 100 to 900, when it notices that n2 has been elected in 4.n2
// at 500.
func overthrow() []NodeObservations {
	a := newDiary("a", "n1").at(100, "1", "n1", history.ObservedElected, "3.n1").
		at(700, "1", "n1", history.ObservedLeaseLost, "3.n1").
		at(900, "1", "n1", history.ObservedDeposed, "3.n1").
		at(950, "1", "n1", history.ObservedApplied, "4.n2")
	b := newDiary("b", "n2").at(500, "1", "n2", history.ObservedElected, "4.n2").
		at(2000, "1", "n2", history.ObservedApplied, "4.n2")
	return []NodeObservations{a.n, b.n}
}

func TestReadsAtDeposedLeadersAreCountedByWhatCameOfThem(t *testing.T) {
	ops := []history.Operation{
		readAt("a", 200, 210, history.OK, "n1", "3.n1"),                                // it led rightly
		readAt("a", 490, 600, history.OK, "n1", "3.n1"),                                // invoked before the election
		readAt("a", 500, 501, history.OK, "n1", "3.n1"),                                // answered by the deposed leader
		readAt("a", 510, 511, history.OK, "n1", ""),                                    // likewise, from a state without a ballot
		readAt("b", 510, 511, history.OK, "n2", "4.n2"),                                // not there
		readAt("a", 520, 950, history.OK, "n2", "4.n2"),                                // forwarded when it had learned
		readAt("a", 530, 990, history.OK, "n1", "5.n1"),                                // it was elected again and had all that others did
		readAt("a", 540, 990, history.OK, "n1", ""),                                    // answered after it had noticed
		readAt("a", 600, 700, history.Fail, "", ""),                                    // refused
		readAt("a", 650, 2000, history.Unknown, "", ""),                                // without an answer
		readAt("a", 900, 901, history.OK, "n2", "4.n2"),                                // it knows
		{Node: "a", Op: write(1), Outcome: history.Fail, Call: 600 * time.Millisecond}, // no read
	}
	got := shown(newDeposedReads(overthrow(), "lease"), ops).finish()
	want := verdict.DeposedReads{Way: "lease", Terms: 1, Attempted: 7, Answered: 2, Forwarded: 3, Refused: 1, Unknown: 1}
	if got == nil || *got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestLeadersThatWereNotDeposedAreNot(t *testing.T) {
	everywhere := func(ms int) []history.Operation {
		return []history.Operation{readAt("a", ms, ms+1, history.OK, "n1", "3.n1"),
			readAt("b", ms, ms+1, history.OK, "n2", "2.n2")}
	}
	cases := []struct {
		name  string
		nodes []NodeObservations
	}{
		{"the other's ballot is lower", []NodeObservations{
			newDiary("a", "n1").at(100, "1", "n1", history.ObservedElected, "10.n1").
				at(900, "1", "n1", history.ObservedApplied, "").n,
			newDiary("b", "n2").at(90, "1", "n2", history.ObservedElected, "9.n2").
				at(95, "1", "n2", history.ObservedDeposed, "9.n2").n,
		}},
		{"it is elected again", []NodeObservations{
			newDiary("a", "n1").at(100, "1", "n1", history.ObservedElected, "3.n1").
				at(200, "1", "n1", history.ObservedElected, "4.n1").
				at(900, "1", "n1", history.ObservedApplied, "").n,
		}},
		{"it noticed before", []NodeObservations{
			newDiary("a", "n1").at(100, "1", "n1", history.ObservedElected, "3.n1").
				at(200, "1", "n1", history.ObservedDeposed, "3.n1").
				at(900, "1", "n1", history.ObservedApplied, "").n,
			newDiary("b", "n2").at(300, "1", "n2", history.ObservedElected, "4.n2").n,
		}},
		{"it was killed before", []NodeObservations{
			newDiary("a", "n1").at(100, "1", "n1", history.ObservedElected, "3.n1").
				at(200, "1", "n1", history.ObservedLeaseRenewed, "3.n1").
				at(450, "2", "n1", history.ObservedRecovered, "").
				at(900, "2", "n1", history.ObservedApplied, "").n,
			newDiary("b", "n2").at(300, "1", "n2", history.ObservedElected, "4.n2").n,
		}},
	}
	for _, c := range cases {
		for ms := 50; ms < 1000; ms += 50 {
			if got := shown(newDeposedReads(c.nodes, ""), everywhere(ms)).finish(); *got != (verdict.DeposedReads{}) {
				t.Errorf("%s, at %d ms: %+v", c.name, ms, *got)
			}
		}
	}
}

// Of two who were elected after it, the first is who deposed it.
func TestTheFirstSuccessorDeposes(t *testing.T) {
	nodes := append(overthrow(), newDiary("c", "n3").at(800, "1", "n3", history.ObservedElected, "5.n3").n)
	ops := []history.Operation{readAt("a", 550, 560, history.Fail, "", ""), readAt("b", 850, 860, history.Fail, "", "")}
	if got := shown(newDeposedReads(nodes, ""), ops).finish(); got.Terms != 2 || got.Attempted != 2 {
		t.Errorf("%+v", got)
	}
}

func TestReadsAtDeposedLeadersAreDemandedWhereLeasesAreAttacked(t *testing.T) {
	attack := func(in *Input) {
		in.Facts.Reads = "lease"
		in.Facts.WantedKinds = []string{"clock", "partition"}
		in.Thresholds.InstalledPerKind = -1
		for i := range in.Nodes {
			in.Nodes[i].When = make([]time.Duration, len(in.Nodes[i].Log.Observations))
		}
	}
	const attempted, unknown = "reads attempted at deposed leaders: 0, at least 1 wanted", "deposed leaders: not known"
	cases := []struct {
		name   string
		change func(in *Input)
		want   string
	}{
		{"leases, clocks and partitions", func(*Input) {}, attempted},
		{"leases, clocks and pauses", func(in *Input) { in.Facts.WantedKinds[1] = "pause" }, attempted},
		{"clocks alone", func(in *Input) { in.Facts.WantedKinds[1] = "kill" }, ""},
		{"no clocks", func(in *Input) { in.Facts.WantedKinds[0] = "kill" }, ""},
		{"no lease reads", func(in *Input) { in.Facts.Reads = "quorum" }, ""},
		{"not demanded", func(in *Input) { in.Thresholds.DeposedReads = -1 }, ""},
		{"demanded anyhow", func(in *Input) { in.Facts.WantedKinds, in.Thresholds.DeposedReads = nil, 1 }, attempted},
		{"clocks that nobody knows", func(in *Input) { in.Nodes[1].When = nil }, unknown},
		{"clocks that nobody needs", func(in *Input) { in.Nodes[1].When, in.Facts.WantedKinds = nil, nil }, ""},
	}
	for _, c := range cases {
		in := goodRun(t)
		attack(&in)
		c.change(&in)
		v := judge(in)
		vacuous := v.Coverage.Status == verdict.Vacuous
		if vacuous != (c.want != "") || vacuous && !mentions(v.Coverage.Reasons, c.want) {
			t.Errorf("%s: %s %q, want %q", c.name, v.Coverage.Status, v.Coverage.Reasons, c.want)
		}
	}
}

func TestWhatNodesObservedIsCounted(t *testing.T) {
	in := goodRun(t)
	for _, kind := range []string{history.ObservedLeaseLost, history.ObservedLeaseForsaken, history.ObservedLeaseForsaken,
		history.ObservedCaughtUp, history.ObservedSnapshotInstalled, history.ObservedSnapshotInstalled, "something else"} {
		log := &in.Nodes[2].Log
		log.Observations = append(log.Observations, history.Observation{Boot: "1", Node: "n3", Kind: kind})
	}
	c := judge(in).Coverage
	if c.Leaders != 3 || c.LeaseExpiries != 1 || c.LeasesForsaken != 2 || c.CatchUps != 1 || c.SnapshotsInstalled != 2 {
		t.Errorf("%+v", c)
	}
}

func mentions(texts []string, part string) bool {
	return slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(s, part) })
}
