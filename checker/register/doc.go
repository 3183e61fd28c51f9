// Package register decides whether the history of a register is linearizable, in time O(n log n), exactly, and with a
// proof of every decision. [Checker] decides histories that are over, [Monitor] one that is still going on.
//
// # What it decides
//
// One register, absent at first; reads, writes and compare-and-set (CAS); updates whose outcome is unknown. Every
// written value is written once. A CAS that did not match says what it found instead, so that it is a read; if it does
// not, or if a value is written twice, or if there are other operations, nothing is decided here ([Abstained]) and a
// search has to do it. Deciding histories without unique values is NP-complete (Gibbons and Korach, "Testing shared
// memories", SIAM J. Comput. 26(4), 1997), and searches take time exponential in what overlaps.
//
// A linearization is an order of the operations in which one register could have performed them one by one, and in
// which nothing stands behind an operation that was called after it had returned (Herlihy and Wing, 1990). Returning at
// the very instant of another's call is not before it. Updates of unknown outcome may stand anywhere behind what
// returned before their call, or be missing.
//
// # What must stand together
//
// Take a value v that was certainly in the register: its update was acknowledged, or somebody saw it. Call its update
// and the reads that saw it the segment of v. The absent register has a segment too, with no update. In a linearization
// nothing that changes the register can stand between the update of v and the last operation that saw v, because v
// never comes back.
//
// So a CAS that saw v and replaced it by w stands behind all reads of v and before all of w, with no other update
// between: the segments of v and w stand together, in this order. Two different CAS cannot both do so. Follow these
// links from segment to segment: each has at most one successor and one predecessor. Links that lead round in a circle
// have no linearization, and all the others form chains. A chain that stands together is a block. Each begins with a
// write or with the absent register, and all operations on it are contiguous in every linearization.
//
// The order inside a block is given, but for the reads of one segment among each other, which change nothing. Walk
// along it with the latest call so far: whatever returned before that call is behind something that was called after
// it, and there is no linearization. If there is nothing like it, put the reads of each segment in order of their
// calls, and the block alone is in a legal order.
//
// # Which block comes first
//
// Of a block A let f(A) be the earliest return of its operations, and s(A) their latest call. All of A can stand before
// all of B if and only if no operation of B returned before one of A was called: s(A) ≤ f(B). The block of the absent
// register stands before all others; say that its f is −∞.
//
// Suppose that neither of A and B can stand before the other: f(B) < s(A) and f(A) < s(B). Then there is no
// linearization, since both are contiguous. Suppose that there is no such pair. Then the blocks in order of f+s are a
// linearization: if A could not stand before B although f(A)+s(A) ≤ f(B)+s(B), then f(B) < s(A); as they are no such
// pair, f(A) ≥ s(B); and the sum of both is f(A)+s(A) > f(B)+s(B).
//
// So it suffices to sort the blocks by f+s and to verify, with the greatest s so far, that each can stand behind all
// before it. Where that fails it has found a pair that cannot be ordered, and at most two operations of each block, its
// earliest return and its latest call, prove it. This is Gibbons and Korach's argument about zones, with blocks of CAS
// in place of single writes.
//
// # Updates of unknown outcome
//
// Such an update certainly took effect if a read saw its value, or if a CAS that certainly took effect did. Then it is
// part of its block like any other, except that it never returned; some operation that saw its value did, so that the
// block has a finite f. If nobody saw its value, it can be left out: take it out of any linearization, and all others
// find what they found before, because no value comes back; and without it everything is as if it never took effect,
// which is allowed.
//
// # While it happens
//
// Let time pass, and treat outstanding updates like updates of unknown outcome. A block begins to exist with the first
// completion that proves one of its values to have been in the register. At this moment all its operations have been
// called, and no return is later: so f is known at once, and only s can grow. A CAS that proves to have taken effect
// always extends the end of a chain, or there are two successors. Two things can go wrong when an operation completes
// that was called at c:
//
//   - It saw a value whose successor was known to have been in the register before c.
//   - Its block A grows to s(A) = c, and for some other block f(B) < c and f(A) < s(B).
//
// Both are found in O(log n), the latter in a tree of greatest s over blocks in order of f.
//
// To forget is possible because outstanding operations were all called since some instant w, and those to come will be.
// If something of block B returned before w, and something of it was called after f(A), then nobody can complete any
// more on A without contradiction: s(A) would exceed f(B). A can be forgotten, and who sees its values objects. What A
// still had to say about others is not lost. Suppose that A forbids something to X: f(X) < s(A). If f(X) < s(B), then B
// has X forgotten as well. Otherwise f(A) < s(B) ≤ f(X) < s(A), and s(A) ≤ f(B) since A and B can be ordered; so f(A) <
// f(B) < w, and A itself has X forgotten by the same rule. What remains are the block with the greatest s among those
// with f < w, and blocks with an operation that was outstanding at some instant or later than that: as many as there is
// concurrency. One with f < w always remains: if another such block C has that with the greatest s forgotten, then C
// stands behind it, with f(C) no earlier than this s, so that nothing has C forgotten.
//
// # A proof while it happens
//
// The linearization itself can be told while time passes, with w as above. Let F be the block that was first seen first
// of those that are not told yet. Every other block X has f(X) ≥ f(F).
//
//   - If f(X) < s(F) and f(F) < w, then F has X forgotten: X stands before F, nobody sees it any more, and s(X) ≤ f(F),
//     which is no later than f of any other block, or of one still to come. X is told at once, whole. Of several such
//     blocks any may come first, for the same reason.
//   - When F itself can be forgotten, all such X are gone with it, as has been shown. The rest have f(X) ≥ s(F), so
//     that F is told when they are.
//   - A block that is read for ever, or a chain without end, must not be held back until it is over. When F is alone
//     and f(F) < w, all that is first seen later has an operation that was called after f(F), and so stands behind it.
//     From then on F is told as it grows: reads of its open segment as they complete, and the next segment when nobody
//     can see the open one any more. In order of completion no operation returned before one in front of it was called.
//
// What is held back is on blocks that are remembered, and so there is as much of it as overlaps.
//
// # Proof and trust
//
// [Checker.Order] is a linearization that [Verify] replays; it is short, knows nothing of blocks, and needs no trust
// but in itself. [Checker.Core] are a few operations that are impossible by themselves, for any other decider to
// confirm.
// [Proof] is a Monitor whose linearization a [Replay] verifies while it is told.
// The tests compare Checker, Monitor and Proof with Porcupine and with an exhaustive search on random histories.
package register
