// Package protocol defines a replication protocol as a deterministic state machine, and the contract between it and its
// driver.
//
// # Model
//
// A protocol is a [Machine]. Each step takes an event ([Input]) and a reading of the node's clocks, and returns
// everything the machine wants done ([Effects]): records to make durable, messages to send, replies to clients, timers
// to set, and observations for checkers. It starts no goroutine, reads no clock, draws no global randomness and touches
// no file or socket. The shape is that of etcd-io/raft's RawNode, taken one step further: time is an argument.
//
// There are two drivers. Package server runs a machine on real sockets, files and clocks; the simulator runs thousands
// of machines on none. A bug found in either is a bug in the same code.
//
// # Durability is data
//
// A message or reply that depends on a durable write names it ([Send].After, [Reply].After). A driver holds it back
// until that write is on stable storage; a simulator can crash the node at any point before, between and after. A
// machine never waits and never blocks.
package protocol
