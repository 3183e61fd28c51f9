// Package server runs one protocol machine for real: with sockets, files, clocks and goroutines.
//
// # Goroutines
//
// One goroutine, the loop, owns the machine. Messages from peers, requests from clients, timers and completed syncs
// reach it through channels; it takes one clock reading, steps the machine and carries out the effects in the order of
// the contract (package protocol): records are appended, what depends on nothing is sent, everything else is held until
// the write that it names is durable. A second goroutine syncs the log: whatever was appended while it waited for the
// disk shares the next fsync. A third one writes snapshots. The loop never waits for the disk.
//
// A node stops for good when its log cannot be written, its disk is full, or its machine says so. It never tries again.
//
// # API
//
// The client API is HTTP with JSON answers. Every answer has "outcome" ("ok", "fail" or "unknown"), "node", and
// "reason" when the outcome is not ok.
//
//	GET  /v1/registers/{key}          read
//	PUT  /v1/registers/{key}          write the body
//	POST /v1/registers/{key}/cas      {"expect": "1" or null, "value": "2"}; null expects an absent register
//	POST /v1/registers/{key}/append   append the body as an element
//	POST /v1/admin/forsake            give up leading, and the lease with it
//	GET  /status                      the node and its view of the cluster
//	GET  /healthz                     the process is there
//
// Keys and values are UTF-8; a key is one path segment, percent-encoded, of at most 256 bytes; a value has at most
// 64 KiB. Headers:
//
//	Elenchus-Client, Elenchus-Seq   the session of a change: a client's id, 1 … 2^63-1, and the number of its change,
//	                                rising from 1. A repeat of the latest change gets its first answer. Without them the
//	                                node uses a session of its own. Reads need none.
//	Elenchus-Timeout                how long the node may take ("500ms"; default 5s, at most 60s), or ?timeout=
//
// Status codes, and what may be concluded:
//
//	200  ok       it took effect; a read or append has "values", a read "value" too, a CAS "matched": true
//	412  ok       a CAS found something else: "matched": false, "values" says what
//	400  fail     the request makes no sense
//	404  fail     no such path
//	405  fail     no such method there
//	409  fail     a node that does not lead has nothing to forsake
//	413  fail     the body is too large
//	429  fail     too many requests are in flight at this node
//	503  fail     not executed: no leader, no room, or the node is stopping
//	504  unknown  it may have taken effect, or may yet
//
// # Files
//
// The data directory holds the log, "wal", and the snapshot that it rests on, "snapshot" (packages storage and wal); a
// file with ".new" behind its name was not complete when the node stopped, and means nothing; "boot", which counts
// starts and remembers how long the log was at the last one; and "observations.jsonl", one line for each
// [protocol.Observation]. When observations exceed their limit, the oldest are dropped: a full segment is renamed to a
// name with its number, and the first line of every segment is of the kind "segment" and has that number. Observations
// that the disk did not take are missing, and a line of the kind "unwritten" counts them.
//
// A node whose whole data directory is lost cannot be told from a new one: it must not be started again under its old
// id.
package server
