package protocol

import "hash/crc32"

// Snapshot is the state of a node that has applied exactly the slots up to Slot. It is immutable, so machine, driver
// and messages share its bytes.
//
// Snapshots taken by different nodes at the same slot are equal byte for byte, so a node can fetch parts of one from
// different peers.
type Snapshot struct {
	Slot   Slot
	Ballot Ballot // the ballot under which the snapshotting node knows Slot; not below the one in which Slot was chosen
	State  []byte // register.Store.Snapshot: registers, sessions and a digest
}

// Checksum returns the CRC-32C of the state. It identifies pieces that belong to the same snapshot.
func (s *Snapshot) Checksum() uint32 { return crc32.Checksum(s.State, castagnoli) }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Chunk is a piece of a snapshot. In a request for one, Total is zero and Data is empty.
type Chunk struct {
	Offset   uint64 // of the piece in the state
	Total    uint64 // the size of the state
	Checksum uint32 // of the whole state
	Data     []byte
}

// Compaction is the start of a new log, in place of everything logged before it. Records are everything that the
// snapshot of Slot does not cover: the highest ballot seen, the promise, and every entry the machine has, in slot
// order. Folding them gives the same state as folding the old log, apart from what the snapshot covers.
//
// A compaction has a position in the stream of writes: after all Records of earlier steps and before those of its own.
// A driver must make the earlier records durable, write the new log beside the old one, make it durable, replace the
// old log in one atomic step, make that durable too, and only then append to the new log. A crash then leaves either
// the complete old log or the new one, which are equivalent. Nothing waits for a compaction, and its completion is not
// reported.
//
// A driver must carry out every compaction at its position, even if the next one has already been requested, because
// the records after it depend on it. After a peer's snapshot the old log can have entries, in slots that the snapshot
// covers, that were never chosen, and a later RecordCommit declares everything before it in the log chosen.
//
// The driver owns Records.
type Compaction struct {
	Slot    Slot
	Records []Record
}
