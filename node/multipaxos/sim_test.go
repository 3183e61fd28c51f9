package multipaxos

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// randomKnobs draws the parameters of a world. Small windows, batches and chunks are as likely as the defaults, since
// most mistakes hide behind limits that are never reached.
func randomKnobs(seed uint64) knobs {
	rng := rand.New(rand.NewPCG(seed, 2))
	pick := func(choices ...int) int { return choices[rng.IntN(len(choices))] }
	ms := func(choices ...int) time.Duration { return time.Duration(pick(choices...)) * time.Millisecond }
	k := knobs{
		nodes: pick(1, 3, 3, 3, 4, 5, 5),
		opts: Options{
			Reads:        Reads(pick(int(ReadsQuorum), int(ReadsQuorum), int(ReadsLog))),
			PromiseGrace: ms(0, 0, 20, 100),
			Window:       pick(1, 2, 8, 64), BatchMax: pick(1, 3, 128), BatchBytes: pick(1, 100, 1<<20),
			CatchupChunk: pick(1, 2, 5, 256), CatchupBytes: pick(1, 200, 1<<20),
			PendingMax: pick(2, 1000, 1000), SessionsMax: pick(0, 0, 0, 6),
			ElectionTimeout: ms(150, 300, 600), HeartbeatInterval: ms(30, 100), RetryInterval: ms(40, 200),
			BackoffMin: ms(20, 150), BackoffMax: ms(300, 1000),
		},
		loss: rng.Float64() * 0.15, dup: rng.Float64() * 0.2,
		delay: ms(2, 10, 40), slow: ms(100, 500, 2000), disk: ms(1, 10, 60),
		faultEvery: ms(100, 300, 800), end: ms(4000, 6000, 6000, 15000),
	}
	k.opts.PromiseGrace = min(k.opts.PromiseGrace, k.opts.ElectionTimeout/2)
	if k.opts.FirstBallotShortcut = rng.IntN(2) == 0; rng.IntN(2) == 0 {
		k.late = ms(1, 300, 2000)
	}
	k.opts.NoPreVote = rng.IntN(3) == 0
	drawSnapshots(&k.opts, rng)
	return k
}

// drawSnapshots makes most worlds take snapshots all the time, and many of them keep no entries for lagging nodes.
func drawSnapshots(o *Options, rng *rand.Rand) {
	pick := func(choices ...int) int { return choices[rng.IntN(len(choices))] }
	o.SnapshotEntries = pick(SnapshotOff, 1, 4, 10, 30)
	o.SnapshotBytes = pick(SnapshotOff, SnapshotOff, 500, 5000)
	switch {
	case o.SnapshotEntries > 0:
		o.SnapshotKeep = pick(SnapshotOff, SnapshotOff, 1, o.SnapshotEntries/2, o.SnapshotEntries)
	case o.SnapshotBytes > 0:
		o.SnapshotKeep = pick(SnapshotOff, 3, 20)
	}
	o.SnapshotChunk = pick(300, 1000, 1<<20)
}

// play runs a world through its faults, heals it, and requires it to recover.
func play(seed uint64, k knobs) *world {
	w := newWorld(seed, k)
	w.run(k.end, nil)
	if w.ghost.violation != nil {
		return w
	}
	w.heal()
	healed := w.now
	answered := w.stats.ok
	w.run(healed+30*time.Second, func() bool {
		// By then, messages from before the healing are gone, and clients have been served since.
		return w.now > healed+k.slow && w.recovered() && w.stats.ok > answered+10
	})
	switch {
	case w.ghost.violation != nil:
	case !w.recovered() || w.stats.ok <= answered:
		w.ghost.violated("no recovery within 30 s after the faults: %d answers since\n%s", w.stats.ok-answered, w)
	}
	for _, c := range w.failures {
		if w.ghost.happened(c) {
			w.ghost.violated("%v %s failed for certain, and was executed", c.Op, c.ID())
		}
	}
	return w
}

func (w *world) String() string {
	var b strings.Builder
	for _, h := range w.hosts {
		if h.up() {
			st := h.machine.Status(h.reading(w.now))
			fmt.Fprintf(&b, "%v %v leader %v ballot %v promised %v committed %d last %d pending %d\n", st.Self, st.Role,
				st.Leader, st.Ballot, st.Promised, st.Committed, st.LastSlot, st.Pending)
		}
	}
	return b.String()
}

var (
	worldsFirst = flag.Uint64("worlds.first", 1, "the first seed of the random worlds")
	worldsCount = flag.Int("worlds", 400, "how many random worlds to play")
)

func TestRandomWorlds(t *testing.T) {
	var total stats
	for i := range *worldsCount {
		seed := *worldsFirst + uint64(i)
		w := play(seed, randomKnobs(seed))
		if w.ghost.violation != nil {
			t.Fatalf("seed %d at %v: %v\n%+v\nagain: go test -run %s -worlds.first %d -worlds 1",
				seed, w.now, w.ghost.violation, w.knobs, t.Name(), seed)
		}
		total.add(w.stats)
	}
	t.Logf("%d worlds: %+v", *worldsCount, total)
	if *worldsCount < 100 {
		return
	}
	// Make sure that the run exercised what it is meant to test.
	for name, n := range map[string]int{
		"answers": total.ok, "failures": total.failed, "unknowns": total.unknown, "elections": total.elections,
		"crashes": total.crashes, "catch-ups": total.caughtUp, "retries": total.retried,
		"pauses": total.pauses, "replays": total.replays, "snapshots": total.snapshots,
		"installed snapshots": total.installed, "restored snapshots": total.restored,
		"first ballots": 4 * total.firstBallots,
	} {
		if n < *worldsCount {
			t.Errorf("only %d %s in %d worlds", n, name, *worldsCount)
		}
	}
}

func (s *stats) add(o stats) {
	s.steps += o.steps
	s.ok += o.ok
	s.failed += o.failed
	s.unknown += o.unknown
	s.reads += o.reads
	s.stale += o.stale
	s.elections += o.elections
	s.crashes += o.crashes
	s.caughtUp += o.caughtUp
	s.retried += o.retried
	s.leases += o.leases
	s.lost += o.lost
	s.forsaken += o.forsaken
	s.silences += o.silences
	s.pauses += o.pauses
	s.isolated += o.isolated
	s.replays += o.replays
	s.firstBallots += o.firstBallots
	s.snapshots += o.snapshots
	s.installed += o.installed
	s.restored += o.restored
	s.sent += o.sent
}

// Local reads are stale by design, so the check that finds no stale read in other modes must find some here.
func TestLocalReadsAreStale(t *testing.T) {
	var total stats
	for seed := uint64(1); seed <= 10; seed++ {
		k := randomKnobs(seed)
		k.nodes, k.opts.Reads = 3, ReadsLocal
		w := play(seed, k)
		if w.ghost.violation != nil {
			t.Fatalf("seed %d at %v: %v", seed, w.now, w.ghost.violation)
		}
		total.add(w.stats)
	}
	if total.stale == 0 {
		t.Errorf("%d local reads, none of them stale", total.reads)
	}
}

// Equal seeds must give equal worlds, down to the bytes and instants of all messages.
func TestWorldsRepeat(t *testing.T) {
	traces := make(map[uint64]bool)
	for seed := uint64(1); seed <= 20; seed++ {
		k := randomKnobs(seed)
		if seed%2 == 0 {
			k = randomLeaseKnobs(seed)
			k.nodes = max(k.nodes, 3) // a single node sends nothing that could differ
		}
		first, second := play(seed, k), play(seed, k)
		if first.trace != second.trace {
			t.Errorf("seed %d: traces %x and %x", seed, first.trace, second.trace)
		}
		traces[first.trace] = true
	}
	if len(traces) < 20 {
		t.Errorf("20 seeds gave %d different traces", len(traces))
	}
}
