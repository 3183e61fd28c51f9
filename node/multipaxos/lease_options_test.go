package multipaxos

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"elenchus/node/protocol"

	"pgregory.net/rapid"
)

func TestLeaseOptions(t *testing.T) {
	ms := time.Millisecond
	for name, c := range map[string]struct {
		opts Options
		want string // part of the problem's text; empty if there is no problem
	}{
		"defaults": {Options{Lease: LeaseRate, Reads: ReadsLease}, ""},
		"wall":     {Options{Lease: LeaseWall, Reads: ReadsLease}, ""},
		"as in 002": {Options{Lease: LeaseRate, LeaseTerm: 30 * time.Second, LeaseRenew: 10 * time.Second,
			ElectionTimeout: 20 * time.Second}, ""},
		"clocks taken for equal": {Options{Lease: LeaseRate, DriftBound: DriftNone}, ""},
		"no lease to read under": {Options{Reads: ReadsLease}, "reads under a lease need one"},
		"unknown mode":           {Options{Lease: 7}, "unknown mode 7"},
		"negative drift":         {Options{Lease: LeaseRate, DriftBound: -2}, "could outlive a grant"},
		"drift above 100 %":      {Options{Lease: LeaseRate, DriftBound: DriftUnit + 1}, "above 100%"},
		"negative offset":        {Options{Lease: LeaseWall, MaxOffset: -ms}, "could outlive a grant"},
		"offset beyond the term": {Options{Lease: LeaseWall, LeaseTerm: 400 * ms, MaxOffset: 400 * ms}, "just begun"},
		"negative term":          {Options{Lease: LeaseRate, LeaseTerm: -ms}, "lease term"},
		"term of a day":          {Options{Lease: LeaseRate, LeaseTerm: 24 * time.Hour}, "lease term"},
		"negative renewal":       {Options{Lease: LeaseRate, LeaseRenew: -ms}, "lease renew"},
		"renewal after the end": {Options{Lease: LeaseRate, LeaseRenew: time.Second, ElectionTimeout: 2 * time.Second},
			"end before it is renewed"},
		"renewal too rare": {Options{Lease: LeaseRate, LeaseRenew: 600 * ms}, "below the election timeout"},
	} {
		opts := c.opts
		opts.Self, opts.Members = 1, []protocol.NodeID{1, 2, 3}
		err := opts.Validate()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
}

func TestLeaseByName(t *testing.T) {
	for _, want := range []Lease{LeaseNone, LeaseRate, LeaseWall} {
		if got, err := ParseLease(want.String()); err != nil || got != want {
			t.Errorf("ParseLease(%q) = %v, %v", want, got, err)
		}
	}
	if _, err := ParseLease("eternal"); err == nil || !strings.Contains(err.Error(), "none, rate, wall") {
		t.Errorf("error does not say what is known: %v", err)
	}
}

// A grant lasts T(1+ε), rounded up: rounding down would slightly violate the bound.
func TestStretchRoundsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		term := rapid.Int64Range(0, int64(leaseTermMax)).Draw(t, "term")
		drift := rapid.Int64Range(0, DriftUnit).Draw(t, "drift")
		want := new(big.Int).Mul(big.NewInt(term), big.NewInt(DriftUnit+drift))
		want.Add(want, big.NewInt(DriftUnit-1)).Div(want, big.NewInt(DriftUnit))
		if got := stretch(term, drift); got != want.Int64() {
			t.Fatalf("stretch(%d, %d) = %d, want %d", term, drift, got, want)
		}
	})
}

// A granter with a different configuration refuses a request rather than honour a lease for less time than the leader
// counts on.
func TestGrantersRefuseOtherConfigurations(t *testing.T) {
	term := int64(time.Second)
	rate, wall := Options{Lease: LeaseRate}.withDefaults(), Options{Lease: LeaseWall}.withDefaults()
	for name, c := range map[string]struct {
		opts         Options
		term, expiry int64
		want         string
	}{
		"rate":                     {rate, term, 0, ""},
		"a shorter term":           {rate, 1, 0, ""},
		"no term":                  {rate, 0, 0, "not within 1s"},
		"longer than its silence":  {rate, term + 1, 0, "not within 1s"},
		"wall clocks, it has none": {rate, term, 5 * term, "monotonic"},
		"wall":                     {wall, term, 6 * term, ""},
		"as far as the bound":      {wall, term, 6*term + int64(100*time.Millisecond), ""},
		"further":                  {wall, term, 6*term + int64(100*time.Millisecond) + 1, "more than 100ms apart"},
		"monotonic, it is on wall": {wall, term, 0, "wall clocks"},
		"leases are off":           {Options{}.withDefaults(), term, 0, "off"},
	} {
		_, reason := c.opts.honourUntil(5*term, c.term, c.expiry)
		if (reason == "") != (c.want == "") || !strings.Contains(reason, c.want) {
			t.Errorf("%s: %q; want %q", name, reason, c.want)
		}
	}
}
