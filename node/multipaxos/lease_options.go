package multipaxos

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"elenchus/node/clock"
)

// Lease selects leader leases and the clocks they use (protocols.md §2, 002 §4.3.2-4.3.4).
type Lease uint8

// Lease modes.
const (
	// LeaseNone turns leases off.
	LeaseNone Lease = iota
	// LeaseRate puts leases on monotonic clocks. It is safe while no clock runs faster than another by more than
	// DriftBound, whatever their offsets (002 §4.3.4, after Liskov).
	LeaseRate
	// LeaseWall uses absolute times on wall clocks. It is safe while every wall clock is within half of MaxOffset of true
	// time, so that no two differ by more than MaxOffset (002 §2.2).
	LeaseWall
)

var leaseNames = [...]string{"none", "rate", "wall"}

// String returns the name of the mode, as accepted by [ParseLease].
func (l Lease) String() string {
	if int(l) < len(leaseNames) {
		return leaseNames[l]
	}
	return fmt.Sprintf("lease(%d)", uint8(l))
}

// ParseLease returns the mode with the given name: none, rate or wall.
func ParseLease(name string) (Lease, error) {
	if i := slices.Index(leaseNames[:], name); i >= 0 {
		return Lease(i), nil
	}
	return 0, fmt.Errorf("unknown lease %q: want one of %s", name, strings.Join(leaseNames[:], ", "))
}

const (
	// DriftUnit is a drift of 100 %. Drift bounds are in parts per billion.
	DriftUnit = 1_000_000_000

	// DriftNone is the drift bound of clocks assumed to run at exactly the same rate.
	DriftNone = -1

	// leaseTermMax keeps lease arithmetic far from overflow.
	leaseTermMax = time.Hour
)

// leaseDefaults sets the defaults of the lease options that are zero.
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

// checkLease reports problems with the lease options. Defaults have been applied, so DriftNone is already zero and a
// negative drift bound is an error.
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

// leaseClock returns the reading of the clock that leases are on, in nanoseconds.
func (o *Options) leaseClock(r clock.Reading) int64 {
	if o.Lease == LeaseWall {
		return r.Wall
	}
	return int64(r.Mono)
}

// honourUntil returns the deadline, on the granter's own clock, until which it must take part in no other ballot. No
// holder's lease outlives it while clocks are within their bound. now is the granter's reading when it grants. If
// nothing can be granted, reason says why.
//
// In rate mode the deadline is now + T(1+ε), rounded up: by then every clock has advanced by T since now, and the
// leader counts its T from an earlier instant. In wall mode it is expiry + MaxOffset: by then the leader's clock has
// reached expiry.
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

// silentUntil returns when no lease granted before a restart at now can be valid any more.
//
// In rate mode this is as if a lease had been granted at now. In wall mode the leader's clock may have been ahead when
// it asked and behind when it checks its lease, and this node's own clock likewise. Each of these four errors is at
// most MaxOffset/2, so the total is T + 2·MaxOffset.
func (o *Options) silentUntil(now int64) int64 {
	if o.Lease == LeaseWall {
		return now + int64(o.LeaseTerm) + 2*int64(o.MaxOffset)
	}
	return now + stretch(int64(o.LeaseTerm), o.DriftBound)
}

// stretch returns term·(1+drift), rounded up. It is exact for terms up to an hour and drifts up to DriftUnit.
func stretch(term, drift int64) int64 {
	whole, part := term/DriftUnit, term%DriftUnit
	return term + whole*drift + (part*drift+DriftUnit-1)/DriftUnit
}
