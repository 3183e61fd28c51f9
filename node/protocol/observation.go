package protocol

import (
	"fmt"
	"time"

	"elenchus/node/register"
)

// ObservationKind is the kind of an Observation.
type ObservationKind uint8

// Observation kinds.
const (
	ObservedBallot    ObservationKind = iota + 1 // Ballot is now the highest ballot this node has promised or accepted
	ObservedCampaign                             // the node campaigns with Ballot
	ObservedElected                              // the node leads Ballot: a majority promised it, or phase 1 was skipped
	ObservedDeposed                              // the node stopped leading Ballot; Reason says why
	ObservedChosen                               // Slot is known to be chosen with the value accepted in Ballot
	ObservedApplied                              // Batch, chosen in Slot, was applied
	ObservedCaughtUp                             // the node learned the chosen entries First…Slot from Peer
	ObservedServed                               // the node served a read from state applied up to Slot
	ObservedRecovered                            // the node recovered from its log: Ballot promised, committed up to Slot

	// Leases. Since and Until are readings of the clock selected by Lease: the instant from which the term is counted, and
	// the deadline. A leader counts from before its request, a granter from when it granted or, if silent, started. A
	// leader also counts as a granter of its own lease, without emitting a separate observation.
	ObservedLeaseAsked    // the leader of Ballot asked all members for a lease until Until
	ObservedLeaseGranted  // this node takes part in no other ballot than Ballot until Until
	ObservedLeaseHeld     // the leader of Ballot holds a lease until Until, having held none just before
	ObservedLeaseRenewed  // the leader of Ballot extended its lease until Until
	ObservedLeaseLost     // the lease of Ballot expired at Until without being renewed, as noticed now
	ObservedLeaseForsaken // the leader gave up the lease of Ballot for good; it would have expired at Until
	ObservedLeaseFreed    // Peer, the leader of Ballot, released this node's grant, which would have expired at Until
	ObservedLeaseRefused  // this node refused to take part in Ballot of Peer, or to grant it a lease; Reason says why
	ObservedLeaseSilence  // after a restart forgot the grants: until Until no ballot but Ballot, and no grants

	// Snapshots. Slot is the last slot that the snapshot covers, Ballot its ballot.
	ObservedSnapshotTaken     // a snapshot of this node's state is durable; its log now starts at slot First
	ObservedSnapshotSent      // the last piece of a snapshot was sent to Peer
	ObservedSnapshotInstalled // the node's state was replaced by a snapshot that Peer sent
	ObservedSnapshotRestored  // the node started from a snapshot on its disk
	ObservedSnapshotRefused   // a snapshot, of this node (Peer zero) or from Peer, was not used; Reason says why
)

var observationNames = [...]string{
	ObservedBallot: "ballot", ObservedCampaign: "campaign", ObservedElected: "elected", ObservedDeposed: "deposed",
	ObservedChosen: "chosen", ObservedApplied: "applied", ObservedCaughtUp: "caught-up", ObservedServed: "served",
	ObservedRecovered: "recovered", ObservedLeaseAsked: "lease-asked", ObservedLeaseGranted: "lease-granted",
	ObservedLeaseHeld: "lease-held", ObservedLeaseRenewed: "lease-renewed", ObservedLeaseLost: "lease-lost",
	ObservedLeaseForsaken: "lease-forsaken", ObservedLeaseFreed: "lease-freed", ObservedLeaseRefused: "lease-refused",
	ObservedLeaseSilence: "lease-silence", ObservedSnapshotTaken: "snapshot-taken",
	ObservedSnapshotSent: "snapshot-sent", ObservedSnapshotInstalled: "snapshot-installed",
	ObservedSnapshotRestored: "snapshot-restored", ObservedSnapshotRefused: "snapshot-refused",
}

// String returns the kind's name in observation streams.
func (k ObservationKind) String() string {
	if int(k) < len(observationNames) && observationNames[k] != "" {
		return observationNames[k]
	}
	return fmt.Sprintf("observation(%d)", uint8(k))
}

// Observation is one thing a machine did, for checkers and reports. Observations have no effect on the protocol; the
// driver adds the clock reading of the step and writes them where the harness collects them.
type Observation struct {
	Kind   ObservationKind
	Ballot Ballot
	First  Slot
	Slot   Slot
	Peer   NodeID
	Batch  []register.Command // ObservedApplied only
	Hash   uint64             // ObservedApplied only: of registers and sessions after the batch, as in Status.Hash
	Reason string
	Lease  string // leases only: the mode, as in LeaseStatus.Mode
	Since  int64  // nanoseconds, leases only; zero when there is no term
	Until  int64  // nanoseconds, leases only; zero when there is no deadline
}

// Role is a node's own view of its role.
type Role uint8

// Roles of a leader-based protocol.
const (
	RoleFollower Role = iota
	RoleCandidate
	RoleLeader
)

var roleNames = [...]string{"follower", "candidate", "leader"}

// String returns the role's name in status pages.
func (r Role) String() string { return roleNames[r] }

// Status is a machine's state at one instant, for operators and for the harness, which uses it to find the leader.
type Status struct {
	Self     NodeID
	Role     Role
	Leader   NodeID // the leader this node follows (itself when it leads); zero when it knows of none
	Ballot   Ballot // the ballot it leads or follows
	Promised Ballot // the highest ballot it has promised

	Committed Slot // every slot up to this one is known to be chosen
	Applied   Slot // every slot up to this one is applied
	LastSlot  Slot // the highest slot accepted, or covered by a snapshot

	FirstSlot     Slot // the first slot of its log, even if that is empty; 1 before the first compaction
	Snapshot      Slot // the last slot covered by its durable snapshot; zero without one
	SnapshotBytes int  // the size of the state in that snapshot

	Sessions int    // clients in the session table
	Keys     int    // registers that are not absent
	Hash     uint64 // hash of registers and sessions at Applied; equal on all nodes that applied the same prefix

	Pending   int           // requests waiting for an answer
	HeardFrom time.Duration // monotonic instant at which Leader was last heard from
	Lease     LeaseStatus
}

// LeaseStatus is the state of a node's leases at one instant. Deadlines are in nanoseconds on the clock of the mode.
type LeaseStatus struct {
	Mode string // "none", "rate" (deadlines on the monotonic clock) or "wall"; empty when the protocol has no leases

	Held      bool  // this node leads and its lease is valid
	HeldUntil int64 // when the lease that this node holds, or last held in its ballot, expires; zero without one

	Granted      Ballot // the ballot whose lease this node honours as a granter; zero when none
	GrantedUntil int64
	Silent       bool // a restart forgot the grants; Granted is the ballot that may have been granted
}
