package run

import (
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"elenchus/nemesis"
)

// Choice is an option of elenchus test, without its dashes, and its value.
type Choice struct{ Option, Value string }

// Swarm draws the configuration of a test from a seed: the size of the cluster, the workload, the kinds of faults,
// how reads and leases work, and the settings of the nodes. No single configuration finds everything, and many
// different ones find more than the best of them repeated (Groce and others, Swarm Testing, ISSTA 2012): what one
// kind of fault hides shows only in runs without it.
//
// The ways to serve reads, the leases, the size of the cluster and the workload follow a cycle over seeds, so that a
// few consecutive seeds cover all of them. Everything that is drawn is within what a correct system must survive.
// Said returns the user's value of an option, if there is one: such an option is not drawn, and the others are drawn
// to fit it.
func Swarm(seed uint64, said func(option string) (value string, ok bool)) []Choice {
	s := &swarm{random: rand.New(rand.NewPCG(seed, swarmStream)), said: said}
	s.draw(seed)
	return s.choices
}

const (
	// swarmStream separates these random numbers from all others of the same seed.
	swarmStream = 0x737761726d

	// swarmCycle is the number of entries in [swarmReads].
	swarmCycle = uint64(len(swarmReads))
)

// swarmReads are the ways to serve reads, and the leases under them. Without leases, leaders change much faster. Half
// of the runs have none, and the other half have leases.
var swarmReads = [...]swarmWay{
	{"log", "none"}, {"lease", "rate"}, {"quorum", "none"}, {"lease", "wall"}, {"quorum", "none"}, {"lease", "rate"},
}

// swarmWay is a way to serve reads, and the lease under it.
type swarmWay struct{ reads, lease string }

// swarmElections are election timeouts. The shorter they are, the more elections and faults fit into a test. The
// minimum is given by the time that injecting a fault takes, about 50 ms, and by busy machines. With the longest, nodes
// can be restarted on a busy machine before anybody elects another leader.
var swarmElections = [...]time.Duration{
	60 * time.Millisecond, 80 * time.Millisecond, 80 * time.Millisecond, 120 * time.Millisecond, 200 * time.Millisecond,
	500 * time.Millisecond,
}

// swarmTerms are terms of leases. A hunt waits until one or two of them have ended; but restarting granters, or
// having others elected, must be done well within one.
var swarmTerms = [...]time.Duration{200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond}

// swarmNodes are sizes of clusters. Their number, that of the ways to serve reads and that of the workloads are
// pairwise coprime, so that all combinations occur.
var swarmNodes = [...]string{"5", "3", "5", "4", "3"}

// swarmWorkloads are the workloads: mostly registers, which reveal nearly every failure; lists, which reveal the
// order of updates; and requests that are sent again, late, and to other nodes.
var swarmWorkloads = [...]string{"register", "register", "register", "append", "session", "register", "register"}

// swarm is a configuration that is being drawn.
type swarm struct {
	random  *rand.Rand
	said    func(option string) (string, bool)
	choices []Choice
}

// set chooses the value of an option, unless the user has, and returns the value that is in effect.
func (s *swarm) set(option, value string) string {
	if v, ok := s.said(option); ok {
		return v
	}
	if value != "" {
		s.choices = append(s.choices, Choice{option, value})
	}
	return value
}

// one draws one of the values, all with equal probability. An empty value means the default.
func (s *swarm) one(values ...string) string { return values[s.random.IntN(len(values))] }

func (s *swarm) chance(percent int) bool { return s.random.IntN(100) < percent }

func (s *swarm) draw(seed uint64) {
	way := s.way(seed)
	s.set("nodes", swarmNodes[seed%uint64(len(swarmNodes))])
	s.set("workload", swarmWorkloads[seed%uint64(len(swarmWorkloads))])
	// A fault can harm only what is in progress when it begins: in a busy system that is a full window.
	s.set("rate", s.one("400", "800", "1500"))
	s.set("concurrency", s.one("2n", "4n", "6n"))
	s.set("keys", s.one("", "2", "5"))
	s.set("read-percent", s.one("", "30", "50"))
	s.set("op-timeout", s.one("250ms", "500ms", "1s"))
	s.set("retry", s.one("", "50%"))
	reads := way.reads
	if v, ok := s.said("lease"); ok && v == "none" && reads == "lease" {
		reads = "quorum"
	}
	reads = s.set("reads", reads)
	lease := way.lease
	if reads == "lease" && lease == "none" {
		lease = "rate"
	}
	lease = s.set("lease", lease)
	s.drawTimes(lease)
	s.drawKnobs()
	if _, planned := s.said("schedule"); !planned {
		s.drawFaults(lease)
	}
}

// way is the seed's way to serve reads, or the next in the cycle at which the hunts are possible that the user chose.
func (s *swarm) way(seed uint64) swarmWay {
	names, _ := s.said("hunts")
	for i := range swarmCycle {
		if way := swarmReads[(seed+i)%swarmCycle]; way.lets(HuntNames(names)) {
			return way
		}
	}
	return swarmReads[seed%swarmCycle] // Plan says what is wrong with the hunts
}

// lets reports whether some hunts need nothing that this way to serve reads does not have.
func (w swarmWay) lets(hunts []string) bool {
	how := nemesis.PlanOptions{
		Nodes:  NodeNames(3), // which is what is drawn at least
		Clocks: nemesis.ClockBounds{Wall: w.lease == "wall"},
		Only:   hunts,
	}
	if w.reads == "lease" {
		how.LeaseTerm = time.Second // any will do
	}
	return !slices.ContainsFunc(nemesis.Hunts(), func(h nemesis.Hunt) bool {
		_, needs := how.Missing(h)
		return slices.Contains(hunts, h.Name) && needs != ""
	})
}

// drawTimes draws the bounds of clocks, and times that depend on each other: a leader renews its lease well before
// the lease ends, and well before followers campaign.
func (s *swarm) drawTimes(lease string) {
	for _, option := range []string{"lease-term", "lease-renew", "election-timeout", "max-offset"} {
		if _, ok := s.said(option); ok {
			return
		}
	}
	election := swarmElections[s.random.IntN(len(swarmElections))]
	s.set("election-timeout", election.String())
	if _, ok := s.said("node-flag"); !ok {
		s.drawPace(election)
	}
	if lease == "none" {
		return
	}
	// A lease that does not hold shows between the election timeout of the followers and the end of the lease.
	term := swarmTerms[s.random.IntN(len(swarmTerms))]
	s.set("lease-term", term.String())
	s.set("lease-renew", min(election/2, term/4).String())
	if lease == "rate" {
		s.set("drift-bound", s.one("", "10%", "25%"))
	} else {
		s.set("max-offset", (term / 5 * time.Duration(1+s.random.IntN(2))).String())
	}
}

// drawPace makes the times after which nodes act on silent peers proportional to the election timeout. A connection
// that is given up later survives short partitions, and delivers what was sent meanwhile after them.
func (s *swarm) drawPace(election time.Duration) {
	s.set("node-flag", "--retry-interval="+s.one((election/3).String(), (election/8).String()))
	s.set("node-flag", "--backoff="+(election/4).String())
	s.set("node-flag", s.one("", "--link-silence="+(2*election).String(), "--link-silence="+(2*election).String()))
}

// drawKnobs draws settings of the nodes at which rare events are frequent: short logs, small snapshots and small
// batches.
func (s *swarm) drawKnobs() {
	s.set("window", s.one("", "", "", "", "", "", "8", "1"))
	s.set("promise-grace", s.one("", "", "20ms"))
	if _, ok := s.said("node-flag"); ok {
		return
	}
	if s.chance(55) {
		s.set("node-flag", "--snapshot-entries="+s.one("20", "100", "500"))
		s.set("node-flag", s.one("", "--snapshot-keep=-1", "--snapshot-keep=3"))
		s.set("node-flag", s.one("", "--snapshot-chunk=300"))
	}
	s.set("node-flag", s.one("", "", "--batch=1", "--batch=4"))
	s.set("node-flag", s.one("", "", "--catchup-chunk=2", "--catchup-chunk=8"))
	s.set("node-flag", s.one("", "", "--pre-vote=false"))
}

// drawFaults leaves each kind of fault out of some runs, but never all kinds that make leaders change.
func (s *swarm) drawFaults(lease string) {
	var kinds []string
	for _, k := range []struct {
		kind    string
		percent int
	}{{nemesis.Partition, 90}, {nemesis.Kill, 65}, {nemesis.Pause, 50}, {nemesis.Clock, 50}} {
		if s.chance(k.percent) && (k.kind != nemesis.Clock || lease != "none") {
			kinds = append(kinds, k.kind)
		}
	}
	if len(kinds) == 0 || len(kinds) == 1 && kinds[0] == nemesis.Clock {
		kinds = append([]string{nemesis.Partition}, kinds...)
	}
	share := s.one("50%", "100%", "100%", "100%")
	// Drawn last, so that a seed is what it was without. What goes wrong when leaders hand over is mostly their leases.
	if s.chance(map[bool]int{true: 25, false: 45}[lease == "none"]) {
		kinds = append(kinds, nemesis.Transfer)
	}
	s.set("nemesis", strings.Join(append(kinds, s.needed(kinds)...), ","))
	s.set("hunt", share)
	s.set("hunt-elections", "true")
}

// needed are the kinds of faults that the user's options need besides those that were drawn.
func (s *swarm) needed(drawn []string) (kinds []string) {
	need := func(kind string) {
		if !slices.Contains(drawn, kind) && !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	for _, option := range []string{"clock-drift", "clock-step"} {
		if v, ok := s.said(option); ok && v != "none" {
			need(nemesis.Clock)
		}
	}
	names, _ := s.said("hunts")
	for _, h := range nemesis.Hunts() {
		if slices.Contains(HuntNames(names), h.Name) {
			for _, kind := range h.Kinds {
				need(kind)
			}
		}
	}
	return kinds
}
