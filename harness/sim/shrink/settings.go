package shrink

import (
	"time"

	"elenchus/harness/sim"
	"elenchus/node/multipaxos"
)

// setting is something in a plan that can be put back to what is usual.
type setting struct {
	name  string
	away  func(p *sim.Plan) bool // it is not what is usual
	reset func(p *sim.Plan)
}

func field[T comparable](name string, at func(p *sim.Plan) *T, usual T) setting {
	return setting{
		name: name, away: func(p *sim.Plan) bool { return *at(p) != usual }, reset: func(p *sim.Plan) { *at(p) = usual },
	}
}

// accidents are what happens at random and without a fault of the plan.
var accidents = []setting{
	field("processes that die in the middle of a step", func(p *sim.Plan) *uint32 { return &p.Process.CrashPPM }, 0),
	field("disk errors", func(p *sim.Plan) *uint32 { return &p.Disk.ErrorPPM }, 0),
	field("lost messages", func(p *sim.Plan) *uint32 { return &p.Network.LossPPM }, 0),
	field("repeated messages", func(p *sim.Plan) *uint32 { return &p.Network.DuplicatePPM }, 0),
	field("damaged messages", func(p *sim.Plan) *uint32 { return &p.Network.CorruptPPM }, 0),
	field("messages that take long", func(p *sim.Plan) *uint32 { return &p.Network.TailPPM }, 0),
	field("syncs that take long", func(p *sim.Plan) *uint32 { return &p.Disk.TailPPM }, 0),
	field("clients that ask again", func(p *sim.Plan) *uint32 { return &p.Load.RetryPPM }, 0),
}

const ms = time.Millisecond

// settings are all others. Those of nodes go back to the defaults of the system.
var settings = []setting{
	field("messages by way of their encoding", func(p *sim.Plan) *uint32 { return &p.Network.CodecPPM }, 0),
	field("a log of bytes", func(p *sim.Plan) *bool { return &p.Disk.Bytes }, false),
	field("bandwidth", func(p *sim.Plan) *int64 { return &p.Network.Bandwidth }, 0),
	field("datagrams", func(p *sim.Plan) *bool { return &p.Network.Datagram }, false),
	field("messages in order of rank", func(p *sim.Plan) *int { return &p.Network.Ranks }, 0),
	field("time between ranks", func(p *sim.Plan) *time.Duration { return &p.Network.RankStep }, 0),
	field("links of different length", func(p *sim.Plan) *time.Duration { return &p.Network.Skew }, 0),
	field("jitter of messages", func(p *sim.Plan) *time.Duration { return &p.Network.Jitter }, 0),
	field("delay of messages", func(p *sim.Plan) *time.Duration { return &p.Network.Delay }, ms),
	field("tail of messages", func(p *sim.Plan) *time.Duration { return &p.Network.Tail }, 0),
	field("time to reconnect", func(p *sim.Plan) *time.Duration { return &p.Network.Reconnect }, 0),
	field("time until connections are given up", func(p *sim.Plan) *time.Duration { return &p.Network.DeadAfter },
		500*ms),
	field("jitter of syncs", func(p *sim.Plan) *time.Duration { return &p.Disk.Jitter }, 0),
	field("duration of syncs", func(p *sim.Plan) *time.Duration { return &p.Disk.Sync }, ms),
	field("tail of syncs", func(p *sim.Plan) *time.Duration { return &p.Disk.Tail }, 0),
	field("shortest restart", func(p *sim.Plan) *time.Duration { return &p.Process.RestartMin }, ms),
	field("longest restart", func(p *sim.Plan) *time.Duration { return &p.Process.RestartMax }, 5*ms),
	field("delay of clients", func(p *sim.Plan) *time.Duration { return &p.Load.Delay }, 0),
	field("patience of clients", func(p *sim.Plan) *time.Duration { return &p.Load.Patience }, time.Second),
	field("retries", func(p *sim.Plan) *int { return &p.Load.RetriesMax }, 0),
	field("long values", func(p *sim.Plan) *int { return &p.Load.Digits }, 0),
	field("snapshots", func(p *sim.Plan) *int { return &p.Node.SnapshotEntries }, 0),
	field("entries behind snapshots", func(p *sim.Plan) *int { return &p.Node.SnapshotKeep }, 0),
	field("pieces of snapshots", func(p *sim.Plan) *int { return &p.Node.SnapshotChunk }, 0),
	field("window", func(p *sim.Plan) *int { return &p.Node.Window }, 0),
	field("batch", func(p *sim.Plan) *int { return &p.Node.BatchMax }, 0),
	field("pieces of catch-up", func(p *sim.Plan) *int { return &p.Node.CatchupChunk }, 0),
	field("promise grace", func(p *sim.Plan) *time.Duration { return &p.Node.PromiseGrace }, 0),
	field("lease", func(p *sim.Plan) *multipaxos.Lease { return &p.Node.Lease }, multipaxos.LeaseNone),
	field("reads", func(p *sim.Plan) *multipaxos.Reads { return &p.Node.Reads }, multipaxos.ReadsQuorum),
	field("drift bound", func(p *sim.Plan) *int64 { return &p.Node.DriftBound }, 0),
	field("offset bound", func(p *sim.Plan) *time.Duration { return &p.Node.MaxOffset }, 0),
	field("jitter of elections", func(p *sim.Plan) *float64 { return &p.Node.Jitter }, 0),
	field("election timeout", func(p *sim.Plan) *time.Duration { return &p.Node.ElectionTimeout }, 0),
	field("heartbeat", func(p *sim.Plan) *time.Duration { return &p.Node.HeartbeatInterval }, 0),
	field("shortest back-off", func(p *sim.Plan) *time.Duration { return &p.Node.BackoffMin }, 0),
	field("longest back-off", func(p *sim.Plan) *time.Duration { return &p.Node.BackoffMax }, 0),
	field("retry interval", func(p *sim.Plan) *time.Duration { return &p.Node.RetryInterval }, 0),
	field("lease term", func(p *sim.Plan) *time.Duration { return &p.Node.LeaseTerm }, 0),
	field("lease renewal", func(p *sim.Plan) *time.Duration { return &p.Node.LeaseRenew }, 0),
}

// groups are settings that only make sense together.
var groups = [][]string{
	{"election timeout", "heartbeat", "shortest back-off", "longest back-off", "retry interval", "lease term",
		"lease renewal", "drift bound", "offset bound", "jitter of elections", "promise grace"},
	{"lease term", "lease renewal", "drift bound", "offset bound"},
	{"lease term", "lease renewal"},
	{"election timeout", "heartbeat"},
	{"election timeout", "heartbeat", "lease term", "lease renewal"},
	{"shortest back-off", "longest back-off"},
	{"lease", "reads"},
	{"messages in order of rank", "time between ranks"},
	{"jitter of messages", "delay of messages", "links of different length", "bandwidth", "time to reconnect",
		"time until connections are given up", "datagrams", "tail of messages"},
	{"jitter of syncs", "duration of syncs", "tail of syncs"},
	{"snapshots", "entries behind snapshots", "pieces of snapshots", "window", "batch", "pieces of catch-up"},
}
