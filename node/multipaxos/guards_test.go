package multipaxos

import (
	"testing"
	"time"

	"elenchus/node/clock"
	"elenchus/node/protocol"
	"elenchus/node/register"
)

// lone is node n1 of three. The test plays its peers, and so can send exactly the messages that concern a rule,
// including those that honest nodes would produce only after a rare chain of events. Its disk is immediate.
type lone struct {
	t   *testing.T
	m   *Machine
	now clock.Reading
}

func newLone(t *testing.T) *lone {
	t.Helper()
	m, err := New(Options{Self: 1, Members: []protocol.NodeID{1, 2, 3}, NoPreVote: true}, protocol.Recovered{})
	if err != nil {
		t.Fatal(err)
	}
	l := &lone{t: t, m: m, now: clock.Reading{Mono: time.Second}}
	l.step(protocol.Input{Kind: protocol.InputStart})
	return l
}

// step returns the node's messages and replies, including those released by syncs.
func (l *lone) step(in protocol.Input) (sends []protocol.Message, replies []protocol.Reply) {
	l.t.Helper()
	for {
		fx := l.m.Step(l.now, in)
		if fx.Halt != nil {
			l.t.Fatal(fx.Halt)
		}
		for _, s := range fx.Sends {
			sends = append(sends, s.Message)
		}
		replies = append(replies, fx.Replies...)
		if len(fx.Records) == 0 {
			return sends, replies
		}
		in = protocol.Input{Kind: protocol.InputDurable, Durable: l.m.written}
	}
}

func (l *lone) hear(msg protocol.Message) ([]protocol.Message, []protocol.Reply) {
	l.t.Helper()
	msg.To = 1
	return l.step(protocol.Input{Kind: protocol.InputMessage, Message: &msg})
}

// campaign starts phase 1 and returns its ballot.
func (l *lone) campaign() protocol.Ballot {
	l.t.Helper()
	l.now = l.now.Add(time.Minute)
	l.step(protocol.Input{Kind: protocol.InputTimer, Timer: TimerElection})
	if l.m.role != protocol.RoleCandidate {
		l.t.Fatalf("role is %v", l.m.role)
	}
	return l.m.ballot
}

// lead wins an election in which n2 has nothing to report, and makes n2 accept the first slot.
func (l *lone) lead() protocol.Ballot {
	l.t.Helper()
	b := l.campaign()
	l.hear(protocol.Message{
		Kind: protocol.MsgPromise, From: 2, Ballot: b, First: l.m.committed + 1, Last: protocol.SlotLast,
	})
	slot := l.m.committed + 1
	l.hear(protocol.Message{Kind: protocol.MsgAccepted, From: 2, Ballot: b, First: slot, Last: slot})
	if l.m.role != protocol.RoleLeader || l.m.committed != slot {
		l.t.Fatalf("%v with committed %d", l.m.role, l.m.committed)
	}
	return b
}

func write(value string) []register.Command {
	return []register.Command{{Client: 1, Seq: 1, Op: register.OpWrite, Key: "x", Value: value}}
}

// Heartbeats are numbered from 1 in every ballot. An answer from an earlier ballot confirms nothing, however high its
// number.
func TestAnswersToEarlierBallotsConfirmNoRead(t *testing.T) {
	l := newLone(t)
	first := l.lead()
	l.hear(protocol.Message{Kind: protocol.MsgHeartbeatAck, From: 2, Ballot: first, Seq: 1000})
	l.hear(protocol.Message{Kind: protocol.MsgPrepare, From: 2, Ballot: protocol.Ballot{Round: 2, Node: 2}, First: 2})
	second := l.lead()
	_, replies := l.step(protocol.Input{Kind: protocol.InputRequest, Request: protocol.Request{
		ID: 7, Command: register.Command{Op: register.OpRead, Key: "x"}, Deadline: l.now.Mono + time.Second,
	}})
	if len(replies) != 0 {
		t.Fatalf("an unconfirmed read is answered: %+v", replies)
	}
	_, replies = l.hear(protocol.Message{
		Kind: protocol.MsgHeartbeatAck, From: 2, Ballot: second, Seq: l.m.leading.beat,
	})
	if len(replies) != 1 || replies[0].Outcome != protocol.OutcomeOK {
		t.Errorf("a confirmed read is answered %+v", replies)
	}
}

// The last page of a promise does not complete the promise while an earlier page is missing.
func TestPromiseWithAMissingPageDoesNotCount(t *testing.T) {
	l := newLone(t)
	b := l.campaign()
	old := protocol.Ballot{Round: 0, Node: 3}
	l.hear(protocol.Message{Kind: protocol.MsgPromise, From: 2, Ballot: b, First: 2, Last: protocol.SlotLast})
	if l.m.role != protocol.RoleCandidate {
		t.Fatalf("%v after a page that leaves out slot 1", l.m.role)
	}
	l.hear(protocol.Message{
		Kind: protocol.MsgPromise, From: 2, Ballot: b, First: 1, Last: 1,
		Entries: []protocol.Entry{{Slot: 1, Ballot: old, Batch: write("a")}},
	})
	sends, _ := l.hear(protocol.Message{
		Kind: protocol.MsgPromise, From: 2, Ballot: b, First: 2, Last: protocol.SlotLast,
	})
	if l.m.role != protocol.RoleLeader || len(sends) == 0 || sends[0].Kind != protocol.MsgAccept ||
		len(sends[0].Entries) != 1 || sends[0].Entries[0].Batch[0].Value != "a" {
		t.Errorf("%v, proposes %+v", l.m.role, sends)
	}
}

// Entries beyond a peer's own committed prefix are not chosen, even if it sends them in an answer.
func TestOnlyTheCommittedPartOfAnAnswerIsLearned(t *testing.T) {
	l := newLone(t)
	b := protocol.Ballot{Round: 1, Node: 2}
	l.hear(protocol.Message{Kind: protocol.MsgChosen, From: 2, Committed: 1, Entries: []protocol.Entry{
		{Slot: 1, Ballot: b, Batch: write("a")}, {Slot: 2, Ballot: b, Batch: write("b")},
	}})
	if e := l.m.log.get(2); l.m.committed != 1 || e != nil {
		t.Errorf("committed %d, slot 2 holds %+v", l.m.committed, e)
	}
}

// A node asked for more slots than it knows to be chosen sends only those.
func TestOnlyChosenEntriesAreSent(t *testing.T) {
	l := newLone(t)
	b := protocol.Ballot{Round: 1, Node: 2}
	l.hear(protocol.Message{Kind: protocol.MsgAccept, From: 2, Ballot: b, Committed: 1, Entries: []protocol.Entry{
		{Slot: 1, Ballot: b, Batch: write("a")}, {Slot: 2, Ballot: b, Batch: write("b")},
	}})
	sends, _ := l.hear(protocol.Message{Kind: protocol.MsgCatchup, From: 3, First: 1, Last: 2})
	if len(sends) != 1 || len(sends[0].Entries) != 1 || sends[0].Entries[0].Slot != 1 {
		t.Errorf("sends %+v", sends)
	}
}

// A node that learns a chosen value accepts nothing from a lower ballot, in that slot or any other: the log must not
// hold a ballot above the promise.
func TestLearningPromises(t *testing.T) {
	l := newLone(t)
	high, low := protocol.Ballot{Round: 5, Node: 2}, protocol.Ballot{Round: 3, Node: 3}
	l.hear(protocol.Message{Kind: protocol.MsgChosen, From: 2, Committed: 1, Entries: []protocol.Entry{
		{Slot: 1, Ballot: high, Batch: write("a")},
	}})
	for slot := protocol.Slot(1); slot <= 2; slot++ {
		sends, _ := l.hear(protocol.Message{Kind: protocol.MsgAccept, From: 3, Ballot: low, Entries: []protocol.Entry{
			{Slot: slot, Ballot: low, Batch: write("b")},
		}})
		if len(sends) != 1 || sends[0].Kind != protocol.MsgNack || sends[0].Promised != high {
			t.Errorf("an Accept of %v in slot %d is answered %+v", low, slot, sends)
		}
	}
}
