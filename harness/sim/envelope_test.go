package sim

import (
	"strings"
	"testing"
	"time"

	"elenchus/harness/sim/simtest"
	"elenchus/nemesis"
	"elenchus/nemesis/hostclock"
	"elenchus/node/multipaxos"
)

// clockFault moves the clocks of one node.
func clockFault(id string, at, long time.Duration, target string, m hostclock.Move) nemesis.Fault {
	f := nemesis.Fault{ID: id, At: at, For: long, Kind: nemesis.Clock, Groups: [][]string{{target}}, Move: m}
	switch {
	case m.Rate != 0:
		f.Shape = nemesis.ClockRate
	case m.Step != 0:
		f.Shape = nemesis.ClockStep
	default:
		f.Shape = nemesis.ClockStrobe
	}
	return f
}

func TestOutsideSaysWhy(t *testing.T) {
	tests := []struct {
		name string
		do   func(p *Plan)
		want string
	}{
		{"drift within the bound", func(p *Plan) { p.Clocks[0].Rate = ppb / 100 }, ""},
		{"drift beyond", func(p *Plan) { p.Clocks[0].Rate = ppb/100 + 1 }, "drift apart"},
		{"drift by a fault", func(p *Plan) {
			p.Schedule.Faults = []nemesis.Fault{clockFault("f1", time.Second, 0, "n1", hostclock.Move{Rate: 980_000_000})}
		}, "drift apart"},
		{"drifts at different times", func(p *Plan) {
			p.Schedule.Faults = []nemesis.Fault{
				clockFault("f1", 500*ms, 300*ms, "n1", hostclock.Move{Rate: 991_000_000}),
				clockFault("f2", 800*ms, 300*ms, "n1", hostclock.Move{Rate: 1_009_000_000}),
			}
		}, ""},
		{"drifts at one time", func(p *Plan) {
			p.Schedule.Faults = []nemesis.Fault{
				clockFault("f1", 500*ms, 301*ms, "n1", hostclock.Move{Rate: 991_000_000}),
				clockFault("f2", 800*ms, 300*ms, "n1", hostclock.Move{Rate: 1_009_000_000}),
			}
		}, "drift apart"},
		{"steps of a wall clock", func(p *Plan) {
			p.Node.Lease, p.Node.MaxOffset = multipaxos.LeaseWall, 80*ms
			p.Schedule.Faults = []nemesis.Fault{clockFault("f1", 500*ms, 300*ms, "n1", hostclock.Move{Step: -41 * ms})}
		}, "wall clock"},
		{"drift without leases", func(p *Plan) { p.Clocks[0].Rate = ppb; p.Node.Lease = 0; p.Node.Reads = 0 }, ""},
		{"wall clocks within", func(p *Plan) {
			p.Node.Lease = multipaxos.LeaseWall
			p.Clocks[0].Offset = 40 * ms
			p.Node.MaxOffset = 80 * ms
		}, ""},
		{"wall clocks beyond", func(p *Plan) {
			p.Node.Lease = multipaxos.LeaseWall
			p.Clocks[0].Offset = 41 * ms
			p.Node.MaxOffset = 80 * ms
		}, "wall clock"},
		{"one lost disk of three", func(p *Plan) {
			p.Faults = []Fault{{ID: "s1", Kind: FaultDiskRot, Targets: []string{"n1"}}}
		}, ""},
		{"two lost disks of three", func(p *Plan) {
			p.Faults = []Fault{{ID: "s1", Kind: FaultDiskRot, Targets: []string{nemesis.RoleMajority}}}
		}, "disks are lost"},
		{"amnesia", func(p *Plan) {
			p.Faults = []Fault{{ID: "s1", Kind: FaultDiskWipe, Targets: []string{"n1"}, Amount: 1}}
		}, "forgotten its promises"},
		{"suspended under a lease", func(p *Plan) {
			p.Faults = []Fault{{ID: "s1", Kind: FaultSuspend, Targets: []string{"n1"}}}
		}, "stands still"},
		{"local reads", func(p *Plan) { p.Node.Reads = multipaxos.ReadsLocal }, "stale"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := quiet(t, 3)
			tt.do(p)
			if err := p.Validate(); err != nil {
				t.Fatal(err)
			}
			got := strings.Join(p.Outside(), "; ")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// Outside the envelope the same worlds fail: what finds nothing wrong there would find nothing wrong inside.
func TestOutsideFails(t *testing.T) {
	w := New(Options{})
	found := map[string]int{}
	for seed := uint64(1); seed <= simtest.Seeds(600); seed++ {
		p := draw(t, seed, DrawOptions{Outside: true, Kinds: []string{"partition", "kill", "disk-wipe", "clock", "suspend"}})
		outside := len(p.Outside()) > 0
		r := run(t, w, p)
		if r.Violation == nil {
			continue
		}
		found[r.Violation.Invariant]++
		if !outside {
			t.Errorf("seed %d is inside: %v", seed, r.Violation)
		}
	}
	if len(found) < 2 {
		t.Errorf("found only %v", found)
	}
	t.Log(found)
}

// What is drawn is valid, so that a campaign need not look; outside the envelope only when that is wanted.
func TestDrawnPlansAreValid(t *testing.T) {
	for seed := uint64(1); seed <= 500; seed++ {
		for _, outside := range []bool{false, true} {
			p := draw(t, seed, DrawOptions{Outside: outside, Nodes: []int{1, 2, 3, 4, 5, 7, 9}})
			if err := p.Validate(); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if out := p.Outside(); out != nil && !outside {
				t.Fatalf("seed %d leaves the envelope: %q", seed, out)
			}
		}
	}
}

// TestLongValuesFitTheirLinks checks that no plan asks for values that a link needs longer for than an election takes:
// such a cluster would be stuck, and no bug found.
func TestLongValuesFitTheirLinks(t *testing.T) {
	long := 0
	for seed := uint64(1); seed <= 20000; seed++ {
		p, err := Draw(seed, DrawOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if p.Load.Digits == 0 || p.Network.Bandwidth == 0 {
			continue
		}
		long++
		if p.Network.Bandwidth < bandwidthOfLongValues {
			t.Errorf("seed %d: values of %d digits, and %d bytes a second", seed, p.Load.Digits, p.Network.Bandwidth)
		}
	}
	if long == 0 {
		t.Error("no plan has both long values and a limited bandwidth")
	}
}

func TestPlansAreValidated(t *testing.T) {
	tests := map[string]func(p *Plan){
		"nodes":              func(p *Plan) { p.Clocks = nil },
		"length":             func(p *Plan) { p.Length = -1 },
		"it has 3 nodes":     func(p *Plan) { p.Clocks = make([]Clock, 4) },
		"ppb fast":           func(p *Plan) { p.Clocks[0].Rate = -ppb },
		"bandwidth":          func(p *Plan) { p.Network.Bandwidth = -1 },
		"unknown workload":   func(p *Plan) { p.Load.Workload = "bank" },
		"clients for each":   func(p *Plan) { p.Load.Clients = 0 },
		"no range":           func(p *Plan) { p.Load.ThinkMin = time.Hour },
		"patience":           func(p *Plan) { p.Load.Patience = 0 },
		"unknown kind":       func(p *Plan) { p.Faults = []Fault{{ID: "s1", Kind: "flood", Targets: []string{"n1"}}} },
		"unknown node":       func(p *Plan) { p.Faults = []Fault{{ID: "s1", Kind: FaultReset, Targets: []string{"n9"}}} },
		"an amount of":       func(p *Plan) { p.Faults = []Fault{{ID: "s1", Kind: FaultLoss, Targets: []string{"n1"}, Amount: -1}} },
		"election timeout":   func(p *Plan) { p.Node.ElectionTimeout = -1 },
		"there is no client": func(p *Plan) { p.Load.Script = []Call{{Client: -1}} },
		"another is called": func(p *Plan) {
			p.Faults = []Fault{
				{ID: "s1", Kind: FaultReset, Targets: []string{"n1"}}, {ID: "s1", Kind: FaultReset, Targets: []string{"n1"}},
			}
		},
	}
	for want, spoil := range tests {
		p := quiet(t, 3)
		spoil(p)
		if _, err := New(Options{}).Run(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error about %q, got %v", want, err)
		}
	}
	for want, o := range map[string]DrawOptions{
		"nodes: 0": {Nodes: []int{0}}, "unknown workload": {Workloads: []string{"bank"}}, "unknown kind": {Kinds: []string{"flood"}},
		"length": {Length: time.Millisecond}, "unknown style": {Style: "baroque"}, "unknown way to read": {Reads: "tea leaves"},
	} {
		if _, err := Draw(1, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error about %q, got %v", want, err)
		}
	}
}
