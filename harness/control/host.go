package control

import "net/netip"

// Host is one machine of a lab: how to reach it, and its capabilities. Every kind of lab is a list of hosts.
type Host struct {
	Name    string // "n1"; unique in a lab, and the node's name in schedules and histories
	Address string // where SSH listens: name or address
	Port    int    // 22 when zero
	User    string

	KeyFile string // private key, OpenSSH format
	HostKey string // pinned public key of the host, as in authorized_keys: "ssh-ed25519 AAAA…"

	// Become is a prefix for commands that need root, for other users: "sudo -n". Empty if User is root.
	Become string

	// Peer is the address at which the other hosts reach this one: nodes listen on it, partitions cut it.
	Peer netip.Addr

	// Capabilities lists what faults may require and this host provides: "iptables", "signals", "own-clock", …
	Capabilities []string
}

// Has reports whether the host has the capability.
func (h Host) Has(capability string) bool {
	for _, c := range h.Capabilities {
		if c == capability {
			return true
		}
	}
	return false
}
