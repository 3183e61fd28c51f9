package checker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// A key whose whole history is too much for a search may have a prefix that is not. What was known when an answer
// returned, with everything that was still under way as of unknown outcome, is a history of its own, and if that has no
// legal order, then neither has the whole: such an order, cut off behind the last operation that had returned by then,
// would be one of the prefix. There are two reasons why a prefix may be decided where the whole is not:
//
//   - Values may be unique up to there. Then it is decided by order, at once, see [driver.byUniquePrefix].
//   - Each step of a search takes memory and time in proportion to all operations, looked at or not, see
//     [driver.byShorterPrefix].

// cut is a key with the answers by which its history can be cut.
type cut struct {
	key     KeyHistory
	answers []history.Operation // in the order in which they returned
}

func newCut(key KeyHistory) cut {
	c := cut{key: key}
	for i := range key.Ops {
		if key.Ops[i].Outcome == history.OK {
			c.answers = append(c.answers, key.Ops[i])
		}
	}
	slices.SortFunc(c.answers, func(a, b history.Operation) int { return cmp.Compare(a.ReturnSeq, b.ReturnSeq) })
	return c
}

// first is what was known of the key when its n-th answer had returned, from 1.
func (c cut) first(n int) KeyHistory {
	return KeyHistory{Key: c.key.Key, Ops: upTo(c.key.Ops, c.answers[n-1].ReturnSeq)}
}

// unique is after how many answers, at most, no value had been asked for twice.
func (c cut) unique() int {
	asked := make(map[int64]bool)
	again := int64(never)
	for i := range c.key.Ops {
		if op := &c.key.Ops[i]; op.Op.Func.Mutates() {
			if asked[op.Op.Value] {
				again = op.CallSeq
				break
			}
			asked[op.Op.Value] = true
		}
	}
	n, _ := slices.BinarySearchFunc(c.answers, again, func(op history.Operation, seq int64) int {
		return cmp.Compare(op.ReturnSeq, seq)
	})
	return n
}

// decided is what a result is about: the key, or the first answers of it.
func (r *KeyResult) decided(key KeyHistory) KeyHistory {
	if r.Answers == 0 {
		return key
	}
	return newCut(key).first(r.Answers)
}

// byUniquePrefix decides by order what comes before the first value that is asked for twice. It reports true if that
// decides the key, because it is violated or because two ways to decide it disagree. Otherwise the first legal answers
// have a legal order, and a reason in the result says what is wrong with a proof.
func (d *driver) byUniquePrefix(ctx context.Context, c cut) (res KeyResult, legal int, final bool) {
	n := c.unique()
	if n == 0 || n == len(c.answers) {
		return res, 0, false
	}
	res, decided := d.byOrder(ctx, c.first(n))
	res.Ops = len(c.key.Ops)
	switch {
	case !decided:
		return res, 0, false
	case res.Status == verdict.Valid:
		return res, n, false
	case res.Status == verdict.Violated:
		res.Answers = n
	}
	return res, 0, true
}

// wholeShare is the part of a key's budget that a search of its whole history may take when there are prefixes to try:
// a half, so that a history which takes that long is decided in twice the time at most.
const wholeShare = 2

// prefixDeathsMax is how many searches of prefixes may be killed because of their memory before the rest is given up.
const prefixDeathsMax = 2

// byShorterPrefix searches prefixes of a key that was too much as a whole, for as long as there is time, and closes in
// on the shortest that is violated: first by doubling, since what shows early is cheap, and then by bisection between
// what is known to be legal and what is violated or too much. The first legal answers are known to have an order. Each
// search may take half of the time that is left.
//
// It returns the shortest prefix that was found to be violated, or whole, with a word on how far it is linearizable.
func (d *driver) byShorterPrefix(ctx context.Context, c cut, legal int, whole KeyResult, deadline time.Time) KeyResult {
	begin := time.Now()
	best, deaths, doubling := whole, 0, true
	low, bad := legal, len(c.answers) // the first bad answers are violated, or too much
	for low+1 < bad && ctx.Err() == nil && deaths < prefixDeathsMax && d.failures < failuresMax {
		left := time.Until(deadline)
		if left < prefixLeast {
			break
		}
		n := (low + bad) / 2
		if doubling = doubling && max(prefixFirst, 2*low) < bad; doubling {
			n = max(prefixFirst, 2*low)
		}
		res, err := d.solve(ctx, request{Key: c.first(n), Budget: left / 2})
		if err != nil {
			res.Status = verdict.Unknown
			deaths++
		}
		switch {
		case res.Status == verdict.Valid:
			low, legal = n, n
		case res.Status == verdict.Violated:
			best, best.Ops, best.Answers = res, len(c.key.Ops), n
			bad, doubling = n, false
		case best.Status == verdict.Violated: // whether a shorter one is violated nobody can tell
			low = n
		default:
			bad, doubling = n, false
		}
	}
	best.Elapsed = whole.Elapsed + time.Since(begin)
	if best.Status == verdict.Unknown && legal > 0 {
		last := c.answers[legal-1]
		best.Reason += fmt.Sprintf("; it is linearizable up to the answer at %s, the %s of %d", seconds(last.Return),
			ordinal(legal), len(c.answers))
	}
	return best
}

const (
	prefixFirst = 16               // answers in the first prefix that is searched
	prefixLeast = time.Millisecond // of time that must be left for another search
)

// ordinal is "1st", "12th" or "23rd".
func ordinal(n int) string {
	suffix := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return fmt.Sprint(n, suffix)
}

// errKilled means that a search exceeded its budget of memory or time so far that its process had to be killed.
var errKilled = errors.New("the checking process was killed")
