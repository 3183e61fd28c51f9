package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"elenchus/node/protocol"
)

// The invariants. A violation names the one that is broken; two failures are of the same kind if they name the same
// one.
const (
	invariantAgreement   = "agreement"         // at most one value is chosen in a slot
	invariantOneValue    = "one-value"         // a ballot has one value for a slot
	invariantOwner       = "ballot-owner"      // a ballot is used by one incarnation of one node
	invariantMonotone    = "promise-monotone"  // what a node promises never falls
	invariantDurable     = "durable-first"     // what a node says it has promised or accepted is on its disk
	invariantAcceptFalls = "accepted-monotone" // the ballot in which a node has accepted a slot never falls
	invariantComplete    = "promise-complete"  // a promise reports all that was accepted
	invariantElection    = "election"          // who proposes was promised its ballot by a majority
	invariantSafeValue   = "safe-value"        // what is proposed is allowed by what was promised (P2c)
	invariantJustified   = "chosen-justified"  // what a node takes for chosen is
	invariantPrefix      = "applied-prefix"    // nodes apply what is chosen, without a gap, and never take it back
	invariantStateHash   = "state-hash"        // who has applied the same is in the same state
	invariantRecovery    = "recovery"          // a restarted node knows what it has promised
	invariantLease       = "lease-exclusive"   // while a lease is valid nobody else leads
	invariantGrant       = "grant-honoured"    // a granter takes part in no other ballot, restarted or not
	invariantBasis       = "lease-basis"       // a lease rests on the grants of a majority
	invariantAck         = "ack-durable"       // what is acknowledged is on a majority of disks
	invariantRealTime    = "ack-order"         // what is asked for later comes later
	invariantResult      = "result"            // answers are what the chosen commands say, each executed at most once
	invariantFresh       = "read-fresh"        // a read sees everything that anybody was told of before
	invariantCompaction  = "compaction"        // a new log and the snapshot below it hold all that the old log held
	invariantHonest      = "outcome-honest"    // what is said to have failed never happens
	invariantAnswer      = "answered"          // a request is answered by its deadline, and once
	invariantHalt        = "halt"              // no node stops because what it sees cannot be
	invariantStart       = "start"             // a node starts from its own log
	invariantPanic       = "panic"             // no input makes a machine panic
	invariantContract    = "contract"          // a machine keeps the contract of package protocol
	invariantCodec       = "codec"             // what is encoded can be decoded
	checkLinearizable    = "linearizability"   // the clients' history is one of a register
	checkStuck           = "stuck"             // once everything is healed, everybody is answered in time
)

// Violation is a rule that was broken, and where.
type Violation struct {
	Invariant string          `json:"invariant"`
	At        time.Duration   `json:"at_ns"`
	Node      int             `json:"node,omitempty"` // 1 …; 0 if no single node is concerned
	Slot      protocol.Slot   `json:"slot,omitempty"`
	Ballot    protocol.Ballot `json:"ballot"`
	Key       string          `json:"key,omitempty"`
	Message   string          `json:"message"`

	// Answer is the answer through which a client could see the violation, if there is one.
	Answer *Answer `json:"answer,omitempty"`
}

// Answer is a wrong answer to a client.
type Answer struct {
	Operation int `json:"operation"` // what was answered: operations are numbered as they were invoked
	Before    int `json:"before"`    // an operation that the answer ignores, and must not; -1 for none
}

// Name is what the violation is called for people, with the name of the rule in parentheses: "a promise taken back
// (promise-monotone)".
func (v *Violation) Name() string {
	if m, ok := meanings[v.Invariant]; ok {
		return fmt.Sprintf("%s (%s)", m.Name, v.Invariant)
	}
	return v.Invariant
}

// String is the violation as one line.
func (v Violation) String() string { return v.Name() + " " + v.Seen() }

// Seen is when and where the violation was seen, and what was.
func (v *Violation) Seen() string {
	var b strings.Builder
	fmt.Fprintf(&b, "at %v", v.At)
	if v.Node != 0 {
		fmt.Fprintf(&b, ", n%d", v.Node)
	}
	if v.Slot != 0 {
		fmt.Fprintf(&b, ", slot %d", v.Slot)
	}
	if !v.Ballot.IsZero() {
		fmt.Fprintf(&b, ", ballot %v", v.Ballot)
	}
	fmt.Fprintf(&b, ": %s", v.Message)
	return b.String()
}

// AtEnd reports whether only a complete run can break the rule.
func (v *Violation) AtEnd() bool {
	return v.Invariant == checkStuck || v.Invariant == checkLinearizable
}

// Rival reports whether an observation is the election that conflicts with the lease that the violation is about.
func (v *Violation) Rival(o *protocol.Observation) bool {
	return v.Invariant == invariantLease && o.Kind == protocol.ObservedElected && v.Ballot.Less(o.Ballot)
}

// noticed are the rules whose violation users or operators of a cluster notice without looking into the nodes:
// answers are wrong or missing, or a process is gone for good.
var noticed = []string{
	checkLinearizable, checkStuck, invariantAnswer, invariantHalt, invariantStart, invariantPanic, invariantContract,
}

// Noticed reports whether the check with that name, see [Violation], finds what clients or operators can notice.
func Noticed(check string) bool { return slices.Contains(noticed, check) }

// violated records the first violation of a run, which ends it.
func (w *World) violated(v Violation) {
	if w.opts.ClientsOnly && !Noticed(v.Invariant) {
		if w.hidden == nil {
			v.At = w.now
			w.hidden = &v
		}
		return
	}
	if w.opts.BrokenLeases && (v.Invariant == invariantLease || v.Invariant == invariantFresh) {
		return
	}
	if w.violation == nil {
		v.At = w.now
		w.violation = &v
	}
}
