package carry

import (
	"slices"
	"strings"
	"testing"
	"time"

	"elenchus/harness/sim"
	"elenchus/nemesis"
	"elenchus/node/multipaxos"
	"elenchus/results"
)

const played = `elenchus-schedule 1
seed 9
nodes n1 n2 n3
length 4s

f1: at 500ms for 300ms partition isolate n2
f2: at 1s for 200ms kill n1,n3
f3: at 1.5s for 300ms clock rate n2 1.05
f4: at 2s for 100ms pause n3
f5: at 2.5s for 300ms clock strobe n1 +50ms every 40ms
f6: at 3.2s transfer all
`

func labRun(t *testing.T) (*results.Manifest, *nemesis.Schedule) {
	t.Helper()
	s, err := nemesis.Parse("played", []byte(played))
	if err != nil {
		t.Fatal(err)
	}
	return &results.Manifest{Seed: 17, Lab: "local", Config: results.Config{
		Protocol: "multipaxos", Workload: "register", Concurrency: 7, Rate: 100, OpTimeout: time.Second, Reads: "lease",
		Lease: &results.Lease{Mode: "rate", Term: 2 * time.Second, Renew: 60 * ms, DriftBound: "5%"},
		Options: map[string]string{
			"election-timeout": "70ms", "retry": "25%", "keys": "3", "read-percent": "40",
			"node-flags": "--batch=3 --snapshot-entries=50 --retry-interval=30ms --backoff=20ms --link-silence=140ms " +
				"--catchup-chunk=8 --pre-vote=false --log-level=debug",
		},
	}}, s
}

func TestFromLab(t *testing.T) {
	m, s := labRun(t)
	p, left, err := FromLab(m, s)
	if err != nil {
		t.Fatal(err)
	}
	o := &p.Node
	if p.Seed != 17 || p.Length != 4*time.Second || p.Nodes() != 3 || o.Reads != multipaxos.ReadsLease ||
		o.Lease != multipaxos.LeaseRate || o.LeaseTerm != 2*time.Second || o.DriftBound != multipaxos.DriftUnit/20 ||
		o.ElectionTimeout != 70*ms || o.HeartbeatInterval >= o.ElectionTimeout || o.BatchMax != 3 ||
		o.SnapshotEntries != 50 || o.RetryInterval != 30*ms || o.BackoffMin != 20*ms || o.BackoffMax != 320*ms ||
		p.Network.DeadAfter != 140*ms || o.CatchupChunk != 8 || !o.NoPreVote || p.Load.Clients != 3 ||
		p.Load.RetryPPM != 250_000 || p.Load.ActiveKeys != 3 || p.Load.ReadPercent != 40 {
		t.Errorf("%+v", p)
	}
	var ids []string
	for _, f := range p.Schedule.Faults {
		ids = append(ids, f.ID)
	}
	if !slices.Equal(ids, []string{"f1", "f2", "f3", "f4", "f5", "f6"}) || len(p.Faults) != 0 {
		t.Errorf("%v, %v", ids, p.Faults)
	}
	for _, word := range []string{"7 clients", "--log-level=debug"} {
		if !slices.ContainsFunc(left, func(l string) bool { return strings.Contains(l, word) }) {
			t.Errorf("nothing is said of %s: %q", word, left)
		}
	}
	if len(left) != 4 { // and two things that no run can bring along
		t.Errorf("lost: %q", left)
	}
	r, err := sim.New(sim.Options{}).Run(p)
	if err != nil || r.Violation != nil || r.Stats.Faults != 6 || r.Stats.OK < 100 {
		t.Errorf("%v, %v, %+v", err, r.Violation, r.Stats)
	}
}

func TestWhatCannotBeSimulated(t *testing.T) {
	m, s := labRun(t)
	s.Length = time.Hour
	if _, _, err := FromLab(m, s); err == nil || !strings.Contains(err.Error(), "1h0m0s") {
		t.Errorf("an hour: %v", err)
	}
	m, s = labRun(t)
	m.Imported = "jepsen"
	if _, _, err := FromLab(m, s); err == nil {
		t.Error("a history of Jepsen is simulated")
	}
	m, s = labRun(t)
	m.Config.Workload = "bank"
	if _, _, err := FromLab(m, s); err == nil || !strings.Contains(err.Error(), "bank") {
		t.Errorf("an unknown workload: %v", err)
	}
}

// Whatever the simulator draws, a lab gets a valid schedule, and every fault is in it or named.
func TestToLab(t *testing.T) {
	for seed := uint64(1); seed <= 60; seed++ {
		p, err := sim.Draw(seed, sim.DrawOptions{})
		if err != nil {
			t.Fatal(err)
		}
		lab, err := ToLab(p)
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
			continue
		}
		text := lab.Schedule.Format()
		again, err := nemesis.Parse("again", text)
		if err != nil || len(again.Faults) != len(lab.Schedule.Faults) {
			t.Errorf("seed %d: %v in\n%s", seed, err, text)
		}
		for i := range p.Faults {
			id := p.Faults[i].ID
			there := slices.ContainsFunc(lab.Schedule.Faults, func(f nemesis.Fault) bool { return f.ID == id })
			named := slices.ContainsFunc(lab.Left, func(l string) bool { return strings.HasPrefix(l, id+" ") })
			if !there && !named {
				t.Errorf("seed %d: %v was dropped without a word", seed, p.Faults[i])
			}
		}
		o := &p.Node
		for option, want := range map[string]bool{
			"--workload=" + p.Load.Workload: true, "--lease=" + o.Lease.String(): true, "--node-flag=--pre-vote=false": o.NoPreVote,
			"--node-flag=--first-ballot-shortcut=true": o.FirstBallotShortcut, "--retry=50%": p.Load.RetryPPM == 500_000,
			"--node-flag=--backoff=" + o.BackoffMin.String():           true,
			"--node-flag=--retry-interval=" + o.RetryInterval.String(): true,
			"--drift-bound=33.3333333%": o.Lease == multipaxos.LeaseRate &&
				o.DriftBound == multipaxos.DriftUnit/3,
		} {
			if slices.Contains(lab.Options, option) != want {
				t.Errorf("seed %d: %s is wanted: %v, there is %q", seed, option, want, lab.Options)
			}
		}
	}
}
