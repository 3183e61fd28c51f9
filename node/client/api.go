package client

import "time"

// Request headers of the API.
const (
	HeaderClient  = "Elenchus-Client"
	HeaderSeq     = "Elenchus-Seq"
	HeaderTimeout = "Elenchus-Timeout"
)

// Limits of the API.
const (
	TimeoutDefault = 5 * time.Second
	TimeoutMax     = 60 * time.Second

	// SessionMax is the highest client id that a client may use; higher ones belong to nodes.
	SessionMax = 1<<63 - 1

	// AnswerBytesMax is the maximum size of an answer: the largest register with every byte escaped.
	AnswerBytesMax = 32 << 20
)

// Answer is the body of every answer to a register operation, and of every error.
type Answer struct {
	Outcome Outcome `json:"outcome"`
	Node    string  `json:"node"`
	Reason  string  `json:"reason,omitempty"` // if the outcome is not ok

	Values  *[]string `json:"values,omitempty"`  // read, append, mismatched CAS: the register's elements
	Matched *bool     `json:"matched,omitempty"` // CAS
	Slot    uint64    `json:"slot,omitempty"`    // the command's slot; for a read, the last slot applied
	Ballot  string    `json:"ballot,omitempty"`  // "3.n2"
	Leader  string    `json:"leader,omitempty"`  // the node that served the request
}

// ReadAnswer is the body of the answer to a read.
type ReadAnswer struct {
	Answer
	Value *string `json:"value"` // the only element of Values; null if there are none or several
}

// CASBody is the body of a compare-and-set. A nil Expect means that the register must be absent.
type CASBody struct {
	Expect *string `json:"expect"`
	Value  *string `json:"value"`
}

// Status is the answer to GET /status.
type Status struct {
	Outcome  Outcome `json:"outcome"`
	Node     string  `json:"node"`
	Cluster  string  `json:"cluster"`
	Protocol string  `json:"protocol"`
	Reads    string  `json:"reads"`
	Version  string  `json:"version"`
	PID      int     `json:"pid"`
	Boot     uint64  `json:"boot"` // number of starts with this data
	UptimeNS int64   `json:"uptime_ns"`

	Role      string `json:"role"`             // follower, candidate or leader
	Leader    string `json:"leader,omitempty"` // the leader this node follows; empty if unknown
	Ballot    string `json:"ballot"`
	Promised  string `json:"promised"`
	Committed uint64 `json:"committed"` // every slot up to this one is known to be chosen
	Applied   uint64 `json:"applied"`
	LastSlot  uint64 `json:"last_slot"`
	FirstSlot uint64 `json:"first_slot"` // the first slot still in the log

	Snapshot SnapshotStatus `json:"snapshot"`

	Sessions int    `json:"sessions"`
	Keys     int    `json:"keys"`
	Hash     string `json:"hash"` // of the state at Applied, in hex
	Pending  int    `json:"pending"`

	HeardAgoNS int64 `json:"heard_ago_ns"` // time since Leader was last heard from
	MonoNS     int64 `json:"mono_ns"`      // the node's clocks
	WallNS     int64 `json:"wall_ns"`

	Lease LeaseStatus           `json:"lease"`
	Peers map[string]PeerStatus `json:"peers"` // by name: "n2"
	WAL   WALStatus             `json:"wal"`
}

// LeaseStatus describes a node's leases. Deadlines are on its lease clock: MonoNS in mode "rate", WallNS in mode
// "wall".
type LeaseStatus struct {
	Mode        string `json:"mode"`                    // "none", "rate" or "wall"; empty when the protocol has no leases
	Held        bool   `json:"held"`                    // the node leads and its lease is valid
	HeldUntilNS int64  `json:"held_until_ns,omitempty"` // when the lease that it holds, or has lost, expires or expired

	Holder         string `json:"holder,omitempty"`  // the node whose lease this one honours, possibly itself
	Granted        string `json:"granted,omitempty"` // the ballot of that lease
	GrantedUntilNS int64  `json:"granted_until_ns,omitempty"`
	Silent         bool   `json:"silent,omitempty"` // the node restarted and may have granted the lease before
}

// PeerStatus describes the links to one peer.
type PeerStatus struct {
	Address     string `json:"address"`
	Connected   bool   `json:"connected"` // messages can be sent to the peer
	Inbound     int    `json:"inbound"`   // connections opened by the peer
	HeardAgoNS  int64  `json:"heard_ago_ns"`
	RoundTripNS int64  `json:"round_trip_ns"`
	Connects    uint64 `json:"connects"`
	Sent        uint64 `json:"sent"`
	Received    uint64 `json:"received"`
	Dropped     uint64 `json:"dropped"`
	Error       string `json:"error,omitempty"`
}

// SnapshotStatus describes the snapshot on a node's disk.
type SnapshotStatus struct {
	Slot  uint64 `json:"slot"`  // the last slot covered; zero without a snapshot
	Bytes int    `json:"bytes"` // size of registers and sessions
}

// WALStatus describes the node's log.
type WALStatus struct {
	Base          uint64 `json:"base"` // the log needs a snapshot of this or a later slot; zero if none
	Bytes         int64  `json:"bytes"`
	Records       uint64 `json:"records"`
	Syncs         uint64 `json:"syncs"`     // since the node started
	Rotations     uint64 `json:"rotations"` // since the node started; replacements by a shorter log
	SyncLatencyNS int64  `json:"sync_latency_ns"`
}
