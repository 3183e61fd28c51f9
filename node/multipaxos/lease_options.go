package multipaxos

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"elenchus/node/clock"
)

// Lease says which clocks leader leases are on, if there are any (protocols.md §2, 002 §4.3.2-4.3.4).
type Lease uint8

// The modes.
const (
	// LeaseNone: there are no leases.
	LeaseNone Lease = iota
	// LeaseRate: on monotonic clocks. Safe while no clock runs faster than another by more than DriftBound, whatever
	// their offsets are (002 §4.3.4, after Liskov).
	LeaseRate
	// LeaseWall: absolute times on wall clocks. Safe while every wall clock is within half of MaxOffset of true time, so
	// that no two are further apart than MaxOffset (002 §2.2).
	LeaseWall
)

var leaseNames = [...]string{"none", "rate", "wall"}

// String is the name that [ParseLease] understands.
func (l Lease) String() string {
	if int(l) < len(leaseNames) {
		return leaseNames[l]
	}
	return fmt.Sprintf("lease(%d)", uint8(l))
}

// ParseLease finds the mode of that name: none, rate or wall.
func ParseLease(name string) (Lease, error) {
	if i := slices.Index(leaseNames[:], name); i >= 0 {
		return Lease(i), nil
	}
	return 0, fmt.Errorf("unknown lease %q: want one of %s", name, strings.Join(leaseNames[:], ", "))
}

const (
	// DriftUnit is a drift of 100 %: drift bounds are in parts per billion.
	DriftUnit = 1_000_000_000

	// DriftNone is the drift bound of clocks that are taken to run at exactly the same rate.
	DriftNone = -1

	// leaseTermMax keeps the arithmetic of leases far from its limits.
	leaseTermMax = time.Hour
)

// leaseDefaults replaces the zeros that concern leases.
func (o *Options) leaseDefaults() {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&o.LeaseTerm, time.Second}, {&o.LeaseRenew, 300 * time.Millisecond}, {&o.MaxOffset, 100 * time.Millisecond},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	switch o.DriftBound {
	case 0:
		o.DriftBound = DriftUnit / 100
	case DriftNone:
		o.DriftBound = 0
	}
}

// checkLease finds problems with leases. The options have their defaults, so a drift bound below zero was never meant
// to be DriftNone.
func (o *Options) checkLease(add func(format string, args ...any)) {
	if int(o.Lease) >= len(leaseNames) {
		add("lease: unknown mode %d", o.Lease)
	}
	if o.Reads == ReadsLease && o.Lease == LeaseNone {
		add("reads: reads under a lease need one: choose a lease, rate or wall")
	}
	if o.DriftBound < 0 {
		add("drift bound: %d ppb is negative: the leader's lease could outlive a grant", o.DriftBound)
	}
	if o.DriftBound > DriftUnit {
		add("drift bound: %d ppb is above 100%%, which no clock needs", o.DriftBound)
	}
	if o.MaxOffset <= 0 {
		add("max offset: %v is negative: the leader's lease could outlive a grant", o.MaxOffset)
	}
	if o.LeaseTerm <= 0 || o.LeaseTerm > leaseTermMax {
		add("lease term: %v; want more than 0, up to %v", o.LeaseTerm, leaseTermMax)
	}
	if o.LeaseRenew <= 0 {
		add("lease renew: %v is negative", o.LeaseRenew)
	}
	if o.LeaseRenew >= o.LeaseTerm {
		add("lease renew: %v is not below the lease term %v: every lease would end before it is renewed", o.LeaseRenew,
			o.LeaseTerm)
	}
	if o.Lease == LeaseNone {
		return
	}
	if o.LeaseRenew >= o.ElectionTimeout {
		add("lease renew: %v is not below the election timeout %v: renewals are the leader's heartbeat", o.LeaseRenew,
			o.ElectionTimeout)
	}
	if o.Lease == LeaseWall && o.MaxOffset >= o.LeaseTerm {
		add("max offset: %v is not below the lease term %v: a granter could not tell a lease that has just begun from "+
			"one that has ended", o.MaxOffset, o.LeaseTerm)
	}
}

// leaseClock is the clock that leases are on, in nanoseconds.
func (o *Options) leaseClock(r clock.Reading) int64 {
	if o.Lease == LeaseWall {
		return r.Wall
	}
	return int64(r.Mono)
}

// honourUntil is when a granter may take part in other ballots again: a deadline on its own clock that no holder's
// lease outlives while clocks are within their bound. now is its reading when it grants. The reason says why nothing
// can be granted.
//
// In rate mode it is T(1+ε) from now, rounded up: by then every clock has advanced by T since now, and the leader
// counts its T from before. In wall mode it is MaxOffset after the expiry: by then the leader's clock shows the expiry.
func (o *Options) honourUntil(now, term, expiry int64) (until int64, reason string) {
	switch {
	case o.Lease == LeaseNone:
		return 0, "leases are off"
	case term <= 0 || term > int64(o.LeaseTerm):
		return 0, fmt.Sprintf("a term of %v is not within %v, for which a restart is silent", time.Duration(term),
			o.LeaseTerm)
	case o.Lease == LeaseRate && expiry != 0:
		return 0, "leases are on monotonic clocks"
	case o.Lease == LeaseRate:
		return now + stretch(term, o.DriftBound), ""
	case expiry <= 0:
		return 0, "leases are on wall clocks"
	case expiry > now+term+int64(o.MaxOffset):
		return 0, fmt.Sprintf("wall clocks are more than %v apart", o.MaxOffset)
	}
	return expiry + int64(o.MaxOffset), ""
}

// silentUntil is when nothing that was granted before a restart at now can be a valid lease any more.
//
// In rate mode that is as long as if it had been granted at now. In wall mode the clock of the leader may have been
// ahead when it asked and behind when it looks at its lease, and this node's own clock likewise: the latest expiry is
// T after true time plus MaxOffset/2, and so on twice, which makes T + 2·MaxOffset.
func (o *Options) silentUntil(now int64) int64 {
	if o.Lease == LeaseWall {
		return now + int64(o.LeaseTerm) + 2*int64(o.MaxOffset)
	}
	return now + stretch(int64(o.LeaseTerm), o.DriftBound)
}

// stretch is term·(1+drift), rounded up. It is exact for terms up to an hour and drifts up to DriftUnit.
func stretch(term, drift int64) int64 {
	whole, part := term/DriftUnit, term%DriftUnit
	return term + whole*drift + (part*drift+DriftUnit-1)/DriftUnit
}
