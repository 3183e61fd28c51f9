package run

import (
	"math/rand/v2"
	"strings"
	"time"

	"elenchus/nemesis"
)

// Choice is an option of elenchus test, without its dashes, and what it is set to.
type Choice struct{ Option, Value string }

// Swarm draws from a seed how a test is set up: the size of the cluster, what clients do, which kinds of faults there
// are, what reads and leases rest on, and the nodes' own knobs. No one configuration finds everything, and many
// different ones find more than the best of them repeated (Groce and others, Swarm Testing, ISSTA 2012): what one kind
// of fault hides shows only in runs without it.
//
// What reads and leases rest on, the size of the cluster and the workload go round with the seed rather than by chance,
// so that a few seeds in a row have had all of them. All that is drawn is inside of what a correct system must survive.
// Said is what the user has said of an option, if anything: that is not drawn, and what is drawn goes with it.
func Swarm(seed uint64, said func(option string) (value string, ok bool)) []Choice {
	s := &swarm{random: rand.New(rand.NewPCG(seed, swarmStream)), said: said}
	s.draw(seed)
	return s.choices
}

const (
	// swarmStream keeps these draws apart from all others of the same seed.
	swarmStream = 0x737761726d

	// swarmCycle is how many entries the ways to serve reads have, see [swarmReads].
	swarmCycle = uint64(len(swarmReads))
)

// swarmReads are the ways to serve reads, and the leases below them. Where there are none, leaders follow one another
// much faster: half of the runs are about these, and half about leases.
var swarmReads = [...]struct{ reads, lease string }{
	{"log", "none"}, {"lease", "rate"}, {"quorum", "none"}, {"lease", "wall"}, {"quorum", "none"}, {"lease", "rate"},
}

// swarmElections are election timeouts. The shorter they are, the more elections and faults fit into a test. What a
// fault takes by itself, some 50 ms, and a busy machine set the limit.
var swarmElections = [...]time.Duration{
	60 * time.Millisecond, 80 * time.Millisecond, 80 * time.Millisecond, 120 * time.Millisecond, 200 * time.Millisecond,
}

// swarmTerms are terms of leases. A hunt waits for the end of one or two of them; but whoever restarts granters, or
// lets others be elected, has to be done well inside of one.
var swarmTerms = [...]time.Duration{200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond}

// swarmNodes are sizes of clusters. The numbers of these, of the ways to serve reads and of the workloads have no
// divisor in common, so that all combinations come up.
var swarmNodes = [...]string{"5", "3", "5", "4", "3"}

// swarmWorkloads are what clients do: mostly registers, which everything shows on; lists, which show the order of
// updates; and requests that are sent again, late, and to others.
var swarmWorkloads = [...]string{"register", "register", "register", "append", "session", "register", "register"}

// swarm is a configuration being drawn.
type swarm struct {
	random  *rand.Rand
	said    func(option string) (string, bool)
	choices []Choice
}

// set chooses an option, unless the user has, and returns what it is in the end.
func (s *swarm) set(option, value string) string {
	if v, ok := s.said(option); ok {
		return v
	}
	if value != "" {
		s.choices = append(s.choices, Choice{option, value})
	}
	return value
}

// one draws one of the values; all are drawn alike, and an empty one leaves the default.
func (s *swarm) one(values ...string) string { return values[s.random.IntN(len(values))] }

func (s *swarm) chance(percent int) bool { return s.random.IntN(100) < percent }

func (s *swarm) draw(seed uint64) {
	way := swarmReads[seed%swarmCycle]
	s.set("nodes", swarmNodes[seed%uint64(len(swarmNodes))])
	s.set("workload", swarmWorkloads[seed%uint64(len(swarmWorkloads))])
	// What is under way when a fault comes is what it can go wrong with: a busy system has a window full of that.
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

// drawTimes draws the bounds of clocks, and times that go together: a leader renews its lease well before it ends, and
// well before others lose patience.
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
	// Between the patience of followers and the end of a lease is the time in which a lease that does not hold shows.
	term := swarmTerms[s.random.IntN(len(swarmTerms))]
	s.set("lease-term", term.String())
	s.set("lease-renew", min(election/2, term/4).String())
	if lease == "rate" {
		s.set("drift-bound", s.one("", "10%", "25%"))
	} else {
		s.set("max-offset", (term / 5 * time.Duration(1+s.random.IntN(2))).String())
	}
}

// drawPace has everything that the nodes do about others that are silent happen in proportion to how soon they elect
// another leader. A link that is given up later outlives short cuts, and what was sent meanwhile arrives after them.
func (s *swarm) drawPace(election time.Duration) {
	s.set("node-flag", "--retry-interval="+(election/3).String())
	s.set("node-flag", "--backoff="+(election/4).String())
	s.set("node-flag", s.one("", "--link-silence="+(2*election).String(), "--link-silence="+(2*election).String()))
}

// drawKnobs turns what the nodes can be told, towards sizes at which things happen often: short logs, small snapshots
// and small batches.
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

// drawFaults leaves each kind of fault out of some runs. There are always some that leaders change under.
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
	s.set("nemesis", strings.Join(kinds, ","))
	s.set("hunt", s.one("50%", "100%", "100%", "100%"))
	s.set("hunt-elections", "true")
}
