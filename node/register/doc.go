// Package register is the replicated object: a map of registers and the sessions of those who change them.
//
// A register is a sequence of elements. It starts empty ("absent"); a write replaces the sequence with one element, a
// compare-and-set replaces exactly one expected element (or the empty sequence), an append adds one behind the others.
// One shape serves the register workload, where sequences have at most one element, and the append workload, where
// the order in which replicas applied operations can be read off the value.
//
// The package is pure: a [Store] is changed by nothing but the commands applied to it, so that replicas which apply
// the same commands in the same order hold the same bytes. The sessions are part of that state: a table of who was
// answered what that lived beside the state machine would forget or invent repeats at the next failover.
package register
