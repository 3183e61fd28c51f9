package multipaxos

import (
	"strings"
	"testing"
	"time"

	"elenchus/node/protocol"
	"elenchus/node/register"
)

func TestOptionsListAllProblems(t *testing.T) {
	good := Options{Self: 2, Members: []protocol.NodeID{3, 1, 2}}
	if err := good.Validate(); err != nil {
		t.Fatalf("defaults: %v", err)
	}
	bad := Options{
		Self: 9, Members: []protocol.NodeID{1, 1, 0}, Reads: 7, ElectionTimeout: -1, HeartbeatInterval: time.Hour,
		Jitter: 11, BackoffMin: time.Second, BackoffMax: time.Millisecond, PromiseGrace: -1, Ballots: 7, RetryInterval: -1,
		Window: WindowMax + 1, BatchMax: -1, BatchBytes: -1, CatchupChunk: 1 << 30, CatchupBytes: -1, PendingMax: -1,
		SessionsMax: -1, SnapshotEntries: -2, SnapshotBytes: -2, SnapshotKeep: -2, SnapshotChunk: 1 << 30,
	}
	err := bad.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, problem := range []string{
		"duplicates", "nobody", "not among", "reads", "election timeout", "heartbeat interval", "jitter", "back-off",
		"promise grace", "ballots", "retry interval", "window", "batch max", "batch bytes", "catch-up chunk",
		"catch-up bytes", "pending max", "sessions max", "snapshot entries", "snapshot bytes", "snapshot keep",
		"snapshot chunk",
	} {
		if !strings.Contains(err.Error(), problem) {
			t.Errorf("%q is not among the problems:\n%v", problem, err)
		}
	}
	if _, err := New(bad, protocol.Recovered{}); err == nil {
		t.Error("New accepts them")
	}
}

func TestSnapshotOptions(t *testing.T) {
	for _, c := range []struct {
		entries, bytes, keep int
		want                 Options // with defaults; zero means off
		problem              string
	}{
		{0, 0, 0, Options{SnapshotEntries: 10_000, SnapshotBytes: 64 << 20, SnapshotKeep: 1000}, ""},
		{5, 0, 0, Options{SnapshotEntries: 5, SnapshotBytes: 64 << 20}, ""},
		{5, SnapshotOff, 5, Options{SnapshotEntries: 5, SnapshotKeep: 5}, ""},
		{SnapshotOff, 100, 0, Options{SnapshotBytes: 100, SnapshotKeep: 1000}, ""},
		{SnapshotOff, SnapshotOff, 0, Options{}, ""},
		{SnapshotOff, SnapshotOff, SnapshotOff, Options{}, ""},
		{100, 0, SnapshotOff, Options{SnapshotEntries: 100, SnapshotBytes: 64 << 20}, ""},
		{5, 0, 6, Options{}, "would rewrite more entries than it replaces"},
		{SnapshotOff, SnapshotOff, 1, Options{}, "snapshots of which there are none"},
		{-7, 0, 0, Options{}, "-1 turns it off"},
	} {
		o := Options{
			Self: 1, Members: []protocol.NodeID{1}, SnapshotEntries: c.entries, SnapshotBytes: c.bytes, SnapshotKeep: c.keep,
		}
		err := o.Validate()
		if c.problem != "" {
			if err == nil || !strings.Contains(err.Error(), c.problem) {
				t.Errorf("%d, %d, %d: %v; want %q", c.entries, c.bytes, c.keep, err, c.problem)
			}
			continue
		}
		o = o.withDefaults()
		if err != nil || o.SnapshotEntries != c.want.SnapshotEntries || o.SnapshotBytes != c.want.SnapshotBytes ||
			o.SnapshotKeep != c.want.SnapshotKeep || o.SnapshotChunk != 1<<20 {
			t.Errorf("%d, %d, %d: %v, %d, %d, %d", c.entries, c.bytes, c.keep, err, o.SnapshotEntries, o.SnapshotBytes,
				o.SnapshotKeep)
		}
	}
}

func TestReadsByName(t *testing.T) {
	for _, want := range []Reads{ReadsQuorum, ReadsLog, ReadsLocal, ReadsLease} {
		if got, err := ParseReads(want.String()); err != nil || got != want {
			t.Errorf("ParseReads(%q) = %v, %v", want, got, err)
		}
	}
	if _, err := ParseReads("psychic"); err == nil || !strings.Contains(err.Error(), "quorum, log, local") {
		t.Errorf("error does not say what is known: %v", err)
	}
}

// A candidate that waits for more promises than it needs must finish before the others time out.
func TestPromiseGraceFitsIntoAnElection(t *testing.T) {
	for grace, ok := range map[time.Duration]bool{
		0: true, 300 * time.Millisecond: true, 301 * time.Millisecond: false, 600 * time.Millisecond: false,
		time.Hour: false,
	} {
		err := (Options{Self: 1, Members: []protocol.NodeID{1}, PromiseGrace: grace}).Validate()
		if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "half of the election timeout 600ms") {
			t.Errorf("grace of %v: %v", grace, err)
		}
	}
}

func TestBallotsByName(t *testing.T) {
	if got, err := ParseBallots(BallotsCounter.String()); err != nil || got != BallotsCounter {
		t.Errorf("ParseBallots = %v, %v", got, err)
	}
	if _, err := ParseBallots("clock"); err == nil || !strings.Contains(err.Error(), "want counter") {
		t.Errorf("error does not say what is known: %v", err)
	}
}

func TestNewRefusesContradictions(t *testing.T) {
	opts := Options{Self: 1, Members: []protocol.NodeID{1, 2, 3}}
	for name, rec := range map[string]protocol.Recovered{
		"hole in the committed prefix": {Committed: 2, Entries: map[protocol.Slot]protocol.Entry{2: {Slot: 2}}},
		"entry under another slot":     {Entries: map[protocol.Slot]protocol.Entry{2: {Slot: 3}}},
		"slot zero":                    {Entries: map[protocol.Slot]protocol.Entry{0: {}}},
		"snapshot of nothing":          {Snapshot: &protocol.Snapshot{Slot: 3, State: []byte("?")}},
		"hole behind the snapshot": {
			Snapshot: &protocol.Snapshot{Slot: 3, State: new(register.Store).Snapshot()}, Committed: 5,
			Entries: map[protocol.Slot]protocol.Entry{3: {Slot: 3}, 5: {Slot: 5}},
		},
	} {
		if _, err := New(opts, rec); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
