package sim

import (
	"slices"
	"testing"
	"time"

	"elenchus/nemesis"
	"elenchus/node/multipaxos"
	"elenchus/results/history"
)

// quiet is a plan in which nothing happens but what its clients do.
func quiet(tb testing.TB, nodes int) *Plan {
	tb.Helper()
	p := draw(tb, 1, DrawOptions{Nodes: []int{nodes}, Style: "calm", Workloads: []string{"register"}})
	p.Network = Network{Delay: 200 * us, Jitter: 200 * us, Reconnect: 10 * ms, DeadAfter: 100 * ms}
	p.Disk = Disk{Sync: 100 * us, Jitter: 100 * us}
	p.Node = multipaxos.Options{
		ElectionTimeout: 100 * ms, HeartbeatInterval: 20 * ms, BackoffMin: 20 * ms, BackoffMax: 160 * ms,
		RetryInterval: 20 * ms, Lease: multipaxos.LeaseRate, LeaseTerm: 100 * ms, LeaseRenew: 30 * ms,
		Reads: multipaxos.ReadsLease,
	}
	p.Clocks = make([]Clock, nodes)
	p.Load = Load{Workload: "register", Clients: 2, ThinkMin: ms, ThinkMax: 10 * ms, Patience: 200 * ms, Delay: 100 * us}
	return p
}

// with is the plan with one more fault.
func with(p *Plan, f Fault) *Plan {
	changed := *p
	f.ID = "s1"
	changed.Faults = append(slices.Clone(p.Faults), f)
	return &changed
}

// Every kind of fault has the effect that it is there for, and is over when it is.
func TestFaultsHaveTheirEffect(t *testing.T) {
	const at, long = 800 * time.Millisecond, 400 * time.Millisecond
	all := []string{nemesis.RoleAll}
	tests := []struct {
		fault  Fault
		nodes  int
		effect func(calm, hit Result) bool
	}{
		{Fault{Kind: FaultLoss, Targets: all, Amount: 300_000}, 3, func(_, hit Result) bool { return hit.Stats.Lost > 20 }},
		{Fault{Kind: FaultDelay, Targets: all, Amount: int64(20 * ms)}, 3, func(calm, hit Result) bool {
			return latency(hit, at, long) > latency(calm, at, long)+5*ms
		}},
		{Fault{Kind: FaultDuplicate, Targets: all, Amount: 500_000}, 3, func(_, hit Result) bool {
			return hit.Stats.Duplicated > 20
		}},
		{Fault{Kind: FaultCorrupt, Targets: all, Amount: 100_000}, 3, func(_, hit Result) bool {
			return hit.Stats.Corrupted > 10
		}},
		{Fault{Kind: FaultHold, Targets: []string{"n1", "n2"}}, 3, func(_, hit Result) bool { return hit.Stats.Released > 5 }},
		{Fault{Kind: FaultReset, Targets: all}, 3, func(calm, hit Result) bool {
			return hit.Stats.Resets >= calm.Stats.Resets+6
		}},
		{Fault{Kind: FaultDiskSlow, Targets: all, Amount: int64(40 * ms)}, 3, func(calm, hit Result) bool {
			return latency(hit, at, long) > latency(calm, at, long)+5*ms
		}},
		{Fault{Kind: FaultDiskStuck, Targets: all}, 3, func(_, hit Result) bool { return updates(hit, at+20*ms, long-20*ms) == 0 }},
		{Fault{Kind: FaultDiskError, Targets: all, Amount: million}, 3, func(_, hit Result) bool {
			return hit.Stats.DiskErrors > 0 && hit.Stats.Crashes > 0
		}},
		{Fault{Kind: FaultDiskFull, Targets: all}, 3, func(_, hit Result) bool {
			return hit.Stats.DiskErrors > 0 && hit.Stats.Refused > 0 && updates(hit, at+20*ms, long-20*ms) == 0
		}},
		{Fault{Kind: FaultDiskRot, Targets: []string{"n2"}}, 3, func(_, hit Result) bool {
			return hit.Stats.Refused == 1 && hit.Stats.Restarts == 0
		}},
		{Fault{Kind: FaultDiskWipe, Targets: []string{"n2"}}, 3, func(_, hit Result) bool {
			return hit.Stats.Crashes == 1 && hit.Stats.Restarts == 0
		}},
		{Fault{Kind: FaultSuspend, Targets: all}, 3, func(_, hit Result) bool { return answers(hit, at+20*ms, long-20*ms) == 0 }},
		{Fault{Kind: FaultCrash, Targets: all}, 3, func(_, hit Result) bool {
			return hit.Stats.Crashes == 3 && hit.Stats.Restarts == 3 && answers(hit, at+20*ms, long-20*ms) == 0
		}},
		{Fault{Kind: FaultDemote, Targets: all, Amount: int64(20 * ms), Messages: "Accept"}, 3, func(calm, hit Result) bool {
			return latency(hit, at, long) > latency(calm, at, long)+5*ms
		}},
		{Fault{Kind: FaultForsake, Targets: []string{nemesis.RoleLeader}}, 3, func(calm, hit Result) bool {
			return hit.Stats.Deposed > calm.Stats.Deposed && hit.Stats.Elections > calm.Stats.Elections
		}},
	}
	w := New(Options{})
	for _, tt := range tests {
		t.Run(string(tt.fault.Kind), func(t *testing.T) {
			p := quiet(t, tt.nodes)
			calm := run(t, w, p)
			calm.History = slices.Clone(calm.History)
			tt.fault.At, tt.fault.For = at, long
			hit := run(t, w, with(p, tt.fault))
			if calm.Violation != nil || hit.Violation != nil {
				t.Fatalf("calm: %v, hit: %v", calm.Violation, hit.Violation)
			}
			if calm.Stats.Faults != 0 || hit.Stats.Faults != 1 || !tt.effect(calm, hit) {
				t.Errorf("no effect\ncalm: %+v\nhit:  %+v", calm.Stats, hit.Stats)
			}
			if tt.fault.Kind != FaultDiskRot && tt.fault.Kind != FaultDiskWipe &&
				updates(hit, at+long+300*ms, 400*ms) < 10 {
				t.Error("it is not over when it should be")
			}
		})
	}
	kinds := FaultKinds()
	for _, tt := range tests {
		kinds = slices.DeleteFunc(kinds, func(k FaultKind) bool { return k == tt.fault.Kind })
	}
	if len(kinds) > 0 {
		t.Errorf("not tested: %v", kinds)
	}
}

// answers counts what was answered ok within a span, updates only those.
func answers(r Result, at, long time.Duration) (count int) {
	for _, op := range r.History {
		if op.Outcome == history.OK && op.Return >= at && op.Return < at+long {
			count++
		}
	}
	return count
}

func updates(r Result, at, long time.Duration) (count int) {
	for _, op := range r.History {
		if op.Outcome == history.OK && op.Op.Func.Mutates() && op.Return >= at && op.Return < at+long {
			count++
		}
	}
	return count
}

// latency is the mean time that updates took which were answered within a span.
func latency(r Result, at, long time.Duration) time.Duration {
	var total time.Duration
	count := 0
	for _, op := range r.History {
		if op.Outcome == history.OK && op.Op.Func.Mutates() && op.Return >= at && op.Return < at+long {
			total += op.Return - op.Call
			count++
		}
	}
	return total / time.Duration(max(1, count))
}

// The faults of the schedule file do here what they do in a lab.
func TestScheduleIsPlayed(t *testing.T) {
	text := `elenchus-schedule 1
seed 7
nodes n1 n2 n3 n4 n5
length 2s
at 500ms for 300ms partition isolate all
at 900ms for 200ms kill leader
at 1200ms for 300ms pause all
`
	schedule, err := nemesis.Parse("test", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p := quiet(t, 5)
	p.Schedule = *schedule
	w := New(Options{Record: true})
	r := run(t, w, p)
	if r.Violation != nil || r.Stats.Faults != 3 || r.Stats.Crashes != 1 || r.Stats.Restarts != 1 {
		t.Fatalf("%v, %+v", r.Violation, r.Stats)
	}
	if got := updates(r, 520*ms, 280*ms); got != 0 {
		t.Errorf("%d updates while nobody heard anybody", got)
	}
	if got := answers(r, 1220*ms, 280*ms); got != 0 {
		t.Errorf("%d answers while everybody stood still", got)
	}
	for _, span := range []struct{ at, long time.Duration }{{300 * ms, 200 * ms}, {1700 * ms, 300 * ms}} {
		if got := updates(r, span.at, span.long); got < 10 {
			t.Errorf("only %d updates from %v on, when nothing was wrong", got, span.at)
		}
	}
	windows := history.Windows(r.Faults)
	if len(windows) != 3 || windows[0].To-windows[0].From != 300*ms || windows[1].Targets[0] == nemesis.RoleLeader {
		t.Errorf("played: %+v", windows)
	}
}

// A leader hands over as in a lab: others do not, and without a duration it is over at once.
func TestTransfersOfASchedule(t *testing.T) {
	text := `elenchus-schedule 1
seed 7
nodes n1 n2 n3
length 2s
at 500ms transfer leader
at 900ms transfer follower
at 1200ms for 300ms transfer all
`
	schedule, err := nemesis.Parse("test", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p := quiet(t, 3)
	p.Schedule = *schedule
	w := New(Options{Record: true})
	r := run(t, w, p)
	if r.Violation != nil || r.Stats.Faults != 2 || r.Stats.Deposed < 2 || r.Stats.Elections < 3 {
		t.Fatalf("%v, %+v", r.Violation, r.Stats)
	}
	windows := history.Windows(r.Faults)
	if len(windows) != 3 || windows[1].Status != history.FaultSkipped {
		t.Fatalf("played: %+v", windows)
	}
	for i, lasted := range map[int]time.Duration{0: us, 2: 300 * ms} {
		if f := windows[i]; f.To-f.From != lasted || f.RevertStatus != history.FaultReverted {
			t.Errorf("it should have lasted for %v: %+v", lasted, f)
		}
	}
	if again := run(t, w, p.Freeze(&r)); again.Stats.Faults != 2 || again.Stats.Elections != r.Stats.Elections {
		t.Errorf("frozen, it is another run: %+v", again.Stats)
	}
	forsake := Fault{ID: "s1", At: ms, Kind: FaultForsake, Targets: []string{"leader"}}
	if same, ok := forsake.Scheduled(); !ok || same.String() != "at 1ms transfer leader" {
		t.Errorf("in a lab it is %s, %v", same, ok)
	}
	if kinds, err := ParseKinds("kill,transfer"); err != nil || !slices.Equal(kinds, []string{"kill", "forsake"}) {
		t.Errorf("kinds %v, %v", kinds, err)
	}
}

// What a partition cuts is cut in that direction only.
func TestOneWayCut(t *testing.T) {
	schedule, err := nemesis.Parse("test", []byte("elenchus-schedule 1\nnodes n1 n2 n3\nlength 2s\n"+
		"at 1s for 900ms partition one-way n1 -> n2,n3\n"))
	if err != nil {
		t.Fatal(err)
	}
	p := quiet(t, 3)
	p.Schedule = *schedule
	p.Network.Datagram = true
	w := New(Options{Trace: true})
	r := run(t, w, p)
	from, to := 0, 0
	for _, m := range r.Trace.Moments {
		if m.Kind != MomentDelivered || m.At < 1010*ms || m.At > 1900*ms {
			continue
		}
		if m.Node == 1 {
			from++
		}
		if m.Peer == 1 {
			to++
		}
	}
	if r.Violation != nil || from != 0 || to == 0 {
		t.Errorf("%v: %d messages from n1, %d to n1", r.Violation, from, to)
	}
}

// A stream that breaks loses a suffix, and never gets out of order; datagrams do.
func TestStreamsKeepTheirOrder(t *testing.T) {
	for _, datagram := range []bool{false, true} {
		p := quiet(t, 3)
		p.Network.Datagram, p.Network.Jitter, p.Network.LossPPM = datagram, 5*ms, 20_000
		p = with(p, Fault{Kind: FaultReset, Targets: []string{nemesis.RoleAll}, At: time.Second})
		w := New(Options{Trace: true})
		r := run(t, w, p)
		overtaken := 0
		sent := map[[2]int][]time.Duration{} // by link, in the order of sending; times tell messages apart
		for _, m := range r.Trace.Moments {
			link := [2]int{m.Node, m.Peer}
			switch m.Kind {
			case MomentSent:
				if n := len(sent[link]); n == 0 || sent[link][n-1] < m.At {
					sent[link] = append(sent[link], m.At)
				}
			}
		}
		order := map[[2]int]uint64{}
		for _, m := range r.Trace.Moments {
			if m.Kind != MomentDelivered || m.Message.Seq == 0 || m.Message.Seq > 1<<32 {
				continue
			}
			link := [2]int{m.Node, m.Peer}
			if m.Message.Seq < order[link] && m.Message.Kind.String() == "Heartbeat" {
				overtaken++
			}
			order[link] = max(order[link], m.Message.Seq)
		}
		if r.Violation != nil || r.Stats.Resets == 0 && !datagram {
			t.Errorf("datagram %v: %v, %d resets", datagram, r.Violation, r.Stats.Resets)
		}
		if !datagram && overtaken > 0 {
			t.Errorf("%d heartbeats came out of order over streams", overtaken)
		}
	}
}

// Clocks go as the schedule wants, and are right again when it is over.
func TestClocksAreMoved(t *testing.T) {
	schedule, err := nemesis.Parse("test", []byte("elenchus-schedule 1\nnodes n1 n2 n3\nlength 2s\n"+
		"at 500ms for 1s clock rate n1 0.5\n"+
		"at 500ms for 1s clock step n2 +1m\n"+
		"at 500ms for 1s clock strobe n3 10s every 100ms\n"))
	if err != nil {
		t.Fatal(err)
	}
	p := quiet(t, 3)
	p.Schedule = *schedule
	p.Node.Lease, p.Node.Reads = multipaxos.LeaseNone, multipaxos.ReadsQuorum
	w := New(Options{Trace: true})
	r := run(t, w, p)
	if r.Violation != nil || r.Stats.Faults != 3 {
		t.Fatalf("%v, %+v", r.Violation, r.Stats)
	}
	within := func(got, want, slack time.Duration) bool { return (got - want).Abs() <= slack }
	var first [4]time.Duration // when the node's monotonic clock showed monoStart
	far := map[bool]int{}
	for _, m := range r.Trace.Moments {
		if m.Kind == MomentStarted {
			first[m.Node] = m.At
		}
		if m.Kind != MomentObserved {
			continue
		}
		mono := m.Clock.Mono - monoStart + first[m.Node] - m.At
		wall := time.Duration(m.Clock.Wall-wallEpoch) - m.At
		slowed := max(0, min(m.At, 1500*ms)-500*ms) / 2
		during := m.At > 500*ms && m.At < 1500*ms
		switch {
		case m.Node == 1 && !within(mono, -slowed, us):
			t.Fatalf("at %v the monotonic clock of n1 is %v ahead", m.At, mono)
		case m.Node == 1 && during && !within(wall, -slowed, us), m.Node == 1 && !during && wall != 0:
			t.Fatalf("at %v the wall clock of n1 is %v ahead", m.At, wall)
		case m.Node != 1 && !within(mono, 0, us):
			t.Fatalf("at %v the monotonic clock of n%d is %v ahead", m.At, m.Node, mono)
		case m.Node == 2 && during != (wall == time.Minute), m.Node == 3 && !during && wall != 0:
			t.Fatalf("at %v the wall clock of n%d is %v ahead", m.At, m.Node, wall)
		case m.Node == 3 && during:
			far[wall == 10*time.Second]++
		}
	}
	if far[true] == 0 || far[false] == 0 {
		t.Errorf("the strobe was seen %v", far)
	}
}
