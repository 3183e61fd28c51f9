package history

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Kinds of observations known to checkers and reports. Nodes may write others.
const (
	ObservedPromised  = "ballot"    // Ballot is now the highest that the node has promised
	ObservedCampaign  = "campaign"  // the node campaigns in Ballot
	ObservedElected   = "elected"   // the node leads Ballot
	ObservedDeposed   = "deposed"   // the node stopped leading Ballot; Reason says why
	ObservedChosen    = "chosen"    // Slot is known to be chosen
	ObservedApplied   = "applied"   // the commands IDs, chosen in Slot, were applied
	ObservedCaughtUp  = "caught-up" // the node learned First…Slot from Peer
	ObservedServed    = "served"    // the node served a read from its state after Slot
	ObservedRecovered = "recovered" // the node started
	ObservedClock     = "clock"     // this incarnation counts Mono from Origin
	ObservedEnded     = "ended"     // its process is gone; Reason says why. Only a simulator can write that

	// Leases. A leader holds one from the line that says so until its last Until, or until it is lost or given up;
	// the end of its incarnation ends it too. A granter honours one from when it granted, or started silent, until
	// its last Until, or until it is freed; a leader honours the lease that it holds, without a line of its own.
	ObservedLeaseAsked    = "lease-asked"    // the leader of Ballot asked all nodes for a lease from Since until Until
	ObservedLeaseHeld     = "lease-held"     // the leader of Ballot holds it until Until, and held none just before
	ObservedLeaseRenewed  = "lease-renewed"  // the leader of Ballot holds it until Until, longer than before
	ObservedLeaseLost     = "lease-lost"     // the lease of Ballot expired at Until, which was noticed now
	ObservedLeaseForsaken = "lease-forsaken" // the leader of Ballot gave up what it held until Until; Reason says why
	ObservedLeaseGranted  = "lease-granted"  // the node takes part in no ballot other than Ballot, of Peer, until Until
	ObservedLeaseFreed    = "lease-freed"    // Peer, the leader of Ballot, released the node from its grant
	ObservedLeaseRefused  = "lease-refused"  // the node refused Peer participation in Ballot, or a lease; Reason says why
	ObservedLeaseSilence  = "lease-silence"  // after a restart the node grants and promises nothing until Until

	// Messages that leave a node, as the driver of the protocol writes them. What they say is in Sent. The lines about
	// promises and leases are written before these leave; a kill can leave the last votes without theirs.
	ObservedTraced       = "traced"           // from here on this incarnation writes down the messages that leave it
	ObservedStopped      = "stopped"          // this incarnation ended in good order: none of its lines is missing
	ObservedSentPrepare  = "sent-prepare"     // phase 1a of Ballot, for slots from First on
	ObservedSentPromise  = "sent-promise"     // phase 1b of Ballot: all that the node accepted in First…Slot
	ObservedSentAccept   = "sent-accept"      // phase 2a of Ballot for First…Slot
	ObservedSentAccepted = "sent-accepted"    // phase 2b of Ballot for First…Slot
	ObservedSentAsk      = "sent-lease-ask"   // the leader of Ballot asks for the lease
	ObservedSentGrant    = "sent-lease-grant" // the node grants the lease of Ballot

	ObservedSnapshotTaken     = "snapshot-taken"     // a snapshot of the slots up to Slot is on the node's disk
	ObservedSnapshotSent      = "snapshot-sent"      // a snapshot was sent to Peer completely
	ObservedSnapshotInstalled = "snapshot-installed" // the node learned First…Slot from a snapshot of Peer
	ObservedSnapshotRestored  = "snapshot-restored"  // the node started from the snapshot on its disk
	ObservedSnapshotRefused   = "snapshot-refused"   // a snapshot was rejected; Reason says why
)

// Observation is one line that a node wrote about itself: evidence in addition to the history, on the node's own
// clocks.
type Observation struct {
	Mono   time.Duration // the node's monotonic clock; comparable within one boot
	Wall   time.Time     // the node's wall clock
	Boot   string        // identifies the incarnation: it changes with every start of the process
	Node   string
	Kind   string
	Ballot string
	First  uint64
	Slot   uint64
	Peer   string
	IDs    []string // "client:seq" of each command, "-" for one without a session
	Ops    []Update // the same commands, if the node reports what they do
	Value  Digest   // of the same commands; zero if the node does not say
	State  Digest   // of the node's registers and sessions after the same commands; zero if the node does not say
	Reason string
	Sent   *Sent // what a message says that leaves the node; nil for other lines

	// Lease is the clock that a lease is on, and Since and Until are its term: "rate" is the monotonic clock,
	// "wall" the wall clock, and empty means that the line is not about a lease. A missing moment is zero.
	Lease        string
	Since, Until Moment

	// Origin is what the host's monotonic clock showed when Mono was zero, in nanoseconds: ObservedClock only.
	Origin int64

	// True is when it was, since the run began, where somebody knows: in a simulator. Else it is zero.
	True time.Duration
}

// Digest stands for the content of a slot: equal commands have equal digests. A node writes it in hex.
type Digest uint64

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *Digest) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 16, 64)
	if err != nil {
		return fmt.Errorf("want a digest in hex, not %s", quoteStart(text))
	}
	*d = Digest(n)
	return nil
}

// Sent is what a message says that leaves a node, besides its ballot and slots.
type Sent struct {
	Seq       uint64     // of the heartbeat that asks for a lease, or that is answered
	Committed uint64     // a promise: slots up to this one are known to be chosen, and not reported
	Values    []Digest   // an accept: what is proposed in each slot
	Entries   []Accepted // a promise: what is reported
}

// Accepted is what a node has accepted in a slot.
type Accepted struct {
	Slot   uint64 `json:"slot"`
	Ballot string `json:"ballot"`
	Value  Digest `json:"value"`
}

// Update is a command as a node applied it.
type Update struct {
	Op    string `json:"op"`
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Moment is a time on both clocks of a node. A node records it on the clock of the lease; the reading of the other
// clock is derived from the line's readings of both, assuming that neither is set or changes its rate in between.
type Moment struct {
	Mono time.Duration
	Wall time.Time
}

// IsZero reports whether there is no moment.
func (m Moment) IsZero() bool { return m == Moment{} }

// moment converts nanoseconds on the clock of the lease.
func (l *observationLine) moment(at int64) Moment {
	here := l.Mono
	if l.Lease == "wall" {
		here = l.Wall
	}
	if at == 0 || l.Lease == "" {
		return Moment{}
	}
	return Moment{Mono: time.Duration(l.Mono + at - here), Wall: time.Unix(0, l.Wall+at-here).UTC()}
}

type observationLine struct {
	Mono   int64    `json:"mono_ns"`
	Wall   int64    `json:"wall_ns"`
	Boot   label    `json:"boot"`
	Node   label    `json:"node"`
	Kind   string   `json:"kind"`
	Ballot label    `json:"ballot"`
	First  uint64   `json:"first"`
	Slot   uint64   `json:"slot"`
	Peer   label    `json:"peer"`
	IDs    []string `json:"ids"`
	Ops    []Update `json:"ops"`
	Reason string   `json:"reason"`
	Count  uint64   `json:"count"`
	Lease  string   `json:"lease"`
	Since  int64    `json:"since_ns"`
	Until  int64    `json:"until_ns"`
	True   int64    `json:"true_ns"`
	Origin int64    `json:"origin_ns"`
	Value  Digest   `json:"value"`
	State  Digest   `json:"state"`

	Seq       uint64     `json:"seq"`
	Committed uint64     `json:"committed"`
	Values    []Digest   `json:"values"`
	Entries   []Accepted `json:"entries"`
}

// sent is what the line says of a message; nil if it is about none.
func (l *observationLine) sent() *Sent {
	if !strings.HasPrefix(l.Kind, sentPrefix) {
		return nil
	}
	return &Sent{Seq: l.Seq, Committed: l.Committed, Values: l.Values, Entries: l.Entries}
}

// sentPrefix is how the kinds begin of lines about messages.
const sentPrefix = "sent-"

// label is a name that a node may also write as a number.
type label string

func (l *label) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		var s string
		err := json.Unmarshal(b, &s)
		*l = label(s)
		return err
	}
	if bytes.ContainsAny(b, "{[") {
		return fmt.Errorf("want a name or a number, not %s", quoteStart(b))
	}
	if !bytes.Equal(b, []byte("null")) {
		*l = label(b)
	}
	return nil
}

// ObservationLog holds the observations of one node over all its incarnations.
type ObservationLog struct {
	Observations []Observation
	Cuts         int // number of lines truncated by a kill, which were dropped

	// Lost lists the missing observations, in order.
	Lost []Loss
}

// Loss is a gap in a node's observations.
type Loss struct {
	Before   int    // index of the first observation after the gap
	Boot     string // of the incarnation that reports it
	Segments uint64 // number of segments dropped because the file exceeded a limit; 0 for lines
	Lines    uint64 // number of lines that could not be written
	Reason   string // why not
}

// Kinds of lines that a node writes about the file itself. They are not observations; some become losses.
const (
	lineSegment   = "segment"   // first line of a segment: Count is its number, consecutive from 1
	lineUnwritten = "unwritten" // Count lines are missing before it; Reason says why
)

// about processes a line about the file itself, and reports whether it was one. Segments is the number of the latest
// segment.
func (l *ObservationLog) about(o Observation, count uint64, segments *uint64) bool {
	loss := Loss{Before: len(l.Observations), Boot: o.Boot}
	switch o.Kind {
	case lineSegment:
		if count > *segments+1 {
			loss.Segments = count - *segments - 1
			l.Lost = append(l.Lost, loss)
		}
		*segments = count
	case lineUnwritten:
		loss.Lines, loss.Reason = count, o.Reason
		l.Lost = append(l.Lost, loss)
	default:
		return false
	}
	return true
}

// ReadObservations reads a node's observation file: JSON lines without checksums, because the system under test
// writes them. A node that is killed can leave a partial line, which its next incarnation terminates before it
// continues; such a partial line, also at the end of the file, is dropped. Any other line that does not decode is
// an error.
func ReadObservations(path string) (ObservationLog, error) {
	f, err := os.Open(path)
	if err != nil {
		return ObservationLog{}, fmt.Errorf("open observations: %w", err)
	}
	defer f.Close()
	base := filepath.Base(path)
	var log ObservationLog
	var piece error // why the previous line did not decode
	boot, segments := "", uint64(0)
	torn, err := ScanLines(f, base, func(line []byte, number int) error {
		o, count, err := parseObservation(line)
		switch {
		case err != nil && piece == nil:
			piece = fmt.Errorf("%s:%d: %w", base, number, err)
			return nil
		case err != nil: // two in a row cannot both have been truncated by a kill
			return err
		case piece != nil && o.Boot == boot:
			return fmt.Errorf("the same incarnation goes on after a line that does not decode: %w", piece)
		case piece != nil:
			log.Cuts++
		}
		piece, boot = nil, o.Boot
		if !log.about(o, count, &segments) {
			log.Observations = append(log.Observations, o)
		}
		return nil
	})
	if err != nil {
		return ObservationLog{}, err
	}
	if torn || piece != nil {
		log.Cuts++
	}
	return log, nil
}

func parseObservation(line []byte) (o Observation, count uint64, err error) {
	var l observationLine
	err = json.Unmarshal(line, &l)
	switch {
	case err != nil:
		return Observation{}, 0, fmt.Errorf("decode observation: %w in %s", err, quoteStart(line))
	case l.Kind == "":
		return Observation{}, 0, fmt.Errorf("observation has no kind: %s", quoteStart(line))
	}
	return Observation{
		Mono: time.Duration(l.Mono), Wall: time.Unix(0, l.Wall).UTC(), Boot: string(l.Boot), Node: string(l.Node),
		Kind: l.Kind, Ballot: string(l.Ballot), First: l.First, Slot: l.Slot, Peer: string(l.Peer),
		IDs: l.IDs, Ops: l.Ops, Reason: l.Reason, Lease: l.Lease, Since: l.moment(l.Since), Until: l.moment(l.Until),
		True: time.Duration(l.True), Origin: l.Origin, Value: l.Value, State: l.State, Sent: l.sent(),
	}, l.Count, nil
}
