package client

import "time"

// Names of the API's request headers.
const (
	HeaderClient  = "Elenchus-Client"
	HeaderSeq     = "Elenchus-Seq"
	HeaderTimeout = "Elenchus-Timeout"
)

// Limits of the API.
const (
	TimeoutDefault = 5 * time.Second
	TimeoutMax     = 60 * time.Second

	// SessionMax is the highest client id that may be used; those above belong to nodes.
	SessionMax = 1<<63 - 1

	// AnswerBytesMax bounds what is read of an answer: the largest register, every byte of it escaped.
	AnswerBytesMax = 32 << 20
)

// Answer is the body of every answer about a register, and of every error.
type Answer struct {
	Outcome Outcome `json:"outcome"`
	Node    string  `json:"node"`
	Reason  string  `json:"reason,omitempty"` // when the outcome is not ok

	Values  *[]string `json:"values,omitempty"`  // read, append, CAS that did not match: the register's elements
	Matched *bool     `json:"matched,omitempty"` // CAS
	Slot    uint64    `json:"slot,omitempty"`    // the slot of the command, or up to which the state read was applied
	Ballot  string    `json:"ballot,omitempty"`  // "3.n2"
	Leader  string    `json:"leader,omitempty"`  // who served it
}

// ReadAnswer is the body of the answer to a read.
type ReadAnswer struct {
	Answer
	Value *string `json:"value"` // the only element of Values; null if it has none, or several
}

// CASBody is the body of a compare-and-set. A nil Expect wants the register to be absent.
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
	Boot     uint64  `json:"boot"` // how often the node has been started with this data
	UptimeNS int64   `json:"uptime_ns"`

	Role      string `json:"role"`             // follower, candidate or leader
	Leader    string `json:"leader,omitempty"` // whom this node follows; empty when it knows of none
	Ballot    string `json:"ballot"`
	Promised  string `json:"promised"`
	Committed uint64 `json:"committed"` // slots up to here are known to be chosen
	Applied   uint64 `json:"applied"`
	LastSlot  uint64 `json:"last_slot"`
	FirstSlot uint64 `json:"first_slot"` // the first that the log still holds

	Snapshot SnapshotStatus `json:"snapshot"`

	Sessions int    `json:"sessions"`
	Keys     int    `json:"keys"`
	Hash     string `json:"hash"` // of the state at Applied, in hex
	Pending  int    `json:"pending"`

	HeardAgoNS int64 `json:"heard_ago_ns"` // since the last sign of life of Leader
	MonoNS     int64 `json:"mono_ns"`      // the node's clocks
	WallNS     int64 `json:"wall_ns"`

	Lease LeaseStatus           `json:"lease"`
	Peers map[string]PeerStatus `json:"peers"` // by name: "n2"
	WAL   WALStatus             `json:"wal"`
}

// LeaseStatus describes the leases of a node. Deadlines are on its clock for leases: MonoNS in mode "rate", WallNS in
// mode "wall".
type LeaseStatus struct {
	Mode        string `json:"mode"`                    // "none", "rate" or "wall"; empty when the protocol has no leases
	Held        bool   `json:"held"`                    // the node leads, and its lease is valid
	HeldUntilNS int64  `json:"held_until_ns,omitempty"` // when the lease ends or ended that it holds or has lost

	Holder         string `json:"holder,omitempty"`  // whose lease the node honours, itself included
	Granted        string `json:"granted,omitempty"` // the ballot of that lease
	GrantedUntilNS int64  `json:"granted_until_ns,omitempty"`
	Silent         bool   `json:"silent,omitempty"` // the node was restarted and may have granted it before
}

// PeerStatus describes the links with one peer.
type PeerStatus struct {
	Address     string `json:"address"`
	Connected   bool   `json:"connected"` // the peer can be sent messages
	Inbound     int    `json:"inbound"`   // connections that the peer has opened
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
	Slot  uint64 `json:"slot"`  // the last slot that it covers; zero without one
	Bytes int    `json:"bytes"` // of registers and sessions
}

// WALStatus describes the node's log.
type WALStatus struct {
	Base          uint64 `json:"base"` // the log needs a snapshot of this slot or a later one; zero needs none
	Bytes         int64  `json:"bytes"`
	Records       uint64 `json:"records"`
	Syncs         uint64 `json:"syncs"`     // since the node was started
	Rotations     uint64 `json:"rotations"` // the same: how often the log was replaced by a shorter one
	SyncLatencyNS int64  `json:"sync_latency_ns"`
}
