package carry

import (
	"errors"
	"fmt"
	"time"

	"elenchus/harness/sim"
	"elenchus/harness/system"
	"elenchus/node/multipaxos"
)

const (
	ms = time.Millisecond
	us = time.Microsecond
)

// Surroundings makes the surroundings of a plan's nodes those of a lab: hosts on one switch, with disks that are
// neither fast nor slow. In a lab they are never the same twice; in the simulator every delay is drawn from the plan's
// seed, within these bounds.
func Surroundings(p *sim.Plan) {
	p.Network = sim.Network{Delay: 100 * us, Jitter: 200 * us, Reconnect: 20 * ms, DeadAfter: 500 * ms}
	p.Disk = sim.Disk{Sync: 300 * us, Jitter: ms}
	p.Process = sim.Process{RestartMin: 50 * ms, RestartMax: 200 * ms}
	p.Load.Delay = 100 * us
}

// ThinkMax converts a limit on the operations per second of all clients together to the longest time that a client of
// the simulator thinks between an answer and its next request; the shortest is zero. The time that an answer takes is
// added, so that the rate is a limit, as it is in a lab. A rate of zero means no limit, and no thinking.
func ThinkMax(rate float64, clients int) time.Duration {
	if rate == 0 {
		return 0
	}
	return time.Duration(2 * float64(clients) / rate * float64(time.Second))
}

// RetryPPM converts the share of updates that clients retry, from 0 to 1, to parts per million.
func RetryPPM(share float64) uint32 { return uint32(1e6 * max(0, share)) }

// Settings are what the nodes of a lab are told. Zeros mean the nodes' own defaults, except in Lease, which must be
// complete: see [system.Lease.WithDefaults].
type Settings struct {
	Reads           string
	Lease           system.Lease
	ElectionTimeout time.Duration
	PromiseGrace    time.Duration
	Window          int
}

// Node returns the same settings for nodes of the simulator. The error lists the settings that cannot be read.
func (s Settings) Node() (o multipaxos.Options, err error) {
	var readsErr, leaseErr, driftErr error
	if o.Reads, readsErr = multipaxos.ParseReads(s.Reads); readsErr != nil {
		readsErr = fmt.Errorf("reads: %w", readsErr)
	}
	if o.Lease, leaseErr = multipaxos.ParseLease(s.Lease.Mode); leaseErr != nil {
		leaseErr = fmt.Errorf("lease: %w", leaseErr)
	}
	if s.Lease.DriftBound != "" {
		if o.DriftBound, driftErr = system.ParseDriftBound(s.Lease.DriftBound); o.DriftBound == 0 {
			o.DriftBound = multipaxos.DriftNone
		}
	}
	o.LeaseTerm, o.LeaseRenew, o.MaxOffset = s.Lease.Term, s.Lease.Renew, s.Lease.MaxOffset
	o.ElectionTimeout, o.PromiseGrace, o.Window = s.ElectionTimeout, s.PromiseGrace, s.Window
	if s.ElectionTimeout > 0 {
		o.HeartbeatInterval = system.Heartbeat(s.ElectionTimeout)
	}
	return o, errors.Join(readsErr, leaseErr, driftErr)
}
