package multipaxos

import (
	"fmt"
	"math"
	"time"

	"elenchus/node/protocol"
	"elenchus/node/register"
)

// campaigning is the state of phase 1. It lives as long as the ballot: a candidate that hears nothing repeats its
// Prepare rather than going higher, so that a node which can only send does not depose everybody for ever.
type campaigning struct {
	ownSeq    protocol.WriteSeq // this node's own promise
	votes     [protocol.NodesMax]promise
	reported  map[protocol.Slot]protocol.Entry // of everything reported in a slot, the entry of the highest ballot
	last      protocol.Slot                    // the highest slot reported
	majority  bool                             // there has been one; the grace runs
	graceOver bool
	pages     uint64 // of promises that have come: proof for the others that this node is not deaf
}

// promise is what one member has answered so far.
type promise struct {
	covered   protocol.Slot // it has reported everything up to here; SlotLast when it is complete
	committed protocol.Slot // slots up to here it did not report, because they are chosen
}

func (m *Machine) onElectionTimeout() {
	if m.role != protocol.RoleFollower {
		return
	}
	if owed := m.owed(); owed > 0 {
		// All who granted the same lease are free at about the same time: some jitter keeps them apart.
		m.after(TimerElection, owed+m.stretched(m.opts.BackoffMin)-m.opts.BackoffMin)
		return
	}
	if m.opts.NoPreVote {
		m.campaign()
		return
	}
	m.openPoll()
}

// campaign starts phase 1 with a ballot above all that was seen.
func (m *Machine) campaign() {
	if m.highest.Round == math.MaxUint64 {
		m.halt("no ballot is left above %v", m.highest)
		return
	}
	m.campaignIn(protocol.Ballot{Round: m.highest.Round + 1, Node: m.opts.Self})
}

// campaignIn tries to be elected with a ballot. It is durable before anybody hears of it, so no later incarnation can
// use it again.
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

// onPromise takes one page of a promise. Only answers to exactly this ballot count, once per member, and only when all
// pages are there: a missing page could hide the value that is chosen. What an incomplete promise reports is used all
// the same: a value of a higher ballot than any in the majority's reports was safe in that ballot, and nothing can have
// been chosen since without the majority's reporting it.
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
			m.sendPrepare(i) // who has reported all waits for the others, and must not lose patience meanwhile
		}
	}
}

// sendPrepare asks a member for its promise, or for the page of it that is missing. From one whose promise is complete
// it wants nothing but time.
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

// tryElect ends phase 1 when enough promises are there.
//
// A promise counts when it is durable (this node's own), complete, and leaves nothing out that this node does not know:
// if the other's committed prefix is ahead, the difference has to be fetched first.
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

// elect starts leading. In every slot in which something was reported the value of the highest ballot is proposed
// again, in the holes between them a no-op (003 "dummy value"). If there is nothing to propose again, a no-op is: its
// being chosen tells the leader that it knows everything chosen before its ballot.
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

// safeValue is the value that the promises allow in a slot: that of the highest ballot, this node's own included.
func (m *Machine) safeValue(slot protocol.Slot) []register.Command {
	reported, ok := m.campaigning.reported[slot]
	if own := m.log.get(slot); own != nil && (!ok || reported.Ballot.Less(own.Ballot)) {
		return own.Batch
	}
	return reported.Batch // nil, a no-op, when nobody reported one
}

// onNack gives way to a higher ballot.
func (m *Machine) onNack(msg *protocol.Message) {
	m.noteBallot(msg.Promised)
	if m.role != protocol.RoleFollower && m.ballot.Less(msg.Promised) {
		m.stepDown(fmt.Sprintf("%v has promised %v", msg.From, msg.Promised))
	}
}

// stepDown stops leading or campaigning. The next campaign waits longer with every loss (001, 003, 004).
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

// backoff is the pause before the next campaign.
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
