// Package register implements the replicated object: a map of registers and the sessions of the clients that change
// them.
//
// A register is a sequence of elements. It starts empty ("absent"). A write replaces the sequence with one element, a
// compare-and-set replaces exactly one expected element (or the empty sequence), an append adds one at the end. This
// one type serves both the register workload, where sequences have at most one element, and the append workload, where
// the value reveals the order in which replicas applied operations.
//
// The package is pure: only applied commands change a [Store], so replicas that apply the same commands in the same
// order hold the same bytes. Sessions are part of that state. If the session table were kept outside the state machine,
// a failover could lose it or recognize duplicates wrongly.
//
// # Memory
//
// A store holds its registers and, for each client, the latest answer; neither is ever dropped. There are at most
// [Options].SessionsMax answers, each of at most [RegisterBytesMax]. Answers that show one growing list share its
// memory. A write that replaces the list does not shorten them: the old list stays in memory as long as any client's
// latest answer shows it, and snapshots hold each such answer in full. The worst case is a workload whose clients each
// append once to a long list that is replaced again and again, and never come back; a client that goes on frees its old
// answer. A state that no longer fits into a snapshot is no error: the node reports that the snapshot was refused and
// keeps its log, which grows until the state fits again.
package register
