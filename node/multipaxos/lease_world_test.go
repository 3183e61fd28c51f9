package multipaxos

import (
	"flag"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"elenchus/node/protocol"
)

// clockKnobs bounds the clock errors in a world.
type clockKnobs struct {
	drift  int64         // rates are 1 … 1+drift, in parts per billion
	offset time.Duration // wall clocks stay within half of this from true time, and are set back and forth
}

// leaseWatch is the world's global knowledge of leases, which no node has: all leases at one true time.
type leaseWatch struct {
	elected protocol.Ballot // the highest ballot promised by a majority to its candidate
	grants  []watchedGrant  // by host

	asking  []int64                                       // by host: the expiry that its latest ask would give the lease
	asked   map[protocol.Ballot]int64                     // the latest expiry of any ask
	asks    map[ballotSeq]int64                           // the same as asking, by heartbeat
	granted map[protocol.Ballot]map[protocol.NodeID]int64 // the latest expiry allowed by each member's grants as sent
}

type ballotSeq struct {
	ballot protocol.Ballot
	seq    uint64
}

// watchedGrant is a granter's obligation, in true time, assuming that its clock is the fastest possible.
type watchedGrant struct {
	ballot protocol.Ballot
	until  time.Duration
}

func newLeaseWatch(nodes int) leaseWatch {
	return leaseWatch{
		grants: make([]watchedGrant, nodes), asking: make([]int64, nodes), asks: make(map[ballotSeq]int64),
		asked: make(map[protocol.Ballot]int64), granted: make(map[protocol.Ballot]map[protocol.NodeID]int64),
	}
}

// drawClock draws a clock, preferring the extremes: a slow leader among fast granters is the worst case for leases.
func (w *world) drawClock() (c hostClock) {
	if drift := w.knobs.clocks.drift; drift > 0 {
		c.drift = []int64{0, 0, drift, drift, w.rng.Int64N(drift + 1)}[w.rng.IntN(5)]
	}
	w.drawOffset(&c)
	return c
}

func (w *world) drawOffset(c *hostClock) {
	if half := w.knobs.clocks.offset / 2; half > 0 {
		c.offset = []time.Duration{-half, half, w.between(-half, half)}[w.rng.IntN(3)]
	}
}

// pinReaders adds to every node a client that only reads, and only from that node. A client that also writes would
// block on its first write to an isolated leader, and see no stale data.
func (w *world) pinReaders() {
	if w.knobs.opts.Lease == LeaseNone {
		return
	}
	for i := range w.knobs.nodes {
		w.nextID++
		c := &client{id: w.nextID, home: i, reader: true}
		w.later(w.between(0, 300*time.Millisecond), func() { w.call(c) })
	}
}

// isolate partitions a host from all others.
func (w *world) isolate(i int) {
	w.stats.isolated++
	for other := range w.knobs.nodes {
		w.cut[i][other], w.cut[other][i] = other != i, other != i
	}
}

// slow gives one host the slowest possible clock and the others the fastest.
func (w *world) slow(i int) {
	for other, h := range w.hosts {
		drift, offset := w.knobs.clocks.drift, w.knobs.clocks.offset/2
		if other == i {
			drift, offset = 0, -offset
		}
		h.clock.setDrift(w.now, drift)
		if w.knobs.opts.Lease == LeaseWall {
			h.clock.offset = offset
		}
	}
}

// restart crashes a host and restarts it well within the lease term.
func (w *world) restart(i int) {
	w.crash(i)
	w.later(w.between(0, w.knobs.opts.LeaseTerm/8), func() { w.boot(i) })
}

// leaseFault injects a fault aimed at leases, and returns how long to wait before the next one.
func (w *world) leaseFault() time.Duration {
	n, term := w.knobs.nodes, w.knobs.opts.LeaseTerm
	i := w.leader()
	switch w.rng.IntN(8) {
	case 0, 1, 2: // the leader is partitioned while clients keep reading from it
		if w.chance(0.7) {
			w.slow(i)
		}
		if w.chance(0.3) { // and granters that would prevent an election lose their memory
			for other := range n {
				if other != i {
					w.restart(other)
				}
			}
		}
		w.isolate(i)
		return 2 * term
	case 3:
		w.restart(w.rng.IntN(n))
	case 4: // a random node or the leader is stopped across the end of the lease, or nearly so
		if w.chance(0.3) {
			i = w.rng.IntN(n)
		}
		d := []time.Duration{term / 2, term * 99 / 100, term * 101 / 100, 2 * term}[w.rng.IntN(4)]
		w.pause(i, d)
		return d
	case 5:
		w.step(i, w.life[i], protocol.Input{Kind: protocol.InputForsake})
	case 6:
		clear(w.cut[:])
		for i := range n {
			w.boot(i)
		}
	case 7:
		c := &w.hosts[w.rng.IntN(n)].clock
		other := w.drawClock()
		c.setDrift(w.now, other.drift)
		c.offset = other.offset
	}
	return 0
}

func (w *world) observeLease(i int, o protocol.Observation) {
	g := &w.leases.grants[i]
	switch o.Kind {
	case protocol.ObservedElected:
		if w.leases.elected.Less(o.Ballot) {
			w.leases.elected = o.Ballot
		}
	case protocol.ObservedLeaseGranted:
		if w.knobs.opts.Lease == LeaseRate {
			left := float64(o.Until - int64(w.hosts[i].mono(w.now)))
			*g = watchedGrant{o.Ballot, w.now + time.Duration(left*DriftUnit/float64(DriftUnit+w.knobs.clocks.drift))}
		}
	case protocol.ObservedLeaseFreed:
		*g = watchedGrant{}
	case protocol.ObservedLeaseAsked:
		w.leases.asking[i] = o.Until
		w.leases.asked[o.Ballot] = max(w.leases.asked[o.Ballot], o.Until) // the wall clock may have gone back since
	case protocol.ObservedLeaseHeld, protocol.ObservedLeaseRenewed:
		w.stats.leases++
		w.checkBasis(i, o)
	case protocol.ObservedLeaseLost:
		w.stats.lost++
	case protocol.ObservedLeaseForsaken:
		w.stats.forsaken++
	case protocol.ObservedLeaseSilence:
		w.stats.silences++
		if g.ballot.Less(o.Ballot) && !w.leases.elected.Less(o.Ballot) {
			// It had learned a value chosen in a ballot that others elected, which proves that the lease was over.
			*g = watchedGrant{}
		}
	}
}

// checkBasis checks that a lease is based on an ask that a majority, including the leader, has granted.
func (w *world) checkBasis(i int, o protocol.Observation) {
	count := 1
	for id, until := range w.leases.granted[o.Ballot] {
		if id != w.hosts[i].opts.Self && until >= o.Until {
			count++
		}
	}
	if count < protocol.Majority(w.knobs.nodes) || o.Until > w.leases.asked[o.Ballot] {
		w.ghost.violated("lease without basis: %s holds that of %v until %v, granted by %d until %v", w.incarnation(i),
			o.Ballot, o.Until, count, w.leases.granted[o.Ballot])
	}
}

// noteLease records the asks and grants sent by a host.
func (w *world) noteLease(i int, msg *protocol.Message) {
	at := ballotSeq{msg.Ballot, msg.Seq}
	switch msg.Lease {
	case protocol.LeaseAsk, protocol.LeaseExtend:
		w.leases.asks[at] = w.leases.asking[i]
	case protocol.LeaseGranted, protocol.LeaseExtended:
		if w.leases.granted[msg.Ballot] == nil {
			w.leases.granted[msg.Ballot] = make(map[protocol.NodeID]int64)
		}
		members := w.leases.granted[msg.Ballot]
		members[msg.From] = max(members[msg.From], w.leases.asks[at])
	}
}

// checkGrant checks that a granter honours its grants, even across restarts: while it does, it sends no promise of a
// higher ballot and no acceptance in one.
func (w *world) checkGrant(i int, msg *protocol.Message) {
	g := w.leases.grants[i]
	if w.now < g.until && g.ballot.Less(msg.Ballot) &&
		(msg.Kind == protocol.MsgPromise || msg.Kind == protocol.MsgAccepted) {
		w.ghost.violated("grant not honoured: %s sends %v of %v, and owes a lease of %v for another %v",
			w.incarnation(i), msg.Kind, msg.Ballot, g.ballot, g.until-w.now)
	}
}

// checkLeases checks all nodes at one true time: while one believes its lease valid, no other does, nothing was chosen
// in a higher ballot, and no higher ballot was elected.
func (w *world) checkLeases() {
	if w.knobs.opts.Lease == LeaseNone {
		return
	}
	believer := -1
	for i, h := range w.hosts {
		if !h.up() {
			continue
		}
		m := h.machine
		if m.role != protocol.RoleLeader || !m.holding.some || h.opts.leaseClock(h.reading(w.now)) >= m.holding.until {
			continue
		}
		who := w.incarnation(i)
		switch {
		case believer >= 0:
			w.ghost.violated("two leases: %s and %s believe in theirs", w.incarnation(believer), who)
		case m.ballot.Less(w.ghost.highestChosen):
			w.ghost.violated("chosen against a lease: %s believes in that of %v, a value was chosen in %v", who, m.ballot,
				w.ghost.highestChosen)
		case m.ballot.Less(w.leases.elected):
			w.ghost.violated("elected against a lease: %s believes in that of %v, %v was elected", who, m.ballot,
				w.leases.elected)
		}
		believer = i
	}
}

// randomLeaseKnobs draws a world with leases whose clocks are within their bounds. Elections are quick, so that only
// the granters delay a new leader.
func randomLeaseKnobs(seed uint64) knobs {
	rng := rand.New(rand.NewPCG(seed, 4))
	ms := func(choices ...int) time.Duration {
		return time.Duration(choices[rng.IntN(len(choices))]) * time.Millisecond
	}
	k := randomKnobs(seed)
	k.nodes = []int{1, 3, 3, 3, 4, 5}[rng.IntN(6)]
	o := &k.opts
	o.Reads = []Reads{ReadsLease, ReadsLease, ReadsLease, ReadsLease, ReadsQuorum, ReadsLog}[rng.IntN(6)]
	o.Lease = []Lease{LeaseRate, LeaseRate, LeaseWall}[rng.IntN(3)]
	o.LeaseTerm = ms(200, 400, 800)
	o.LeaseRenew = o.LeaseTerm / time.Duration(2+rng.IntN(4))
	o.ElectionTimeout = o.LeaseRenew + ms(10, 50, 300)
	o.HeartbeatInterval = min(o.HeartbeatInterval, o.ElectionTimeout/2)
	o.Jitter = []float64{0.1, 0.5, 1}[rng.IntN(3)]
	o.BackoffMin = ms(5, 20, 100)
	o.DriftBound = []int64{DriftUnit / 100, DriftUnit / 10, DriftUnit / 3}[rng.IntN(3)]
	o.MaxOffset = o.LeaseTerm / 8 * time.Duration(1+rng.IntN(4))
	o.PendingMax = 1000
	k.clocks = clockKnobs{drift: o.DriftBound}
	if o.Lease == LeaseWall {
		k.clocks.offset = o.MaxOffset
	}
	k.delay = ms(2, 5, 20)
	// A candidate needs a round trip and the grace period before its rivals time out, or no node is ever elected.
	o.ElectionTimeout = max(o.ElectionTimeout, 5*k.delay)
	o.PromiseGrace = min(o.PromiseGrace, o.ElectionTimeout/4)
	k.slow = []time.Duration{o.LeaseTerm / 2, o.LeaseTerm, 3 * o.LeaseTerm}[rng.IntN(3)]
	k.disk = ms(1, 10)
	k.loss, k.dup = rng.Float64()*0.08, rng.Float64()*0.2
	k.faultEvery = ms(200, 400, 800)
	return k
}

// violationKind returns the part of a violation that is common to its kind.
func violationKind(err error) string {
	what, _, _ := strings.Cut(err.Error(), ":")
	switch {
	case strings.HasPrefix(what, "read of"):
		return "stale read"
	case strings.Contains(what, " proposes "):
		return "unsafe proposal"
	}
	return what
}

var leaseWorlds = flag.Int("leaseworlds", 300, "how many random worlds with leases to play")

func TestRandomLeaseWorlds(t *testing.T) {
	var total stats
	found := make(map[string]int)
	for i := range *leaseWorlds {
		seed := *worldsFirst + uint64(i)
		w := play(seed, randomLeaseKnobs(seed))
		if err := w.ghost.violation; err != nil {
			what := violationKind(err)
			if found[what]++; found[what] == 1 {
				t.Errorf("seed %d at %v: %v\n%+v\nagain: go test -run %s -worlds.first %d -leaseworlds 1", seed, w.now, err,
					w.knobs, t.Name(), seed)
			}
		}
		total.add(w.stats)
	}
	t.Logf("%d worlds: %+v", *leaseWorlds, total)
	if len(found) > 0 {
		t.Logf("found: %v", found)
	}
	if *leaseWorlds < 100 {
		return
	}
	for name, n := range map[string]int{
		"reads": total.reads, "leases": total.leases / 10, "losses": total.lost, "forsaken leases": total.forsaken,
		"silences": total.silences, "pauses": 2 * total.pauses, "isolated leaders": total.isolated,
		"first ballots": 4 * total.firstBallots,
	} {
		if n < *leaseWorlds {
			t.Errorf("only %d %s in %d worlds", n, name, *leaseWorlds)
		}
	}
}

// Beyond the bound the same worlds must fail: otherwise the checks could not be trusted to find anything within it.
func TestClocksBeyondTheBoundBreakLeases(t *testing.T) {
	for _, c := range []struct {
		name  string
		lease Lease
		far   func(k *knobs)
	}{
		{"rate", LeaseRate, func(k *knobs) { k.clocks.drift = 2*k.opts.DriftBound + k.opts.DriftBound/2 }},
		{"wall", LeaseWall, func(k *knobs) { k.clocks.offset = 3 * k.opts.MaxOffset }},
	} {
		t.Run(c.name, func(t *testing.T) {
			found, worlds := make(map[string]int), 0
			for seed := uint64(1); seed <= 200; seed++ {
				k := randomLeaseKnobs(seed)
				if k.opts.Lease != c.lease || k.nodes < 3 {
					continue
				}
				c.far(&k)
				worlds++
				w := newWorld(seed, k)
				w.run(k.end, nil)
				if err := w.ghost.violation; err != nil {
					found[violationKind(err)]++
				}
			}
			t.Logf("%d worlds: %v", worlds, found)
			if len(found) == 0 {
				t.Errorf("%d worlds, and nothing is wrong with any of them", worlds)
			}
			for what := range found {
				if what != "stale read" && !strings.Contains(what, "lease") {
					t.Errorf("clocks break what does not depend on them: %s", what)
				}
			}
		})
	}
}
