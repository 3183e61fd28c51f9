package protocol

import "hash/crc32"

// Snapshot is the state of a node that has applied every slot up to Slot, and nothing else. It is never modified once
// made, so machine, driver and messages share its bytes.
//
// Nodes that take a snapshot at the same slot have equal states, byte for byte. That is why a node can fetch one half
// from each of two peers.
type Snapshot struct {
	Slot   Slot
	Ballot Ballot // the one in which whoever took the snapshot knows Slot; not below that in which Slot was chosen
	State  []byte // register.Store.Snapshot: registers, sessions and a digest
}

// Checksum is the CRC-32C of the state, by which pieces of a snapshot are known to belong together.
func (s *Snapshot) Checksum() uint32 { return crc32.Checksum(s.State, castagnoli) }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Chunk is a piece of a snapshot. In a request for one, Total is zero and Data is empty.
type Chunk struct {
	Offset   uint64 // of the piece in the state
	Total    uint64 // the size of the state
	Checksum uint32 // of the whole state
	Data     []byte
}

// Compaction is what a log begins with when everything before is dropped from it. Records are all that the snapshot of
// Slot does not hold: the highest ballot seen, the promise, and every entry the machine has, in the order of their
// slots. Folding them gives the same as folding everything before, but for what the snapshot holds.
//
// It takes its place in the stream of writes: behind all Records of earlier steps, before those of its own step. A
// driver makes these durable first, then writes the new log beside the old one, makes it durable, puts it in the place
// of the old one in one atomic step, makes that durable too, and only then appends to it. So a crash finds the old log,
// complete, or the new one; which of them makes no difference. Nothing waits for a compaction, and it is not reported.
//
// A driver carries out every compaction in its place, also one that the next has overtaken. For the records behind it
// rest on the log that it makes: after a peer's snapshot the old log can have entries in slots that the snapshot covers
// which were never chosen, and a later RecordCommit says of the whole log before it that it was.
//
// The records belong to the driver.
type Compaction struct {
	Slot    Slot
	Records []Record
}
