package multipaxos

import (
	"testing"
	"time"

	"elenchus/node/protocol"
)

// calmWorld returns a world of three nodes with a leader that all follow, in which the only faults are those the test
// causes.
func calmWorld(t *testing.T, seed uint64, opts Options) *world {
	t.Helper()
	w := newWorld(seed, knobs{
		nodes: 3, opts: opts, delay: 5 * time.Millisecond, slow: 5 * time.Millisecond, disk: time.Millisecond,
		faultEvery: time.Second,
	})
	w.calm = true
	w.run(30*time.Second, func() bool { return w.recovered() && w.stats.ok > 10 })
	if !w.recovered() {
		t.Fatalf("seed %d: no leader\n%s", seed, w)
	}
	return w
}

func calmOptions() map[string]Options {
	return map[string]Options{
		"no leases": {}, "leases": {Lease: LeaseRate, Reads: ReadsLease},
		"campaigns at once": {NoPreVote: true}, "leases, campaigns at once": {Lease: LeaseRate, NoPreVote: true},
	}
}

// A leader that can send but not receive is replaced by one that makes progress.
func TestDeafLeaderIsReplaced(t *testing.T) {
	for name, opts := range calmOptions() {
		t.Run(name, func(t *testing.T) {
			for seed := uint64(1); seed <= 5; seed++ {
				w := calmWorld(t, seed, opts)
				deaf := w.leader()
				for other := range w.hosts {
					w.cut[other][deaf] = other != deaf
				}
				led := func() bool { return w.hosts[deaf].machine.role == protocol.RoleLeader }
				w.run(w.now+30*time.Second, func() bool { return !led() })
				answered := w.stats.ok
				w.run(w.now+30*time.Second, func() bool { return w.stats.ok > answered+50 })
				if w.ghost.violation != nil || led() || w.stats.ok <= answered+50 {
					t.Errorf("seed %d: %d answers, %v\n%s", seed, w.stats.ok-answered, w.ghost.violation, w)
				}
			}
		})
	}
}

// A node that returns from a partition polls before it campaigns, and then follows the existing leader. Without the
// poll it deposes the leader.
func TestWhoComesBackDeposesNobody(t *testing.T) {
	for name, opts := range calmOptions() {
		t.Run(name, func(t *testing.T) {
			deposed := 0
			for seed := uint64(1); seed <= 5; seed++ {
				w := calmWorld(t, seed, opts)
				leader := w.leader()
				ballot, gone := w.hosts[leader].machine.ballot, (leader+1)%3
				w.isolate(gone)
				w.run(w.now+5*time.Second, nil)
				clear(w.cut[:])
				w.run(w.now+5*time.Second, nil)
				w.run(w.now+30*time.Second, w.recovered)
				if w.ghost.violation != nil || !w.recovered() {
					t.Fatalf("seed %d: %v\n%s", seed, w.ghost.violation, w)
				}
				if w.hosts[leader].machine.ballot != ballot {
					deposed++
				}
			}
			if opts.NoPreVote != (deposed > 0) {
				t.Errorf("%d of 5 leaders were deposed", deposed)
			}
		})
	}
}
