package trace

import (
	"encoding/json"
	"testing"

	"elenchus/node/protocol"
	"elenchus/node/register"
)

func TestAppend(t *testing.T) {
	batch := []register.Command{{Op: register.OpWrite, Client: 3, Seq: 4, Key: "r1", Value: "7"}}
	d, none := string(AppendDigest(nil, batch)), string(AppendDigest(nil, nil))
	b := protocol.Ballot{Round: 7, Node: 2}
	entry := func(slot protocol.Slot, round uint64, batch []register.Command) protocol.Entry {
		return protocol.Entry{Slot: slot, Ballot: protocol.Ballot{Round: round, Node: 1}, Batch: batch}
	}
	for _, c := range []struct {
		m    protocol.Message
		want string // empty when the message is not traced
	}{
		{protocol.Message{Kind: protocol.MsgPrepare, Ballot: b, First: 5}, `{"kind":"sent-prepare","ballot":"7.n2","first":5}`},
		{protocol.Message{Kind: protocol.MsgPromise, Ballot: b, First: 5, Last: 9, Committed: 4,
			Entries: []protocol.Entry{entry(5, 1, batch), entry(6, 2, nil)}},
			`{"kind":"sent-promise","ballot":"7.n2","first":5,"slot":9,"committed":4,"entries":[` +
				`{"slot":5,"ballot":"1.n1","value":"` + d + `"},{"slot":6,"ballot":"2.n1","value":"` + none + `"}]}`},
		{protocol.Message{Kind: protocol.MsgPromise, Ballot: b, First: 1, Last: protocol.SlotLast},
			`{"kind":"sent-promise","ballot":"7.n2","first":1,"slot":18446744073709551615,"committed":0}`},
		{protocol.Message{Kind: protocol.MsgAccept, Ballot: b, Entries: []protocol.Entry{entry(5, 7, batch), entry(6, 7, nil)}},
			`{"kind":"sent-accept","ballot":"7.n2","first":5,"slot":6,"values":["` + d + `","` + none + `"]}`},
		{protocol.Message{Kind: protocol.MsgAccepted, Ballot: b, First: 5, Last: 6},
			`{"kind":"sent-accepted","ballot":"7.n2","first":5,"slot":6}`},
		{protocol.Message{Kind: protocol.MsgHeartbeat, Ballot: b, Seq: 3, Lease: protocol.LeaseExtend},
			`{"kind":"sent-lease-ask","ballot":"7.n2","seq":3}`},
		{protocol.Message{Kind: protocol.MsgHeartbeatAck, Ballot: b, Seq: 3, Lease: protocol.LeaseGranted},
			`{"kind":"sent-lease-grant","ballot":"7.n2","seq":3}`},
		{protocol.Message{Kind: protocol.MsgHeartbeat, Ballot: b, Seq: 3}, ""},
		{protocol.Message{Kind: protocol.MsgHeartbeatAck, Ballot: b, Seq: 3, Lease: protocol.LeaseRefused}, ""},
		{protocol.Message{Kind: protocol.MsgAccept, Ballot: b}, ""},
		{protocol.Message{Kind: protocol.MsgCatchup, First: 1, Last: 2}, ""},
	} {
		line, ok := Append([]byte("{"), &c.m)
		if got := string(line) + "}"; ok && (got != c.want || !json.Valid([]byte(got))) || ok != (c.want != "") {
			t.Errorf("%v: %v, %s", c.m.Kind, ok, got)
		}
		if !ok && string(line) != "{" {
			t.Errorf("%v: %s was appended", c.m.Kind, line)
		}
	}
}

// Batches that differ in any field, or in their order, have different digests.
func TestDigestsDiffer(t *testing.T) {
	base := register.Command{Op: register.OpCAS, Client: 1, Seq: 2, Key: "k", Value: "v", Expect: "e"}
	other := func(change func(*register.Command)) register.Command {
		c := base
		change(&c)
		return c
	}
	batches := [][]register.Command{
		nil, {base}, {base, base},
		{other(func(c *register.Command) { c.Op = register.OpWrite })},
		{other(func(c *register.Command) { c.Client = 2 })},
		{other(func(c *register.Command) { c.Seq = 1 })},
		{other(func(c *register.Command) { c.Key, c.Value = "", "kv" })},
		{other(func(c *register.Command) { c.Key, c.Value = "kv", "" })},
		{other(func(c *register.Command) { c.Value, c.Expect = "ve", "" })},
		{other(func(c *register.Command) { c.ExpectAbsent = true })},
	}
	seen := make(map[uint64]int)
	for i, b := range batches {
		if before, ok := seen[digest(b)]; ok {
			t.Errorf("batches %d and %d have the same digest", before, i)
		}
		seen[digest(b)] = i
	}
}

func TestSame(t *testing.T) {
	list := []protocol.Entry{{Slot: 1}, {Slot: 2}}
	a := protocol.Message{Kind: protocol.MsgAccept, To: 2, Entries: list}
	b := a
	if b.To = 3; !Same(&a, &b) {
		t.Error("a broadcast is not recognized")
	}
	if b.Entries = list[1:]; Same(&a, &b) {
		t.Error("other entries are taken for the same")
	}
	if b = a; Same(&a, &protocol.Message{Kind: protocol.MsgAccepted}) {
		t.Error("another kind is taken for the same")
	}
	if b.Ballot.Round++; Same(&a, &b) {
		t.Error("another ballot is taken for the same")
	}
}
