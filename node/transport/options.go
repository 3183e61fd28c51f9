package transport

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Options configures a [Transport]. Cluster, Self and Deliver are required; other fields default to the value named in
// their comment if zero.
type Options struct {
	Cluster string            // the cluster's name, at most 64 bytes
	Self    uint16            // this node
	Peers   map[uint16]string // host:port of the other nodes; an entry for Self is ignored

	// Deliver is called with every message, from one goroutine per connection; the callee owns payload. While it blocks,
	// its sender is slowed down. It must return when Close is called.
	Deliver func(from uint16, payload []byte)

	Logger hclog.Logger // nil discards

	Heartbeat    time.Duration // 200 ms
	DeadAfter    time.Duration // 800 ms; at least two heartbeats
	DialEvery    time.Duration // 200 ms
	DialPatience time.Duration // 3 s

	QueueMessagesMax int // messages queued for one peer: 4096
	QueueBytesMax    int // bytes queued for one peer: 32 MiB
	FrameBytesMax    int // the maximum message size: 8 MiB
}

const clusterBytesMax = 64

func (o Options) withDefaults() Options {
	o.Heartbeat = cmp.Or(o.Heartbeat, 200*time.Millisecond)
	o.DeadAfter = cmp.Or(o.DeadAfter, 800*time.Millisecond)
	o.DialEvery = cmp.Or(o.DialEvery, 200*time.Millisecond)
	o.DialPatience = cmp.Or(o.DialPatience, 3*time.Second)
	o.QueueMessagesMax = cmp.Or(o.QueueMessagesMax, 4096)
	o.QueueBytesMax = cmp.Or(o.QueueBytesMax, 32<<20)
	o.FrameBytesMax = cmp.Or(o.FrameBytesMax, 8<<20)
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	return o
}

// Validate returns all problems with the options, joined, or nil.
func (o Options) Validate() error {
	o = o.withDefaults()
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(o.Cluster != "" && len(o.Cluster) <= clusterBytesMax, "cluster name must have 1 to %d bytes: %q",
		clusterBytesMax, o.Cluster)
	check(o.Self != 0, "self must not be node 0")
	check(o.Deliver != nil, "deliver must be set")
	for id := range o.Peers {
		check(id != 0, "node 0 cannot be a peer")
	}
	check(o.Heartbeat > 0, "heartbeat must be positive: %v", o.Heartbeat)
	check(o.DeadAfter >= 2*o.Heartbeat, "dead after %v must be at least two heartbeats of %v", o.DeadAfter, o.Heartbeat)
	check(o.DialEvery > 0, "dial every must be positive: %v", o.DialEvery)
	check(o.DialPatience >= o.DialEvery, "dial patience %v must not be below dial every %v", o.DialPatience, o.DialEvery)
	check(o.QueueMessagesMax > 0, "queue messages max must be positive: %d", o.QueueMessagesMax)
	check(o.QueueBytesMax > 0, "queue bytes max must be positive: %d", o.QueueBytesMax)
	check(o.FrameBytesMax >= helloBytesMax && o.FrameBytesMax <= 1<<30, "frame bytes max must be %d to %d: %d",
		helloBytesMax, 1<<30, o.FrameBytesMax)
	return errors.Join(problems...)
}
