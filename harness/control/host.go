package control

import "net/netip"

// Host is one machine of a lab: how to reach it, and what it can do. Every kind of lab comes down to a list of these.
type Host struct {
	Name    string // "n1"; unique in a lab, and the node's name in schedules and histories
	Address string // where SSH is reached: name or address
	Port    int    // 22 when zero
	User    string

	KeyFile string // private key, OpenSSH format
	HostKey string // pinned public key of the host, as in authorized_keys: "ssh-ed25519 AAAA…"

	// Become is put in front of commands that need root, for users who are not: "sudo -n". Empty when User is root.
	Become string

	// Peer is the address by which the other hosts reach this one: nodes listen on it, partitions cut it.
	Peer netip.Addr

	// Capabilities are the things that faults may need and that this host has: "iptables", "signals", "own-clock", …
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
