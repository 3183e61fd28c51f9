// Package transport carries messages between the nodes of a cluster over TCP.
//
// # Links
//
// Every node dials every other node and sends on the connections it dialled; it receives on those it accepted. So there
// is one connection per direction, and nodes need not agree on who dials whom.
//
// A connection begins with a hello in both directions, which names the sender, its cluster and the intended peer. A
// mismatch is refused with a reason that both sides log.
//
// # Loss
//
// Delivery is at most once, and in order within one connection. Messages to a peer that is not connected, that do not
// fit into its queue, or that are in transit when a connection breaks, are lost and counted. Protocols must tolerate
// loss anyway, and a queue that survived a partition would only deliver stale messages.
//
// # Dead connections
//
// TCP alone does not notice a partition: it retransmits with growing delays and stays silent after the partition heals
// for about as long as the partition lasted (48 s after one minute). So both sides of every connection send a heartbeat
// every Options.Heartbeat, independently of other traffic, and close a connection on which nothing has arrived for
// Options.DeadAfter. Any byte counts as a sign of life, so a large message on a slow link does not cause a disconnect.
//
// The dialler then starts a new attempt every Options.DialEvery until one succeeds. Attempts overlap: each may take up
// to Options.DialPatience, and the first to complete wins. With a new SYN every 200 ms a healed network is noticed at
// once, and a link with a round trip of a second can still be opened.
package transport
