// Package multipaxos is the reference protocol: a replicated log by Multi-Paxos, as a [protocol.Machine].
//
// # Roles
//
// Every node is an acceptor (acceptor.go), a learner (learner.go, catchup.go) and a possible proposer (election.go,
// proposer.go). One of them leads:
//
//	Prepare  → Promise   once per leadership, for every slot above the proposer's committed prefix
//	Accept   → Accepted  once per slot, many slots at a time
//	Heartbeat → HeartbeatAck  the leader is alive; the commit notice rides on it and on Accept
//
// # Why it is safe
//
// A value is chosen in a slot when a majority has accepted it in the same ballot. Three rules keep a chosen value:
//
//   - A ballot belongs to one incarnation of one node and is durable before anybody hears of it, and the proposer
//     proposes one value per slot and ballot.
//   - An acceptor accepts nothing below what it promised, and both facts are durable before it says so.
//   - A new leader proposes, in every slot that somebody of its majority has accepted something in, the value of the
//     highest such ballot. Where a ballot below its own had a majority, one of that majority is in its own.
//
// # What is known to be chosen
//
// A leader knows from counting. Everybody else is told: a commit notice of ballot b covers a slot only if this node has
// accepted it in b, since a notice carries no value and what was accepted in another ballot may be another value.
// Anything else is fetched from a peer that knows it.
//
// A node stores what it learns under the ballot it learns it with, and that ballot is never below the one in which the
// value was chosen. So an entry that loses to a chosen one always has a lower ballot, and folding the log after a crash
// by "highest ballot wins" gives back the chosen value. To keep that true, a leader that learns an entry of a higher
// ballot stops leading.
//
// # Requests
//
// A request waits in one queue until this node leads, or knows who does. Until it has been proposed or forwarded it can
// fail; afterwards an unanswered change is unknown. It is forwarded at most once.
package multipaxos
