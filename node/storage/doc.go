// Package storage implements a node's disk: the log and snapshot of package wal, holding the records of package
// protocol. It gives a driver, in a server or in a simulation, what it needs to fulfil the contract of
// [protocol.Effects]. It starts no goroutine, reads the clock only for statistics, and touches nothing but a [wal.FS].
//
// # Use by a driver
//
// [Open] recovers the contents of the disk. After each step the driver calls [Store.Compact] with the effects'
// compaction and [Store.Append] with each record, and soon afterwards [Store.Sync], whose result it reports as
// protocol.InputDurable. [Store.WriteSnapshot] makes the effects' snapshot durable, after which the driver reports
// protocol.InputSnapshotted. It may take long and may run concurrently with everything else. After the first error of
// any of them the node must stop.
//
// # What a crash can leave
//
// At every moment the disk holds a snapshot and a log that together give the same state, apart from what was not yet
// durable:
//
//	before the snapshot is written      old snapshot, old log
//	while it is written                 the same, and an incomplete file, which Open removes
//	after it is renamed                 new snapshot, old log: some of the entries are in both
//	while the new log is written        the same, and an incomplete file
//	after it is renamed                 new snapshot, new log
//
// Open refuses a log whose snapshot is missing, older than the log needs, damaged or from another node, and a snapshot
// whose log is missing.
package storage
