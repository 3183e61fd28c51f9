package multipaxos

import (
	"testing"
	"time"

	"elenchus/node/clock"
	"elenchus/node/protocol"
)

// Only the initial leader takes the first ballot, with the shortcut on and an empty disk.
func TestFirstBallotIsForTheVirgin(t *testing.T) {
	other := protocol.Ballot{Round: 1, Node: 2}
	entry := map[protocol.Slot]protocol.Entry{1: {Slot: 1, Ballot: other}}
	for name, c := range map[string]struct {
		opts Options
		rec  protocol.Recovered
		want bool
	}{
		"initial leader":       {Options{Self: 1, FirstBallotShortcut: true}, protocol.Recovered{}, true},
		"shortcut is off":      {Options{Self: 1}, protocol.Recovered{}, false},
		"another node":         {Options{Self: 2, FirstBallotShortcut: true}, protocol.Recovered{}, false},
		"used a ballot before": {Options{Self: 1, FirstBallotShortcut: true}, protocol.Recovered{Round: other}, false},
		"promised before":      {Options{Self: 1, FirstBallotShortcut: true}, protocol.Recovered{Promised: other}, false},
		"accepted before":      {Options{Self: 1, FirstBallotShortcut: true}, protocol.Recovered{Entries: entry}, false},
		"took it once":         {Options{Self: 1, FirstBallotShortcut: true}, protocol.Recovered{Round: first(1)}, false},
		"knew something chosen": {Options{Self: 1, FirstBallotShortcut: true},
			protocol.Recovered{Committed: 1, Entries: entry}, false},
	} {
		c.opts.Members = []protocol.NodeID{3, 1, 2}
		m, err := New(c.opts, c.rec)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		m.Step(clock.Reading{Mono: time.Second}, protocol.Input{Kind: protocol.InputStart})
		if got := m.Status(clock.Reading{}); (got.Role == protocol.RoleCandidate && got.Ballot == first(1)) != c.want ||
			!c.want && got.Role != protocol.RoleFollower {
			t.Errorf("%s: %v of %v", name, got.Role, got.Ballot)
		}
	}
}

func first(node protocol.NodeID) protocol.Ballot { return protocol.Ballot{Node: node} }
