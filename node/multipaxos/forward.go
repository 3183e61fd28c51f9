package multipaxos

import (
	"time"

	"elenchus/node/protocol"
	"elenchus/node/register"
)

// forwardQueue forwards the queued requests to the leader, if this node follows one (000 "operating phase"). Each is
// forwarded only once: a second copy could be executed after the client was told that the first one failed.
func (m *Machine) forwardQueue() {
	if m.role != protocol.RoleFollower || m.leader == 0 {
		return
	}
	for p := m.requests.queue.pop(); p != nil; p = m.requests.queue.pop() {
		if p.deadline <= m.now {
			m.giveUp(p, "no leader in time")
			continue
		}
		p.state, p.leader = stateForwarded, m.leader
		m.send(protocol.Message{
			Kind: protocol.MsgForward, To: m.leader, Request: p.key.id, Seq: m.incarnation,
			Command: p.command, Timeout: int64(p.deadline - m.now),
		}, 0)
	}
}

// onForward accepts a request from a follower. A node that is not the leader fails the request rather than passing it
// on.
func (m *Machine) onForward(msg *protocol.Message) {
	p := m.requests.memory.put(pending{
		key:     requestKey{from: msg.From, incarnation: msg.Seq, id: msg.Request},
		command: msg.Command, deadline: m.now + time.Duration(max(0, msg.Timeout)), heap: -1,
	})
	if m.role != protocol.RoleLeader {
		m.replyForward(p, protocol.Reply{Outcome: protocol.OutcomeFail, Reason: "not the leader"})
		return
	}
	m.admit(p)
}

func (m *Machine) replyForward(p *pending, reply protocol.Reply) {
	msg := protocol.Message{
		Kind: protocol.MsgForwardReply, To: p.key.from, Request: p.key.id, Seq: p.key.incarnation,
		Outcome: reply.Outcome, Result: reply.Result, Reason: reply.Reason, First: reply.Slot, Promised: reply.Ballot,
	}
	if m.role == protocol.RoleLeader {
		msg.Ballot = m.ballot
	}
	m.send(msg, reply.After)
}

// onForwardReply passes the leader's answer on to the client. Only the first answer counts.
//
// A refused mutation is not known to have failed: if the network duplicated the forward, the refusal may concern the
// second copy while the first has been proposed. A refusal by the replicated state itself applies to every copy.
func (m *Machine) onForwardReply(msg *protocol.Message) {
	if msg.Ballot == m.ballot && msg.From == m.leader {
		m.takeNotice(msg.Ballot, msg.Committed) // the answer overtakes the notice of its own slot
	}
	p := m.requests.live[requestKey{id: msg.Request}]
	if p == nil || p.state != stateForwarded || p.leader != msg.From || msg.Seq != m.incarnation {
		return
	}
	reply := protocol.Reply{
		Outcome: msg.Outcome, Result: msg.Result, Reason: msg.Reason, Slot: msg.First, Ballot: msg.Promised,
	}
	if msg.Outcome == protocol.OutcomeFail && p.command.Op.Mutates() && msg.Result.Code == register.CodeOK {
		reply.Outcome = protocol.OutcomeUnknown
	}
	if reply.Slot != 0 {
		reply.Leader = msg.From
	}
	m.finish(p, reply)
}
