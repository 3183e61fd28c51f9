// Package protocol says what every replication protocol here is: a deterministic state machine and its contract with
// whoever drives it.
//
// # The idea
//
// A protocol is a [Machine]. It is told what happened ([Input]) together with a reading of its own clocks, and answers
// with everything it wants done ([Effects]): records to make durable, messages to send, replies for clients, timers to
// set, and observations for those who check it. It starts no goroutine, reads no clock, draws no global randomness and
// touches no file or socket. The shape is that of etcd-io/raft's RawNode, taken one step further: time is an argument.
//
// Two drivers exist. Package server gives a machine real sockets, files and clocks. The simulator gives thousands of
// them none. A bug found in either is a bug in the same lines.
//
// # Durability is data
//
// A message or reply that depends on a durable write names it ([Send].After, [Reply].After). A driver holds it back
// until that write is on stable storage; a simulator can crash the node at every point in between. A machine never
// waits and never blocks.
package protocol
