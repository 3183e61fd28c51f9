package protocol

import "elenchus/node/register"

// Limits on what nodes send each other and write to their logs. A machine keeps within them, an encoder relies on
// that, and a decoder refuses whatever exceeds them.
const (
	// BatchCommandsMax is the number of commands in one slot.
	BatchCommandsMax = 1 << 12

	// EntriesMax is the number of entries in one message.
	EntriesMax = 1 << 12

	// EntriesBytesMax is where a machine stops adding entries to a message or commands to a slot; the one that crosses
	// the mark still fits.
	EntriesBytesMax = 2 << 20

	// EncodedBytesMax is the size of one encoded message or record. It leaves room for a full batch and for the largest
	// register as the answer to a forwarded read.
	EncodedBytesMax = 8 << 20

	// SnapshotBytesMax is the size of the state in a snapshot. A node whose state is larger takes none.
	SnapshotBytesMax = 1 << 30

	// ChunkBytesMax is how much of a snapshot one message carries.
	ChunkBytesMax = 2 << 20

	// ReasonBytesMax is the length of a reason.
	ReasonBytesMax = 512
)

// Size is about how many bytes the entry takes when encoded, and never less.
func (e Entry) Size() int {
	size := 32
	for i := range e.Batch {
		size += CommandSize(e.Batch[i])
	}
	return size
}

// CommandSize is about how many bytes the command takes when encoded, and never less.
func CommandSize(c register.Command) int {
	return 32 + len(c.Key) + len(c.Value) + len(c.Expect)
}
