// Package carry takes runs from one world to another: the run of a lab to the simulator, and a simulated run to a lab.
// What goes along is the schedule of faults, and all settings for which both worlds have a word. Everything that is
// left behind is named.
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
	"elenchus/nemesis"
	"elenchus/node/multipaxos"
	"elenchus/node/protocol"
	"elenchus/results"
	"elenchus/results/verdict"
)

const (
	ms = time.Millisecond
	us = time.Microsecond
)

// clientsMax is how many clients a node has at most in the simulator.
const clientsMax = 20

// FromLab makes a plan for the simulator from what a lab has done: its manifest, and its schedule as it was played. The
// second result is what was left behind. The error says that there can be no such plan.
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
	b := &baggage{}
	p := &sim.Plan{
		Seed: m.Seed, Style: "lab", Length: s.Length, Clocks: make([]sim.Clock, n),
		Network: sim.Network{Delay: 100 * us, Jitter: 200 * us, Reconnect: 20 * ms, DeadAfter: 500 * ms},
		Disk:    sim.Disk{Sync: 300 * us, Jitter: ms},
		Process: sim.Process{RestartMin: ms, RestartMax: 50 * ms},
	}
	b.leave("how long messages and syncs took in the lab, and how its clocks ran: the simulator draws its own")
	b.leave("when the clients asked for what: the workload generates it anew")
	b.load(p, &m.Config, n)
	b.node(p, &m.Config)
	b.faults(p, s)
	if err := p.Validate(); err != nil {
		return nil, nil, fmt.Errorf("simulate the run: %w", err)
	}
	return p, b.left, nil
}

// baggage is what cannot be taken along.
type baggage struct{ left []string }

func (b *baggage) leave(format string, args ...any) {
	b.left = append(b.left, fmt.Sprintf(format, args...))
}

// load makes clients that ask about as often as those of the lab.
func (b *baggage) load(p *sim.Plan, c *results.Config, n int) {
	each := max(1, (c.Concurrency+n-1)/n)
	if each > clientsMax {
		each = clientsMax
	}
	if each*n != c.Concurrency {
		b.leave("%s: there are %d, %d for each node", verdict.Count(c.Concurrency, "client"), each*n, each)
	}
	p.Load = sim.Load{Workload: c.Workload, Clients: each, Delay: 200 * us, Patience: c.OpTimeout, ThinkMax: ms}
	if c.Rate > 0 {
		pause := time.Duration(float64(each*n) / c.Rate * float64(time.Second))
		p.Load.ThinkMin, p.Load.ThinkMax = pause/2, pause*3/2
	}
}

// node takes over what the nodes were told.
func (b *baggage) node(p *sim.Plan, c *results.Config) {
	o := &p.Node
	var err error
	if o.Reads, err = multipaxos.ParseReads(c.Reads); err != nil {
		b.leave("reads: %v", err)
	}
	if l := c.Lease; l != nil {
		if o.Lease, err = multipaxos.ParseLease(l.Mode); err != nil {
			b.leave("lease: %v", err)
		}
		o.LeaseTerm, o.LeaseRenew, o.MaxOffset = l.Term, l.Renew, l.MaxOffset
		if o.DriftBound, err = share(l.DriftBound); err != nil {
			b.leave("drift bound: %v", err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Options)) {
		value, err := c.Options[name], error(nil)
		switch name {
		case "election-timeout":
			o.ElectionTimeout, err = time.ParseDuration(value)
		case "promise-grace":
			o.PromiseGrace, err = time.ParseDuration(value)
		case "window":
			o.Window, err = strconv.Atoi(value)
		case "node-flags":
			b.flags(o, value)
			continue
		default:
			continue
		}
		if err != nil {
			b.leave("%s: %v", name, err)
		}
	}
}

// flags takes over further options of the node program, as far as they concern the protocol.
func (b *baggage) flags(o *multipaxos.Options, text string) {
	numbers := map[string]*int{
		"window": &o.Window, "batch": &o.BatchMax, "snapshot-entries": &o.SnapshotEntries, "snapshot-bytes": &o.SnapshotBytes,
		"snapshot-keep": &o.SnapshotKeep, "snapshot-chunk": &o.SnapshotChunk,
	}
	durations := map[string]*time.Duration{
		"heartbeat": &o.HeartbeatInterval, "election-timeout": &o.ElectionTimeout, "promise-grace": &o.PromiseGrace,
		"lease-term": &o.LeaseTerm, "lease-renew": &o.LeaseRenew, "max-offset": &o.MaxOffset,
	}
	for word := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
		err := errors.New("the simulator has no such setting")
		if at, ok := numbers[name]; ok {
			*at, err = strconv.Atoi(value)
		} else if at, ok := durations[name]; ok {
			*at, err = time.ParseDuration(value)
		}
		if err != nil {
			b.leave("the option %s of the nodes: %v", word, err)
		}
	}
}

// share reads "1%" or "0.01" as parts per billion. Nothing is zero, the default.
func share(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	number, percent := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no share", text)
	}
	if percent {
		v /= 100
	}
	if v == 0 {
		return multipaxos.DriftNone, nil
	}
	return int64(v * multipaxos.DriftUnit), nil
}

// faults takes over the schedule.
func (b *baggage) faults(p *sim.Plan, s *nemesis.Schedule) {
	p.Schedule = nemesis.Schedule{Seed: s.Seed, Nodes: s.Nodes, Length: s.Length}
	for _, f := range s.Faults {
		switch f.Kind {
		case nemesis.Partition, nemesis.Kill, nemesis.Pause, nemesis.Clock, nemesis.Transfer:
			p.Schedule.Faults = append(p.Schedule.Faults, f)
		default:
			b.leave("%s (%s): the simulator has no such fault", f.ID, f)
		}
	}
}
