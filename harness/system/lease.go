package system

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The modes of leader leases, by the clocks that they are on.
const (
	LeaseNone = "none" // there are no leases
	LeaseRate = "rate" // on monotonic clocks: safe while no clock runs faster than another by more than a bound
	LeaseWall = "wall" // on wall clocks: safe while no two are further apart than a bound
)

// Default leases of a lab. They equal the node's own defaults, and are repeated here so that a run's manifest is
// complete.
const (
	LeaseTermDefault       = time.Second
	LeaseRenewDefault      = 300 * time.Millisecond
	DriftBoundDefault      = "1%"
	MaxOffsetDefault       = 100 * time.Millisecond
	ElectionTimeoutDefault = 600 * time.Millisecond
	heartbeatDefault       = 100 * time.Millisecond
)

// leaseTermMax is the node's limit.
const leaseTermMax = time.Hour

// Lease configures the nodes' leader leases. With an empty Mode the nodes use their own defaults.
type Lease struct {
	Mode  string        // LeaseNone, LeaseRate or LeaseWall
	Term  time.Duration // how long a lease lasts
	Renew time.Duration // how often it is renewed

	// DriftBound is how much faster one clock may run than another, for LeaseRate: a share, "0.01" or "1%".
	DriftBound string
	// MaxOffset is how far apart wall clocks may be, for LeaseWall.
	MaxOffset time.Duration
}

// WithDefaults replaces zeros by a lab's defaults. A bound that the mode does not use stays empty.
func (l Lease) WithDefaults() Lease {
	l.Mode = cmp.Or(l.Mode, LeaseRate)
	if l.Mode == LeaseNone {
		return l
	}
	l.Term = cmp.Or(l.Term, LeaseTermDefault)
	l.Renew = cmp.Or(l.Renew, LeaseRenewDefault)
	if l.Mode == LeaseRate {
		l.DriftBound = cmp.Or(l.DriftBound, DriftBoundDefault)
	}
	if l.Mode == LeaseWall {
		l.MaxOffset = cmp.Or(l.MaxOffset, MaxOffsetDefault)
	}
	return l
}

// Problems lists what is wrong with leases that have their defaults, given the nodes' mode of reads and election
// timeout (zero means the nodes' default). It finds whatever the nodes would refuse at their start, and settings
// without effect. It calls settings by the options of the node's program.
func (l Lease) Problems(reads string, election time.Duration) (problems []error) {
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	if !slices.Contains([]string{LeaseNone, LeaseRate, LeaseWall}, l.Mode) {
		return []error{fmt.Errorf("--lease: there is no %q, but rate (monotonic clocks), wall (wall clocks), none", l.Mode)}
	}
	check(l.Mode == LeaseRate || l.DriftBound == "", "--drift-bound is for leases by rate, and --lease is %s", l.Mode)
	check(l.Mode == LeaseWall || l.MaxOffset == 0, "--max-offset is for leases by wall clock, and --lease is %s",
		l.Mode)
	if l.Mode == LeaseNone {
		check(reads != "lease", "--reads lease needs a lease: choose --lease rate or wall, or --reads quorum or log")
		check(l.Term == 0 && l.Renew == 0, "--lease-term and --lease-renew are for a lease, and --lease is none")
		return problems
	}
	election = cmp.Or(election, ElectionTimeoutDefault)
	check(l.Term > 0 && l.Term <= leaseTermMax, "--lease-term must be more than 0, up to %v, not %v", leaseTermMax,
		l.Term)
	check(l.Renew > 0, "--lease-renew must be positive, not %v", l.Renew)
	check(l.Renew < l.Term, "--lease-renew %v is not below --lease-term %v: a lease always ends before it is renewed",
		l.Renew, l.Term)
	check(l.Renew < election, "--lease-renew %v is not below --election-timeout %v: renewals are the leader's heartbeat",
		l.Renew, election)
	if l.Mode == LeaseRate {
		if _, err := ParseDriftBound(l.DriftBound); err != nil {
			problems = append(problems, err)
		}
		return problems
	}
	check(l.MaxOffset > 0, "--max-offset must be positive, not %v: the leader's lease could outlive a grant",
		l.MaxOffset)
	check(l.MaxOffset < l.Term,
		"--max-offset %v is not below --lease-term %v: such clocks cannot tell whether a lease has ended",
		l.MaxOffset, l.Term)
	return problems
}

// Flags returns the node's flags.
func (l Lease) Flags() []string {
	if l.Mode == "" {
		return nil
	}
	flags := []string{"--lease=" + l.Mode}
	add := func(name string, d time.Duration) {
		if d != 0 {
			flags = append(flags, name+"="+d.String())
		}
	}
	add("--lease-term", l.Term)
	add("--lease-renew", l.Renew)
	add("--max-offset", l.MaxOffset)
	if l.DriftBound != "" {
		flags = append(flags, "--drift-bound="+l.DriftBound)
	}
	return flags
}

// ParseDriftBound parses a drift bound, "0.01" or "1%", into parts per billion.
func ParseDriftBound(text string) (ppb int64, err error) {
	ppb, err = ParseShare(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf("--drift-bound: %w", err)
	case ppb < 0:
		return 0, fmt.Errorf("--drift-bound must not be negative, or the leader's lease could outlive a grant: %q", text)
	case ppb > partsPerUnit:
		return 0, fmt.Errorf("--drift-bound must be at most 100%%, not %q", text)
	}
	return ppb, nil
}

const partsPerUnit = 1_000_000_000

// ParseShare parses a share, "0.01" or "1%", into parts per billion. Like the node it is exact: a finer value is an
// error.
func ParseShare(text string) (ppb int64, err error) {
	number, percent := strings.CutSuffix(text, "%")
	places := 9
	if percent {
		places = 7
	}
	digits, negative := strings.CutPrefix(number, "-")
	whole, fraction, point := strings.Cut(digits, ".")
	bad := whole == "" || point && fraction == "" || len(fraction) > places || strings.ContainsAny(digits, "+-_")
	if !bad {
		ppb, err = strconv.ParseInt(whole+fraction+strings.Repeat("0", places-len(fraction)), 10, 64)
	}
	if bad || err != nil {
		return 0, fmt.Errorf("%q is no share like 0.01 or 1%%, no finer than 10^-9", text)
	}
	if negative {
		ppb = -ppb
	}
	return ppb, nil
}
