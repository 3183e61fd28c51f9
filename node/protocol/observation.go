package protocol

import (
	"fmt"
	"time"

	"elenchus/node/register"
)

// ObservationKind says what a machine did that a checker or a reader of a report wants to know.
type ObservationKind uint8

// What is observed.
const (
	ObservedBallot    ObservationKind = iota + 1 // Ballot is now the highest ballot this node has promised or accepted
	ObservedCampaign                             // the node tries to be elected with Ballot
	ObservedElected                              // the node leads Ballot: a majority promised it, or need not
	ObservedDeposed                              // the node stopped leading Ballot; Reason says why
	ObservedChosen                               // Slot is known to be chosen, with the value accepted in Ballot
	ObservedApplied                              // Batch, chosen in Slot, was applied
	ObservedCaughtUp                             // the node learned the chosen entries First…Slot from Peer
	ObservedServed                               // the node answered a read from state applied up to Slot
	ObservedRecovered                            // the node started from its log: Ballot promised, Slot committed

	// Leases. Since and Until are on the clock that Lease names: the reading that the term is counted from, and the
	// deadline. A leader counts from before it asked, a granter from when it granted or, silent, started. A leader is one
	// of its granters: what it holds it honours, without a line of its own.
	ObservedLeaseAsked    // the leader of Ballot asked all for a lease that it may hold until Until
	ObservedLeaseGranted  // this node takes part in no ballot but Ballot until Until
	ObservedLeaseHeld     // the leader of Ballot holds a lease until Until, and held none just before
	ObservedLeaseRenewed  // the leader of Ballot holds its lease until Until, longer than before
	ObservedLeaseLost     // the lease of Ballot ended at Until without being renewed, which was noticed now
	ObservedLeaseForsaken // the leader gave up the lease of Ballot for good; Until is when it would have ended
	ObservedLeaseFreed    // Peer, the leader of Ballot, freed this node of its grant, which would have ended at Until
	ObservedLeaseRefused  // this node took no part in Ballot of Peer, or granted it nothing; Reason says why
	ObservedLeaseSilence  // a restart forgot what was granted: until Until no ballot but Ballot, and no grants

	// Snapshots. Slot is the last slot that the snapshot covers, Ballot its ballot.
	ObservedSnapshotTaken     // a snapshot of this node's state is durable; its log now begins with slot First
	ObservedSnapshotSent      // the last piece of a snapshot was sent to Peer
	ObservedSnapshotInstalled // the node's state was replaced by a snapshot that Peer sent
	ObservedSnapshotRestored  // the node started from a snapshot on its disk
	ObservedSnapshotRefused   // a snapshot of this node (Peer zero) or from Peer was not used; Reason says why
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

// String is the kind's name in observation streams.
func (k ObservationKind) String() string {
	if int(k) < len(observationNames) && observationNames[k] != "" {
		return observationNames[k]
	}
	return fmt.Sprintf("observation(%d)", uint8(k))
}

// Observation is one thing a machine did. Observations have no effect on the protocol; the driver adds the clock
// reading of the step and writes them where the harness collects them.
type Observation struct {
	Kind   ObservationKind
	Ballot Ballot
	First  Slot
	Slot   Slot
	Peer   NodeID
	Batch  []register.Command // ObservedApplied only
	Reason string
	Lease  string // leases only: the mode, as in LeaseStatus
	Since  int64  // nanoseconds, leases only; zero when no term begins or ends with it
	Until  int64  // nanoseconds, leases only; zero when there is no deadline
}

// Role is what a node believes to be.
type Role uint8

// The roles of a leader-based protocol.
const (
	RoleFollower Role = iota
	RoleCandidate
	RoleLeader
)

var roleNames = [...]string{"follower", "candidate", "leader"}

// String is the role's name in status pages.
func (r Role) String() string { return roleNames[r] }

// Status describes a machine at one moment, for operators and for the harness, which resolves "the leader" with it.
type Status struct {
	Self     NodeID
	Role     Role
	Leader   NodeID // whom this node follows (itself when it leads); zero when it knows of none
	Ballot   Ballot // the ballot it leads or follows
	Promised Ballot // the highest ballot it has promised

	Committed Slot // every slot up to here is known to be chosen
	Applied   Slot // every slot up to here is applied
	LastSlot  Slot // the highest slot in which it has accepted something

	FirstSlot     Slot // the first slot that its log still holds, or would hold; 1 before the first compaction
	Snapshot      Slot // the last slot that its durable snapshot covers; zero without one
	SnapshotBytes int  // the size of the state in it

	Sessions int    // clients in the session table
	Keys     int    // registers that are not absent
	Hash     uint64 // of registers and sessions at Applied: equal on all nodes that applied the same prefix

	Pending   int           // requests waiting for an answer
	HeardFrom time.Duration // monotonic instant of the last sign of life of Leader
	Lease     LeaseStatus
}

// LeaseStatus describes a node's leases at one moment. Deadlines are in nanoseconds on the clock of the mode.
type LeaseStatus struct {
	Mode string // "none", "rate" (deadlines on the monotonic clock) or "wall"; empty when the protocol has no leases

	Held      bool  // this node leads and its lease is valid
	HeldUntil int64 // when the lease this node holds, or held last in its ballot, ends; zero without one

	Granted      Ballot // the ballot of the lease that this node honours as a granter; zero when it honours none
	GrantedUntil int64
	Silent       bool // a restart forgot what was granted: Granted is what may have been
}
