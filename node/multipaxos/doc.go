// Package multipaxos implements the reference protocol, a log replicated with Multi-Paxos, as a [protocol.Machine].
//
// # Roles
//
// Every node is an acceptor (acceptor.go), a learner (learner.go, catchup.go, transfer.go) and a potential proposer
// (election.go, proposer.go). One of them is the leader:
//
//	Poll     → Willing   before a campaign: would a majority take part? (poll.go)
//	Prepare  → Promise   once per leadership, for every slot above the proposer's committed prefix
//	Accept   → Accepted  once per slot, many slots at a time
//	Heartbeat → HeartbeatAck  the leader is alive; the commit notice rides on it and on Accept
//
// A node that hears from no leader for the election timeout polls the others, and campaigns if a majority has not heard
// from one either. A leader that gets no answers from a majority steps down (contact.go), so that followers do not keep
// following a leader that cannot get anything chosen. Both mechanisms exist for liveness only: neither changes what any
// node has promised.
//
// # Safety
//
// A value is chosen in a slot when a majority has accepted it in the same ballot. Three rules protect a chosen value:
//
//   - A ballot belongs to one incarnation of one node and is durable before any other node sees it. The proposer
//     proposes only one value per slot and ballot.
//   - An acceptor accepts nothing below its promise. The promise and every acceptance are durable before the acceptor
//     reports them.
//   - A new leader re-proposes, in every slot for which any member of its majority reports an accepted value, the value
//     with the highest ballot. If a value was chosen in a lower ballot, its majority intersects the new leader's.
//
// With FirstBallotShortcut on, the initial leader skips phase 1 of the first ballot (first_ballot.go). The third rule
// holds trivially for the lowest possible ballot, whatever the acceptors have promised.
//
// # Learning chosen values
//
// A leader learns that a value is chosen by counting acceptances. Other nodes are told: a commit notice of ballot b
// covers a slot only if this node accepted that slot in b, because a notice carries no value and an entry accepted in
// another ballot may hold a different one. Anything else is fetched from a peer that knows it.
//
// A node stores a learned entry under the ballot it was learned with, which is never below the ballot in which the
// value was chosen. An entry that conflicts with a chosen one therefore always has a lower ballot, and recovering the
// log after a crash by "highest ballot wins" yields the chosen value. To preserve this, a leader that learns an entry
// of a higher ballot steps down.
//
// # Leases
//
// With leases on (lease.go, grant.go, lease_options.go), a leader requests a lease with every heartbeat. Let s be the
// reading of its clock in the step that made the request. Once a majority including the leader has granted that request
// or a later one of its ballot, it holds the lease until T after s. A granter that reads g in the step in which it
// grants takes part in no other ballot until T(1+ε) after g on its own clock, and in that step its promise is exactly
// this ballot.
//
// While the leader of ballot b believes its lease valid, no higher ballot has a majority of promises or acceptances,
// and no other leader believes it holds a lease. For every granter in the majority, s was read before the request was
// sent and g after it arrived, so the leader's clock has advanced by less than T since g. By the drift bound, the
// granter's clock has advanced by less than T(1+ε), so it still honours the grant. Its promise is then still b, because
// every way to raise it is barred:
//
//   - Prepare, Accept and Heartbeat of another ballot are answered with LeaderAlive, and the granter does not campaign.
//   - A granter that restarts has its promise of b on disk, because the grant was sent only after the promise was
//     durable. It stays silent for as long as if it had granted a lease at the moment it started. For the same reasons
//     it has promised nothing above b. A node with no promise on disk has never granted.
//   - The leader is a granter too. If it promises a higher ballot, it steps down in the same step, and a ballot whose
//     leader has stepped down never holds a lease again.
//   - Learning a chosen entry of a higher ballot raises the promise. But that ballot must have been elected, and the
//     first such ballot got its majority of promises without any learning, which the other rules exclude.
//   - Forsake releases a grant only for a ballot whose leader has stepped down, however late the message arrives.
//
// None of this depends on how b was elected: a node that accepts or grants in the first ballot promises it in the same
// step, and makes that durable before it replies.
//
// Every other majority contains one of these granters, so no higher ballot can get a majority, whatever happens to its
// messages. Nor can a lower ballot, since these granters accept nothing below b. So any value chosen before an instant
// at which the lease is valid was chosen either in b or before b was elected. Once the leader has applied its barrier
// it knows all of the latter, and no client has been told of anything in b that the leader has not applied. Its state
// is therefore current.
//
// The bound applies only to how the clocks advance between s and the serving of a read; delays, pauses and offsets do
// not matter. In wall mode the leader uses the lease until s+T on its wall clock, and granters honour it until
// MaxOffset after that on theirs.
//
// A suspended machine, or a virtual machine that is paused or migrated, is outside the bound while its node leads in
// rate mode. Its monotonic clock stops while those of the granters continue, so after resuming it serves state from
// before the suspension until its next heartbeat is answered or its lease expires
// (testdata/73_suspended_machine_reads_stale.txt). The node cannot detect this in time. A stopped process stays within
// the bound, since its machine's clock keeps running; so does a suspended granter, which merely honours the lease for
// longer.
//
// # Snapshots
//
// When enough slots have been applied or enough bytes logged, the machine asks its driver to write a snapshot of the
// state (snapshot.go). Once that is durable, the machine drops the covered entries from its log, except for a few
// recent ones that spare slightly lagging peers a full snapshot transfer, and gives the driver the remainder as the
// start of a new log. A peer that asks for dropped entries is sent the snapshot in chunks (transfer.go).
//
//   - A slot is dropped only if it is chosen and applied. A promise reports entries above the acceptor's committed
//     prefix, and counts only for a proposer that knows everything chosen below that. So a candidate cannot mistake a
//     dropped slot for a free one: it has to learn the snapshot first.
//   - In a slot that it has dropped, an acceptor accepts without recording the entry. The slot has a chosen value, so a
//     vote in a later ballot is for that value, and a vote in an earlier ballot decides nothing. Omitting both from
//     later promises is safe, because those promises state that the slot is known to be chosen. The promise implied by
//     the acceptance is recorded.
//   - A snapshot from a peer is used at once and written in the background. A crash before it is durable takes the node
//     back to its old log, which holds everything it has accepted and reported. Until the snapshot is durable, the log
//     on disk is not replaced, because the new log would depend on that snapshot, and no committed prefix is recorded,
//     because the log lacks some of its entries.
//   - A crash may leave a peer's snapshot beside a log that has entries which the snapshot covers but which were never
//     chosen. The node drops them when it starts, and replaces the log before appending to it.
//
// # Requests
//
// A request waits in a queue until this node leads or knows the leader. Until it has been proposed or forwarded it can
// fail definitely; after that, an unanswered mutation has an unknown outcome. A request is forwarded at most once. With
// leases on, an executed mutation is acknowledged only while the lease is valid, and becomes unknown if no valid lease
// is obtained in time.
package multipaxos
