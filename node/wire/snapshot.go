package wire

import (
	"bytes"
	"encoding/binary"

	"elenchus/node/protocol"
)

func emptyChunk(c *protocol.Chunk) bool {
	return c.Offset == 0 && c.Total == 0 && c.Checksum == 0 && len(c.Data) == 0
}

func appendChunk(dst []byte, c *protocol.Chunk) []byte {
	for _, v := range [...]uint64{c.Offset, c.Total, uint64(c.Checksum), uint64(len(c.Data))} {
		dst = binary.AppendUvarint(dst, v)
	}
	return append(dst, c.Data...)
}

func (r *reader) chunk() (c protocol.Chunk) {
	c.Offset = r.uvarint(protocol.SnapshotBytesMax)
	c.Total = r.uvarint(protocol.SnapshotBytesMax)
	c.Checksum = uint32(r.uvarint(1<<32 - 1))
	n := r.count(protocol.ChunkBytesMax, 1)
	if n > 0 && c.Offset+uint64(n) > c.Total {
		r.fail("%d bytes at offset %d of %d", n, c.Offset, c.Total)
		return protocol.Chunk{}
	}
	if n > 0 {
		c.Data = bytes.Clone(r.rest[:n])
		r.rest = r.rest[n:]
	}
	if r.err == nil && emptyChunk(&c) {
		r.fail("empty chunk in a field that is present")
	}
	return c
}

// AppendSnapshotHead appends to dst the part of a snapshot's encoding that precedes the state. The caller writes the
// state itself, which may be too large to copy.
func AppendSnapshotHead(dst []byte, s *protocol.Snapshot) []byte {
	dst = append(dst, version)
	dst = binary.AppendUvarint(dst, uint64(s.Slot))
	return appendBallot(dst, s.Ballot)
}

// DecodeSnapshot decodes a snapshot: a head, and a state that takes up the rest of data. The state shares memory with
// data. Errors wrap [ErrInvalid].
func DecodeSnapshot(data []byte) (*protocol.Snapshot, error) {
	r := &reader{rest: data}
	if v := r.byte(); v != version {
		r.fail("version %d is not %d", v, version)
	}
	s := &protocol.Snapshot{Slot: protocol.Slot(r.present(uint64(protocol.SlotLast) - 1)), Ballot: r.ballot()}
	if len(r.rest) > protocol.SnapshotBytesMax {
		r.fail("state of %d bytes exceeds %d", len(r.rest), protocol.SnapshotBytesMax)
	}
	if r.err != nil {
		return nil, r.err
	}
	s.State = r.rest
	return s, nil
}
