package nemesis

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Host is one machine of a cluster, as faults see it.
type Host struct {
	Name string     // of the node on it, as in the schedule
	Peer netip.Addr // where the other nodes reach it, and what their packets are seen to come from

	// PIDFile is where the node's process is recorded: "PID STARTTIME\n", the start time being field 22 of
	// /proc/PID/stat. A process of that PID with another start time is not the node.
	PIDFile string

	// Clock is how the host's clocks are moved; the zero value means that they cannot be.
	Clock HostClock
}

// HostClock says how the clocks of a host are moved: by a helper on it (package main in elenchus-clock), which has
// either a control file that the node was started under, or a kernel of the host's own.
type HostClock struct {
	Helper  string // the helper's path on the host
	Control string // the control file; empty if there is none
	Boot    string // the id of the boot of the host's own kernel, which no other host runs under; empty if it shares it
}

// Cluster is what faults are done to. The harness implements it; its methods may be called concurrently.
type Cluster interface {
	// Hosts lists the hosts. It always gives the same answer.
	Hosts() []Host

	// Run runs a script of the POSIX shell as root on a host and returns what it wrote to standard output. The error
	// says that it could not be run or did not exit with 0. The scripts leave the shell as they found it, so one
	// shell can be kept for all of them; they take milliseconds, or up to two seconds where they try to connect.
	Run(ctx context.Context, host, script string) (stdout string, err error)

	// Start starts the node's process on a host again and records it; it does nothing if the process runs.
	Start(ctx context.Context, host string) error

	// Leader says which host leads now. The error, or an empty name, means that nobody knows.
	Leader(ctx context.Context) (string, error)
}

// checkHosts lists what keeps the hosts from being told apart by their addresses. A partition between hosts that
// cannot be told apart would silently cut nothing, or too much.
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
