package protocol

import "elenchus/node/register"

// Limits on messages and log records. A machine keeps within them, an encoder relies on that, and a decoder rejects
// anything beyond them.
const (
	// BatchCommandsMax is the maximum number of commands in one slot.
	BatchCommandsMax = 1 << 12

	// EntriesMax is the maximum number of entries in one message.
	EntriesMax = 1 << 12

	// EntriesBytesMax is the size at which a machine stops adding entries to a message or commands to a slot. The last one
	// added may exceed it.
	EntriesBytesMax = 2 << 20

	// EncodedBytesMax is the maximum size of an encoded message or record. It leaves room for a full batch and for the
	// largest register as the answer to a forwarded read.
	EncodedBytesMax = 8 << 20

	// SnapshotBytesMax is the maximum size of the state in a snapshot. A node whose state is larger takes none.
	SnapshotBytesMax = 1 << 30

	// ChunkBytesMax is the maximum number of snapshot bytes in one message.
	ChunkBytesMax = 2 << 20

	// ReasonBytesMax is the maximum length of a reason.
	ReasonBytesMax = 512
)

// Size returns the approximate encoded size of the entry in bytes, never less than the real one.
func (e Entry) Size() int {
	size := 32
	for i := range e.Batch {
		size += CommandSize(e.Batch[i])
	}
	return size
}

// CommandSize returns the approximate encoded size of the command in bytes, never less than the real one.
func CommandSize(c register.Command) int {
	return 32 + len(c.Key) + len(c.Value) + len(c.Expect)
}
