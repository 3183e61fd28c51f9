package system_test

import (
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"elenchus/harness/system"
)

// refusedByTheNode reports whether the node rejects its flags. An invalid log level makes sure that it never
// starts.
func refusedByTheNode(t *testing.T, flags ...string) (refused bool, why string) {
	t.Helper()
	args := slices.Concat([]string{"--id=1", "--cluster=x", "--peers=1=127.0.0.1:1", "--data=/nonexistent",
		"--log-level=none-such"}, flags)
	out, err := exec.Command(binary, args...).CombinedOutput()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 64 {
		t.Fatalf("node with %v: %v\n%s", args, err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool {
		return strings.HasPrefix(l, "--log-level") || strings.HasPrefix(l, "Run elenchus-node")
	})
	return len(lines) > 0, strings.Join(lines, "; ")
}

// What the harness accepts must start, and what the nodes would refuse must be refused by the harness.
func TestTheHarnessRefusesTheLeasesThatTheNodeRefuses(t *testing.T) {
	cases := []struct {
		name     string
		lease    system.Lease
		reads    string
		election time.Duration
		bad      string // part of the error message; empty if valid
	}{
		{"the lab's", system.Lease{}, "lease", 0, ""},
		{"by wall clock", system.Lease{Mode: "wall"}, "lease", 0, ""},
		{"no lease, no lease reads", system.Lease{Mode: "none"}, "quorum", 0, ""},
		{"no drift", system.Lease{DriftBound: "0"}, "lease", 0, ""},
		{"a drift of half", system.Lease{DriftBound: "50%"}, "log", 0, ""},
		{"the finest drift", system.Lease{DriftBound: "0.000000001"}, "lease", 0, ""},
		{"as in the thesis", system.Lease{Term: 30 * time.Second, Renew: 10 * time.Second}, "lease", 15 * time.Second, ""},
		{"lease reads without a lease", system.Lease{Mode: "none"}, "lease", 0, "needs a lease"},
		{"unknown clocks", system.Lease{Mode: "sundial"}, "lease", 0, `"sundial"`},
		{"renewed too late", system.Lease{Term: 200 * time.Millisecond}, "lease", 0, "ends before it is renewed"},
		{"renewed too seldom for followers", system.Lease{}, "lease", 300 * time.Millisecond, "heartbeat"},
		{"a term too long", system.Lease{Term: 2 * time.Hour}, "lease", 0, "--lease-term must"},
		{"a negative term", system.Lease{Term: -time.Second}, "lease", 0, "--lease-term must"},
		{"a negative renewal", system.Lease{Renew: -time.Second}, "lease", 0, "--lease-renew must"},
		{"a negative drift", system.Lease{DriftBound: "-1%"}, "lease", 0, "outlive"},
		{"a drift beyond reason", system.Lease{DriftBound: "1.1"}, "lease", 0, "at most 100%"},
		{"a drift too fine", system.Lease{DriftBound: "0.0000000001"}, "lease", 0, "no finer"},
		{"a drift that is no number", system.Lease{DriftBound: "much"}, "lease", 0, `"much"`},
		{"clocks too far apart", system.Lease{Mode: "wall", MaxOffset: time.Second}, "lease", 0, "cannot tell"},
		{"clocks a negative time apart", system.Lease{Mode: "wall", MaxOffset: -1}, "lease", 0, "must be positive"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			lease := c.lease.WithDefaults()
			err := errors.Join(lease.Problems(c.reads, c.election)...)
			if (err != nil) != (c.bad != "") || err != nil && !strings.Contains(err.Error(), c.bad) {
				t.Errorf("the harness says %v, want %q", err, c.bad)
			}
			flags := append(lease.Flags(), "--reads="+c.reads)
			if c.election > 0 {
				flags = append(flags, "--election-timeout="+c.election.String())
			}
			if refused, why := refusedByTheNode(t, flags...); refused != (c.bad != "") {
				t.Errorf("the node refuses %v: %v %s", flags, refused, why)
			}
		})
	}
}

// Only the harness refuses settings that would silently have no effect.
func TestLeaseSettingsWithoutEffectAreRefused(t *testing.T) {
	for _, l := range []system.Lease{
		{Mode: "rate", MaxOffset: time.Millisecond},
		{Mode: "wall", DriftBound: "1%"},
		{Mode: "none", DriftBound: "1%"},
		{Mode: "none", Term: time.Second},
		{Mode: "none", Renew: time.Second},
	} {
		if problems := l.WithDefaults().Problems("quorum", 0); len(problems) != 1 {
			t.Errorf("%+v: %v, want one problem", l, problems)
		}
	}
}

func TestAllThatIsWrongWithALeaseIsListed(t *testing.T) {
	l := system.Lease{Mode: "rate", Term: -1, Renew: time.Minute, DriftBound: "x", MaxOffset: 1}
	if got := len(l.Problems("lease", 0)); got != 5 {
		t.Errorf("%d problems: %v", got, l.Problems("lease", 0))
	}
}

func TestDriftBoundsAreExact(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1%": 1e7, "0.01": 1e7, "0.1%": 1e6, "50%": 5e8, "1": 1e9, "100%": 1e9, "0.000000001": 1,
	} {
		if got, err := system.ParseDriftBound(text); err != nil || got != want {
			t.Errorf("%s: %d, %v, want %d", text, got, err, want)
		}
	}
}
