package checker

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"elenchus/results/clocks"
	"elenchus/results/history"
	"elenchus/results/leases"
	"elenchus/results/verdict"
)

// scene is a stale read as the nodes saw it, times in milliseconds: 1 is written in slot 1 of ballot 1.n1, and 2 in
// slot 2 of ballot 2.n2, which is acknowledged at 1000. From 1010 to 1012 n1 answers a read with 1.
type scene struct {
	in    Input
	p     plainly
	start time.Time
	ops   []history.Operation // of those who saw it all
}

const ms = time.Millisecond

func newScene(reads string) *scene {
	old, newer := int64(1), int64(2)
	s := &scene{start: time.Unix(1000, 0), p: plainly{
		last: history.Operation{ID: 2, Process: 3, Node: "n1", Op: history.Op{Func: history.Read, Key: "x"},
			Outcome: history.OK, Result: history.Result{Values: []int64{1}}, Call: 1010 * ms, Return: 1012 * ms,
			By: history.Witness{Slot: 1, Ballot: "1.n1", Leader: "n1"}},
		before: history.Operation{ID: 1, Process: 2, Node: "n3", Op: history.Op{Func: history.Write, Key: "x", Value: 2},
			Outcome: history.OK, Call: 990 * ms, Return: 1000 * ms,
			By: history.Witness{Slot: 2, Ballot: "2.n2", Leader: "n2"}},
		superseded: true, old: &old, newer: &newer,
	}}
	s.in.Facts = Facts{Nodes: []string{"n1", "n2", "n3"}, Reads: reads, Lease: Lease{Mode: "rate", DriftBound: 0.01}}
	return s
}

// saw is what a node wrote at an instant.
type saw struct {
	at     int // ms
	kind   string
	ballot string
	until  int // ms; of leases
	boot   string
	slot   uint64
	ops    []history.Update
	ids    []string // of the commands; as many nameless ones as there are ops if nil
}

func (s *scene) node(name string, lines ...saw) *scene {
	n := NodeObservations{Node: name}
	for _, l := range lines {
		at := time.Duration(l.at) * ms
		o := history.Observation{Mono: at, Wall: s.start.Add(at), Boot: cmp.Or(l.boot, "1"), Node: name, Kind: l.kind,
			Ballot: l.ballot, Slot: l.slot, Ops: l.ops, IDs: make([]string, len(l.ops)), Lease: "rate"}
		if l.ids != nil {
			o.IDs = l.ids
		}
		if l.until != 0 {
			o.Until = history.Moment{Mono: time.Duration(l.until) * ms}
		}
		n.Log.Observations = append(n.Log.Observations, o)
		n.When, n.Until = append(n.When, at), append(n.Until, time.Duration(l.until)*ms)
	}
	axis := clocks.NewAxis(s.start, clocks.Track{}, n.Log.Observations)
	s.in.Nodes = append(s.in.Nodes, n)
	s.in.Stories = append(s.in.Stories, leases.New(name, n.Log.Observations, axis, nil, history.Forever))
	return s
}

// clock measures a node's clocks ten times a second: how fast they run, and how far the wall clock is behind.
func (s *scene) clock(name string, rate float64, behind time.Duration) *scene {
	t := clocks.Track{Node: name}
	for at := 50 * ms; at < 2*time.Second; at += 100 * ms {
		mono := int64(rate * float64(at))
		t.Points = append(t.Points, clocks.Point{At: at, Error: 100 * time.Microsecond, Mono: mono + 1,
			Wall: s.start.UnixNano() + int64(at-behind)})
	}
	s.in.Clocks = append(s.in.Clocks, t)
	return s
}

// stands has a node's monotonic clock stand still for some time, as that of a suspended host does.
func (s *scene) stands(name string, from, to time.Duration) *scene {
	return s.with(func(s *scene) {
		for _, t := range s.in.Clocks {
			for i := range t.Points {
				if p := &t.Points[i]; t.Node == name {
					p.Mono -= int64(max(0, min(p.At, to)-from))
				}
			}
		}
	})
}

// exact has the clocks be measured without an error, as in the simulator.
func (s *scene) exact() *scene {
	for _, t := range s.in.Clocks {
		for i := range t.Points {
			t.Points[i].Error = 0
		}
	}
	return s
}

// back has a node's wall clock go back for good.
func (s *scene) back(name string, from, by time.Duration) *scene {
	return s.with(func(s *scene) {
		for _, t := range s.in.Clocks {
			for i := range t.Points {
				if p := &t.Points[i]; t.Node == name && p.At >= from {
					p.Wall -= int64(by)
				}
			}
		}
	})
}

// deposed has n1 hold the lease of 1.n1 until some time, and n2 be elected above it.
func (s *scene) deposed(until int) *scene {
	return s.node("n1", saw{at: 100, kind: history.ObservedElected, ballot: "1.n1"},
		saw{at: 110, kind: history.ObservedLeaseHeld, ballot: "1.n1", until: 700},
		saw{at: 400, kind: history.ObservedLeaseRenewed, ballot: "1.n1", until: until},
		saw{at: 1500, kind: history.ObservedDeposed, ballot: "1.n1"}).
		node("n2", saw{at: 900, kind: history.ObservedElected, ballot: "2.n2"},
			saw{at: 950, kind: history.ObservedLeaseHeld, ballot: "2.n2", until: 1950},
			saw{at: 998, kind: history.ObservedApplied, ballot: "2.n2", slot: 2, ops: wrote("2")},
			saw{at: 1400, kind: history.ObservedChosen, ballot: "2.n2", slot: 3})
}

// wrote are writes to x as nodes tell of them.
func wrote(values ...string) (out []history.Update) {
	for _, v := range values {
		out = append(out, history.Update{Op: "write", Key: "x", Value: v})
	}
	return out
}

func (s *scene) told(agreement ...verdict.Finding) verdict.Finding {
	var f verdict.Finding
	newDiagnosis(s.in, agreement).tell(&f, s.p)
	return f
}

func names(causes []verdict.Cause) []string {
	var out []string
	for _, c := range causes {
		out = append(out, c.Name)
	}
	return out
}

func TestDiagnoses(t *testing.T) {
	const (
		granted, promised = history.ObservedLeaseGranted, history.ObservedPromised
		recovered         = history.ObservedRecovered
	)
	log := func(slots ...string) []saw {
		var out []saw
		for i, v := range slots {
			l := saw{at: 500, kind: history.ObservedApplied, ballot: "1.n1", slot: uint64(i + 1)}
			if v != "" {
				l.ops = wrote(v)
			}
			out = append(out, l)
		}
		return out
	}
	const old = "answered from an old state"
	tests := map[string]struct {
		scene *scene
		want  []string
		says  string // somewhere in the causes
	}{
		"nothing recorded": {newScene("quorum").forget(), nil, ""},
		"local reads":      {newScene("local"), []string{"reads without any check"}, "slot 2, with the write of 2"},
		"local, but it was a cas": {newScene("local").with(func(s *scene) {
			s.p.last.Op.Func = history.CAS
		}), nil, ""},
		"an old state": {newScene("quorum"), []string{old}, "had been acknowledged 10.0 ms before the read began"},
		"a state that has it": {newScene("quorum").with(func(s *scene) {
			s.p.last.By.Slot = 2
		}), nil, ""},
		"a new leader": {newScene("quorum").with(func(s *scene) {
			s.p.last.By = history.Witness{Slot: 1, Ballot: "1.n1", Leader: "n3"}
		}).node("n3", saw{at: 1005, kind: history.ObservedElected, ballot: "3.n3"},
			saw{at: 1500, kind: history.ObservedApplied, slot: 2, ops: wrote("2")}),
			[]string{"a new leader answered before it had caught up"}, "n3 was elected in ballot 3.n3 at 1.005 s"},
		"a leader of the update's own ballot is none": {newScene("quorum").with(func(s *scene) {
			s.p.last.By.Leader = "n2"
		}).node("n2", saw{at: 900, kind: history.ObservedElected, ballot: "2.n2"},
			saw{at: 999, kind: history.ObservedApplied, slot: 2, ops: wrote("2")},
			saw{at: 1500, kind: history.ObservedChosen, slot: 3}), []string{old}, ""},
		"acknowledged early": {newScene("quorum").node("n2", saw{at: 900, kind: history.ObservedElected, ballot: "2.n2"},
			saw{at: 1500, kind: history.ObservedChosen, slot: 2}), []string{"acknowledged before it was decided"},
			"acknowledged at 1.000 s, in slot 2; n2 wrote at 1.500 s that slot 2 was chosen."},
		"acknowledged as early as may be": {newScene("quorum").node("n2", saw{at: 1001, kind: history.ObservedChosen, slot: 2}),
			[]string{old}, ""},
		"a follower by itself": {newScene("lease").node("n1", saw{at: 100, kind: history.ObservedApplied, slot: 1}).
			node("n2", saw{at: 900, kind: history.ObservedElected, ballot: "2.n2"}),
			[]string{"a follower answered by itself"}, "n1 wrote of no ballot that it led at that time."},
		"a follower by quorum": {newScene("quorum").node("n1", saw{at: 100, kind: history.ObservedApplied, slot: 1}),
			[]string{old}, ""},
		"a lease that is over": {newScene("lease").deposed(1000), []string{"a read served without a lease", old},
			"of ballot 1.n1, had ended at 1.000 s"},
		"a lease that may just last": {newScene("lease").deposed(1010), []string{"two leases at once", old}, ""},
		"two leases": {newScene("lease").deposed(1400), []string{"two leases at once", old},
			"n1 held the lease of ballot 1.n1 from 0.110 s to 1.400 s"},
		"two leases do not matter to quorum reads": {newScene("quorum").deposed(1400), []string{old}, ""},
		"drift": {newScene("lease").deposed(1400).clock("n1", 0.9, 0).clock("n2", 1, 0),
			[]string{"clocks drifted apart", "two leases at once", old}, "that of n2 at 1.000"},
		"drift, and a lease that was over all the same": {newScene("lease").deposed(900).clock("n1", 0.9, 0).clock("n2", 1, 0),
			[]string{"a read served without a lease", old}, "when by its own clock it held no lease"},
		"a clock that stood still": {newScene("lease").deposed(1400).clock("n1", 1, 0).clock("n2", 1, 0).
			stands("n1", 600*ms, 700*ms), []string{"clocks drifted apart", "two leases at once", old}, "that of n2 at 1.000"},
		"a clock that stood still all the time": {newScene("lease").deposed(1400).clock("n1", 1, 0).clock("n2", 1, 0).
			stands("n1", 300*ms, 1900*ms), []string{"clocks drifted apart", "two leases at once", old}, "of n1 ran at 0.000"},
		"a clock that stood still all the time, as an exact measurement shows": {
			newScene("lease").deposed(1400).clock("n1", 1, 0).clock("n2", 1, 0).exact().stands("n1", 300*ms, 1900*ms),
			[]string{"clocks drifted apart", "two leases at once", old}, "So n1's stood still"},
		"a clock that stood still after the read": {newScene("lease").deposed(1400).clock("n1", 1, 0).clock("n2", 1, 0).
			stands("n1", 1100*ms, 1300*ms), []string{"two leases at once", old}, "It need not be the clocks"},
		"a clock that stood still between the question for the lease and the answer": {
			newScene("lease").node("n1", saw{at: 100, kind: history.ObservedElected, ballot: "1.n1"},
				saw{at: 300, kind: history.ObservedLeaseAsked, ballot: "1.n1", until: 1310},
				saw{at: 600, kind: history.ObservedLeaseHeld, ballot: "1.n1", until: 1310},
				saw{at: 1500, kind: history.ObservedDeposed, ballot: "1.n1"}).
				node("n2", saw{at: 900, kind: history.ObservedElected, ballot: "2.n2"}).
				clock("n1", 1, 0).clock("n2", 1, 0).stands("n1", 300*ms, 590*ms),
			[]string{"clocks drifted apart", old}, "From 0.350 s"},
		"drift within the bound": {newScene("lease").deposed(1400).clock("n1", 0.995, 0).clock("n2", 1, 0),
			[]string{"two leases at once", old}, "It need not be the clocks"},
		"drift of a holder that is too fast": {newScene("lease").deposed(1400).clock("n1", 1.5, 0).clock("n2", 1, 0),
			[]string{"two leases at once", old}, ""},
		"drift of leases on wall clocks": {newScene("lease").wall().deposed(1400).clock("n1", 0.9, 0).clock("n2", 1, 0),
			[]string{"two leases at once", old}, ""},
		"wall clocks apart": {newScene("lease").wall().deposed(1400).clock("n1", 1, 300*ms).clock("n2", 1, 0),
			[]string{"wall clocks too far apart", "two leases at once", old}, "n1 was behind that of n2"},
		"wall clocks that were apart when the grant ended": {newScene("lease").wall().deposed(1400).clock("n1", 1, 0).
			clock("n2", 1, -300*ms).back("n2", 950*ms, 300*ms),
			[]string{"wall clocks too far apart", "two leases at once", old}, "n1 was behind that of n2, as read at 0.450 s"},
		"wall clocks that were apart before the lease": {newScene("lease").wall().deposed(1400).clock("n1", 1, 0).
			clock("n2", 1, -300*ms).back("n2", 350*ms, 300*ms), []string{"two leases at once", old}, ""},
		"wall clocks that came apart after the read": {newScene("lease").wall().deposed(1400).clock("n1", 1, 0).
			clock("n2", 1, 0).back("n2", 1100*ms, -300*ms), []string{"two leases at once", old}, ""},
		"wall clocks within the bound": {newScene("lease").wall().deposed(1400).clock("n1", 1, 90*ms).clock("n2", 1, 0),
			[]string{"two leases at once", old}, ""},
		"a grant forgotten": {newScene("lease").deposed(1400).node("n3",
			saw{at: 405, kind: granted, ballot: "1.n1", until: 1410},
			saw{at: 800, kind: recovered, ballot: "1.n1", boot: "2"},
			saw{at: 890, kind: promised, ballot: "2.n2", boot: "2"}),
			[]string{"a grant forgotten in a restart", "two leases at once", old}, "it promised ballot 2.n2 at 0.890 s"},
		"a grant whose ballot was not on disk": {newScene("lease").deposed(1400).node("n3",
			saw{at: 405, kind: granted, ballot: "1.n1", until: 1410},
			saw{at: 800, kind: recovered, boot: "2"},
			saw{at: 890, kind: promised, ballot: "2.n2", boot: "2"}), []string{"two leases at once", old}, ""},
		"a grant not kept": {newScene("lease").deposed(1400).node("n3",
			saw{at: 405, kind: granted, ballot: "1.n1", until: 1410},
			saw{at: 890, kind: promised, ballot: "2.n2"}),
			[]string{"a grant that was not kept", "two leases at once", old}, "in the same life of its process"},
		"a grant that was over": {newScene("lease").deposed(1400).node("n3",
			saw{at: 405, kind: granted, ballot: "1.n1", until: 880},
			saw{at: 890, kind: promised, ballot: "2.n2"}), []string{"two leases at once", old}, ""},
		"a grant that was given back": {newScene("lease").deposed(1400).node("n3",
			saw{at: 405, kind: granted, ballot: "1.n1", until: 1410},
			saw{at: 600, kind: history.ObservedLeaseFreed, ballot: "1.n1", until: 1410},
			saw{at: 890, kind: promised, ballot: "2.n2"}), []string{"two leases at once", old}, ""},
		"a promise to who was elected already": {newScene("lease").deposed(1400).node("n3",
			saw{at: 405, kind: granted, ballot: "1.n1", until: 1410},
			saw{at: 920, kind: promised, ballot: "2.n2"}), []string{"two leases at once", old}, ""},
		"a promise forgotten": {newScene("quorum").node("n2", saw{at: 1, kind: promised, ballot: "3.n2"},
			saw{at: 2, kind: history.ObservedElected, ballot: "3.n2"}).node("n3", saw{at: 1, kind: promised, ballot: "3.n2"},
			saw{at: 9, kind: recovered, ballot: "2.n1", boot: "2"}), []string{"a forgotten promise", old}, "knew only of 2.n1"},
		"a promise that was not needed": {newScene("quorum").node("n1", saw{at: 1, kind: promised, ballot: "3.n2"}).
			node("n2", saw{at: 1, kind: promised, ballot: "3.n2"}, saw{at: 2, kind: history.ObservedElected, ballot: "3.n2"}).
			node("n3", saw{at: 1, kind: promised, ballot: "3.n2"},
				saw{at: 9, kind: recovered, ballot: "2.n1", boot: "2"}), []string{old}, ""},
		"a promise kept": {newScene("quorum").node("n2", saw{at: 1, kind: promised, ballot: "3.n2"},
			saw{at: 2, kind: history.ObservedElected, ballot: "3.n2"}).node("n3", saw{at: 1, kind: promised, ballot: "3.n2"},
			saw{at: 9, kind: recovered, ballot: "3.n2", boot: "2"}), []string{old}, ""},
		"acknowledged and not logged": {newScene("quorum").node("n3", log("1", "7")...),
			[]string{"acknowledged, and not in the log", old}, "slot 2 was applied as write x 7 by n3"},
		"logged":                      {newScene("quorum").node("n3", log("1", "2")...), []string{old}, ""},
		"logged, though nobody shows": {newScene("quorum").node("n3", log("1")...), []string{old}, ""},
		"applied twice": {newScene("quorum").with(func(s *scene) {
			s.p.last.By.Slot = 3
		}).node("n3", log("1", "2", "1")...), []string{"applied twice"}, "in slot 1 and in slot 3"},
		"repeated, but the answer is from before": {newScene("quorum").with(func(s *scene) {
			s.p.last.By.Slot = 2
		}).node("n3", log("1", "2", "1")...), nil, ""},
		"repeated before it was replaced": {newScene("quorum").with(func(s *scene) {
			s.p.last.By.Slot = 3
		}).node("n3", log("1", "1", "2")...), nil, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := tt.scene.told()
			if got := names(f.Causes); !slices.Equal(got, tt.want) {
				t.Errorf("causes %q, want %q", got, tt.want)
			}
			text := ""
			for _, c := range f.Causes {
				text += c.Says + strings.Join(c.Evidence, " ")
				if !strings.HasSuffix(c.Says, ".") || len(c.Evidence) == 0 {
					t.Errorf("no sentence, or no evidence: %+v", c)
				}
			}
			if !strings.Contains(text, tt.says) {
				t.Errorf("%q does not say %q", text, tt.says)
			}
			if len(f.Story) > 5 {
				t.Errorf("%d sentences", len(f.Story))
			}
		})
	}
}

func (s *scene) with(change func(*scene)) *scene { change(s); return s }

// forget is a scene of which the system said nothing.
func (s *scene) forget() *scene {
	s.p.last.By, s.p.before.By = history.Witness{}, history.Witness{}
	return s
}

// wall puts leases on wall clocks, which may be 100 ms apart.
func (s *scene) wall() *scene {
	s.in.Facts.Lease = Lease{Mode: "wall", MaxOffset: 100 * ms}
	return s
}

func TestAgreementIsBlamed(t *testing.T) {
	two := verdict.Finding{Name: nameTwoValues, Summary: "Slot 2 holds different commands."}
	if f := newScene("quorum").told(two); len(f.Causes) == 0 || f.Causes[0].Name != "two values in one slot" {
		t.Errorf("%+v", f.Causes)
	}
	gap := verdict.Finding{Name: nameGap, Summary: "Node n1 applied slot 3 right after slot 1."}
	if f := newScene("quorum").told(gap); f.Causes[0].Name == "two values in one slot" {
		t.Errorf("%+v", f.Causes)
	}
}

func TestStoryOfAStaleRead(t *testing.T) {
	s := newScene("lease").deposed(1400).clock("n1", 0.2, 0).clock("n2", 1, 0)
	s.node("n3", saw{at: 405, kind: history.ObservedLeaseGranted, ballot: "1.n1", until: 850})
	s.in.Faults.Events = []history.FaultEvent{
		{ID: "f1", Kind: "clock", Played: "rate n1 0.2", Targets: []string{"n1"}, Step: history.FaultApply,
			Status: history.FaultInstalled, End: 300 * ms},
		{ID: "f2", Kind: "kill", Played: "n3", Targets: []string{"n3"}, Step: history.FaultApply,
			Status: history.FaultInstalled, End: 310 * ms},
	}
	want := []string{
		"The read was answered by n1 from its state up to slot 1, of ballot 1.n1; the write of 2 is in slot 2, of ballot " +
			"2.n2, acknowledged by way of n2.",
		"n1 was then under fault f1 (clock rate n1 0.2, since 0.300 s).",
		"n2 had been elected in the higher ballot 2.n2 at 0.900 s; n1 did not notice before 1.500 s.",
		"n1's lease of ballot 1.n1 lasted until 1.400 s by its own clock, and those who had granted it honoured it until " +
			"0.850 s at the latest, because its monotonic clock was so much slower than n2's: leases allow a drift of 1 %.",
	}
	if got := s.told().Story; !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestNamesOfViolations(t *testing.T) {
	for name, tt := range map[string]struct {
		play func(*script)
		want string
	}{
		"nowhere":         {func(s *script) { s.do(0, write(1)).do(1, read(), 7) }, nameNowhere},
		"seen again":      {func(s *script) { s.do(0, write(1)).do(0, write(2)).do(1, read(), 1).do(2, read(), 2) }, nameStale},
		"nobody else saw": {func(s *script) { s.do(0, write(1)).do(0, write(2)).do(1, read(), 1) }, nameStale},
		"gone": {func(s *script) {
			s.do(0, write(1)).do(0, write(2)).do(1, read(), 1).do(2, read(), 1)
		}, nameLost},
		"came back": {func(s *script) {
			s.do(0, write(1)).do(0, write(2)).do(2, read(), 2).do(1, read(), 1).do(2, read(), 1)
		}, nameReturned},
		"lost from the start": {func(s *script) { s.do(0, write(1)).do(1, read()).do(2, read()) }, nameLost},
	} {
		s := newScript(t, "x")
		tt.play(s)
		lin := Linearize(t.Context(), registerModel(), s.ops, nil, Budget{})
		f, _ := linearizabilityFinding(SplitByKey(s.ops)[0], nil, lin.Keys[0])
		if f.Name != tt.want {
			t.Errorf("%s: %q (%s), want %q", name, f.Name, f.Summary, tt.want)
		}
		if len(f.Table) == 0 || !slices.ContainsFunc(f.Table, func(r verdict.Row) bool { return r.Role != "" }) {
			t.Errorf("%s: no table: %+v", name, f.Table)
		}
	}
}
