// Package checker turns what a run left behind into a verdict.
//
// # Linearizability
//
// A register is linearizable if its operations can be put in one order that a single correct register could have
// performed, and that keeps real time: whatever returned before another was called comes before it (Herlihy and Wing,
// 1990). Keys are independent of one another, so each is decided by itself, with Porcupine's search ([Linearize]).
//
// What enters the search: operations that were answered ok, and updates whose outcome is unknown, which may have taken
// effect at any time after their call or never. Operations that failed, and reads without an answer, say nothing.
//
// The search is exponential in the number of operations that overlap, and updates of unknown outcome overlap with
// everything after them. When all values of a key are unique, most of them can be bounded or left out without changing
// the answer ([tighten]); that is what keeps histories with many faults decidable. The search runs in a process of its
// own under limits of time and memory ([RunWorker]). A key that exhausts them is unknown, never valid.
//
// # The other checks
//
// Lists (append) are also compared element by element, which names what was lost, repeated or reordered. Agreement
// compares the applied logs of the nodes slot by slot. Both are independent of the search, and decide when it cannot.
//
// # Verdicts
//
// [Check] is a pure function from a run's data to its four axes. None hides another: a violation found in a run whose
// harness failed is a violation, and a history that breaks off is never valid.
package checker
