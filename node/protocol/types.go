package protocol

import (
	"fmt"

	"elenchus/node/register"
)

// NodeID names a node of a cluster: 1 … N. Zero is nobody.
type NodeID uint16

// String is the node's name in logs and status pages: "n3".
func (n NodeID) String() string { return fmt.Sprintf("n%d", uint16(n)) }

// NodesMax is the largest cluster that is supported.
const NodesMax = 9

// Majority is the size of a quorum among n nodes: ⌊n/2⌋+1.
func Majority(n int) int { return n/2 + 1 }

// Slot is a position in the replicated log, starting at 1. Zero is before the log.
type Slot uint64

// SlotLast stands for the end of the log in ranges. No entry is ever put there.
const SlotLast = ^Slot(0)

// Ballot is a proposal number: the round first, the proposer's id to break ties (004, "round + server id"). The zero
// ballot is below all others and is nobody's.
type Ballot struct {
	Round uint64
	Node  NodeID
}

// Less reports whether b is below c.
func (b Ballot) Less(c Ballot) bool {
	return b.Round < c.Round || b.Round == c.Round && b.Node < c.Node
}

// IsZero reports whether b is the ballot below all others.
func (b Ballot) IsZero() bool { return b == Ballot{} }

// String shows a ballot as "round.node": "7.n2". The zero ballot is "-".
func (b Ballot) String() string {
	if b.IsZero() {
		return "-"
	}
	return fmt.Sprintf("%d.%v", b.Round, b.Node)
}

// Entry is what one slot holds at one acceptor: the batch of commands it accepted and the ballot in which it did. An
// empty batch is a no-op.
type Entry struct {
	Slot   Slot
	Ballot Ballot
	Batch  []register.Command
}

// RecordKind says what a Record makes durable.
type RecordKind uint8

// Their numbers are part of the log format.
const (
	RecordRound   RecordKind = iota + 1 // the highest ballot this node has seen or used: no ballot is ever used twice
	RecordPromise                       // Ballot is promised: nothing lower will be accepted
	RecordAccept                        // Entry is accepted; implies a promise of its ballot
	RecordCommit                        // every slot up to Slot is chosen; a hint that spares work after a restart
)

// Record is one fact that must survive a crash. A node's durable state is the fold of its records in order.
type Record struct {
	Kind   RecordKind
	Ballot Ballot // RecordRound, RecordPromise
	Slot   Slot   // RecordCommit
	Entry  Entry  // RecordAccept
}

// MessageKind is the type of a message between nodes.
type MessageKind uint8

// Their numbers are part of the wire format; new ones go to the end.
const (
	// MsgPrepare is phase 1a: promise Ballot, and report what was accepted from slot First on. Committed. Seq counts the
	// pages that have come from anybody: while it rises, the sender is not deaf. With First SlotLast that is all it says.
	MsgPrepare MessageKind = iota + 1
	// MsgPromise is phase 1b, one page of it: Ballot is promised, and Entries are all that the sender has accepted in
	// the slots First…Last, except those up to its Committed, which are chosen and must be learned instead. The page
	// whose Last is SlotLast is the final one; after any other the proposer asks for the next.
	MsgPromise
	// MsgNack says that the sender has promised Promised, which is above Ballot.
	MsgNack
	// MsgAccept is phase 2a: Ballot, Committed, Entries (consecutive slots).
	MsgAccept
	// MsgAccepted is phase 2b: Ballot, Committed, and the slots First…Last it covers.
	MsgAccepted
	// MsgHeartbeat says that the leader of Ballot is alive: Committed, Seq. With Seq zero it wants no answer.
	MsgHeartbeat
	// MsgHeartbeatAck says that the sender follows Ballot: Committed, and the Seq of the heartbeat it answers.
	MsgHeartbeatAck
	// MsgCatchup asks for the chosen entries First…Last. Committed.
	MsgCatchup
	// MsgChosen answers MsgCatchup: Committed, and Entries that are chosen.
	MsgChosen
	// MsgForward hands Request and Command to the leader. Seq tells the sender's incarnations apart. Timeout.
	MsgForward
	// MsgForwardReply is the leader's answer to Request: Outcome, Result, Reason, with the Seq of the forward. First
	// and Promised are the slot and the ballot the answer comes from. Ballot is the one the sender leads, if it does.
	MsgForwardReply
	// MsgLeaderAlive says that the sender takes no part in Ballot, because it honours the lease of Promised, whose node
	// is the leader (000, "recovery").
	MsgLeaderAlive
	// MsgForsake says that the leader of Ballot, which is the sender, has given up its lease for good.
	MsgForsake
	// MsgPoll asks whether the receiver would promise Ballot. Nothing is promised, and Ballot is not used yet.
	MsgPoll
	// MsgWilling answers MsgPoll: it would, having promised Promised.
	MsgWilling
	// MsgUnwilling answers MsgPoll: it would not, for that Reason. It has promised Promised, or honours its lease.
	MsgUnwilling
	// MsgSnapshot answers MsgCatchup when the entries asked for are no longer in the sender's log, and MsgFetch: Chunk is
	// a piece of the snapshot of the slots up to Last. Ballot is that of the snapshot.
	MsgSnapshot
	// MsgFetch asks for the piece of a snapshot that begins at Chunk.Offset: the snapshot of the slots up to Last that
	// has Chunk.Checksum, whoever took it. First is the first slot that the sender lacks. Whoever does not have this
	// snapshot answers as to MsgCatchup for First…Last.
	MsgFetch
)

var messageNames = [...]string{
	MsgPrepare: "Prepare", MsgPromise: "Promise", MsgNack: "Nack", MsgAccept: "Accept", MsgAccepted: "Accepted",
	MsgHeartbeat: "Heartbeat", MsgHeartbeatAck: "HeartbeatAck", MsgCatchup: "Catchup", MsgChosen: "Chosen",
	MsgForward: "Forward", MsgForwardReply: "ForwardReply", MsgLeaderAlive: "LeaderAlive", MsgForsake: "Forsake",
	MsgPoll: "Poll", MsgWilling: "Willing", MsgUnwilling: "Unwilling",
	MsgSnapshot: "Snapshot", MsgFetch: "Fetch",
}

// Valid reports whether k is one of the known kinds.
func (k MessageKind) Valid() bool { return k != 0 && int(k) < len(messageNames) }

// String is the message's name as the papers have it.
func (k MessageKind) String() string {
	if int(k) < len(messageNames) && messageNames[k] != "" {
		return messageNames[k]
	}
	return fmt.Sprintf("message(%d)", uint8(k))
}

// LeaseStep says what a heartbeat asks about the leader's lease, or its answer says. A grant and an extension are told
// apart, so that a node which has forgotten a lease cannot be taken to have extended it (002 §4.3.3).
type LeaseStep uint8

// Their numbers are part of the wire format; new ones go to the end.
const (
	LeaseNothing   LeaseStep = iota // no lease is asked for
	LeaseAsk                        // grant a lease of Term
	LeaseExtend                     // extend the lease that was granted before
	LeaseGranted                    // granted: the sender takes part in no other ballot for longer than Term
	LeaseExtended                   // extended in the same sense
	LeaseForgotten                  // not extended: the sender remembers no such lease
	LeaseRefused                    // not granted; Reason says why
)

var leaseStepNames = [...]string{"nothing", "ask", "extend", "granted", "extended", "forgotten", "refused"}

// Valid reports whether s is one of the known steps.
func (s LeaseStep) Valid() bool { return int(s) < len(leaseStepNames) }

// String is the step's name in transcripts.
func (s LeaseStep) String() string {
	if s.Valid() {
		return leaseStepNames[s]
	}
	return fmt.Sprintf("lease step(%d)", uint8(s))
}

// Message is what nodes send each other: one flat value, so that copying it is cheap and its encoding obvious. Which
// fields mean something is said at each MessageKind. Entries belong to the receiver after delivery and are not
// modified by anybody.
type Message struct {
	Kind      MessageKind
	From, To  NodeID
	Ballot    Ballot
	Promised  Ballot
	Committed Slot // the sender's committed prefix: it knows every slot up to here to be chosen
	First     Slot
	Last      Slot
	Seq       uint64
	Entries   []Entry

	// Leases, on heartbeats and their answers. Term is the length of the lease asked for, in nanoseconds. Expiry is when
	// it ends on the leader's wall clock, in nanoseconds; zero when leases are on monotonic clocks.
	Lease  LeaseStep
	Term   int64
	Expiry int64

	// Forwarding. Timeout is what is left of the client's patience, in nanoseconds when the message was sent.
	Request RequestID
	Command register.Command
	Timeout int64
	Outcome Outcome
	Result  register.Result
	Reason  string

	// Snapshots: MsgSnapshot and MsgFetch.
	Chunk Chunk
}
