package run

import (
	"strings"
	"testing"
	"time"

	"elenchus/harness/control"
	"elenchus/harness/system"
	"elenchus/nemesis"
	"elenchus/nemesis/clockshim"
	"elenchus/nemesis/hostclock"
)

func TestClockBounds(t *testing.T) {
	const n = clockshim.Nominal
	kernel := map[string]hostclock.Way{"n1": hostclock.Shim, "n2": hostclock.Kernel}
	for _, test := range []struct {
		name string
		o    Options
		want nemesis.ClockBounds
	}{
		{"leases of 1 %", Options{Lease: system.Lease{Mode: system.LeaseRate, DriftBound: "1%"}},
			nemesis.ClockBounds{Drift: n / 100 * 98 / 100}},
		{"leases that trust clocks blindly", Options{Lease: system.Lease{Mode: system.LeaseRate, DriftBound: "0"}},
			nemesis.ClockBounds{Drift: -1}},
		{"more than the leases allow", Options{ClockDrift: 0.2, Lease: system.Lease{Mode: system.LeaseRate, DriftBound: "1%"}},
			nemesis.ClockBounds{Drift: n / 5}},
		{"no rates", Options{ClockDrift: -1, ClockWays: kernel}, nemesis.ClockBounds{Drift: -1, Way: hostclock.Kernel}},
		{"wall clocks", Options{Lease: system.Lease{Mode: system.LeaseWall, MaxOffset: 100 * time.Millisecond}},
			nemesis.ClockBounds{Wall: true, MaxStep: 98 * time.Millisecond}},
		{"wall clocks beyond", Options{ClockStep: time.Second,
			Lease: system.Lease{Mode: system.LeaseWall, MaxOffset: 100 * time.Millisecond}},
			nemesis.ClockBounds{Wall: true, MaxStep: time.Second}},
		{"no leases", Options{Lease: system.Lease{Mode: system.LeaseNone}}, nemesis.ClockBounds{}},
	} {
		if got, err := test.o.clockBounds(); err != nil || got != test.want {
			t.Errorf("%s: %+v, %v, want %+v", test.name, got, err, test.want)
		}
	}
}

func TestClockWay(t *testing.T) {
	for caps, want := range map[string]hostclock.Way{
		"": "", "own-clock": hostclock.Kernel, "ptrace": hostclock.Shim, "shared-kernel ptrace": hostclock.Shim,
		"own-clock ptrace": hostclock.Kernel, "own-clock shared-kernel": "", "own-clock shared-kernel ptrace": hostclock.Shim,
	} {
		if got := ClockWay(control.Host{Capabilities: strings.Fields(caps)}); got != want {
			t.Errorf("%q: %q, want %q", caps, got, want)
		}
	}
}

// What the lab's clocks cannot do is refused when it is planned, by host and reason.
func TestPlanRefusesWhatClocksCannotDo(t *testing.T) {
	o := Options{Nemesis: []string{nemesis.Clock}, TimeLimit: 20 * time.Second, ClockDrift: 0.5,
		ClockWays: map[string]hostclock.Way{"n1": hostclock.Kernel, "n2": hostclock.Kernel, "n3": hostclock.Kernel}}
	if _, err := Plan(o, NodeNames(3)); err == nil || !strings.Contains(err.Error(), "tick can be changed by 10 %") {
		t.Errorf("planned: %v", err)
	}
	schedule, err := nemesis.Parse("x", []byte("elenchus-schedule 1\nnodes n1 n2 n3\nlength 9s\nat 1s clock rate n2 0.5\n"))
	if err != nil {
		t.Fatal(err)
	}
	o.Schedule, o.ClockDrift = schedule, 0
	if _, err := Plan(o, NodeNames(3)); err == nil || !strings.Contains(err.Error(), "on host n2: rate 0.5") {
		t.Errorf("given: %v", err)
	}
	for node := range o.ClockWays {
		o.ClockWays[node] = hostclock.Shim
	}
	if _, err := Plan(o, NodeNames(3)); err != nil {
		t.Error(err)
	}
	o.ClockWays["n2"] = ""
	if _, err := Plan(o, NodeNames(3)); err == nil || !strings.Contains(err.Error(), "its clocks cannot be moved") {
		t.Errorf("no way: %v", err)
	}
}
