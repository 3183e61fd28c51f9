// Package carry converts runs between the two worlds: the run of a lab to a plan for the simulator, and a simulated run
// to options and a schedule for a lab. The schedule of faults is converted, and every setting that both worlds have.
// Everything that cannot be converted is named, so that nobody takes one run for an exact repetition of the other.
package carry

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"elenchus/harness/sim"
	"elenchus/harness/system"
	"elenchus/nemesis"
	"elenchus/node/protocol"
	"elenchus/results"
	"elenchus/results/verdict"
)

// clientsMax is how many clients a node has at most in the simulator.
const clientsMax = 20

// retriesMax is how often a client of a lab retries an operation at most, as run.RetriesMax.
const retriesMax = 3

// backoffDoublings is how many times the shortest delay of a losing candidate the longest is, as in the node program.
const backoffDoublings = 16

// FromLab converts the run of a lab to a plan for the simulator, given the run's manifest and its schedule as it was
// played. The second result names what could not be converted. The error says that there can be no such plan.
func FromLab(m *results.Manifest, s *nemesis.Schedule) (*sim.Plan, []string, error) {
	if m.Imported != "" || m.Config.Protocol != "multipaxos" {
		return nil, nil, fmt.Errorf("simulate the run: it is not one of multipaxos, which is what the simulator runs")
	}
	n := len(s.Nodes)
	if n < 1 || n > protocol.NodesMax {
		return nil, nil, fmt.Errorf("simulate the run: it has %d nodes; the simulator has 1 to %d", n, protocol.NodesMax)
	}
	if s.Length > sim.LengthMax {
		return nil, nil, fmt.Errorf("simulate the run: it lasts %v; the simulator plays up to %v", s.Length, sim.LengthMax)
	}
	l := &losses{}
	l.name("how long messages and syncs took in the lab, and how its clocks ran: the simulator draws its own")
	l.name("which client asked for what, and when: the workload generates it anew")
	p := &sim.Plan{Seed: m.Seed, Style: "lab", Length: s.Length, Clocks: make([]sim.Clock, n)}
	Surroundings(p)
	var err error
	if p.Node, err = settings(&m.Config).Node(); err != nil {
		return nil, nil, fmt.Errorf("simulate the run: %w", err)
	}
	l.load(p, &m.Config, n)
	l.options(p, m.Config.Options)
	l.faults(p, s)
	if err := p.Validate(); err != nil {
		return nil, nil, fmt.Errorf("simulate the run: %w", err)
	}
	return p, l.names, nil
}

// settings are those of the nodes that have a place of their own in the manifest.
func settings(c *results.Config) Settings {
	s := Settings{Reads: c.Reads}
	if l := c.Lease; l != nil {
		s.Lease = system.Lease{Mode: l.Mode, Term: l.Term, Renew: l.Renew, DriftBound: l.DriftBound, MaxOffset: l.MaxOffset}
	}
	s.Lease = s.Lease.WithDefaults()
	return s
}

// losses names what cannot be converted.
type losses struct{ names []string }

func (l *losses) name(format string, args ...any) {
	l.names = append(l.names, fmt.Sprintf(format, args...))
}

// load plans clients that ask about as often as those of the lab. Every node has the same number of them.
func (l *losses) load(p *sim.Plan, c *results.Config, n int) {
	each := min(max(1, (c.Concurrency+n-1)/n), clientsMax)
	if each*n != c.Concurrency {
		l.name("%s: there are %d, %d for each node", verdict.Count(c.Concurrency, "client"), each*n, each)
	}
	p.Load.Workload, p.Load.Clients, p.Load.Patience = c.Workload, each, c.OpTimeout
	p.Load.ThinkMax = ThinkMax(c.Rate, each*n)
}

// options converts the settings that the manifest has by name. Those that mean nothing to the simulator, as its own do,
// are passed over.
func (l *losses) options(p *sim.Plan, all map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		value, err := all[name], error(nil)
		switch name {
		case "node-flags":
			for word := range strings.FieldsSeq(value) {
				if err := nodeFlag(p, word); err != nil {
					l.name("the option %s of the nodes: %v", word, err)
				}
			}
		case "election-timeout":
			if p.Node.ElectionTimeout, err = time.ParseDuration(value); err == nil {
				p.Node.HeartbeatInterval = system.Heartbeat(p.Node.ElectionTimeout)
			}
		case "promise-grace":
			p.Node.PromiseGrace, err = time.ParseDuration(value)
		case "window":
			p.Node.Window, err = strconv.Atoi(value)
		case "keys":
			p.Load.ActiveKeys, err = strconv.Atoi(value)
		case "read-percent":
			p.Load.ReadPercent, err = strconv.Atoi(value)
		case "retry":
			var ppb int64
			ppb, err = system.ParseShare(value)
			p.Load.RetryPPM, p.Load.RetriesMax = RetryPPM(float64(ppb)/1e9), retriesMax
		}
		if err != nil {
			l.name("%s: %v", name, err)
		}
	}
}

// errNoSetting means that the simulator has nothing that an option of the node program could set.
var errNoSetting = errors.New("the simulator has no such setting")

// nodeFlag converts an option of the node program, "--name=value".
func nodeFlag(p *sim.Plan, word string) (err error) {
	o := &p.Node
	numbers := map[string]*int{
		"window": &o.Window, "batch": &o.BatchMax, "snapshot-entries": &o.SnapshotEntries, "snapshot-bytes": &o.SnapshotBytes,
		"snapshot-keep": &o.SnapshotKeep, "snapshot-chunk": &o.SnapshotChunk, "catchup-chunk": &o.CatchupChunk,
	}
	durations := map[string]*time.Duration{
		"heartbeat": &o.HeartbeatInterval, "election-timeout": &o.ElectionTimeout, "promise-grace": &o.PromiseGrace,
		"lease-term": &o.LeaseTerm, "lease-renew": &o.LeaseRenew, "max-offset": &o.MaxOffset,
		"retry-interval": &o.RetryInterval, "backoff": &o.BackoffMin, "link-silence": &p.Network.DeadAfter,
	}
	name, value, given := strings.Cut(strings.TrimLeft(word, "-"), "=")
	if at, ok := numbers[name]; ok {
		*at, err = strconv.Atoi(value)
		return err
	}
	if at, ok := durations[name]; ok {
		*at, err = time.ParseDuration(value)
		o.BackoffMax = backoffDoublings * o.BackoffMin
		return err
	}
	if !given {
		value = "true" // as the flag package reads an option without a value
	}
	switch name {
	case "pre-vote":
		var asks bool
		asks, err = strconv.ParseBool(value)
		o.NoPreVote = !asks
	case "first-ballot-shortcut":
		o.FirstBallotShortcut, err = strconv.ParseBool(value)
	default:
		return errNoSetting
	}
	return err
}

// faults converts the schedule.
func (l *losses) faults(p *sim.Plan, s *nemesis.Schedule) {
	p.Schedule = nemesis.Schedule{Seed: s.Seed, Nodes: s.Nodes, Length: s.Length}
	for _, f := range s.Faults {
		switch f.Kind {
		case nemesis.Partition, nemesis.Kill, nemesis.Pause, nemesis.Clock, nemesis.Transfer:
			p.Schedule.Faults = append(p.Schedule.Faults, f)
		default:
			l.name("%s (%s): the simulator has no such fault", f.ID, f)
		}
	}
}
