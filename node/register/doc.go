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
package register
