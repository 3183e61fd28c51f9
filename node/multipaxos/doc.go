// Package multipaxos is the reference protocol: a replicated log by Multi-Paxos, as a [protocol.Machine].
//
// # Roles
//
// Every node is an acceptor (acceptor.go), a learner (learner.go, catchup.go, transfer.go) and a possible proposer
// (election.go, proposer.go). One of them leads:
//
//	Poll     → Willing   before a campaign: would a majority take part? (poll.go)
//	Prepare  → Promise   once per leadership, for every slot above the proposer's committed prefix
//	Accept   → Accepted  once per slot, many slots at a time
//	Heartbeat → HeartbeatAck  the leader is alive; the commit notice rides on it and on Accept
//
// A node that hears of no leader for the election timeout asks the others, and campaigns if a majority hears of none
// either. A leader that no majority answers steps down (contact.go), so that nobody hears of a leader which can get
// nothing chosen. Both serve progress alone: neither changes what anybody has promised.
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
// With the shortcut on, the initial leader skips phase 1 of the first ballot (first_ballot.go): the third rule holds of
// the lowest ballot there is, whoever has promised it.
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
// # Leases
//
// With leases on (lease.go, grant.go, lease_options.go), a leader asks for a lease with every heartbeat. It holds the
// lease for T from the reading s of its clock in the step that made the request, once a majority, itself included, has
// granted that request or a later one of its ballot. A granter that reads g in the step in which it grants takes part
// in no other ballot until T(1+ε) after g on its own clock, and in that step it has promised exactly this ballot.
//
// While the leader of ballot b believes its lease valid, no higher ballot has a majority of promises or acceptances,
// and no other leader believes in a lease. For every granter of the majority, s was read before the request was sent
// and g after it arrived, so the leader's clock has advanced by less than T since g; by the bound on rates the
// granter's has advanced by less than T(1+ε), and it still honours the grant. Its promise is then still b, because
// every way to raise it is barred:
//
//   - Prepare, Accept and Heartbeat of another ballot are answered with LeaderAlive, and it does not campaign.
//   - A granter that restarts has its promise of b on disk, since the grant left after that was durable, and is silent
//     for as long as if it had granted in the moment it started. It has promised nothing above b either, for the same
//     reasons. A node whose disk has no promise has never granted.
//   - The leader is a granter too. If it promises a higher ballot, it steps down in the same step, and a ballot that
//     was stepped down from has no lease ever after.
//   - Learning a chosen entry of a higher ballot raises the promise. But that ballot must have been elected: the first
//     such ballot got its majority of promises without that, against one of the other rules.
//   - Forsake frees only of a ballot whose leader has stepped down, however late it comes.
//
// Nothing of this rests on how b came to be led: whoever accepts or grants in the first ballot has promised it in the
// same step, and writes that down before it says so.
//
// Every other majority has one of these granters in it, so no higher ballot has a majority, whatever its messages do. A
// lower ballot cannot get one either, as they accept nothing below b. So whatever was chosen before a moment at which
// the lease is valid was chosen in b, or else before b was elected. Once the leader has applied its barrier it knows
// the latter, and no client was told about anything in b that the leader has not applied. Its state is the latest.
//
// The bound is on what the clocks do between s and the serving of a read, nothing else: not on delays, pauses or
// offsets. In wall mode the leader uses the lease until s+T on its wall clock, and granters honour it until MaxOffset
// after that on theirs.
//
// Outside of the bound is a machine that is suspended, or a virtual one that is paused or moved, while its node
// leads in rate mode: the monotonic clock stands still and those of the granters do not, so when it wakes up it
// answers with what was true when it fell asleep, until its next heartbeat is answered or its lease is over
// (testdata/73_suspended_machine_reads_stale.txt). Nothing in the node can notice that in time. A process that is
// stopped is within the bound, as its machine's clock goes on, and so is a suspended granter, which only honours for
// longer.
//
// # Snapshots
//
// When enough was applied, or enough has gone to the log, the machine asks its driver to write the state down
// (snapshot.go). Once that is durable it drops from its log what the snapshot covers, but for a few entries that spare
// peers which lag a little the whole snapshot, and hands the driver what remains as the beginning of a new log. Who
// asks for entries that are gone is sent the snapshot in pieces (transfer.go).
//
//   - A slot is dropped only if it is chosen and applied. Every report of a promise begins above the committed prefix,
//     and counts only for a proposer that knows what is chosen below. So a candidate cannot take a dropped slot for a
//     free one: it has to learn the snapshot first.
//   - An acceptor accepts in a slot that it has dropped, without writing it down. The slot has a chosen value. A vote
//     for it in a later ballot is for that value, and one in an earlier ballot decides nothing; to report neither takes
//     nothing from anybody, as the node's promises say that it knows the slot to be chosen. The promise that an
//     acceptance implies is written.
//   - A snapshot from a peer is used at once and written meanwhile. A crash before it is durable takes the node back to
//     its old log, with everything in it that it has ever accepted and said so. Until then the log on disk is not
//     replaced, since what it would be replaced by rests on that snapshot, and does not speak of a committed prefix,
//     since it lacks entries of it.
//   - A crash may leave a peer's snapshot beside a log with entries that it covers and that were never chosen. The node
//     forgets them when it starts, and replaces the log before anything is added to it.
//
// # Requests
//
// A request waits in one queue until this node leads, or knows who does. Until it has been proposed or forwarded it can
// fail; afterwards an unanswered change is unknown. It is forwarded at most once. With leases on, a change that was
// executed is acknowledged when the lease is valid, and becomes unknown if that does not come about.
package multipaxos
