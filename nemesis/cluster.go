package nemesis

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Host describes one machine of a cluster to the nemesis.
type Host struct {
	Name string     // of the node on it, as in the schedule
	Peer netip.Addr // address at which the other nodes reach it, and source address of its packets

	// PIDFile records the node's process as "PID STARTTIME\n", where the start time is field 22 of /proc/PID/stat.
	// A process with that PID and another start time is not the node.
	PIDFile string

	// Clock is how the host's clocks are moved; the zero value means that they cannot be.
	Clock HostClock
}

// HostClock says how the clocks of a host are moved. A helper program on the host (package main in elenchus-clock)
// moves either a control file that the node was started under, or the clocks of the host's own kernel.
type HostClock struct {
	Helper  string // the helper's path on the host
	Control string // the control file; empty if there is none
	Boot    string // boot id of the host's own kernel, which no other host shares; empty if the kernel is shared
}

// Cluster is the target of faults. The harness implements it; its methods may be called concurrently.
type Cluster interface {
	// Hosts lists the hosts. The result never changes.
	Hosts() []Host

	// Run runs a POSIX shell script as root on a host and returns its standard output. The error says that it could
	// not be run or that its exit status was not 0. Scripts leave the shell's state unchanged, so one shell can be
	// reused for all of them; they take milliseconds, or up to two seconds where they try to connect.
	Run(ctx context.Context, host, script string) (stdout string, err error)

	// Start restarts the node's process on a host and records it; it does nothing if the process is running.
	Start(ctx context.Context, host string) error

	// Leader returns the current leader's host. An error or an empty name means that the leader is unknown.
	Leader(ctx context.Context) (string, error)

	// HandOver asks the node on a host to give up leading, as an operator would, and returns the ballot, or term, in
	// which it led. The error is [ErrNotLeader] if it answers that it did not lead; after any other error it may have
	// given up or not. A stopped process answers when it goes on: HandOver waits until ctx ends.
	HandOver(ctx context.Context, host string) (ballot string, err error)
}

// ErrNotLeader means that a node was asked to hand over its leadership and answered that it does not lead.
var ErrNotLeader = errors.New("does not lead")

// checkHosts lists reasons why the hosts' addresses do not identify them. Otherwise a partition would silently cut
// nothing, or too much.
func checkHosts(hosts []Host) error {
	var problems []error
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	names, peers := map[string]bool{}, map[netip.Addr]string{}
	for _, host := range hosts {
		if names[host.Name] {
			add("two hosts are called %q", host.Name)
		}
		names[host.Name] = true
		switch peer := host.Peer.Unmap(); {
		case !peer.IsValid():
			add("host %s has no peer address", host.Name)
		case peer.IsLoopback() || peer.IsUnspecified() || peer.IsMulticast():
			add("host %s: peers cannot be told from %v", host.Name, peer)
		case peer.Zone() != "":
			add("host %s: %v is known on one link only: give a global or unique local address", host.Name, peer)
		case peers[peer] != "":
			add("hosts %s and %s have the same peer address %v", peers[peer], host.Name, peer)
		default:
			peers[peer] = host.Name
		}
		if strings.ContainsAny(host.Clock.Helper+host.Clock.Control+host.Clock.Boot, "'\n\x00") {
			add("host %s: the names of the helper for clocks and its file cannot be quoted", host.Name)
		}
		if strings.ContainsAny(host.PIDFile, "'\n\x00") {
			add("host %s: the name of the PID file %q cannot be quoted", host.Name, host.PIDFile)
		}
	}
	return errors.Join(problems...)
}
