package multipaxos

import (
	"math/rand/v2"
	"testing"
	"time"

	"elenchus/node/clock"
	"elenchus/node/protocol"
	"elenchus/node/register"
)

// Step is total: any input in any order, however absurd, is handled, if need be by halting, but never by a panic. These
// messages follow no protocol at all.
func TestStepIsTotal(t *testing.T) {
	halts, taken, installed := 0, 0, 0
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 3))
		m, err := New(Options{
			Self: 2, Members: []protocol.NodeID{1, 2, 3}, Reads: Reads(rng.IntN(3)), PendingMax: 5,
			Lease: Lease(rng.IntN(3)), LeaseTerm: 400 * time.Millisecond,
			SnapshotEntries: 1 + rng.IntN(4), SnapshotKeep: rng.IntN(2), SnapshotChunk: 1 + rng.IntN(30),
			Window: 1 + rng.IntN(4), CatchupChunk: 1 + rng.IntN(3), Seed: seed,
		}, protocol.Recovered{})
		if err != nil {
			t.Fatal(err)
		}
		now := clock.Reading{Mono: time.Second}
		for range 400 {
			fx := m.Step(now, absurdInput(rng))
			for _, o := range fx.Observations {
				switch o.Kind {
				case protocol.ObservedSnapshotTaken:
					taken++
				case protocol.ObservedSnapshotInstalled:
					installed++
				}
			}
			for _, s := range fx.Sends {
				if s.Message.To == 2 || s.Message.From != 2 {
					t.Fatalf("seed %d: sends %+v", seed, s.Message)
				}
			}
			if fx.Halt != nil {
				if len(fx.Sends)+len(fx.Records)+len(fx.Replies) > 0 {
					t.Fatalf("seed %d: a node that stops still acts", seed)
				}
				halts++
				break
			}
			m.Status(now)
			now = now.Add(time.Duration(rng.Int64N(int64(200 * time.Millisecond))))
		}
	}
	if halts == 0 {
		t.Error("no input was contradictory enough to stop a node")
	}
	if taken < 10 || installed < 10 {
		t.Errorf("%d snapshots were taken and %d installed", taken, installed)
	}
}

func absurdInput(rng *rand.Rand) protocol.Input {
	in := protocol.Input{
		Kind: protocol.InputKind(rng.IntN(8)), Timer: protocol.TimerID(rng.IntN(10)),
		Durable: protocol.WriteSeq(rng.IntN(50)), Snapshotted: protocol.Slot(rng.IntN(12)),
		Request: protocol.Request{ID: protocol.RequestID(rng.IntN(9)), Command: absurdCommand(rng),
			Deadline: time.Duration(rng.Int64N(int64(time.Minute)))},
	}
	if in.Kind == protocol.InputMessage && rng.IntN(20) > 0 {
		in.Message = absurdMessage(rng)
	}
	return in
}

func absurdCommand(rng *rand.Rand) register.Command {
	return register.Command{
		Client: register.ClientID(rng.IntN(3)), Seq: uint64(rng.IntN(3)), Op: register.Op(rng.IntN(7)),
		Key: "x", Value: "v",
	}
}

func absurdMessage(rng *rand.Rand) *protocol.Message {
	slot := func() protocol.Slot {
		if rng.IntN(8) == 0 {
			return protocol.SlotLast - protocol.Slot(rng.IntN(2))
		}
		return protocol.Slot(rng.IntN(12))
	}
	ballot := func() protocol.Ballot {
		return protocol.Ballot{Round: uint64(rng.IntN(5)), Node: protocol.NodeID(rng.IntN(5))}
	}
	m := &protocol.Message{
		Kind: protocol.MessageKind(rng.IntN(int(protocol.MsgFetch) + 2)),
		From: protocol.NodeID(rng.IntN(5)), To: protocol.NodeID(2 - rng.IntN(10)/9),
		Ballot: ballot(), Promised: ballot(), Committed: slot(), First: slot(), Last: slot(), Seq: uint64(rng.IntN(4)),
		Request: protocol.RequestID(rng.IntN(9)), Command: absurdCommand(rng), Timeout: rng.Int64() - rng.Int64(),
		Outcome: protocol.Outcome(rng.IntN(3)), Lease: protocol.LeaseStep(rng.IntN(8)),
		Term: rng.Int64() - rng.Int64(), Expiry: rng.Int64() >> rng.IntN(63),
	}
	if rng.IntN(2) == 0 {
		m.Term = rng.Int64N(int64(500 * time.Millisecond))
	}
	if rng.IntN(2) == 0 {
		m.Ballot.Node = m.From
	}
	if rng.IntN(3) > 0 {
		state := absurdState(rng)
		offset, end := 0, len(state)
		if rng.IntN(2) == 0 {
			offset = rng.IntN(end + 1)
			end = offset + rng.IntN(end-offset+1)
		}
		m.Chunk = protocol.Chunk{
			Offset: uint64(offset), Total: uint64(len(state)), Data: state[offset:end],
			Checksum: (&protocol.Snapshot{State: state}).Checksum(),
		}
		m.Committed = max(m.Committed, m.Last)
	}
	if rng.IntN(20) == 0 {
		m.Chunk.Offset, m.Chunk.Total = rng.Uint64(), rng.Uint64()
	}
	first := protocol.Slot(rng.IntN(6))
	for i := range rng.IntN(4) {
		e := protocol.Entry{Slot: first + protocol.Slot(i), Ballot: m.Ballot}
		if rng.IntN(4) == 0 {
			e = protocol.Entry{Slot: protocol.Slot(rng.IntN(9)), Ballot: ballot()}
		}
		if rng.IntN(2) == 0 {
			e.Batch = []register.Command{absurdCommand(rng)}
		}
		m.Entries = append(m.Entries, e)
	}
	return m
}

// absurdState returns the encoded state after at most two writes, damaged in one case out of ten.
func absurdState(rng *rand.Rand) []byte {
	var s register.Store
	for i := range rng.IntN(3) {
		s.Apply(register.Command{Client: 1, Seq: uint64(i + 1), Op: register.OpWrite, Key: "x", Value: "v"})
	}
	state := s.Snapshot()
	if rng.IntN(10) == 0 {
		state[rng.IntN(len(state))]++
	}
	return state
}
