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

// Reads says how reads are answered (protocols.md §2).
type Reads uint8

// The ways to read.
const (
	// ReadsQuorum: the leader confirms its ballot with one round to a majority and answers from its state.
	ReadsQuorum Reads = iota
	// ReadsLog: through the log, like a write.
	ReadsLog
	// ReadsLocal: whatever this replica has applied, without any check. Knowingly stale, for demonstration.
	ReadsLocal
	// ReadsLease: the leader answers from its state while its lease is valid, without asking anybody.
	ReadsLease
)

var readsNames = [...]string{"quorum", "log", "local", "lease"}

// String is the name that [ParseReads] understands.
func (r Reads) String() string {
	if int(r) < len(readsNames) {
		return readsNames[r]
	}
	return fmt.Sprintf("reads(%d)", uint8(r))
}

// ParseReads finds the way to read of that name: quorum, log, local or lease.
func ParseReads(name string) (Reads, error) {
	if i := slices.Index(readsNames[:], name); i >= 0 {
		return Reads(i), nil
	}
	return 0, fmt.Errorf("unknown way to read %q: want one of %s", name, strings.Join(readsNames[:], ", "))
}

// Ballots says where the round of a new ballot comes from.
type Ballots uint8

// The sources of rounds.
const (
	// BallotsCounter: one above the highest round that this node has seen or used. What it used is in its log before
	// anybody hears of it, so no incarnation uses a round again. (002 takes the round from the system clock, which can be
	// set back.)
	BallotsCounter Ballots = iota
)

var ballotsNames = [...]string{"counter"}

// String is the name that [ParseBallots] understands.
func (b Ballots) String() string {
	if int(b) < len(ballotsNames) {
		return ballotsNames[b]
	}
	return fmt.Sprintf("ballots(%d)", uint8(b))
}

// ParseBallots finds the source of rounds of that name: counter.
func ParseBallots(name string) (Ballots, error) {
	if i := slices.Index(ballotsNames[:], name); i >= 0 {
		return Ballots(i), nil
	}
	return 0, fmt.Errorf("unknown source of ballots %q: want %s", name, strings.Join(ballotsNames[:], ", "))
}

// WindowMax is the largest window. An acceptor refuses slots further than that above the proposer's committed prefix.
const WindowMax = 1 << 16

// Options configure a [Machine]. Self and Members are required; every other zero means the default beside it. The
// defaults are a profile for a lab, where round trips take milliseconds.
type Options struct {
	// Self is this node, one of Members. All members are configured with the same set, in any order.
	Self    protocol.NodeID
	Members []protocol.NodeID

	// Reads is how reads are answered; the zero value is ReadsQuorum.
	Reads Reads

	// ElectionTimeout is how long a follower hears nothing from a leader before it campaigns (600 ms); a leader that no
	// majority answers for twice as long steps down, unless its lease is valid. HeartbeatInterval is how often a leader
	// makes itself heard (100 ms). It must be the shorter one; with less than a factor of three every lost message costs
	// an election.
	ElectionTimeout   time.Duration
	HeartbeatInterval time.Duration

	// Jitter stretches election timeouts and back-offs by a random share of up to this much: 1 makes them last up to
	// twice as long. Zero means 1; negative means none at all, with which duelling proposers may duel for ever.
	Jitter float64

	// BackoffMin and BackoffMax bound the pause before the next campaign of a node that lost one: it doubles with every
	// loss (150 ms … 2.4 s).
	BackoffMin time.Duration
	BackoffMax time.Duration

	// NoPreVote makes a node campaign without asking first whether a majority would take part. It then deposes a leader
	// that it alone does not hear.
	NoPreVote bool

	// Ballots is where the rounds of ballots come from; the zero value is BallotsCounter.
	Ballots Ballots

	// PromiseGrace is how long a candidate with a majority of promises waits for those of the others, so as to learn of
	// more accepted values at once (000, "problems faced"). Zero is off.
	PromiseGrace time.Duration

	// RetryInterval is when a Prepare, Accept or Catchup that was not answered is sent again (200 ms), and after twice as
	// long each time, up to 4 times that, a Catchup up to 16 times.
	RetryInterval time.Duration

	// FirstBallotShortcut lets the member with the lowest number lead a cluster that starts for the first time at once,
	// in the lowest ballot and without phase 1 (protocols.md §2). It must be off when that member starts again after its
	// data was lost: with an empty disk it would use the same ballot for other values.
	FirstBallotShortcut bool

	// Window is the number of slots a leader may have outstanding above its committed prefix (64).
	Window int

	// BatchMax is the number of commands in one slot (128); BatchBytes is the size from which on no more are added
	// (1 MiB).
	BatchMax   int
	BatchBytes int

	// CatchupChunk is the number of entries in one answer to a node that lags, and in one page of a promise (256);
	// CatchupBytes is the size from which on no more are added to those, and to an Accept (1 MiB).
	CatchupChunk int
	CatchupBytes int

	// PendingMax is the number of requests that may wait for an answer (8192), this node's own and forwarded ones. Any
	// more fail at once.
	PendingMax int

	// SessionsMax is the size of the session table, as in register.Options. It must be equal on all nodes.
	SessionsMax int

	// Lease is the mode of leader leases; the zero value is LeaseNone. With leases on, renewals are the heartbeats, and
	// HeartbeatInterval is not used.
	Lease Lease

	// LeaseTerm is how long a lease lasts (1 s; 002 has 30 s), and LeaseRenew how often it is renewed (300 ms; 002 has
	// 10 s). The term must be equal on all nodes; whoever lowers it stops all nodes for the old term, since a restarted
	// granter is silent for the term it is configured with.
	LeaseTerm  time.Duration
	LeaseRenew time.Duration

	// DriftBound is ε of the rate mode: by how much more than T any clock may advance while another advances by T, in
	// parts per billion. Zero means 1 %; DriftNone means none.
	DriftBound int64

	// MaxOffset is the bound of the wall mode: by how much any two wall clocks may differ (100 ms).
	MaxOffset time.Duration

	// A snapshot is taken after SnapshotEntries slots were applied since the last one (10,000), or when the entries that
	// were recorded since have SnapshotBytes (64 MiB); SnapshotOff turns either off. Then the log drops what the snapshot
	// covers, but for the last SnapshotKeep entries, which spare a peer that lags a little the whole snapshot (a tenth of
	// SnapshotEntries; SnapshotOff keeps none). Of those no more are kept than half of SnapshotBytes. SnapshotChunk is
	// how many bytes of a snapshot go into one message (1 MiB).
	//
	// Making a snapshot stops the machine for about half a microsecond per register and session, installing one for about
	// a microsecond: with a million of them take snapshots rarely, or be patient with leaders. A node holds the bytes of
	// its latest snapshot in memory, beside the state itself, and those of an older one while a peer fetches it.
	SnapshotEntries int
	SnapshotBytes   int
	SnapshotKeep    int
	SnapshotChunk   int

	// Seed is where the machine's random choices come from. A driver passes a different one to every incarnation; equal
	// options, inputs and readings give equal effects.
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
	for i, id := range o.Members { // in ascending order
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

// checkTimes finds problems with timeouts. The options have their defaults.
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
	if !(o.Jitter <= 10) { // nor is it a number, then
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
