package protocol

import (
	"time"

	"elenchus/node/clock"
	"elenchus/node/register"
)

// Machine is one node of a replication protocol.
//
// Step tells it what happened, at which reading of its own clocks; the answer is everything it wants done. A Machine
// has no other inputs and no other outputs. The returned slices belong to the machine and are valid until the next
// Step, so a driver consumes or copies them first.
//
// Step is total: any message a peer could send, however late, repeated or out of order, is handled. A panic is a bug
// in the machine, never a reaction to its input.
type Machine interface {
	Step(now clock.Reading, in Input) Effects

	// Status describes the machine for operators, selectors and invariants. It changes nothing.
	Status(now clock.Reading) Status
}

// InputKind says which field of an Input is meant.
type InputKind uint8

// The things that can happen to a machine.
const (
	InputStart       InputKind = iota // the first input of every incarnation: recovery is over, time runs
	InputMessage                      // Message arrived from a peer
	InputRequest                      // a client asked this node for something
	InputTimer                        // Timer fired: the clock has reached the instant it was set to
	InputDurable                      // every record up to Durable is on stable storage
	InputForsake                      // an operator, or an orderly end, wants this node to give up leading
	InputSnapshotted                  // the snapshot of Snapshotted, which the machine asked for, is on stable storage
)

// Input is one thing that happened.
type Input struct {
	Kind    InputKind
	Message *Message
	Request Request
	Timer   TimerID
	Durable WriteSeq

	Snapshotted Slot
}

// RequestID names a client request at the node that received it. The driver chooses it, unique within an incarnation.
type RequestID uint64

// Request is one client request.
type Request struct {
	ID      RequestID
	Command register.Command

	// Deadline is the instant on this node's monotonic clock at which the client stops waiting. The machine answers
	// by then: a request that was never proposed or forwarded fails, any other becomes unknown.
	Deadline time.Duration
}

// WriteSeq counts the records a machine has asked to make durable in this incarnation, starting at 1; zero means none.
// It counts [Effects].Records only. A [Compaction] has no number and does not disturb the count.
type WriteSeq uint64

// Effects is what a machine wants done after one step.
//
// The order of the fields is the order of a driver's duties: put Compaction into the stream of writes, append Records
// behind it (their sequence numbers continue from the previous step), start the sync, send what waits for nothing, and
// hold back every Send and Reply until the write it names is durable. The driver reports completed syncs with
// InputDurable. Snapshot is written beside all that.
type Effects struct {
	// Snapshot, when not nil, is to be made durable in place of the node's last one, all of it or nothing. No message
	// and no record waits for it, and it may become durable before or after any of them; the driver can take its time.
	// Then it reports with InputSnapshotted. Until that the old snapshot and the log stay as they are, and the machine
	// asks for no other snapshot.
	Snapshot *Snapshot

	// Compaction, when not nil, replaces the log. The snapshot it rests on is durable. See [Compaction].
	Compaction *Compaction

	Records      []Record
	Sends        []Send
	Replies      []Reply
	Timers       []TimerSet
	Observations []Observation

	// Halt, when not nil, is the reason why this node must stop for good: continuing would break a promise.
	Halt error
}

// Send is a message and the durable write it depends on.
type Send struct {
	Message Message

	// After is the write that must be durable before the message may leave; zero when it depends on none.
	After WriteSeq
}

// Outcome is what a client may conclude (protocols.md §1).
type Outcome uint8

// The three outcomes, never to be mixed up.
const (
	OutcomeOK      Outcome = iota // it took effect, and this is its result
	OutcomeFail                   // it certainly did not and will not take effect
	OutcomeUnknown                // it may have taken effect, or may yet
)

var outcomeNames = [...]string{"ok", "fail", "unknown"}

// Valid reports whether o is one of the three.
func (o Outcome) Valid() bool { return int(o) < len(outcomeNames) }

// String is the outcome's name in APIs and histories.
func (o Outcome) String() string { return outcomeNames[o] }

// Reply answers the client request ID.
type Reply struct {
	ID      RequestID
	Outcome Outcome
	Result  register.Result // meaningful when Outcome is OutcomeOK

	// Reason explains a failed or unknown outcome to a person.
	Reason string

	// Slot and Ballot say where in the log the answer comes from: the command's own slot, or for a read the last slot
	// applied to the state that was read. Zero when there is none. They are evidence for explanations, not proof.
	Slot   Slot
	Ballot Ballot

	// Leader is the node that served the request, zero when nobody did.
	Leader NodeID

	// After is the write that must be durable before the client may be told; zero when it depends on none.
	After WriteSeq
}

// TimerID names a timer of the machine. A machine has at most one live timer of each name.
type TimerID uint8

// TimerSet starts, moves or (with At zero) stops the timer ID. At is an instant on the node's monotonic clock. A timer
// may fire late by any amount and never fires early; the machine looks at the clock reading it gets, not at the timer.
type TimerSet struct {
	ID TimerID
	At time.Duration
}
