// Package system deploys, runs and queries the system under test: [Paxos], a cluster of the project's own nodes,
// one process on each host of a lab.
//
// # Names
//
// A lab's hosts have a fixed order. The node with id i runs on the i-th host, and calls itself "ni". Hosts should
// have the same names, but need not; this package always refers to hosts by their own names.
//
// # Directories
//
// Everything on a host is below four directories: programs (kept from run to run, named by their hash), data
// (emptied at every deployment), logs and pid files. The data directory is marked as ours when it is created; one
// that contains files but no mark is refused.
package system
