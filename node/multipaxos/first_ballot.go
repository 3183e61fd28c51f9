package multipaxos

import "elenchus/node/protocol"

// firstBallot returns the lowest usable ballot. Campaigns begin with round 1, and its owner, the initial leader, is the
// member with the lowest id.
func (m *Machine) firstBallot() protocol.Ballot {
	return protocol.Ballot{Round: 0, Node: m.members.ids[0]}
}

// takeFirstBallot makes the initial leader of a new cluster lead without phase 1 (003, optimizations I and II).
//
// Phase 1 of a ballot discovers what was accepted in lower ballots and prevents further acceptances there. No ballot is
// lower than this one, so both hold of every acceptor without asking. It remains to ensure that no two incarnations use
// it: only a node with an empty disk does, and it sends nothing in this ballot before the ballot is durable. The node
// cannot know that the whole cluster is new. If it is not, the others have promised higher ballots and refuse.
func (m *Machine) takeFirstBallot() {
	if m.opts.FirstBallotShortcut && m.virgin && m.opts.Self == m.firstBallot().Node {
		m.campaignIn(m.firstBallot())
	}
}

// skipsPhase1 reports whether this candidate needs no promise but its own.
func (m *Machine) skipsPhase1() bool { return m.ballot == m.firstBallot() }
