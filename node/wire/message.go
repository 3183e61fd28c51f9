package wire

import (
	"encoding/binary"

	"elenchus/node/protocol"
	"elenchus/node/register"
)

// Fields of a message that follow From and To, in this order if present.
const (
	fieldBallot = 1 << iota
	fieldPromised
	fieldCommitted
	fieldFirst
	fieldLast
	fieldSeq
	fieldEntries
	fieldRequest
	fieldCommand
	fieldTimeout
	fieldOutcome
	fieldResult
	fieldReason
	fieldLease
	fieldTerm
	fieldExpiry
	fieldChunk
	fieldsAll = 1<<iota - 1
)

// AppendMessage appends the encoding of m to dst. The message must be within the limits of package protocol, except
// that a longer Reason is truncated and a negative Timeout, Term or Expiry is encoded as zero.
func AppendMessage(dst []byte, m *protocol.Message) []byte {
	fields := messageFields(m)
	dst = append(dst, version, byte(m.Kind))
	dst = binary.AppendUvarint(dst, uint64(m.From))
	dst = binary.AppendUvarint(dst, uint64(m.To))
	dst = binary.AppendUvarint(dst, fields)
	if fields&fieldBallot != 0 {
		dst = appendBallot(dst, m.Ballot)
	}
	if fields&fieldPromised != 0 {
		dst = appendBallot(dst, m.Promised)
	}
	for _, v := range [...]uint64{uint64(m.Committed), uint64(m.First), uint64(m.Last), m.Seq} {
		if v != 0 {
			dst = binary.AppendUvarint(dst, v)
		}
	}
	if fields&fieldEntries != 0 {
		dst = binary.AppendUvarint(dst, uint64(len(m.Entries)))
		for i := range m.Entries {
			dst = appendEntry(dst, &m.Entries[i])
		}
	}
	if fields&^(fieldRequest-1) == 0 {
		return dst
	}
	return appendRest(dst, m, fields)
}

func appendRest(dst []byte, m *protocol.Message, fields uint64) []byte {
	if fields&fieldRequest != 0 {
		dst = binary.AppendUvarint(dst, uint64(m.Request))
	}
	if fields&fieldCommand != 0 {
		dst = appendCommand(dst, &m.Command)
	}
	if fields&fieldTimeout != 0 {
		dst = binary.AppendUvarint(dst, uint64(m.Timeout))
	}
	if fields&fieldOutcome != 0 {
		dst = append(dst, byte(m.Outcome))
	}
	if fields&fieldResult != 0 {
		dst = appendResult(dst, &m.Result)
	}
	if fields&fieldReason != 0 {
		dst = appendString(dst, m.Reason[:min(len(m.Reason), protocol.ReasonBytesMax)])
	}
	if fields&fieldLease != 0 {
		dst = append(dst, byte(m.Lease))
	}
	if fields&fieldTerm != 0 {
		dst = binary.AppendUvarint(dst, uint64(m.Term))
	}
	if fields&fieldExpiry != 0 {
		dst = binary.AppendUvarint(dst, uint64(m.Expiry))
	}
	if fields&fieldChunk != 0 {
		dst = appendChunk(dst, &m.Chunk)
	}
	return dst
}

func messageFields(m *protocol.Message) (fields uint64) {
	set := func(bit uint64, present bool) {
		if present {
			fields |= bit
		}
	}
	set(fieldBallot, !m.Ballot.IsZero())
	set(fieldPromised, !m.Promised.IsZero())
	set(fieldCommitted, m.Committed != 0)
	set(fieldFirst, m.First != 0)
	set(fieldLast, m.Last != 0)
	set(fieldSeq, m.Seq != 0)
	set(fieldEntries, len(m.Entries) != 0)
	set(fieldRequest, m.Request != 0)
	set(fieldCommand, m.Command != register.Command{})
	set(fieldTimeout, m.Timeout > 0)
	set(fieldOutcome, m.Outcome != 0)
	set(fieldResult, m.Result.Code != 0 || len(m.Result.Values) != 0)
	set(fieldReason, m.Reason != "")
	set(fieldLease, m.Lease != 0)
	set(fieldTerm, m.Term > 0)
	set(fieldExpiry, m.Expiry > 0)
	set(fieldChunk, !emptyChunk(&m.Chunk))
	return fields
}

// DecodeMessage decodes a message, which must take up all of data. The message shares no memory with data. Errors wrap
// [ErrInvalid].
func DecodeMessage(data []byte) (protocol.Message, error) {
	r := open(data)
	var m protocol.Message
	m.Kind = protocol.MessageKind(r.byte())
	if !m.Kind.Valid() {
		r.fail("unknown message kind %d", uint8(m.Kind))
	}
	m.From = protocol.NodeID(r.uvarint(1<<16 - 1))
	m.To = protocol.NodeID(r.uvarint(1<<16 - 1))
	fields := r.uvarint(fieldsAll)
	if fields&fieldBallot != 0 {
		m.Ballot = r.presentBallot()
	}
	if fields&fieldPromised != 0 {
		m.Promised = r.presentBallot()
	}
	if fields&fieldCommitted != 0 {
		m.Committed = protocol.Slot(r.present(^uint64(0)))
	}
	if fields&fieldFirst != 0 {
		m.First = protocol.Slot(r.present(^uint64(0)))
	}
	if fields&fieldLast != 0 {
		m.Last = protocol.Slot(r.present(^uint64(0)))
	}
	if fields&fieldSeq != 0 {
		m.Seq = r.present(^uint64(0))
	}
	if fields&fieldEntries != 0 {
		m.Entries = r.entries()
	}
	r.forwarding(&m, fields)
	r.lease(&m, fields)
	if fields&fieldChunk != 0 {
		m.Chunk = r.chunk()
	}
	if err := r.finish(); err != nil {
		return protocol.Message{}, err
	}
	return m, nil
}

func (r *reader) forwarding(m *protocol.Message, fields uint64) {
	if fields&fieldRequest != 0 {
		m.Request = protocol.RequestID(r.present(^uint64(0)))
	}
	if fields&fieldCommand != 0 {
		if m.Command = r.command(); m.Command == (register.Command{}) {
			r.fail("empty command in a field that is present")
		}
	}
	if fields&fieldTimeout != 0 {
		m.Timeout = int64(r.present(1<<63 - 1))
	}
	if fields&fieldOutcome != 0 {
		m.Outcome = protocol.Outcome(r.byte())
		if m.Outcome == 0 || !m.Outcome.Valid() {
			r.fail("outcome %d in a field that is present", uint8(m.Outcome))
		}
	}
	if fields&fieldResult != 0 {
		m.Result = r.result()
		if m.Result.Code == 0 && len(m.Result.Values) == 0 {
			r.fail("empty result in a field that is present")
		}
	}
	if fields&fieldReason != 0 {
		m.Reason = r.presentString(protocol.ReasonBytesMax)
	}
}

func (r *reader) lease(m *protocol.Message, fields uint64) {
	if fields&fieldLease != 0 {
		m.Lease = protocol.LeaseStep(r.byte())
		if m.Lease == 0 || !m.Lease.Valid() {
			r.fail("lease step %d in a field that is present", uint8(m.Lease))
		}
	}
	if fields&fieldTerm != 0 {
		m.Term = int64(r.present(1<<63 - 1))
	}
	if fields&fieldExpiry != 0 {
		m.Expiry = int64(r.present(1<<63 - 1))
	}
}

func (r *reader) entries() []protocol.Entry {
	n := r.count(protocol.EntriesMax, entryBytesMin)
	if n == 0 {
		r.fail("no entries in a field that is present")
		return nil
	}
	list := make([]protocol.Entry, 0, n)
	for range n {
		list = append(list, r.entry())
	}
	return list
}

func (r *reader) presentBallot() protocol.Ballot {
	b := r.ballot()
	if b.IsZero() {
		r.fail("zero ballot in a field that is present")
	}
	return b
}

// open checks the size and version of an encoding and returns a reader for the rest.
func open(data []byte) reader {
	r := reader{rest: data}
	if len(data) > protocol.EncodedBytesMax {
		r.fail("%d bytes exceed %d", len(data), protocol.EncodedBytesMax)
	}
	if v := r.byte(); v != version {
		r.fail("version %d is not %d", v, version)
	}
	return r
}
