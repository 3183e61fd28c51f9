package multipaxos

import (
	"fmt"

	"elenchus/node/protocol"
)

// poll is the state of a pre-vote: before campaigning, a node asks the others whether they would take part ("Pre-Vote"
// in Ongaro's thesis on Raft, §9.6). Without it, a node returning from a partition would depose a leader that everyone
// else hears, because a campaigning node raises its own promise and then refuses that leader.
//
// Polls and their answers do not change any promise, so they cannot affect safety. They do not block progress either: a
// node is unwilling only while it hears from a leader, honours a lease or has promised as much already (the next poll
// then uses a higher ballot), and a leader that gets no answers steps down ([Machine.lostContact]).
type poll struct {
	ballot  protocol.Ballot // the ballot a campaign would use if none higher is seen; zero when no poll is open
	willing nodeSet
	refused bool // at least one member is unwilling
}

// openPoll polls all members, and retries if the answers do not suffice in time.
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

// endPoll starts a campaign once a majority is willing.
func (m *Machine) endPoll() {
	if m.poll.willing.len() >= m.members.quorum && m.owed() == 0 {
		m.campaign()
	}
}

// onPoll answers whether this node would promise the ballot if asked now.
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

// hearsLeader reports whether this node leads, or follows a leader it has heard from within the election timeout.
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

// onUnwilling postpones the next poll, by more with every refused poll. The current poll stays open, since a majority
// may still be willing.
func (m *Machine) onUnwilling(msg *protocol.Message) {
	m.noteBallot(msg.Promised)
	if !msg.Ballot.IsZero() && msg.Ballot == m.poll.ballot && !m.poll.refused {
		m.poll.refused = true
		m.after(TimerElection, m.backoff())
		m.losses++
	}
}
