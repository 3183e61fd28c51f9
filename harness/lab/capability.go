package lab

import (
	"fmt"
	"slices"
	"strings"

	"elenchus/harness/control"
)

// Capability names a thing that a host has and that a fault may need. An inventory claims it, a doctor proves it.
type Capability string

// All capabilities. Most are abilities; [SharedKernel] is the opposite, a reason to refuse faults of whole kernels.
const (
	Root         Capability = "root"
	Iptables     Capability = "iptables"
	Netem        Capability = "netem"
	NFQueue      Capability = "nfqueue"
	Signals      Capability = "signals"
	Ptrace       Capability = "ptrace"
	OwnClock     Capability = "own-clock"
	SharedKernel Capability = "shared-kernel"
	Mount        Capability = "mount"
	Loop         Capability = "loop"
	Fuse         Capability = "fuse"
	DeviceMapper Capability = "device-mapper"
	Systemd      Capability = "systemd"
	Reboot       Capability = "reboot"
)

var descriptions = map[Capability]string{
	Root:         "commands run as root, by login or through become",
	Iptables:     "iptables can add and remove rules: partitions, random loss",
	Netem:        "tc can add a netem qdisc: delay, jitter, reordering, duplication",
	NFQueue:      "iptables can hand packets to a process (NFQUEUE): delay where netem is missing",
	Signals:      "processes can be stopped, continued and killed",
	Ptrace:       "a process can be traced from its start: clock faults by process",
	OwnClock:     "the host has a clock of its own that may be set and slewed without touching another host's",
	SharedKernel: "the host shares its kernel with others: clock, page cache and scheduler are not its own",
	Mount:        "file systems in memory can be mounted: a full disk",
	Loop:         "a file can be mounted as a disk (loop device): loss of unsynced writes",
	Fuse:         "/dev/fuse can be used: failing and slow disks, loss of unsynced writes",
	DeviceMapper: "the kernel has device mapper targets (flakey, delay, log-writes): failing and slow disks",
	Systemd:      "systemd runs the host",
	Reboot:       "the host can be rebooted without harm to any other",
}

// Capabilities lists all capability names in alphabetical order.
func Capabilities() []Capability {
	all := make([]Capability, 0, len(descriptions))
	for c := range descriptions {
		all = append(all, c)
	}
	slices.Sort(all)
	return all
}

// Describe says in a few words what a host with the capability can do. It is empty for an unknown name.
func (c Capability) Describe() string { return descriptions[c] }

// MissingError says which hosts lack what somebody needs. It lists everything, not only the first.
type MissingError struct {
	Lab     string
	Missing map[string][]Capability // by host
}

func (e *MissingError) Error() string {
	hosts := make([]string, 0, len(e.Missing))
	for h := range e.Missing {
		hosts = append(hosts, h)
	}
	slices.Sort(hosts)
	var b strings.Builder
	fmt.Fprintf(&b, "lab %s lacks capabilities:", e.Lab)
	for _, h := range hosts {
		for _, c := range e.Missing[h] {
			fmt.Fprintf(&b, " %s: %s (%s);", h, c, c.Describe())
		}
	}
	return strings.TrimSuffix(b.String(), ";")
}

// Require returns a [*MissingError] unless every host has all of the capabilities.
func (inv Inventory) Require(needs ...Capability) error {
	missing := make(map[string][]Capability)
	for _, h := range inv.Hosts {
		for _, c := range needs {
			if !Has(h, c) {
				missing[h.Name] = append(missing[h.Name], c)
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return &MissingError{Lab: inv.Name, Missing: missing}
}

// Has reports whether the host claims the capability.
func Has(h control.Host, c Capability) bool { return h.Has(string(c)) }
