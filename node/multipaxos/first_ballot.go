package multipaxos

import "elenchus/node/protocol"

// firstBallot is the lowest ballot that anybody can use: campaigns begin with round 1, and no member has a lower number
// than the one that owns it, which is the initial leader.
func (m *Machine) firstBallot() protocol.Ballot {
	return protocol.Ballot{Round: 0, Node: m.members.ids[0]}
}

// takeFirstBallot makes the initial leader of a virgin cluster lead without phase 1 (003, optimizations I and II).
//
// Phase 1 of a ballot finds out what was accepted below it and keeps anything more from being accepted there. Below
// this one there is no ballot, so both hold of every acceptor without asking. What is left is that no two incarnations
// use it: only a node whose disk holds nothing does, and what it sends in it leaves after its record of it is durable.
// That the cluster is virgin too it does not know. If it is not, others have promised more, and refuse.
func (m *Machine) takeFirstBallot() {
	if m.opts.FirstBallotShortcut && m.virgin && m.opts.Self == m.firstBallot().Node {
		m.campaignIn(m.firstBallot())
	}
}

// skipsPhase1 reports whether this candidate needs no promises but its own.
func (m *Machine) skipsPhase1() bool { return m.ballot == m.firstBallot() }
