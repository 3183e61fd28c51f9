package protocol

import (
	"fmt"

	"elenchus/node/register"
)

// NodeID identifies a node of a cluster, from 1 to N. Zero is no node.
type NodeID uint16

// String returns the node's name in logs and status pages, such as "n3".
func (n NodeID) String() string { return fmt.Sprintf("n%d", uint16(n)) }

// NodesMax is the largest supported cluster size.
const NodesMax = 9

// Majority returns the size of a majority quorum of n nodes, ⌊n/2⌋+1.
func Majority(n int) int { return n/2 + 1 }

// Slot is a position in the replicated log, starting at 1. Zero is the position before the log.
type Slot uint64

// SlotLast denotes the end of the log in ranges. No entry has this slot.
const SlotLast = ^Slot(0)

// Ballot is a proposal number: a round, with the proposer's id as tie-breaker (004, "round + server id"). The zero
// ballot is below all others and belongs to no node.
type Ballot struct {
	Round uint64
	Node  NodeID
}

// Less reports whether b is below c.
func (b Ballot) Less(c Ballot) bool {
	return b.Round < c.Round || b.Round == c.Round && b.Node < c.Node
}

// IsZero reports whether b is the zero ballot.
func (b Ballot) IsZero() bool { return b == Ballot{} }

// String formats a ballot as "round.node", such as "7.n2". The zero ballot is "-".
func (b Ballot) String() string {
	if b.IsZero() {
		return "-"
	}
	return fmt.Sprintf("%d.%v", b.Round, b.Node)
}

// Entry is the content of one slot at one acceptor: the accepted batch of commands and the ballot in which it was
// accepted. An empty batch is a no-op.
type Entry struct {
	Slot   Slot
	Ballot Ballot
	Batch  []register.Command
}

// RecordKind is the kind of a Record.
type RecordKind uint8

// Their numbers are part of the log format.
const (
	RecordRound   RecordKind = iota + 1 // the highest ballot this node has seen or used, so that no ballot is used twice
	RecordPromise                       // Ballot is promised: nothing lower will be accepted
	RecordAccept                        // Entry is accepted; implies a promise of its ballot
	RecordCommit                        // every slot up to Slot is chosen; a hint that saves work after a restart
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
	// MsgPrepare is phase 1a. It asks for a promise of Ballot and a report of the entries accepted from slot First on. It
	// carries Committed. Seq counts the promise pages the sender has received so far; while it rises, the sender is
	// evidently receiving messages. With First equal to SlotLast the message says nothing else.
	MsgPrepare MessageKind = iota + 1
	// MsgPromise is one page of phase 1b. Ballot is promised, and Entries are all that the sender has accepted in slots
	// First…Last, except those up to its Committed, which are chosen and must be learned instead. The page whose Last is
	// SlotLast is the final one; after any other page the proposer asks for the next.
	MsgPromise
	// MsgNack reports that the sender has promised Promised, which is above Ballot.
	MsgNack
	// MsgAccept is phase 2a. It carries Ballot, Committed and Entries of consecutive slots.
	MsgAccept
	// MsgAccepted is phase 2b. It carries Ballot, Committed and the range First…Last of accepted slots.
	MsgAccepted
	// MsgHeartbeat reports that the leader of Ballot is alive. It carries Committed and Seq; if Seq is zero, no answer is
	// wanted.
	MsgHeartbeat
	// MsgHeartbeatAck reports that the sender follows Ballot. It carries Committed and the Seq of the heartbeat it
	// answers.
	MsgHeartbeatAck
	// MsgCatchup asks for the chosen entries First…Last. It carries Committed.
	MsgCatchup
	// MsgChosen answers MsgCatchup. It carries Committed and chosen Entries.
	MsgChosen
	// MsgForward passes Request and Command to the leader. Seq identifies the sender's incarnation. It carries Timeout.
	MsgForward
	// MsgForwardReply is the leader's answer to Request: Outcome, Result and Reason, with the Seq of the forward. First
	// and Promised are the slot and ballot that the answer is based on. Ballot is the ballot that the sender leads, or
	// zero.
	MsgForwardReply
	// MsgLeaderAlive reports that the sender takes no part in Ballot, because it honours the lease of ballot Promised,
	// whose node is the leader (000, "recovery").
	MsgLeaderAlive
	// MsgForsake reports that the sender, the leader of Ballot, has given up its lease for good.
	MsgForsake
	// MsgPoll asks whether the receiver would promise Ballot. The question promises nothing, and Ballot is not yet in use.
	MsgPoll
	// MsgWilling answers MsgPoll with yes. Promised is the sender's current promise.
	MsgWilling
	// MsgUnwilling answers MsgPoll with no, for the given Reason. Promised is the sender's current promise, or the ballot
	// whose lease it honours.
	MsgUnwilling
	// MsgSnapshot answers MsgFetch, and MsgCatchup when the requested entries are no longer in the sender's log. Chunk is
	// a piece of the snapshot of the slots up to Last. Ballot is the snapshot's ballot.
	MsgSnapshot
	// MsgFetch asks for the piece starting at Chunk.Offset of the snapshot of the slots up to Last that has
	// Chunk.Checksum, whichever node took it. First is the first slot that the sender lacks. A node that does not have
	// this snapshot answers as to MsgCatchup for First…Last.
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

// String returns the message's name as used in the papers.
func (k MessageKind) String() string {
	if int(k) < len(messageNames) && messageNames[k] != "" {
		return messageNames[k]
	}
	return fmt.Sprintf("message(%d)", uint8(k))
}

// LeaseStep is the lease request in a heartbeat, or the response in its answer. Grant and extension are distinct, so
// that a node which has forgotten a lease cannot be taken to have extended it (002 §4.3.3).
type LeaseStep uint8

// Their numbers are part of the wire format; new ones go to the end.
const (
	LeaseNothing   LeaseStep = iota // no lease is requested
	LeaseAsk                        // grant a lease of Term
	LeaseExtend                     // extend the lease granted before
	LeaseGranted                    // granted: the sender takes part in no other ballot for longer than Term
	LeaseExtended                   // extended, with the same meaning
	LeaseForgotten                  // not extended: the sender remembers no such lease
	LeaseRefused                    // not granted; Reason says why
)

var leaseStepNames = [...]string{"nothing", "ask", "extend", "granted", "extended", "forgotten", "refused"}

// Valid reports whether s is one of the known steps.
func (s LeaseStep) Valid() bool { return int(s) < len(leaseStepNames) }

// String returns the step's name in transcripts.
func (s LeaseStep) String() string {
	if s.Valid() {
		return leaseStepNames[s]
	}
	return fmt.Sprintf("lease step(%d)", uint8(s))
}

// Message is a message between nodes: one flat value, cheap to copy and with an obvious encoding. Each MessageKind
// documents the fields it uses. Entries belong to the receiver after delivery and must not be modified.
type Message struct {
	Kind      MessageKind
	From, To  NodeID
	Ballot    Ballot
	Promised  Ballot
	Committed Slot // the sender's committed prefix: it knows every slot up to this one to be chosen
	First     Slot
	Last      Slot
	Seq       uint64
	Entries   []Entry

	// Leases, on heartbeats and their answers. Term is the length of the requested lease, in nanoseconds. Expiry is when
	// it expires on the leader's wall clock, in nanoseconds; zero when leases are on monotonic clocks.
	Lease  LeaseStep
	Term   int64
	Expiry int64

	// Forwarding. Timeout is the time left until the client's deadline when the message was sent, in nanoseconds.
	Request RequestID
	Command register.Command
	Timeout int64
	Outcome Outcome
	Result  register.Result
	Reason  string

	// Snapshots: MsgSnapshot and MsgFetch.
	Chunk Chunk
}
