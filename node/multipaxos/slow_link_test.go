package multipaxos

import (
	"fmt"
	"testing"
	"time"

	"elenchus/node/clock"
	"elenchus/node/protocol"
	"elenchus/node/register"
)

// A piece of a snapshot can take longer to arrive than RetryInterval. A node that repeats its request each time makes
// the link carry the piece again; the next piece then waits behind the copies, which causes more of them. The transfer
// and everything else on the link get slower and slower.
func TestSlowLinkIsNotFilledWithCopies(t *testing.T) {
	const pieces, onTheWay = 40, 5 // in units of RetryInterval
	members := []protocol.NodeID{1, 2, 3}
	snapshot := bigSnapshot(pieces * 1000)
	source, err := New(Options{Self: 1, Members: members, SnapshotChunk: 1000}, protocol.Recovered{Snapshot: snapshot})
	if err != nil {
		t.Fatal(err)
	}
	laggard, err := New(Options{Self: 2, Members: members}, protocol.Recovered{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Second
	at := func() clock.Reading { return clock.Reading{Mono: now} }
	source.Step(at(), protocol.Input{Kind: protocol.InputStart})
	var (
		timers  [timersEnd]time.Duration
		link    []protocol.Message // to the lagging node, one after the other
		arrives time.Duration      // arrival of the first of them
		copies  int
	)
	take := func(fx protocol.Effects) {
		for _, timer := range fx.Timers {
			timers[timer.ID] = timer.At
		}
		for _, s := range fx.Sends {
			if s.Message.To != 1 {
				continue
			}
			msg := s.Message // requests are small and arrive at once
			for _, answer := range source.Step(at(), protocol.Input{Kind: protocol.InputMessage, Message: &msg}).Sends {
				if answer.Message.Kind == protocol.MsgSnapshot {
					if len(link) == 0 {
						arrives = now + onTheWay*laggard.opts.RetryInterval
					}
					link = append(link, answer.Message)
					copies++
				}
			}
		}
	}
	take(laggard.Step(at(), protocol.Input{Kind: protocol.InputStart}))
	take(laggard.Step(at(), protocol.Input{Kind: protocol.InputMessage, Message: &protocol.Message{
		Kind: protocol.MsgNack, From: 1, To: 2, Committed: snapshot.Slot,
	}}))
	for steps := 0; laggard.committed < snapshot.Slot; steps++ {
		if steps == 1_000_000 || copies > 1000 {
			t.Fatalf("after %v %d pieces were sent of %d, and %d bytes have come", now, copies, pieces,
				len(laggard.catchup.transfer.State))
		}
		id, next := protocol.TimerID(0), arrives
		for timer, due := range timers {
			if due != 0 && (due < next || len(link) == 0 && id == 0) {
				id, next = protocol.TimerID(timer), due
			}
		}
		now = max(now, next)
		if id != 0 {
			timers[id] = 0
			take(laggard.Step(at(), protocol.Input{Kind: protocol.InputTimer, Timer: id}))
			continue
		}
		msg := link[0]
		if link = link[1:]; len(link) > 0 {
			arrives = now + onTheWay*laggard.opts.RetryInterval
		}
		take(laggard.Step(at(), protocol.Input{Kind: protocol.InputMessage, Message: &msg}))
	}
	if copies > pieces+10 {
		t.Errorf("%d pieces were sent of %d", copies, pieces)
	}
}

// bigSnapshot returns a snapshot of about the given size.
func bigSnapshot(bytes int) *protocol.Snapshot {
	var store register.Store
	for i := range bytes / 100 {
		store.Apply(register.Command{
			Client: 1, Seq: uint64(i + 1), Op: register.OpWrite, Key: fmt.Sprintf("%010d", i), Value: fmt.Sprintf("%088d", i),
		})
	}
	return &protocol.Snapshot{Slot: 1000, Ballot: protocol.Ballot{Round: 1, Node: 1}, State: store.Snapshot()}
}
