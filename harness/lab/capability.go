package lab

import "slices"

// Capability is a property of a host that a fault may require. An inventory claims it, a fault that needs it is
// refused where it is missing (nemesis.Refuse), and a doctor proves it.
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

// Describe returns in a few words what a host with the capability can do, or "" for an unknown name.
func (c Capability) Describe() string { return descriptions[c] }
