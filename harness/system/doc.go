// Package system deploys, runs and asks what is tested: [Paxos], a cluster of the project's own nodes, one process on
// each host of a lab.
//
// # Names
//
// A lab's hosts are in a fixed order. The node with id i runs on the i-th of them, and calls itself "ni". Hosts should
// be called so too, and may be called otherwise: hosts are meant by their own names here.
//
// # Directories
//
// Everything on a host is below four directories: programs (kept from run to run, named by their hash), data (emptied
// at every deployment), logs and pid files. The data directory is marked as ours when it is made; one that holds files
// and no mark is somebody else's and is refused.
package system
