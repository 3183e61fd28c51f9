package wire

import (
	"encoding/binary"

	"elenchus/node/protocol"
)

// AppendRecord appends the encoding of rec to dst. Only the field used by its kind is encoded.
func AppendRecord(dst []byte, rec *protocol.Record) []byte {
	dst = append(dst, version, byte(rec.Kind))
	switch rec.Kind {
	case protocol.RecordRound, protocol.RecordPromise:
		return appendBallot(dst, rec.Ballot)
	case protocol.RecordAccept:
		return appendEntry(dst, &rec.Entry)
	case protocol.RecordCommit:
		return binary.AppendUvarint(dst, uint64(rec.Slot))
	}
	return dst // the decoder rejects the unknown kind
}

// DecodeRecord decodes a record, which must take up all of data. The record shares no memory with data. Errors wrap
// [ErrInvalid].
func DecodeRecord(data []byte) (protocol.Record, error) {
	r := open(data)
	rec := protocol.Record{Kind: protocol.RecordKind(r.byte())}
	switch rec.Kind {
	case protocol.RecordRound, protocol.RecordPromise:
		rec.Ballot = r.ballot()
	case protocol.RecordAccept:
		rec.Entry = r.entry()
	case protocol.RecordCommit:
		rec.Slot = protocol.Slot(r.uvarint(^uint64(0)))
	default:
		r.fail("unknown record kind %d", uint8(rec.Kind))
	}
	if err := r.finish(); err != nil {
		return protocol.Record{}, err
	}
	return rec, nil
}
