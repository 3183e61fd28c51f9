// Package transport carries messages between the nodes of a cluster over TCP.
//
// # Links
//
// Every node dials every other and sends on the connection it dialled; it receives on those it accepted. So there is
// one connection per direction, and no agreement is needed about who dials whom.
//
// A connection begins with a hello in both directions, in which each side says its cluster, who it is and whom it means
// to talk to. What does not fit is refused with a reason that both sides log.
//
// # Loss
//
// Delivery is at most once, in order within one connection. Messages to a peer that is not connected, that do not fit
// into its queue, or that are under way when a connection breaks, are lost and counted. Protocols must tolerate that
// anyway, and a queue that survived a partition would only deliver stale news after it.
//
// # Death
//
// TCP alone does not notice a partition: it retries with growing pauses and stays dark after the heal for about as long
// as the partition was (48 s after one minute). So both sides of every connection send a heartbeat every
// Options.Heartbeat, independently of what else is under way, and close a connection on which nothing has arrived for
// Options.DeadAfter. Any byte counts as a sign of life, so that a large message on a slow link does not kill it.
//
// After that, and until it succeeds, the dialler starts a new attempt every Options.DialEvery. Attempts overlap: each
// lives for Options.DialPatience, the first to complete wins. A fresh SYN every 200 ms finds a healed network at once,
// and still a link with a round trip of a second can be opened.
package transport
