// Package storage is a node's disk: the log and the snapshot of package wal, with the meaning that package protocol
// gives them. It is what a driver needs to keep the contract of [protocol.Effects], for a server and for a simulation:
// it starts no goroutine and reads no clock but for its statistics, and all it touches is a [wal.FS].
//
// # What a driver does
//
// [Open] recovers what the disk holds. After each step the driver calls [Store.Compact] with the effects' compaction
// and [Store.Append] with each record, and soon [Store.Sync], whose answer is what protocol.InputDurable reports.
// [Store.WriteSnapshot] makes the effects' snapshot durable, after which protocol.InputSnapshotted is due. It may take
// long and may run beside everything else. After the first error of any of them the node must stop.
//
// # What a crash can leave
//
// At every moment the disk holds a snapshot and a log that together give the same state, but for what was not yet
// durable:
//
//	before the snapshot is written      old snapshot, old log
//	while it is written                 the same, and a file of no meaning, which Open removes
//	after it took the old one's name    new snapshot, old log: some of the log's entries are held twice
//	while the new log is written        the same, and a file of no meaning
//	after it took the old one's name    new snapshot, new log
//
// A log whose snapshot is missing, older than the log needs, damaged or somebody else's stops the node, as does a
// snapshot whose log is missing.
package storage
