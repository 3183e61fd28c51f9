package multipaxos

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"elenchus/node/protocol"
	"elenchus/node/register"
)

// Reads selects how reads are served (protocols.md §2).
type Reads uint8

// Read modes.
const (
	// ReadsQuorum makes the leader confirm its ballot with one round to a majority, then answer from its state.
	ReadsQuorum Reads = iota
	// ReadsLog sends reads through the log, like writes.
	ReadsLog
	// ReadsLocal answers from this replica's applied state without any check. It is stale by design, for demonstration.
	ReadsLocal
	// ReadsLease makes the leader answer from its state while its lease is valid, without contacting any other node.
	ReadsLease
)

var readsNames = [...]string{"quorum", "log", "local", "lease"}

// String returns the name of the read mode, as accepted by [ParseReads].
func (r Reads) String() string {
	if int(r) < len(readsNames) {
		return readsNames[r]
	}
	return fmt.Sprintf("reads(%d)", uint8(r))
}

// ParseReads returns the read mode with the given name: quorum, log, local or lease.
func ParseReads(name string) (Reads, error) {
	if i := slices.Index(readsNames[:], name); i >= 0 {
		return Reads(i), nil
	}
	return 0, fmt.Errorf("unknown way to read %q: want one of %s", name, strings.Join(readsNames[:], ", "))
}

// Ballots selects the source of the round of a new ballot.
type Ballots uint8

// Sources of rounds.
const (
	// BallotsCounter uses one above the highest round that this node has seen or used. Used rounds are durable before any
	// other node sees them, so no incarnation reuses one. (002 takes the round from the system clock, which can be set
	// back.)
	BallotsCounter Ballots = iota
)

var ballotsNames = [...]string{"counter"}

// String returns the name of the source, as accepted by [ParseBallots].
func (b Ballots) String() string {
	if int(b) < len(ballotsNames) {
		return ballotsNames[b]
	}
	return fmt.Sprintf("ballots(%d)", uint8(b))
}

// ParseBallots returns the source of rounds with the given name: counter.
func ParseBallots(name string) (Ballots, error) {
	if i := slices.Index(ballotsNames[:], name); i >= 0 {
		return Ballots(i), nil
	}
	return 0, fmt.Errorf("unknown source of ballots %q: want %s", name, strings.Join(ballotsNames[:], ", "))
}

// WindowMax is the largest window. An acceptor ignores proposals for slots further than that above the proposer's
// committed prefix.
const WindowMax = 1 << 16

// Options configures a [Machine]. Self and Members are required; every other field defaults to the value in parentheses
// if zero. The defaults suit a lab in which round trips take milliseconds.
type Options struct {
	// Self is this node, one of Members. All members are configured with the same set, in any order.
	Self    protocol.NodeID
	Members []protocol.NodeID

	// Reads is the read mode; the zero value is ReadsQuorum.
	Reads Reads

	// ElectionTimeout is how long a follower waits without hearing from a leader before it campaigns (600 ms). A leader
	// that no majority answers for twice as long steps down, unless its lease is valid. HeartbeatInterval is the time
	// between a leader's heartbeats (100 ms). It must be below ElectionTimeout; if the factor is less than three, every
	// lost message costs an election.
	ElectionTimeout   time.Duration
	HeartbeatInterval time.Duration

	// Jitter extends election timeouts and back-offs by a random fraction of up to this much: with 1 they last up to twice
	// as long. Zero means 1; negative means no jitter, in which case duelling proposers may duel for ever.
	Jitter float64

	// BackoffMin and BackoffMax bound the delay before the next campaign of a node that lost one; it doubles with every
	// loss (150 ms … 2.4 s).
	BackoffMin time.Duration
	BackoffMax time.Duration

	// NoPreVote makes a node campaign without first asking whether a majority would take part. A node that alone does not
	// hear the leader then deposes it.
	NoPreVote bool

	// Ballots is the source of ballot rounds; the zero value is BallotsCounter.
	Ballots Ballots

	// PromiseGrace is how long a candidate with a majority of promises waits for the remaining ones, in order to learn of
	// more accepted values at once (000, "problems faced"). Zero turns it off.
	PromiseGrace time.Duration

	// RetryInterval is the time after which an unanswered Prepare, Accept or Catchup is resent (200 ms). It doubles with
	// each retransmission, up to 4 times RetryInterval, or 16 times for a Catchup.
	RetryInterval time.Duration

	// FirstBallotShortcut lets the member with the lowest id lead a new cluster immediately, in the lowest ballot and
	// without phase 1 (protocols.md §2). It must be off when that member restarts after losing its data: with an empty
	// disk it would reuse the ballot for other values.
	FirstBallotShortcut bool

	// Window is the number of slots a leader may have outstanding above its committed prefix (64).
	Window int

	// BatchMax is the maximum number of commands in one slot (128). BatchBytes is the size at which a batch is closed (1
	// MiB).
	BatchMax   int
	BatchBytes int

	// CatchupChunk is the maximum number of entries in one answer to a lagging node and in one page of a promise (256).
	// CatchupBytes is the size at which these messages, and an Accept, are closed (1 MiB).
	CatchupChunk int
	CatchupBytes int

	// PendingMax is the maximum number of unanswered requests, this node's own plus forwarded ones (8192). Requests beyond
	// it fail at once.
	PendingMax int

	// SessionsMax is the size of the session table, as in register.Options. It must be the same on all nodes.
	SessionsMax int

	// Lease is the lease mode; the zero value is LeaseNone. With leases on, renewals serve as heartbeats and
	// HeartbeatInterval is not used.
	Lease Lease

	// LeaseTerm is the duration of a lease (1 s; 002 has 30 s), and LeaseRenew the time between renewals (300 ms; 002 has
	// 10 s). The term must be the same on all nodes. To lower it, stop all nodes for the old term first, because a
	// restarted granter is silent only for its configured term.
	LeaseTerm  time.Duration
	LeaseRenew time.Duration

	// DriftBound is ε of the rate mode, in parts per billion: while one clock advances by T, no other advances by more
	// than T(1+ε). Zero means 1 %; DriftNone means no drift.
	DriftBound int64

	// MaxOffset is the bound of the wall mode: the most by which any two wall clocks may differ (100 ms).
	MaxOffset time.Duration

	// A snapshot is taken once SnapshotEntries slots have been applied since the last one (10,000), or once the entries
	// recorded since amount to SnapshotBytes (64 MiB); SnapshotOff disables either trigger. The log then drops the covered
	// entries except for the last SnapshotKeep, which spare a slightly lagging peer the whole snapshot (a tenth of
	// SnapshotEntries; SnapshotOff keeps none). The entries kept amount to at most half of SnapshotBytes. SnapshotChunk is
	// the number of snapshot bytes in one message (1 MiB).
	//
	// Taking a snapshot blocks the machine for about half a microsecond per register and session, installing one for about
	// a microsecond. With a million of them, take snapshots rarely or choose longer election timeouts. A node holds its
	// latest snapshot in memory besides the state itself, and an older one while a peer is fetching it.
	SnapshotEntries int
	SnapshotBytes   int
	SnapshotKeep    int
	SnapshotChunk   int

	// Seed seeds the machine's random choices. A driver passes a different seed to every incarnation. Equal options,
	// inputs and clock readings give equal effects.
	Seed uint64
}

func (o Options) withDefaults() Options {
	o.Members = slices.Clone(o.Members)
	slices.Sort(o.Members)
	durations := []struct {
		field *time.Duration
		value time.Duration
	}{
		{&o.ElectionTimeout, 600 * time.Millisecond},
		{&o.HeartbeatInterval, 100 * time.Millisecond},
		{&o.BackoffMin, 150 * time.Millisecond},
		{&o.BackoffMax, 2400 * time.Millisecond},
		{&o.RetryInterval, 200 * time.Millisecond},
	}
	for _, d := range durations {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	numbers := []struct {
		field *int
		value int
	}{
		{&o.Window, 64},
		{&o.BatchMax, 128}, {&o.BatchBytes, 1 << 20},
		{&o.CatchupChunk, 256}, {&o.CatchupBytes, 1 << 20},
		{&o.PendingMax, 8192},
	}
	for _, n := range numbers {
		if *n.field == 0 {
			*n.field = n.value
		}
	}
	o.leaseDefaults()
	o.snapshotDefaults()
	switch {
	case o.Jitter == 0:
		o.Jitter = 1
	case o.Jitter < 0:
		o.Jitter = 0
	}
	return o
}

// Validate returns every problem with the options, joined, or nil.
func (o Options) Validate() error {
	o = o.withDefaults()
	var problems []error
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if n := len(o.Members); n < 1 || n > protocol.NodesMax {
		add("members: %d nodes; want 1 to %d", n, protocol.NodesMax)
	}
	for i, id := range o.Members { // sorted by withDefaults
		if i > 0 && id == o.Members[i-1] {
			add("members: %v has duplicates", o.Members)
			break
		}
	}
	if slices.Contains(o.Members, 0) {
		add("members: zero is nobody")
	}
	if !slices.Contains(o.Members, o.Self) {
		add("self: %v is not among the members %v", o.Self, o.Members)
	}
	if int(o.Reads) >= len(readsNames) {
		add("reads: unknown way %d", o.Reads)
	}
	if int(o.Ballots) >= len(ballotsNames) {
		add("ballots: unknown source %d", o.Ballots)
	}
	o.checkTimes(add)
	o.checkLease(add)
	o.checkSnapshots(add)
	within := func(name string, v, limit int) {
		if v < 1 || v > limit {
			add("%s: %d; want 1 to %d", name, v, limit)
		}
	}
	within("window", o.Window, WindowMax)
	within("batch max", o.BatchMax, protocol.BatchCommandsMax)
	within("batch bytes", o.BatchBytes, protocol.EntriesBytesMax)
	within("catch-up chunk", o.CatchupChunk, protocol.EntriesMax)
	within("catch-up bytes", o.CatchupBytes, protocol.EntriesBytesMax)
	within("pending max", o.PendingMax, 1<<20)
	if err := (register.Options{SessionsMax: o.SessionsMax}).Validate(); err != nil {
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// checkTimes reports problems with the timeouts. Defaults have been applied.
func (o *Options) checkTimes(add func(format string, args ...any)) {
	notNegative := func(name string, d time.Duration) {
		if d < 0 {
			add("%s: %v is negative", name, d)
		}
	}
	notNegative("election timeout", o.ElectionTimeout)
	notNegative("heartbeat interval", o.HeartbeatInterval)
	if o.HeartbeatInterval >= o.ElectionTimeout {
		add("heartbeat interval: %v is not below the election timeout %v", o.HeartbeatInterval, o.ElectionTimeout)
	}
	if !(o.Jitter <= 10) { // also catches NaN
		add("jitter: %v is above 10", o.Jitter)
	}
	if o.BackoffMin <= 0 || o.BackoffMax < o.BackoffMin {
		add("back-off: %v … %v is no range", o.BackoffMin, o.BackoffMax)
	}
	notNegative("promise grace", o.PromiseGrace)
	if o.PromiseGrace > o.ElectionTimeout/2 {
		add("promise grace: %v is more than half of the election timeout %v: while a candidate waits it is not heard, "+
			"and the others would campaign against it", o.PromiseGrace, o.ElectionTimeout)
	}
	notNegative("retry interval", o.RetryInterval)
}
