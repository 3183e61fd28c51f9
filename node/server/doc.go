// Package server runs a protocol machine on real sockets, files, clocks and goroutines.
//
// # Goroutines
//
// One goroutine, the loop, owns the machine. Messages from peers, requests from clients, timers and completed syncs
// reach it through channels. For each it takes a clock reading, steps the machine and carries out the effects in the
// order of the contract (package protocol): it appends records, sends what depends on no write, and holds everything
// else until the write it names is durable. A second goroutine syncs the log; everything appended during one fsync
// shares the next. A third writes snapshots. The loop never waits for the disk.
//
// A node stops for good when its log cannot be written, its disk is full, or its machine halts. It does not retry.
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
//	POST /v1/admin/forsake            give up leadership and the lease
//	GET  /status                      the node and its view of the cluster
//	GET  /healthz                     the process is alive
//
// Keys and values are UTF-8. A key is one percent-encoded path segment of at most 256 bytes; a value has at most 64
// KiB. Headers:
//
//	Elenchus-Client, Elenchus-Seq   the session of a change: a client's id, 1 … 2^63-1, and the number of its change,
//	                                rising from 1. A repeat of the latest change gets its first answer. Without them the
//	                                node uses a session of its own. Reads need none.
//	Elenchus-Timeout                how long the node may take ("500ms"; default 5s, at most 60s), or ?timeout=
//
// Status codes and the outcome they imply:
//
//	200  ok       took effect; a read or append has "values", a read also "value", a CAS "matched": true
//	412  ok       a CAS did not match: "matched": false, and "values" as found
//	400  fail     invalid request
//	404  fail     no such path
//	405  fail     method not allowed for this path
//	409  fail     forsake: the node is not the leader
//	413  fail     the body is too large
//	429  fail     too many requests are in flight at this node
//	503  fail     not executed: no leader, no room, or the node is stopping
//	504  unknown  it may have taken effect, or may yet
//
// # Files
//
// The data directory holds the log, "wal", and the snapshot it depends on, "snapshot" (packages storage and wal); files
// with the suffix ".new", which were incomplete when the node stopped and are ignored; "boot", which counts starts and
// records the length of the log at the last one; and "observations.jsonl", with one line per [protocol.Observation].
// When observations exceed their limit, the oldest are dropped: a full segment is renamed to a numbered name, and the
// first line of every segment has the kind "segment" and its number. Observations that could not be written are
// missing, and lines of kind "unwritten" count them: one where the gap begins, in room that is reserved for it should
// the disk be full, and one at its end if there were more.
//
// A node whose whole data directory is lost cannot be told from a new one, so it must not be restarted under its old
// id.
package server
