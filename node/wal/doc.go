// Package wal is a write-ahead log and the snapshot that it rests on: files that survive a crash, and that notice when
// they did not.
//
// # Use
//
// [Open] replays what is there and returns a [Log]. [Log.Append] buffers records in memory; [Log.Sync] makes everything
// appended so far durable, as one group with one fsync. The two may be called from different goroutines, so a server
// can go on appending while the disk works. After the first error a Log refuses everything: an fsync that failed is
// never repeated, because the kernel may have dropped the pages that it could not write and would report success.
//
// # Format
//
// All integers are little endian, all checksums CRC-32C. A file header holds magic, version, node, a nonce, the number
// of the snapshot that the log rests on, how many frames were dropped with earlier logs, how many it was born with, and
// the cluster's name. Behind it come frames, one for each group:
//
//	magic u32 | body length u32 | sequence u64 | body checksum u32 | header checksum u32 | body
//
// The body is any number of records, each a uvarint length and its bytes. Checksums start from the nonce, so that a
// block of another log is not mistaken for one of this log, and frames count up from the dropped ones, so that a
// repeated, stale or missing one is noticed.
//
// # Dropping what a snapshot holds
//
// A log grows until somebody who knows what its records mean writes a snapshot ([WriteSnapshot]) and then replaces the
// log by a shorter one ([Log.Rotate]). Both are written beside the file that they replace, synced, renamed, and the
// directory is synced:
//
//	snapshot.new → snapshot    the log still holds everything
//	wal.new → wal              its header says which snapshot it rests on
//
// A crash in between leaves a newer snapshot beside a log that holds more than it needs to. The opposite, a log without
// the snapshot that it rests on, cannot come from a crash; whoever opens both compares [Info].Base with the snapshot's
// number. What is left of a file that was not complete is removed by Open.
//
// # A torn tail is not a corrupt middle
//
// A log whose last write was interrupted is normal after a crash; a log that has changed in any other way must never be
// used, because a forgotten promise breaks consensus silently. What tells them apart is one invariant:
//
//	A frame is written only after all frames before it are on stable storage.
//
// So at most one frame, the last, can be torn. And since it is appended to a file that ended where it begins, the
// sectors of it that were not written are beyond the end of the file or read as zeros. Therefore:
//
//   - The file ends inside a frame: torn.
//   - A frame reaches exactly to the end of the file, its checksum is wrong, and at least one of its 512-byte sectors
//     (or the part of a sector that belongs to it) is all zeros: torn.
//   - A frame header is unreadable in a sector that is all zeros from where the frame begins, and no header of a later
//     frame follows: torn.
//   - Everything else that is not a good frame with the expected sequence is corruption: [ErrCorrupt].
//
// The frames that a log was born with are none of that: they were durable before the log took its name.
//
// Open cuts a torn tail off and says so in [Info]. What is guaranteed follows from the rules: a record whose Sync
// returned is replayed, or Open fails, whatever bits of the file have changed, with these exceptions, which a file
// alone cannot tell from a crash: somebody cuts its end off, or overwrites it with zeros from the beginning of a frame
// on, or zeroes sectors of the last frame (or damages a last frame that has an all-zero sector of its own, such as a
// long run of zero bytes in one value). Options.FramesMin limits the damage to what was written since the caller last
// looked; what a log was born with is never lost. A group is replayed whole or not at all.
//
// A file system that shows stale blocks instead of zeros behind an interrupted append (ext4 with data=writeback) turns
// some torn tails into ErrCorrupt: the node then refuses to start, which is the safe side.
//
// What Open has read may be in the page cache only: the process was killed before its fsync, or the fsync failed. So
// Open writes the last frame once more and syncs it before the caller acts on it.
package wal
