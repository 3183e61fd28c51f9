package wire

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"elenchus/node/protocol"
	"elenchus/node/register"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var (
	numbers = rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64Range(0, 300), rapid.Uint64())
	strs    = rapid.StringN(0, 40, 120)
)

func command(t *rapid.T) register.Command {
	return register.Command{
		Client: register.ClientID(numbers.Draw(t, "client")), Seq: numbers.Draw(t, "seq"),
		Op:  register.Op(rapid.Uint8Range(0, uint8(register.OpAppend)).Draw(t, "op")),
		Key: strs.Draw(t, "key"), Value: strs.Draw(t, "value"), Expect: strs.Draw(t, "expect"),
		ExpectAbsent: rapid.Bool().Draw(t, "absent"),
	}
}

func ballot(t *rapid.T) protocol.Ballot {
	return protocol.Ballot{Round: numbers.Draw(t, "round"), Node: protocol.NodeID(rapid.Uint16().Draw(t, "node"))}
}

func entry(t *rapid.T) protocol.Entry {
	return protocol.Entry{
		Slot: protocol.Slot(numbers.Draw(t, "slot")), Ballot: ballot(t),
		Batch: rapid.SliceOfN(rapid.Custom(command), 0, 4).Draw(t, "batch"),
	}
}

func message(t *rapid.T) protocol.Message {
	return protocol.Message{
		Kind: protocol.MessageKind(rapid.Uint8Range(1, uint8(protocol.MsgFetch)).Draw(t, "kind")),
		From: protocol.NodeID(rapid.Uint16().Draw(t, "from")), To: protocol.NodeID(rapid.Uint16().Draw(t, "to")),
		Ballot: ballot(t), Promised: ballot(t), Committed: protocol.Slot(numbers.Draw(t, "committed")),
		First: protocol.Slot(numbers.Draw(t, "first")), Last: protocol.Slot(numbers.Draw(t, "last")),
		Seq: numbers.Draw(t, "seq"), Entries: rapid.SliceOfN(rapid.Custom(entry), 0, 4).Draw(t, "entries"),
		Request: protocol.RequestID(numbers.Draw(t, "request")), Command: command(t),
		Timeout: rapid.Int64Range(0, math.MaxInt64).Draw(t, "timeout"),
		Outcome: protocol.Outcome(rapid.Uint8Range(0, 2).Draw(t, "outcome")),
		Result: register.Result{
			Code:   register.Code(rapid.Uint8Range(0, uint8(register.CodeRefused)).Draw(t, "code")),
			Values: rapid.SliceOfN(strs, 0, 5).Draw(t, "values"),
		},
		Reason: strs.Draw(t, "reason"),
		Lease:  protocol.LeaseStep(rapid.Uint8Range(0, uint8(protocol.LeaseRefused)).Draw(t, "lease")),
		Term:   rapid.Int64Range(0, math.MaxInt64).Draw(t, "term"),
		Expiry: rapid.Int64Range(0, math.MaxInt64).Draw(t, "expiry"),
		Chunk:  rapid.Custom(chunk).Draw(t, "chunk"),
	}
}

func chunk(t *rapid.T) protocol.Chunk {
	c := protocol.Chunk{
		Offset:   rapid.Uint64Range(0, protocol.SnapshotBytesMax-100).Draw(t, "offset"),
		Checksum: rapid.Uint32().Draw(t, "checksum"), Data: rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "data"),
	}
	if rapid.Bool().Draw(t, "request") {
		c.Data = nil
		return c
	}
	c.Total = rapid.Uint64Range(c.Offset+uint64(len(c.Data)), protocol.SnapshotBytesMax).Draw(t, "total")
	return c
}

// Empty slices are decoded as nil; callers must not distinguish the two.
var sameContent = cmpopts.EquateEmpty()

func TestMessageRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := message(t)
		prefix := []byte("prefix")
		data := AppendMessage(bytes.Clone(prefix), &want)
		if !bytes.HasPrefix(data, prefix) {
			t.Fatal("AppendMessage does not append")
		}
		got, err := DecodeMessage(data[len(prefix):])
		if err != nil {
			t.Fatalf("decode: %v", err)
		}
		if diff := cmp.Diff(want, got, sameContent); diff != "" {
			t.Fatalf("message changed:\n%s", diff)
		}
	})
}

func record(t *rapid.T) protocol.Record {
	kind := protocol.RecordKind(rapid.Uint8Range(1, uint8(protocol.RecordCommit)).Draw(t, "kind"))
	rec := protocol.Record{Kind: kind}
	switch kind {
	case protocol.RecordAccept:
		rec.Entry = entry(t)
	case protocol.RecordCommit:
		rec.Slot = protocol.Slot(numbers.Draw(t, "slot"))
	default:
		rec.Ballot = ballot(t)
	}
	return rec
}

func TestRecordRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := record(t)
		got, err := DecodeRecord(AppendRecord(nil, &want))
		if err != nil {
			t.Fatalf("decode: %v", err)
		}
		if diff := cmp.Diff(want, got, sameContent); diff != "" {
			t.Fatalf("record changed:\n%s", diff)
		}
	})
}

// Input that is shorter, longer or has an unknown kind or version is rejected.
func TestDecodeIsStrict(t *testing.T) {
	m := protocol.Message{
		Kind: protocol.MsgAccept, From: 1, To: 2, Ballot: protocol.Ballot{Round: 3, Node: 1},
		Entries: []protocol.Entry{{
			Slot: 9, Batch: []register.Command{{Client: 4, Seq: 5, Op: register.OpWrite, Key: "x"}},
		}},
		Reason: "why",
	}
	good := AppendMessage(nil, &m)
	patch := func(at int, b byte) []byte {
		data := bytes.Clone(good)
		data[at] = b
		return data
	}
	bad := map[string][]byte{
		"empty": nil, "version": patch(0, 2), "kind zero": patch(1, 0), "kind beyond": patch(1, 200),
		"trailing": append(bytes.Clone(good), 0), "too long": make([]byte, protocol.EncodedBytesMax+1),
		"unknown field":        {version, byte(protocol.MsgNack), 1, 2, 0x80, 0x80, 0x08, 0},
		"zero that is present": {version, byte(protocol.MsgNack), 1, 2, fieldCommitted, 0},
		"long integer":         {version, byte(protocol.MsgNack), 0x81, 0x00, 2, 0},
		"node beyond 16 bits":  {version, byte(protocol.MsgNack), 0x80, 0x80, 0x04, 2, 0},
		"oversized integer": append([]byte{version, byte(protocol.MsgNack), 1, 2, fieldCommitted},
			0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f),
		"empty chunk":            {version, byte(protocol.MsgFetch), 1, 2, 0x80, 0x80, 0x04, 0, 0, 0, 0},
		"chunk beyond its end":   {version, byte(protocol.MsgSnapshot), 1, 2, 0x80, 0x80, 0x04, 5, 6, 0, 2, 'x', 'y'},
		"chunk without its data": {version, byte(protocol.MsgSnapshot), 1, 2, 0x80, 0x80, 0x04, 0, 9, 0, 2, 'x'},
		"many entries, no bytes": {version, byte(protocol.MsgAccept), 1, 2, fieldEntries, 0xff, 0x1f},
	}
	for n := range good {
		bad[fmt.Sprintf("truncated to %d", n)] = good[:n]
	}
	for name, data := range bad {
		if _, err := DecodeMessage(data); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	for name, data := range map[string][]byte{
		"empty": nil, "kind": {version, 9}, "trailing": {version, byte(protocol.RecordCommit), 1, 0},
	} {
		if _, err := DecodeRecord(data); !errors.Is(err, ErrInvalid) {
			t.Errorf("record, %s: error is %v", name, err)
		}
	}
}

// A count is trusted only as far as the input can hold that many items.
func TestClaimedLengthsAllocateNothing(t *testing.T) {
	liar := []byte{version, byte(protocol.MsgAccept), 1, 2, fieldEntries, 0xff, 0x1f, 1, 1, 1}
	bytesPer := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			if _, err := DecodeMessage(liar); err == nil {
				b.Fatal("accepted")
			}
		}
	}).AllocedBytesPerOp()
	if bytesPer > 2000 {
		t.Errorf("refusing %d bytes allocates %d", len(liar), bytesPer)
	}
}

func TestReasonIsCut(t *testing.T) {
	m := protocol.Message{Kind: protocol.MsgForwardReply, Reason: strings.Repeat("r", 10*protocol.ReasonBytesMax)}
	got, err := DecodeMessage(AppendMessage(nil, &m))
	if err != nil || len(got.Reason) != protocol.ReasonBytesMax {
		t.Errorf("reason of %d bytes, error %v", len(got.Reason), err)
	}
}

// The largest answer and the largest batch that a machine may produce fit into the limits.
func TestLargestFit(t *testing.T) {
	value := strings.Repeat("v", register.ValueBytesMax)
	reply := protocol.Message{Kind: protocol.MsgForwardReply}
	for range register.RegisterBytesMax / register.ValueBytesMax {
		reply.Result.Values = append(reply.Result.Values, value)
	}
	accept := protocol.Message{Kind: protocol.MsgAccept}
	for size := 0; size < 2*protocol.EntriesBytesMax; {
		e := protocol.Entry{Batch: []register.Command{{Key: "k", Value: value, Expect: value}}}
		accept.Entries = append(accept.Entries, e)
		size += e.Size()
	}
	piece := protocol.Message{Kind: protocol.MsgSnapshot, Chunk: protocol.Chunk{
		Offset: protocol.SnapshotBytesMax - protocol.ChunkBytesMax, Total: protocol.SnapshotBytesMax, Checksum: 1<<32 - 1,
		Data: make([]byte, protocol.ChunkBytesMax),
	}}
	for _, m := range []protocol.Message{reply, accept, piece} {
		if _, err := DecodeMessage(AppendMessage(nil, &m)); err != nil {
			t.Errorf("%v: %v", m.Kind, err)
		}
	}
}

// Size is an upper bound of the encoded size, so a machine that adds up sizes stays within the limits.
func TestEntrySizeIsAnUpperBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := entry(t)
		if got := len(appendEntry(nil, &e)); got > e.Size() {
			t.Fatalf("entry takes %d bytes, Size says %d", got, e.Size())
		}
	})
}

func FuzzDecodeMessage(f *testing.F) {
	for i := range 40 {
		m := rapid.Custom(message).Example(i)
		f.Add(AppendMessage(nil, &m))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := DecodeMessage(data)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("error %v does not wrap ErrInvalid", err)
			}
			return
		}
		if again := AppendMessage(nil, &m); !bytes.Equal(again, data) {
			t.Errorf("%x decodes to %+v, which encodes to %x", data, m, again)
		}
	})
}

func FuzzDecodeRecord(f *testing.F) {
	for i := range 40 {
		rec := rapid.Custom(record).Example(i)
		f.Add(AppendRecord(nil, &rec))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		rec, err := DecodeRecord(data)
		if err != nil {
			return
		}
		if again := AppendRecord(nil, &rec); !bytes.Equal(again, data) {
			t.Errorf("%x decodes to %+v, which encodes to %x", data, rec, again)
		}
	})
}

// A snapshot's state is everything after its head, whatever it contains.
func FuzzDecodeSnapshot(f *testing.F) {
	for _, s := range []protocol.Snapshot{
		{Slot: 1, State: []byte("state")}, {Slot: 300, Ballot: protocol.Ballot{Round: 7, Node: 2}},
		{Slot: protocol.SlotLast - 1, Ballot: protocol.Ballot{Round: math.MaxUint64, Node: 9}, State: []byte{0}},
	} {
		f.Add(append(AppendSnapshotHead(nil, &s), s.State...))
	}
	f.Add([]byte{version, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := DecodeSnapshot(data)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("error %v does not wrap ErrInvalid", err)
			}
			return
		}
		if s.Slot == 0 || s.Slot == protocol.SlotLast {
			t.Errorf("%x is a snapshot of slot %d", data, s.Slot)
		}
		if again := append(AppendSnapshotHead(nil, s), s.State...); !bytes.Equal(again, data) {
			t.Errorf("%x decodes to %+v, which encodes to %x", data, s, again)
		}
	})
}

func BenchmarkMessage(b *testing.B) {
	m := protocol.Message{
		Kind: protocol.MsgAccept, From: 1, To: 2, Ballot: protocol.Ballot{Round: 3, Node: 1}, Committed: 1000,
		Entries: []protocol.Entry{{Slot: 1001, Ballot: protocol.Ballot{Round: 3, Node: 1}, Batch: []register.Command{
			{Client: 12345, Seq: 678, Op: register.OpWrite, Key: "some key", Value: "some value"},
		}}},
	}
	data := AppendMessage(nil, &m)
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			data = AppendMessage(data[:0], &m)
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			if _, err := DecodeMessage(data); err != nil {
				b.Fatal(err)
			}
		}
	})
}
