// Package rules holds what the nodes of a replicated log report of themselves to the rules of the protocol. It is a form
// of trace validation, as it was done for etcd's Raft and for CCF ("Smart Casual Verification of the Confidential
// Consortium Framework", Howard and others, NSDI 2025), with the rules of Paxos written out in place of a specification.
//
// A client sees a broken rule only if it asks the right node within the milliseconds in which an answer is wrong. The
// nodes' own accounts show it whenever it happens. The same rules, under the same names, are held against simulated runs
// by the observer of package harness/sim, which sees every step in true time. Here there are only the nodes' logs, so
// every rule is formulated such that a correct node is never accused:
//
//   - What concerns one life of one node is compared on that node's own clock, without any error.
//   - What concerns several lives or several nodes is compared by order where the protocol gives one, and else on the
//     common time axis, where a difference must exceed the error with which both moments are placed.
//   - Lines can be missing, because the oldest were dropped or could not be written. A rule that concludes something from
//     the absence of a line does not apply where a missing line could be that one.
//
// # Rules about one node
//
// ballot-owner: a ballot is used by the node that it names, in one life of its process, and a node campaigns only above
// every ballot that it has promised or used ("no ballot is ever used twice"; Lamport, Paxos Made Simple, 2001, §2.4).
//
// promise-monotone: what a node promises only rises (Paxos Made Simple, §2.2, P1a).
//
// recovery: a restarted node has promised at least the ballots that it led before, and what it had found on its disk at
// an earlier start (Paxos Made Simple, §2.4: acceptors remember across failures).
//
// grant-honoured: a node that granted the lease of a ballot campaigns in no other ballot and promises no other until the
// end of the grant, restarted or not, unless the leader releases it (Gray and Cheriton, Leases, SOSP 1989; rates of
// clocks after Liskov, 1991). Within one life this is compared on the clock of the lease. After a restart it applies to
// leases on monotonic clocks, if the lives can be placed on one axis, and only if the node had not promised a higher
// ballot by then. A node that learns a chosen value of a higher ballot may raise its promise at any time.
//
// # Rules about several nodes
//
// lease-exclusive: while a node holds a lease, no other is elected in a higher ballot. Clocks that left the bounds that
// leases rest on excuse as much of an overlap as they can explain. Without a common time axis the rule does not apply.
package rules
