// Package rules holds what the nodes of a replicated log report of themselves to the rules of the protocol. It is a
// form of trace validation, as it was done for etcd's Raft and for CCF (Howard and others, Smart Casual Verification of
// the Confidential Consortium Framework, arXiv 2406.17455), with the rules of Paxos written out in place of a
// specification.
//
// A client sees a broken rule only if it asks the right node within the milliseconds in which an answer is wrong. The
// nodes' own accounts show it whenever it happens. The same rules, under the same names, are held against simulated
// runs by the observer of package harness/sim, which sees every step in true time. Here there are only the nodes' logs:
// what the protocol observes of itself, and the messages that leave, which the driver writes down. So every rule is
// formulated such that a correct node is never accused:
//
//   - What concerns one life of one node is compared on that node's own clock, without any error.
//   - What concerns several lives or several nodes is compared by the order of one node's lines where that suffices,
//     and else on the common time axis, where a difference must exceed the error with which both moments are placed.
//     Without a common axis, what happened somewhere counts as having happened in time.
//   - Lines can be missing, because the oldest were dropped or could not be written. A node of which lines are missing,
//     that ended by itself, or that did not trace its messages may have said anything. A rule that concludes something
//     from the absence of a line counts it as if the line were there. So it does with votes from right before a kill,
//     whose lines need not have been written: those in slots that the node did not know to be chosen by then.
//
// The sources are Lamport, Paxos Made Simple (2001), by section, and for leases Gray and Cheriton, Leases (SOSP 1989).
//
// # Rules about one node
//
// ballot-owner: a ballot is used by the node that it names, in one life of its process, and a node campaigns only above
// every ballot that it has promised or used in this life (§2.4: no two proposals have the same number).
//
// promise-monotone: what a node promises or accepts in only rises, as it decides and as it tells others (§2.2, P1a).
//
// promise-complete: a promise reports everything that the node had said it accepted in lower ballots, in that ballot or
// a higher one, except in slots that it says are chosen (§2.2, the answer to a prepare request).
//
// recovery: a restarted node has promised at least the ballots that it led, in which it told others that it promised or
// accepted, or granted a lease, and what it had found on its disk at an earlier start (§2.4: acceptors remember across
// failures).
//
// grant-honoured: a node that granted the lease of a ballot campaigns in no higher ballot, and neither promises nor
// accepts in one, until the end of the grant, restarted or not, unless the leader releases it. Within one life this is
// compared on the clock of the lease. After a restart it applies to leases on monotonic clocks, if the lives can be
// placed on one axis, and only if the node had not promised a higher ballot by then. A node that learns a chosen value
// of a higher ballot may raise its promise at any time.
//
// lease-read: where reads are served under leases, a node serves one only while it holds a lease by its own clock, as
// far as that was last extended. Nodes of which lines are missing are left out.
//
// lease-margin: what a node grants is not over before the leader's lease is by every clock within its bounds, which are
// part of the input: for a lease on monotonic clocks a term is stretched by the drift that is allowed, and one on wall
// clocks is honoured until its end and the offset that is allowed. A restarted node is silent for as long as anything
// that it may have granted. And what was granted in a ballot is not cut short in the same life.
//
// # Rules about several nodes
//
// election: a node leads, and proposes, only in a ballot that a majority had promised with all pages by then, itself
// included. The ballot of round 0, with which a new cluster may start, is excepted: there is none below it.
//
// one-value: a ballot has one value in a slot, in proposals, in reports of promises, and where it is applied (§2.2,
// P2b).
//
// safe-value: in a slot with values in several ballots, what is proposed is allowed by what the promises of its ballot
// report (§2.2, P2c).
//
// chosen-justified: when a node takes a value for chosen, or applies it, a majority has said that it accepted it in one
// ballot, the proposer included (§2.2).
//
// agreement: no two values of a slot have a majority. What nodes applied is compared by package checker.
//
// lease-basis: a lease lasts no longer than what a majority, the leader included, had been asked for and had granted by
// then.
//
// lease-exclusive: while a node holds a lease, no other is elected in a higher ballot. Clocks that left the bounds that
// leases rest on excuse as much of an overlap as they can explain. Without a common axis the rule does not apply.
//
// state-hash: nodes that have applied the same slots are in the same state (Schneider, Implementing Fault-Tolerant
// Services Using the State Machine Approach, 1990, §3).
//
// # Rules about answers
//
// read-fresh: the answer to a read is from the state of a slot that is no lower than any that a client had been told of
// when the read was sent ([Answers]). Where reads may be stale on purpose, it does not apply.
//
// ack-order: the same for updates, which are executed in a slot of their own. Requests that are sent several times are
// left out: the first copy may have been executed long ago.
//
// That nodes apply slots without a gap (applied-prefix) is judged by package checker as agreement.
package rules
