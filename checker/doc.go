// Package checker turns what a run left behind into a verdict.
//
// # Linearizability
//
// A register is linearizable if its operations can be put in one order that a single correct register could have
// performed, and that keeps real time: whatever returned before another was called comes before it (Herlihy and Wing,
// 1990). Keys are independent of one another, so each is decided by itself ([Linearize]).
//
// What enters the decision: operations that were answered ok, and updates whose outcome is unknown, which may have
// taken effect at any time after their call or never. Operations that failed, and reads without an answer, say nothing.
//
// There are two ways to decide. Registers whose written values are unique are decided by order ([ByOrder], package
// register), in time O(n log n) however much overlaps, and never unknown. Every such decision carries its proof: a
// valid key an order that is replayed, a violated one the first answer that no order explains and a minimal core of
// what was known then, which counts only when a search confirms that it is impossible. Keys that a search can afford
// are searched anyway, and a disagreement makes the key unknown and says so. Lists of unique elements are decided by
// order, too: whoever sees one sees in which order its elements came, so that there is a single order to replay.
// [Online] decides registers and lists by order while a run goes on.
//
// Everything else is decided by Porcupine's search ([BySearch]). It is exponential in the number of
// operations that overlap, and updates of unknown outcome overlap with everything after them. When all values of a key
// are unique, most of them can be bounded or left out without changing the answer ([tighten]); that is what keeps
// histories with many faults decidable. The search runs in a process of its own under limits of time and memory
// ([RunWorker]). A key that exhausts them is cut to its shortest prefix that is violated. If none is found the key is
// unknown, never valid, and the reason says up to which answer it is linearizable.
//
// # The other checks
//
// Durability compares the final reads with what was acknowledged. Lists (append) are also compared element by
// element, which names what was lost, repeated, reordered or came back. Agreement compares the applied logs of the
// nodes slot by slot. All of them are independent of the search, and decide when it cannot.
//
// # Explanations
//
// A violation is told in sentences, as a table and in a picture. A diagnosis says which assumption broke, from what
// nodes and clocks recorded, where they did; it has no part in the verdict.
//
// # Verdicts
//
// [Check] is a pure function from a run's data to its four axes. None hides another: a violation found in a run whose
// harness failed is a violation, and a history that breaks off is never valid.
package checker
