package multipaxos

import (
	"fmt"

	"elenchus/node/protocol"
)

// poll is the question before a campaign: who would take part in it? ("Pre-vote" in Ongaro's thesis on Raft, §9.6.) A
// node that comes back from behind a cut would otherwise depose a leader that everybody else hears: whatever campaigns
// raises its own promise, and then refuses the leader.
//
// Neither question nor answer changes what a node has promised, so a poll can do no harm to safety. It does none to
// progress either: a majority says no only while one of them hears a leader or honours a lease, and a leader that is
// not answered steps down ([Machine.lostContact]).
type poll struct {
	ballot  protocol.Ballot // what a campaign would use, if nothing higher is heard of; zero when no poll is open
	willing nodeSet
	refused bool // somebody is not willing
}

// openPoll asks everybody, again if there was no answer in time.
func (m *Machine) openPoll() {
	m.leader = 0
	m.poll = poll{
		ballot:  protocol.Ballot{Round: m.highest.Round + 1, Node: m.opts.Self},
		willing: nodeSet(0).with(m.members.self),
	}
	m.broadcast(protocol.Message{Kind: protocol.MsgPoll, Ballot: m.poll.ballot}, 0)
	m.after(TimerElection, m.stretched(m.opts.RetryInterval))
	m.endPoll()
}

// endPoll begins the campaign when a majority is willing.
func (m *Machine) endPoll() {
	if m.poll.willing.len() >= m.members.quorum && m.owed() == 0 {
		m.campaign()
	}
}

// onPoll says whether this node would promise the ballot if it were asked to now.
func (m *Machine) onPoll(msg *protocol.Message) {
	if msg.Ballot.Node != msg.From {
		return
	}
	answer := protocol.Message{Kind: protocol.MsgUnwilling, To: msg.From, Ballot: msg.Ballot, Promised: m.promised}
	switch {
	case !m.promised.Less(msg.Ballot):
		answer.Reason = "promised as much already"
	case m.bars(msg.Ballot):
		answer.Promised, answer.Reason = m.grant.ballot, m.whyBarred()
		m.observeRefusal(msg, answer.Reason)
	case m.hearsLeader():
		answer.Reason = fmt.Sprintf("hears the leader %v", m.leader)
	default:
		answer.Kind = protocol.MsgWilling
	}
	m.send(answer, 0)
}

// hearsLeader reports whether this node leads, or has heard of its leader in the time after which it would campaign.
func (m *Machine) hearsLeader() bool {
	return m.role == protocol.RoleLeader ||
		m.role == protocol.RoleFollower && m.leader != 0 && m.now-m.heard < m.opts.ElectionTimeout
}

func (m *Machine) onWilling(msg *protocol.Message, from int) {
	if msg.Ballot.IsZero() || msg.Ballot != m.poll.ballot {
		return
	}
	m.poll.willing = m.poll.willing.with(from)
	m.endPoll()
}

// onUnwilling makes the next poll wait, longer with every poll that is refused. This one stays open: a majority may be
// willing all the same.
func (m *Machine) onUnwilling(msg *protocol.Message) {
	m.noteBallot(msg.Promised)
	if !msg.Ballot.IsZero() && msg.Ballot == m.poll.ballot && !m.poll.refused {
		m.poll.refused = true
		m.after(TimerElection, m.backoff())
		m.losses++
	}
}
