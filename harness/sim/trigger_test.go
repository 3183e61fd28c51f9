package sim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"elenchus/harness/sim/simtest"
	"elenchus/nemesis"
	"elenchus/node/multipaxos"
	"elenchus/node/protocol"
)

// cued is a calm plan in which a follower's disk is slowed down, to no effect, when the cue comes.
func cued(tb testing.TB, trigger Trigger) *Plan {
	tb.Helper()
	p := with(quiet(tb, 3), Fault{
		At: 300 * ms, For: 100 * ms, Kind: FaultDiskSlow, Targets: []string{nemesis.RoleAny}, Amount: 1,
	})
	trigger.Fault = "s1"
	p.Triggers = []Trigger{trigger}
	return p
}

// Every cue comes, at the moment that it names, and is that of the node that it says.
func TestFaultsWaitForTheirCue(t *testing.T) {
	w := New(Options{Trace: true})
	for _, cue := range Cues() {
		t.Run(string(cue), func(t *testing.T) {
			p := cued(t, Trigger{On: cue, After: 2 * ms, Aim: AimActor})
			// Somebody crashes, starts again, and somebody else leads.
			p.Schedule.Faults = []nemesis.Fault{
				{ID: "f1", At: 350 * ms, For: 500 * ms, Kind: nemesis.Partition, Shape: nemesis.Isolate, Groups: [][]string{{"leader"}}},
				{ID: "f2", At: 900 * ms, For: 50 * ms, Kind: nemesis.Kill, Groups: [][]string{{"leader"}}},
			}
			p.Node.SnapshotEntries = 20
			r := run(t, w, p)
			if r.Violation != nil {
				t.Fatal(r.Violation)
			}
			fired := r.firedAs("s1")
			if fired == nil || fired.Begin < 302*ms {
				t.Fatalf("it came as %+v of %+v", fired, r.Fired)
			}
			if !seen(r.Trace, cue, fired.Begin-2*ms, fired.Targets[0][0]) {
				t.Errorf("nothing of the kind happened to %v at %v", fired.Targets, fired.Begin-2*ms)
			}
		})
	}
}

// seen reports whether the trace tells of the cue at that time and node.
func seen(trace *Trace, cue Cue, at time.Duration, node string) bool {
	kinds := map[Cue]protocol.ObservationKind{
		CueCampaign: protocol.ObservedCampaign, CueElected: protocol.ObservedElected, CueDeposed: protocol.ObservedDeposed,
		CueLearned: protocol.ObservedChosen, CueGranted: protocol.ObservedLeaseGranted, CueLeased: protocol.ObservedLeaseHeld,
		CueRenewed: protocol.ObservedLeaseRenewed, CueCaughtUp: protocol.ObservedCaughtUp,
	}
	for i := range trace.Moments {
		m := &trace.Moments[i]
		if m.At != at {
			continue
		}
		switch {
		case cue == CueChosen, cue == CueSaving, cue == CueSaved: // no node says so: it is when a disk has it
			return true
		case m.Node == 0 || protocol.NodeID(m.Node).String() != node:
		case cue == CueStarted && m.Kind == MomentStarted,
			cue == CuePromised && m.Kind == MomentSent && m.Message.Kind == protocol.MsgPromise,
			cue == CueAccepted && m.Kind == MomentSent && m.Message.Kind == protocol.MsgAccepted,
			cue == CueAcknowledged && m.Kind == MomentReplied,
			kinds[cue] != 0 && m.Kind == MomentObserved && m.Seen.Kind == kinds[cue]:
			return true
		}
	}
	return false
}

func TestCuesAreCounted(t *testing.T) {
	w := New(Options{})
	var last time.Duration
	for nth := 1; nth <= 4; nth++ {
		r := run(t, w, cued(t, Trigger{On: CueAcknowledged, Nth: nth}))
		fired := r.firedAs("s1")
		if fired == nil || fired.Begin <= last {
			t.Fatalf("cue %d comes as %+v, after %v", nth, fired, last)
		}
		last = fired.Begin
	}
	if r := run(t, w, cued(t, Trigger{On: CueDeposed})); len(r.Fired) != 0 || r.Stats.Faults != 0 {
		t.Errorf("nobody was deposed, and still there was %+v", r.Fired)
	}
}

// A fault whose end waits is over when the cue comes, or else when it would be anyway.
func TestFaultsEndOnTheirCue(t *testing.T) {
	w := New(Options{})
	p := quiet(t, 3)
	p.Schedule.Faults = []nemesis.Fault{{
		ID: "f1", At: 300 * ms, For: time.Second, Kind: nemesis.Partition, Shape: nemesis.Isolate,
		Groups: [][]string{{"leader"}},
	}}
	p.Triggers = []Trigger{{Fault: "f1", On: CueElected, End: true, After: 5 * ms}}
	r := run(t, w, p)
	if f := r.firedAs("f1"); r.Violation != nil || f == nil || f.End == 0 || f.End >= 1300*ms || r.Stats.Elections < 2 {
		t.Fatalf("%v, %+v", r.Violation, f)
	}
	p.Triggers[0].On = CueStarted // nobody is
	r = run(t, w, p)
	if f := r.firedAs("f1"); f == nil || f.End != 1300*ms {
		t.Fatalf("%+v", f)
	}
}

// Whoever is named by what it has done is who has done it.
func TestAims(t *testing.T) {
	w := New(Options{})
	for _, aim := range allAims {
		p := cued(t, Trigger{On: CueRenewed, Aim: aim})
		p.Schedule.Faults = []nemesis.Fault{{
			ID: "f1", At: 300 * ms, For: 200 * ms, Kind: nemesis.Partition, Shape: nemesis.Isolate,
			Groups: [][]string{{"leader"}},
		}}
		p.Faults[0].At = 700 * ms // there has been another leader meanwhile
		r := run(t, w, p)
		cut, fired := r.firedAs("f1"), r.firedAs("s1")
		if cut == nil || fired == nil {
			t.Fatalf("%s: %+v", aim, r.Fired)
		}
		former := cut.Targets[0][0] == fired.Targets[0][0]
		if aim == AimFormer && !former || aim == AimActor && former {
			t.Errorf("%s is %v, and %v led before", aim, fired.Targets, cut.Targets)
		}
		if leads := w.leader() == fired.Targets[0][0]; leads != (aim == AimActor) {
			t.Errorf("%s is %v, and %s leads", aim, fired.Targets, w.leader())
		}
	}
	p := cued(t, Trigger{Aim: AimGranter})
	p.Node.Lease, p.Node.Reads = multipaxos.LeaseNone, multipaxos.ReadsQuorum
	if r := run(t, w, p); len(r.Fired) != 0 {
		t.Errorf("nobody grants anything, and still there was %+v", r.Fired)
	}
}

// A frozen plan is the same run without anything that waits: to the last operation, and to the number of events.
func TestFrozenPlansAreTheSameRun(t *testing.T) {
	w := New(Options{Checker: NoChecker{}})
	waited := 0
	seeds := simtest.Seeds(150)
	for seed := uint64(1); seed <= seeds; seed++ {
		p := draw(t, seed, DrawOptions{Style: "recipes"})
		first := run(t, w, p)
		frozen := p.Freeze(&first)
		history, stats := slices.Clone(first.History), first.Stats
		waited += len(p.Triggers)
		if len(frozen.Triggers) > 0 || len(frozen.Schedule.Faults)+len(frozen.Faults) != len(first.Fired) {
			t.Fatalf("seed %d: %d faults took effect, and frozen are %d", seed, len(first.Fired), len(frozen.Faults))
		}
		again := run(t, w, frozen)
		// Whether an event stands in the heap from the start, or since its cue, is all that may differ.
		stats.Events, again.Stats.Events = 0, 0
		if stats != again.Stats || len(history) != len(again.History) {
			t.Errorf("seed %d: %+v\nfrozen: %+v", seed, stats, again.Stats)
			continue
		}
		for i := range history {
			a, b := &history[i], &again.History[i]
			if a.Call != b.Call || a.Return != b.Return || a.Outcome != b.Outcome {
				t.Errorf("seed %d: operation %d was %+v, and frozen is %+v", seed, i, a, b)
				break
			}
		}
	}
	if waited < int(seeds) {
		t.Errorf("only %d triggers were frozen", waited)
	}
}

func TestTriggersAreValidated(t *testing.T) {
	for want, tr := range map[string]Trigger{
		"there is no fault":    {Fault: "s9", On: CueElected},
		`unknown cue "dinner"`: {Fault: "s1", On: "dinner"},
		`unknown aim "cook"`:   {Fault: "s1", On: CueElected, Aim: "cook"},
		"waits for nothing":    {Fault: "s1"},
		"but counts":           {Fault: "s1", Aim: AimGranter, Nth: 2},
		"it aims when":         {Fault: "s1", On: CueElected, End: true, Aim: AimActor},
		"whose cue it is":      {Fault: "s1", Aim: AimActor},
		"a negative":           {Fault: "s1", On: CueElected, After: -1},
		"clocks do not wait":   {Fault: "c1", On: CueElected},
		"there is another for": {},
	} {
		p := cued(t, Trigger{On: CueElected})
		p.Schedule.Faults = []nemesis.Fault{{
			ID: "c1", At: ms, Kind: nemesis.Clock, Shape: nemesis.ClockRate, Groups: [][]string{{"n1"}},
		}}
		p.Schedule.Faults[0].Move.Rate = 1_001_000_000
		if err := p.Validate(); err != nil {
			t.Fatal(err)
		}
		if tr == (Trigger{}) {
			tr, want = Trigger{Fault: "s1", On: CueStarted}, "there is another for the same"
			p.Triggers = append(p.Triggers, tr)
		} else {
			p.Triggers = []Trigger{tr}
		}
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error about %q, got %v", want, err)
		}
	}
}

// Every recipe is drawn, and what it is made of takes effect.
func TestRecipesTakeEffect(t *testing.T) {
	w := New(Options{Checker: NoChecker{}})
	for _, r := range recipes {
		fired, planned := 0, 0
		for seed := uint64(1); seed <= simtest.Seeds(40); seed++ {
			kinds := slices.Clone(r.kinds)
			p := draw(t, seed, DrawOptions{Style: "recipes", Kinds: kinds})
			p.Schedule.Faults, p.Faults, p.Triggers = nil, nil, nil
			if r.leases && p.Node.Lease == multipaxos.LeaseNone {
				continue
			}
			h := &hazard{p: p, d: &dice{rng: rng{seed}}, at: p.Length / 4, name: "r1"}
			r.plan(h)
			p.Schedule.Sort()
			planned += len(p.Schedule.Faults) + len(p.Faults)
			result := run(t, w, p)
			fired += len(result.Fired)
			if result.Violation != nil {
				t.Errorf("%s, seed %d: %v", r.name, seed, result.Violation)
			}
		}
		if planned == 0 || fired*10 < planned*6 {
			t.Errorf("%s: of %d faults %d took effect", r.name, planned, fired)
		}
		t.Logf("%s: of %d faults %d took effect", r.name, planned, fired)
	}
}

// Where a leader is to follow itself, it mostly does: who is cut off once elected is the one that lost the lead.
func TestLeadersSucceedThemselves(t *testing.T) {
	w := New(Options{Checker: NoChecker{}})
	for name, plan := range map[string]func(*hazard){
		"second-term": (*hazard).secondTerm, "late-beats": (*hazard).lateBeats,
	} {
		again, others := uint64(0), uint64(0)
		seeds := simtest.Seeds(60)
		for seed := uint64(1); seed <= seeds; seed++ {
			p := draw(t, seed, DrawOptions{Style: "recipes", Kinds: []string{}})
			plan(&hazard{p: p, d: &dice{rng: rng{seed}}, at: p.Length / 4, name: "r1"})
			result := run(t, w, p)
			lost := ""
			for _, f := range result.Fired {
				switch {
				case f.ID == "r1-quit":
					lost = f.Targets[0][0]
				case f.ID == "r1-cut" && f.Targets[0][0] == lost:
					again++
				case f.ID == "r1-cut" && lost != "":
					others++
				}
			}
		}
		if again <= others || again < seeds/6 {
			t.Errorf("%s: the same leads again %d times, and somebody else %d times", name, again, others)
		}
	}
}

// Priorities make one chain of messages overtake another for as long as they last.
func TestRanksOrderChains(t *testing.T) {
	p := quiet(t, 3)
	p.Network.Datagram, p.Network.Jitter, p.Network.Ranks, p.Network.RankStep = true, 0, 4, 5*ms
	r := run(t, New(Options{Trace: true}), p)
	if r.Violation != nil {
		t.Fatal(r.Violation)
	}
	took := make(map[[3]int]time.Duration)
	ranks := make(map[time.Duration]bool)
	sent := make(map[[5]uint64]time.Duration)
	for i := range r.Trace.Moments {
		m := &r.Trace.Moments[i]
		beats := m.Message.Kind == protocol.MsgHeartbeat || m.Message.Kind == protocol.MsgHeartbeatAck
		if !beats || m.Message.Seq == 0 || m.At > p.Length {
			continue
		}
		id := [5]uint64{
			uint64(m.Node), uint64(m.Peer), uint64(m.Message.Kind), m.Message.Seq, m.Message.Ballot.Round,
		}
		switch m.Kind {
		case MomentSent:
			sent[id] = m.At
		case MomentDelivered:
			one, chain := m.At-sent[id], [3]int{m.Node, m.Peer, int(m.Message.Kind)}
			if before, ok := took[chain]; ok && before != one {
				t.Fatalf("chain %v took %v, and then %v", chain, before, one)
			}
			took[chain], ranks[one] = one, true
		}
	}
	if len(took) < 4 || len(ranks) < 2 {
		t.Errorf("chains took %v", took)
	}
}
