// Package lab provides hosts: a list of them, their capabilities, and checks whether they really have them.
//
// An [Inventory] is all that the rest of the harness sees of a lab. There are three kinds:
//
//   - local (package local): hosts are namespaces of this machine, made in a fraction of a second by one supervisor
//     process and gone with it. Nothing has to be installed but iptables and, for root, OpenSSH's sshd.
//   - vagrant (package vagrant): hosts are the virtual machines of a Vagrantfile.
//   - inventory: hosts are whatever a TOML file lists, see docs/inventory.example.toml.
//
// A fault requires certain [Capability] names of a host and is refused before the run if one is missing; [Doctor]
// then proves that what is claimed works. [Acquire] prevents two harnesses from using the same hosts at once.
//
// # How the local lab is built
//
// One process, the supervisor, is process 1 of an enclosure: a pid, a network and a mount namespace, and a user
// namespace if the caller is not root. The enclosure's network has a bridge, 10.99.0.1/24, and no route to the
// outside. Every host is a child of the supervisor with its own network, mount, pid, uts and ipc namespaces, an
// address on the bridge (10.99.0.11 and up), and a file system that shows the machine's programs but keeps every
// change to itself: an overlay of / for root, one overlay per directory otherwise, all in memory. Its process 1
// drops the capabilities by which root in a host could affect the machine (setting the clock, loading modules,
// rebooting) and runs an SSH server: OpenSSH's for root, and otherwise that of package sshd, because OpenSSH's
// needs more than one user id. The program that drives the hosts runs inside the enclosure, where their addresses
// are reachable.
//
// Because the kernel ends a pid namespace with its process 1, killing the supervisor in any way leaves no process,
// no namespace, no mount and no firewall rule behind. Only a directory can remain, which the next lab removes.
//
// # What the local lab cannot show
//
// Its hosts share one kernel. They have one page cache, so a killed host loses nothing that it wrote, synced or
// not; one scheduler, so a pause of the machine stops all of them; one memory; and one clock below the processes,
// which is why a host of this kind has the capability shared-kernel and its clock faults work on processes, not on
// kernels. There is no network card, no driver and no switch: a message takes about 50 microseconds, and none is
// reordered or damaged unless requested. To test anything that depends on these, use virtual machines.
package lab
