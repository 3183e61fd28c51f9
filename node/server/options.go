package server

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/hashicorp/go-hclog"

	"elenchus/node/clock"
	"elenchus/node/protocol"
	"elenchus/node/wal"
)

// Clock returns a reading of both clocks. The monotonic reading is always positive and never decreases.
type Clock func() clock.Reading

// SystemClock returns a Clock that reads the operating system's clocks, the monotonic one counted from now.
func SystemClock() Clock {
	start := time.Now()
	return func() clock.Reading {
		now := time.Now()
		return clock.Reading{Mono: now.Sub(start) + 1, Wall: now.UnixNano()}
	}
}

// LinkSilenceMax is the longest time that [Options].LinkSilence may be.
const LinkSilenceMax = 10 * time.Second

// Options configures a [Server]. ID, Cluster, Peers, Data and Machine are required.
type Options struct {
	ID      protocol.NodeID
	Cluster string                     // the cluster's name, at most 64 bytes
	Peers   map[protocol.NodeID]string // host:port of every node, this one included
	Data    string                     // data directory, created if missing

	// Machine creates the protocol machine from the recovered state. The boot number, rising from 1, distinguishes
	// incarnations.
	Machine func(recovered protocol.Recovered, boot uint64) (protocol.Machine, error)

	PeerAddress string // address to listen on for peers; empty means this node's own entry in Peers
	HTTPAddress string // address to listen on for clients; empty means 127.0.0.1:8000

	// PeerListener and HTTPListener, when not nil, are used instead of the addresses.
	PeerListener, HTTPListener net.Listener

	// LinkSilence is after how long a silent connection to a peer is given up; heartbeats and attempts to connect come
	// four times as often. Zero means the defaults of [transport.Options].
	LinkSilence time.Duration

	InFlightMax int // maximum number of requests in flight; zero means 1024

	// ObservationBytes is the maximum size of the observations on disk; beyond it the oldest eighth is dropped. Zero means
	// ObservationBytesDefault, -1 no limit.
	ObservationBytes int64

	// NoTrace leaves the messages that leave this node out of its observations. Otherwise each is written there, so
	// that others can hold the node to the rules of its protocol. See package trace.
	NoTrace bool

	FS     wal.FS       // for all data that must survive a crash; nil means wal.OS
	Clock  Clock        // nil means SystemClock, and that observations say what its monotonic readings count from
	Logger hclog.Logger // nil discards

	// Shown by /status.
	Protocol, Reads, Version string

	origin int64 // of Clock, on the host's monotonic clock; zero if unknown
}

func (o Options) withDefaults() Options {
	o.PeerAddress = cmp.Or(o.PeerAddress, o.Peers[o.ID])
	o.HTTPAddress = cmp.Or(o.HTTPAddress, "127.0.0.1:8000")
	o.InFlightMax = cmp.Or(o.InFlightMax, 1024)
	o.ObservationBytes = cmp.Or(o.ObservationBytes, ObservationBytesDefault)
	if o.FS == nil {
		o.FS = wal.OS{}
	}
	if o.Clock == nil {
		o.Clock = SystemClock()
		o.origin = nanotime() - int64(o.Clock().Mono)
	}
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
	check(o.ID != 0, "node id must be 1 or higher")
	check(o.Cluster != "" && len(o.Cluster) <= 64, "cluster name must have 1 to 64 bytes: %q", o.Cluster)
	check(o.Data != "", "data directory must be given")
	check(o.Machine != nil, "machine must be given")
	check(o.InFlightMax > 0 && o.InFlightMax <= sessionsMax, "in-flight requests must be 1 to %d: %d", sessionsMax,
		o.InFlightMax)
	check(o.LinkSilence >= 0 && o.LinkSilence <= LinkSilenceMax, "silence of a link must be 0 to %v: %v", LinkSilenceMax,
		o.LinkSilence)
	check(o.ObservationBytes == -1 || o.ObservationBytes >= ObservationBytesMin,
		"bytes of observations must be -1, 0 or at least %d: %d", ObservationBytesMin, o.ObservationBytes)
	check(len(o.Peers) <= protocol.NodesMax, "cluster of %d nodes exceeds %d", len(o.Peers), protocol.NodesMax)
	if _, ok := o.Peers[o.ID]; !ok && o.ID != 0 {
		check(false, "%v is not among the peers", o.ID)
	}
	for id := range protocol.NodeID(protocol.NodesMax + 1) {
		address, ok := o.Peers[id]
		if _, _, err := net.SplitHostPort(address); ok && (err != nil || id == 0) {
			check(false, "peer %v has no address host:port: %q", id, address)
		}
	}
	return errors.Join(problems...)
}
