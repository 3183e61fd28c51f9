// Package wal implements a write-ahead log and the snapshot it depends on, in files that survive crashes and detect
// damage.
//
// # Use
//
// [Open] replays the log and returns a [Log]. [Log.Append] buffers records in memory; [Log.Sync] makes everything
// appended so far durable, as one group with one fsync. The two may be called from different goroutines, so a server
// can continue appending while the disk works. After the first error a Log refuses everything: a failed fsync is never
// retried, because the kernel may have dropped the pages that it could not write and would report success.
//
// # Format
//
// All integers are little endian, all checksums CRC-32C. The file header holds magic, version, node, a nonce, the
// number of the snapshot that the log depends on, how many frames were dropped with earlier logs, how many frames the
// log was created with, and the cluster's name. It is followed by frames, one per group:
//
//	magic u32 | body length u32 | sequence u64 | body checksum u32 | header checksum u32 | body
//
// The body is any number of records, each a uvarint length followed by its bytes. Checksums are seeded with the nonce,
// so that a block of another log is not mistaken for one of this log. Frame sequence numbers continue after the dropped
// frames, so that a repeated, stale or missing frame is noticed.
//
// # Snapshots and log rotation
//
// A log grows until its user, who knows what the records mean, writes a snapshot ([WriteSnapshot]) and then replaces
// the log by a shorter one ([Log.Rotate]). Each is written beside the file that it replaces, synced and renamed, and
// then the directory is synced:
//
//	snapshot.new → snapshot    the log still holds everything
//	wal.new → wal              its header says which snapshot it depends on
//
// A crash in between leaves a newer snapshot beside a log that holds more than it needs to. The opposite, a log without
// the snapshot that it depends on, cannot result from a crash; the user must compare [Info].Base with the snapshot's
// number after opening both. Open removes incomplete files.
//
// # A torn tail is not a corrupt middle
//
// A log whose last write was interrupted is normal after a crash. A log that has changed in any other way must never be
// used, because a forgotten promise silently breaks consensus. One invariant makes the two distinguishable:
//
//	A frame is written only after all frames before it are on stable storage.
//
// So at most one frame, the last, can be torn. And since it was appended at the end of the file, those of its sectors
// that were not written are beyond the new end of the file or read as zeros. Therefore:
//
//   - The file ends inside a frame: torn.
//   - A frame reaches exactly to the end of the file, its checksum is wrong, and at least one of its 512-byte sectors
//     (or the part of a sector that belongs to it) is all zeros: torn.
//   - A frame header is unreadable in a sector that is all zeros from where the frame begins, and no header of a later
//     frame follows: torn.
//   - Everything else that is not a valid frame with the expected sequence is corruption: [ErrCorrupt].
//
// These rules do not apply to the frames that a log was created with: they were durable before the log got its name.
//
// Open truncates a torn tail and reports it in [Info]. The rules guarantee that a record whose Sync returned is either
// replayed or Open fails, whatever bits of the file have changed, with these exceptions, which cannot be told from a
// crash by looking at the file alone: its end was cut off, it was overwritten with zeros from the beginning of a frame
// on, or sectors of the last frame were zeroed (or a last frame was damaged that has an all-zero sector of its own,
// such as a long run of zero bytes in one value). Options.FramesMin limits such losses to what was written since the
// caller last recorded the number of frames; the frames that a log was created with are never lost. A group is replayed
// whole or not at all.
//
// On a file system that can expose stale blocks instead of zeros after an interrupted append (ext4 with
// data=writeback), some torn tails are reported as ErrCorrupt. The node then refuses to start, which is safe.
//
// What Open reads may exist only in the page cache, if the process was killed before its fsync or the fsync failed. So
// Open rewrites the last frame and syncs it before the caller acts on it.
package wal
