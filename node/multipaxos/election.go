package multipaxos

import (
	"fmt"
	"math"
	"time"

	"elenchus/node/protocol"
	"elenchus/node/register"
)

// campaigning is the state of phase 1 for one ballot. A candidate that gets no answer repeats its Prepare rather than
// choosing a higher ballot, so that a node which can send but not receive does not keep deposing leaders.
type campaigning struct {
	ownSeq    protocol.WriteSeq // the record of this node's own promise
	votes     [protocol.NodesMax]promise
	reported  map[protocol.Slot]protocol.Entry // the highest-ballot entry reported for each slot
	last      protocol.Slot                    // the highest slot reported
	majority  bool                             // a majority has promised and the grace period has started
	graceOver bool
	pages     uint64 // promise pages received; shows acceptors that this node receives their answers
}

// promise is the progress of one member's answer.
type promise struct {
	covered   protocol.Slot // reported through this slot; SlotLast when the promise is complete
	committed protocol.Slot // the member's committed prefix, which it does not report
}

func (m *Machine) onElectionTimeout() {
	if m.role != protocol.RoleFollower {
		return
	}
	if owed := m.owed(); owed > 0 {
		// Granters of the same lease are released at about the same time; jitter keeps their campaigns apart.
		m.after(TimerElection, owed+m.stretched(m.opts.BackoffMin)-m.opts.BackoffMin)
		return
	}
	if m.opts.NoPreVote {
		m.campaign()
		return
	}
	m.openPoll()
}

// campaign starts phase 1 with a ballot above all that this node has seen.
func (m *Machine) campaign() {
	if m.highest.Round == math.MaxUint64 {
		m.halt("no ballot is left above %v", m.highest)
		return
	}
	m.campaignIn(protocol.Ballot{Round: m.highest.Round + 1, Node: m.opts.Self})
}

// campaignIn makes this node a candidate in ballot b. The ballot is durable before any other node sees it, so that no
// later incarnation can reuse it.
func (m *Machine) campaignIn(b protocol.Ballot) {
	m.role, m.ballot, m.leader = protocol.RoleCandidate, b, 0
	m.observe(protocol.Observation{Kind: protocol.ObservedCampaign, Ballot: b})
	round := m.record(protocol.Record{Kind: protocol.RecordRound, Ballot: b})
	m.raisePromise(b, "")
	m.promisedSeq = m.record(protocol.Record{Kind: protocol.RecordPromise, Ballot: b})

	c := campaigning{ownSeq: m.promisedSeq, reported: make(map[protocol.Slot]protocol.Entry)}
	for i := range c.votes {
		c.votes[i].covered = m.committed
	}
	m.campaigning = c
	m.resetRetries()
	if m.skipsPhase1() {
		return
	}
	m.broadcast(protocol.Message{Kind: protocol.MsgPrepare, Ballot: b, First: m.committed + 1}, round)
	m.after(TimerRetry, m.opts.RetryInterval)
}

// onPromise handles one page of a promise. A promise counts only for exactly this ballot, once per member, and only
// when all its pages have arrived, because a missing page could hide the chosen value. Entries of an incomplete promise
// are still used: a value with a higher ballot than any in the majority's reports was safe in that ballot, and nothing
// can have been chosen since without appearing in the majority's reports.
func (m *Machine) onPromise(msg *protocol.Message, from int) {
	if m.role != protocol.RoleCandidate || msg.Ballot != m.ballot {
		return
	}
	c := &m.campaigning
	for _, e := range msg.Entries {
		m.noteBallot(e.Ballot)
		if old, ok := c.reported[e.Slot]; !ok || old.Ballot.Less(e.Ballot) {
			c.reported[e.Slot] = e
		}
		c.last = max(c.last, e.Slot)
	}
	vote := &c.votes[from]
	if vote.covered == protocol.SlotLast || msg.First > vote.covered+1 || msg.Last <= vote.covered {
		return
	}
	vote.covered = msg.Last
	vote.committed = max(vote.committed, msg.Committed)
	c.pages++
	if vote.covered == protocol.SlotLast {
		return
	}
	m.sendPrepare(from)
	for i := range m.members.ids {
		if i != from && i != m.members.self && c.votes[i].covered == protocol.SlotLast {
			m.sendPrepare(i) // it has reported everything, but must not time out while this node waits for the others
		}
	}
}

// sendPrepare asks a member for its promise, or for the next missing page of it. A member whose promise is complete
// gets a Prepare that only postpones its election timeout.
func (m *Machine) sendPrepare(to int) {
	first := m.campaigning.votes[to].covered
	if first != protocol.SlotLast {
		first++
	}
	m.send(protocol.Message{
		Kind: protocol.MsgPrepare, To: m.members.ids[to], Ballot: m.ballot, First: first, Seq: m.campaigning.pages,
	}, m.campaigning.ownSeq)
}

func (m *Machine) resendPrepares() {
	for i := range m.members.ids {
		if i != m.members.self && m.campaigning.votes[i].covered != protocol.SlotLast {
			m.sendPrepare(i)
		}
	}
	m.repeated()
}

// tryElect ends phase 1 once enough promises have arrived.
//
// A promise counts when it is complete, durable (checked here for this node's own) and omits nothing that this node
// does not know: if the member's committed prefix is ahead, the difference has to be fetched first.
func (m *Machine) tryElect() {
	if m.role != protocol.RoleCandidate || m.halted != nil {
		return
	}
	c := &m.campaigning
	switch {
	case m.durable < c.ownSeq:
		return
	case m.skipsPhase1():
		m.elect()
		return
	}
	count := 1
	for i := range m.members.ids {
		if vote := c.votes[i]; vote.covered == protocol.SlotLast && vote.committed <= m.committed {
			count++
		}
	}
	switch {
	case count < m.members.quorum:
		return
	case count == len(m.members.ids), m.opts.PromiseGrace == 0, c.graceOver:
		m.elect()
	case !c.majority:
		c.majority = true
		m.after(TimerGrace, m.opts.PromiseGrace)
	}
}

// elect makes this node the leader. Every slot with reported entries is re-proposed with its highest-ballot value, and
// every gap between them is filled with a no-op (003 "dummy value"). If there is nothing to re-propose, a single no-op
// is proposed: once it is chosen, the leader knows everything that was chosen before its ballot.
func (m *Machine) elect() {
	first, last := m.committed+1, max(m.campaigning.last, m.log.last)
	adopted := make([][]register.Command, 0, 1)
	for slot := first; slot <= last; slot++ {
		adopted = append(adopted, m.safeValue(slot))
	}
	if len(adopted) == 0 {
		adopted = append(adopted, nil)
	}
	m.role, m.leader, m.heard = protocol.RoleLeader, m.opts.Self, m.now
	m.observe(protocol.Observation{Kind: protocol.ObservedElected, Ballot: m.ballot})
	m.campaigning = campaigning{}
	m.leading = leading{
		next: first, unsynced: first, adopted: adopted, barrier: first + protocol.Slot(len(adopted)) - 1,
		announced: m.committed,
	}
	m.reading = reading{}
	m.queueReads()
	m.catchup.outstanding, m.catchup.transfer = false, nil
	for _, id := range []protocol.TimerID{TimerRetry, TimerGrace, TimerCatchup, TimerElection} {
		m.cancel(id)
	}
	m.holding = holding{}
	if m.opts.Lease != LeaseNone {
		m.askLease()
	}
	m.after(TimerHeartbeat, m.heartbeatEvery())
}

// safeValue returns the only value that the promises allow in a slot: the one with the highest ballot, counting this
// node's own entry.
func (m *Machine) safeValue(slot protocol.Slot) []register.Command {
	reported, ok := m.campaigning.reported[slot]
	if own := m.log.get(slot); own != nil && (!ok || reported.Ballot.Less(own.Ballot)) {
		return own.Batch
	}
	return reported.Batch // nil, a no-op, if no entry was reported
}

// onNack steps down if a higher ballot than this node's has been promised.
func (m *Machine) onNack(msg *protocol.Message) {
	m.noteBallot(msg.Promised)
	if m.role != protocol.RoleFollower && m.ballot.Less(msg.Promised) {
		m.stepDown(fmt.Sprintf("%v has promised %v", msg.From, msg.Promised))
	}
}

// stepDown stops leading or campaigning. The back-off before the next campaign grows with every loss (001, 003, 004).
func (m *Machine) stepDown(reason string) {
	led := m.role == protocol.RoleLeader
	m.role, m.leader = protocol.RoleFollower, 0
	m.campaigning = campaigning{}
	for _, id := range []protocol.TimerID{TimerHeartbeat, TimerRetry, TimerGrace} {
		m.cancel(id)
	}
	m.after(TimerElection, m.backoff())
	m.losses++
	if led {
		m.dropLease(reason)
		m.observe(protocol.Observation{Kind: protocol.ObservedDeposed, Ballot: m.ballot, Reason: reason})
		m.abandonProposals(reason)
		m.abandonReads(reason)
		m.abandonQueue(reason)
	}
}

// backoff returns the delay before the next campaign: exponential in the number of losses, with jitter.
func (m *Machine) backoff() time.Duration {
	d := m.opts.BackoffMin
	for range m.losses {
		if d *= 2; d >= m.opts.BackoffMax {
			d = m.opts.BackoffMax
			break
		}
	}
	return m.stretched(d)
}
