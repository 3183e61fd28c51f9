package sim

import (
	"time"

	"elenchus/node/multipaxos"
)

// recoveryRounds is how many elections in a row may fail once everything is healed. Random jitter ends repeated
// conflicts between candidates: with back-offs that double, the probability of this many is below one in a million.
const recoveryRounds = 12

// RecoveryBound is how long a cluster may need, after the last heal, until it has answered every client's last
// requests, for so many keys. It follows from the configuration:
//
//   - What restarted nodes and granters owe must run out: a lease, or the silence after a restart, on the slowest
//     clock. That may happen twice, when a leader is elected just before the heal and lost in it.
//   - Then elections, each with the longest timeout and the longest back-off, and a round trip for each phase.
//   - Requests may have been handed to somebody who does not lead: each client may wait out its patience, thrice.
//   - And every key is read over a round trip, and by way of the disk where reads go through the log.
//
// Disks that are full of restarted processes' last words, held messages and open connections add a constant.
func (p *Plan) RecoveryBound(keys int) time.Duration {
	o := withDefaults(p.Node)
	slowest, _ := p.rates()
	slowest = min(slowest, 0)
	onClock := func(d time.Duration) time.Duration { return time.Duration(float64(d) * ppb / float64(ppb+slowest)) }
	jitter := 1 + o.Jitter
	owed := time.Duration(0)
	switch o.Lease {
	case multipaxos.LeaseRate:
		owed = o.LeaseTerm + time.Duration(float64(o.LeaseTerm)*float64(o.DriftBound)/ppb)
	case multipaxos.LeaseWall:
		owed = o.LeaseTerm + 3*o.MaxOffset
	}
	hop := p.Network.Delay + p.Network.Jitter + p.Network.Skew
	sync := p.Disk.Sync + p.Disk.Jitter
	phase := 2*hop + 2*sync + o.RetryInterval + o.PromiseGrace
	election := time.Duration(jitter*float64(o.ElectionTimeout+o.BackoffMax)) + 2*phase
	read := 4*hop + 4*sync + 2*p.Load.Delay + finalPause + o.HeartbeatInterval
	rest := p.Network.Reconnect + p.Process.RestartMax + p.Disk.Tail + p.Network.Tail
	return onClock(2*owed+recoveryRounds*election) + 3*p.Load.Patience + time.Duration(keys+1)*read + rest + time.Second
}

// withDefaults replaces zeros by the machines' defaults, where the bound depends on them.
func withDefaults(o multipaxos.Options) multipaxos.Options {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&o.ElectionTimeout, 600 * time.Millisecond}, {&o.HeartbeatInterval, 100 * time.Millisecond},
		{&o.BackoffMin, 150 * time.Millisecond}, {&o.BackoffMax, 2400 * time.Millisecond},
		{&o.RetryInterval, 200 * time.Millisecond}, {&o.LeaseTerm, time.Second}, {&o.MaxOffset, 100 * time.Millisecond},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	o.DriftBound = driftBound(&o)
	switch {
	case o.Jitter == 0:
		o.Jitter = 1
	case o.Jitter < 0:
		o.Jitter = 0
	}
	return o
}
