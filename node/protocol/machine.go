package protocol

import (
	"time"

	"elenchus/node/clock"
	"elenchus/node/register"
)

// Machine is one node of a replication protocol.
//
// Step takes an event and the clock readings at which it happened, and returns everything the machine wants done. A
// Machine has no other inputs and no other outputs. The returned slices belong to the machine and are valid until the
// next Step, so a driver must consume or copy them first.
//
// Step is total: it handles any message a peer could send, however late, repeated or out of order. A panic is a bug in
// the machine, whatever the input.
type Machine interface {
	Step(now clock.Reading, in Input) Effects

	// Status describes the machine for operators, selectors and invariants. It has no side effects.
	Status(now clock.Reading) Status
}

// InputKind is the kind of an Input and determines which of its fields are set.
type InputKind uint8

// Input kinds.
const (
	InputStart       InputKind = iota // the first input of every incarnation: recovery is over, time runs
	InputMessage                      // Message arrived from a peer
	InputRequest                      // a client asked this node for something
	InputTimer                        // Timer fired: the clock has reached the instant it was set to
	InputDurable                      // every record up to Durable is on stable storage
	InputForsake                      // an operator, or an orderly shutdown, asks this node to give up leadership
	InputSnapshotted                  // the snapshot of Snapshotted, which the machine asked for, is on stable storage
)

// Input is one event.
type Input struct {
	Kind    InputKind
	Message *Message
	Request Request
	Timer   TimerID
	Durable WriteSeq

	Snapshotted Slot
}

// RequestID identifies a client request at the node that received it. The driver chooses it; it is unique within an
// incarnation.
type RequestID uint64

// Request is one client request.
type Request struct {
	ID      RequestID
	Command register.Command

	// Deadline is the instant on this node's monotonic clock at which the client stops waiting. The machine answers by
	// then: a request that was never proposed or forwarded fails, any other mutation becomes unknown.
	Deadline time.Duration
}

// WriteSeq counts the records a machine has asked to make durable in this incarnation, starting at 1. Zero means none.
// It counts [Effects].Records only. A [Compaction] is not counted.
type WriteSeq uint64

// Effects is everything a machine wants done after one step.
//
// A driver must enqueue Compaction for writing, append Records after it (their sequence numbers continue from the
// previous step), start the sync, send every Send and Reply that depends on no write, and hold back the others until
// the write they name is durable. It reports completed syncs with InputDurable. Snapshot is written independently of
// all this.
type Effects struct {
	// Snapshot, when not nil, must durably and atomically replace the node's last snapshot. No message or record waits for
	// it, and it may become durable before or after any of them. The driver reports completion with InputSnapshotted.
	// Until then the old snapshot and the log must stay as they are, and the machine requests no other snapshot.
	Snapshot *Snapshot

	// Compaction, when not nil, replaces the log. The snapshot it depends on is durable. See [Compaction].
	Compaction *Compaction

	Records      []Record
	Sends        []Send
	Replies      []Reply
	Timers       []TimerSet
	Observations []Observation

	// Halt, when not nil, is the reason why this node must stop for good: continuing could break a promise.
	Halt error
}

// Send is a message and the durable write it depends on.
type Send struct {
	Message Message

	// After is the write that must be durable before the message may leave; zero when it depends on none.
	After WriteSeq
}

// Outcome is what a client may conclude about its request (protocols.md §1).
type Outcome uint8

// Outcomes.
const (
	OutcomeOK      Outcome = iota // it took effect, and the reply has its result
	OutcomeFail                   // it certainly did not and will not take effect
	OutcomeUnknown                // it may have taken effect, or may yet
)

var outcomeNames = [...]string{"ok", "fail", "unknown"}

// Valid reports whether o is one of the three.
func (o Outcome) Valid() bool { return int(o) < len(outcomeNames) }

// String returns the outcome's name in APIs and histories.
func (o Outcome) String() string { return outcomeNames[o] }

// Reply answers the client request ID.
type Reply struct {
	ID      RequestID
	Outcome Outcome
	Result  register.Result // meaningful when Outcome is OutcomeOK

	// Reason explains a failed or unknown outcome to a human reader.
	Reason string

	// Slot and Ballot identify the log position that the answer is based on: the command's own slot or, for a read, the
	// last slot applied to the state that was read. They are zero if there is none. They are evidence for explanations,
	// not proof.
	Slot   Slot
	Ballot Ballot

	// Leader is the node that served the request, or zero if none did.
	Leader NodeID

	// After is the write that must be durable before the client may be told; zero when it depends on none.
	After WriteSeq
}

// TimerID identifies a timer of the machine. A machine has at most one live timer per ID.
type TimerID uint8

// TimerSet starts, moves or (with At zero) stops the timer ID. At is an instant on the node's monotonic clock. A timer
// may fire arbitrarily late but never early; the machine relies on the clock reading of the step, not on the timer.
type TimerSet struct {
	ID TimerID
	At time.Duration
}
