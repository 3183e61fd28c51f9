// Package writeonce decides whether the history of a write-once object is linearizable, in linear time, exactly, and
// with a proof of every decision.
//
// # What it decides
//
// A write-once object holds nothing at first, and then for ever the first value that is proposed to it: consensus, as
// one instance of the Synod protocol provides it (Lamport, "The part-time parliament", TOCS 16(2), 1998). A proposal
// answers whether its value was the first, and else says which one was. A read answers with the value, or with nothing
// when there is none yet. Proposals may be of unknown outcome. Values need not be unique.
//
// As a sequential object that is a register whose only update is a compare-and-set from absent; so package register
// decides such histories too, where values are unique. This package shares nothing with that one, and says what is
// wrong in terms of consensus:
//
//   - validity: who saw a value saw one that somebody had proposed by then, in a proposal that did not fail;
//   - agreement: all who saw a value saw the same, and one proposal at most was the first;
//   - stability and real time: who asked after somebody had seen the value sees it.
//
// # Why that is all
//
// Let v be the one value that was seen. It was chosen by a proposal c of v: the one that was told so, or else, if none
// was, one of unknown outcome. Of several of unknown outcome it may as well be the one called first, which could have
// taken effect whenever another could; and what the others do after it nobody sees. Let L be the latest call among c
// and all reads that found nothing, and R the earliest return among all who saw v, c included if it was answered.
//
// If R < L, somebody had seen v before either c was called or a read was that found nothing, and there is no
// linearization. Otherwise put the reads that found nothing first, in the order of their calls; then c; then all who
// saw v, in the order of their calls. Everybody sees what is there. Whoever of the first group is followed by somebody
// who had returned before its call would make R < L, and so would c. Within a group nobody had returned before the
// call of one in front. So this is a linearization; proposals of unknown outcome besides c are left out of it.
//
// If nobody saw a value, all reads found nothing, no proposal was answered, and the reads alone are a linearization.
//
// # Proof and trust
//
// [Order] is that linearization, and [Verify] replays it; it knows nothing of the argument. A [Violation] names at most
// four operations that are impossible by themselves, for any other decider to confirm.
package writeonce
