// Package trace describes the messages that leave a node as lines of its observations. The driver writes them, and not
// the machine, so that they say what the machine does and not what it believes to do.
//
// Only messages that bind the sender or that others build on are traced: those of the two phases of Paxos, and the
// requests and grants of leases. The content of a slot is given by its digest.
package trace

import (
	"strconv"

	"elenchus/node/protocol"
	"elenchus/node/register"
)

// Kinds of lines.
const (
	SentPrepare  = "sent-prepare"     // phase 1a: Ballot, First
	SentPromise  = "sent-promise"     // phase 1b: Ballot, First…Slot, Committed, and the Entries reported
	SentAccept   = "sent-accept"      // phase 2a: Ballot, First…Slot, and the Values proposed there
	SentAccepted = "sent-accepted"    // phase 2b: Ballot, First…Slot
	SentAsk      = "sent-lease-ask"   // the leader of Ballot asks for a lease with heartbeat Seq
	SentGrant    = "sent-lease-grant" // the lease of Ballot is granted in the answer to heartbeat Seq
)

// Append appends the fields of the line about a message to dst, from "kind" on and without the closing brace. It
// reports false, and appends nothing, for a message that is not traced.
func Append(dst []byte, m *protocol.Message) ([]byte, bool) {
	switch m.Kind {
	case protocol.MsgPrepare:
		return number(head(dst, SentPrepare, m), "first", uint64(m.First)), true
	case protocol.MsgPromise:
		dst = slots(head(dst, SentPromise, m), m.First, m.Last)
		return entries(number(dst, "committed", uint64(m.Committed)), m.Entries), true
	case protocol.MsgAccept:
		if len(m.Entries) == 0 {
			return dst, false
		}
		dst = slots(head(dst, SentAccept, m), m.Entries[0].Slot, m.Entries[len(m.Entries)-1].Slot)
		return values(dst, m.Entries), true
	case protocol.MsgAccepted:
		return slots(head(dst, SentAccepted, m), m.First, m.Last), true
	case protocol.MsgHeartbeat:
		if m.Lease == protocol.LeaseAsk || m.Lease == protocol.LeaseExtend {
			return number(head(dst, SentAsk, m), "seq", m.Seq), true
		}
	case protocol.MsgHeartbeatAck:
		if m.Lease == protocol.LeaseGranted || m.Lease == protocol.LeaseExtended {
			return number(head(dst, SentGrant, m), "seq", m.Seq), true
		}
	}
	return dst, false
}

// Before reports whether the line about a message must be written before the message leaves. It must for promises and
// leases, which are rare. Votes are not: the lines about them are written soon after they left, so that a kill can
// leave the votes of the last few milliseconds without their lines.
func Before(m *protocol.Message) bool {
	switch m.Kind {
	case protocol.MsgPrepare, protocol.MsgPromise:
		return true
	case protocol.MsgHeartbeat, protocol.MsgHeartbeatAck:
		return m.Lease != protocol.LeaseNothing
	}
	return false
}

// Same reports whether two messages of the same step have the same line: a broadcast is traced once.
func Same(a, b *protocol.Message) bool {
	return a.Kind == b.Kind && a.Ballot == b.Ballot && a.First == b.First && a.Last == b.Last && a.Seq == b.Seq &&
		a.Committed == b.Committed && len(a.Entries) == len(b.Entries) &&
		(len(a.Entries) == 0 || &a.Entries[0] == &b.Entries[0])
}

func head(dst []byte, kind string, m *protocol.Message) []byte {
	dst = append(dst, `"kind":"`...)
	dst = append(dst, kind...)
	return ballot(append(dst, '"'), m.Ballot)
}

func ballot(dst []byte, b protocol.Ballot) []byte {
	dst = append(dst, `,"ballot":"`...)
	dst = strconv.AppendUint(dst, b.Round, 10)
	dst = append(dst, ".n"...)
	return append(strconv.AppendUint(dst, uint64(b.Node), 10), '"')
}

func number(dst []byte, name string, n uint64) []byte {
	dst = append(dst, `,"`...)
	dst = append(dst, name...)
	return strconv.AppendUint(append(dst, `":`...), n, 10)
}

func slots(dst []byte, first, last protocol.Slot) []byte {
	return number(number(dst, "first", uint64(first)), "slot", uint64(last))
}

func values(dst []byte, list []protocol.Entry) []byte {
	dst = append(dst, `,"values":[`...)
	for i := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = append(AppendDigest(dst, list[i].Batch), '"')
	}
	return append(dst, ']')
}

func entries(dst []byte, list []protocol.Entry) []byte {
	if len(list) == 0 {
		return dst
	}
	dst = append(dst, `,"entries":[`...)
	for i := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"slot":`...)
		dst = ballot(strconv.AppendUint(dst, uint64(list[i].Slot), 10), list[i].Ballot)
		dst = append(dst, `,"value":"`...)
		dst = append(AppendDigest(dst, list[i].Batch), `"}`...)
	}
	return append(dst, ']')
}

// AppendDigest appends the digest of a batch in hex. Equal batches have equal digests, in all nodes and versions.
func AppendDigest(dst []byte, batch []register.Command) []byte {
	return strconv.AppendUint(dst, digest(batch), 16)
}

// The constants of FNV-1a, 64 bits (Fowler, Noll and Vo). It is short, and good enough for values that nobody chooses
// so that they collide.
const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

func digest(batch []register.Command) uint64 {
	h := uint64(fnvOffset)
	for i := range batch {
		c := &batch[i]
		h = mix(mix(mix(h, uint64(c.Op)), uint64(c.Client)), c.Seq)
		h = text(text(text(h, c.Key), c.Value), c.Expect)
		if c.ExpectAbsent {
			h = mix(h, 1)
		}
	}
	return h
}

// mix adds a number, eight bytes at once: they are rarely more than a few bits.
func mix(h, n uint64) uint64 {
	h = (h ^ n) * fnvPrime
	return h ^ h>>32
}

// text adds a string and its length.
func text(h uint64, s string) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * fnvPrime
	}
	return mix(h, uint64(len(s)))
}
