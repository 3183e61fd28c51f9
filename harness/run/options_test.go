package run

import (
	"slices"
	"strings"
	"testing"
)

// Reads under a lease need one; what was asked for comes after it, and wins.
func TestReadsUnderALeaseGetOne(t *testing.T) {
	for _, c := range []struct {
		reads       string
		flags, want []string
	}{
		{"quorum", nil, nil},
		{"log", []string{"--window=8"}, []string{"--window=8"}},
		{"lease", nil, []string{"--lease=rate"}},
		{"lease", []string{"--lease=wall"}, []string{"--lease=rate", "--lease=wall"}},
	} {
		o := Options{Reads: c.reads, NodeFlags: c.flags}
		if err := o.Validate(3); err != nil {
			t.Errorf("%s: %v", c.reads, err)
		}
		if got := o.nodeFlags(); !slices.Equal(got, c.want) {
			t.Errorf("flags with reads=%s and %v: %v, want %v", c.reads, c.flags, got, c.want)
		}
	}
	if err := (&Options{Reads: "sometimes"}).Validate(3); err == nil || !strings.Contains(err.Error(), "lease") {
		t.Errorf("unknown reads: %v", err)
	}
}
