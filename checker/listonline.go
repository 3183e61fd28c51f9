package checker

import (
	"fmt"
	"slices"

	"elenchus/checker/register"
	"elenchus/results/history"
)

// listMonitor decides one list of unique elements while its history goes on: after every event it knows whether what
// happened so far has a legal order, if all outstanding appends may have taken effect or not. So it objects to the
// first completion that no order explains, and to no other. The zero value is ready.
//
// Answers show the whole list. Nothing is ever taken from it, so every answer must be the beginning of the longest one,
// or continue it by elements that were asked for and are not in it yet. Real time demands one thing more: an operation
// must see at least as many elements as the longest answer had when the operation was invoked. It follows that the
// element of an append, too, is shown only by answers that come after its invocation.
//
// These conditions suffice. Put every append whose element was seen in the place of its element in the longest answer,
// and every read behind the append of the last element that it saw; reads in one place come in the order of their
// calls. Everybody sees what is there. Suppose that b comes before a in this order, although a had returned, having
// seen i elements, when b was called. If b is a read, it saw at least i elements, so that it is in the same place as a,
// behind a if that is the append; and if that is a read, it was called earlier. If b is an append, its element was
// among the i that a saw before b was called, which nobody had asked for by then.
//
// Memory grows with the longest answer, and with outstanding and unknown appends that nobody has seen.
type listMonitor struct {
	abstained, violated bool
	reason              string

	longest []int64        // the longest answer so far
	place   map[int64]int  // of each of its elements, from 1
	asked   map[int64]bool // elements that may be appended: asked for, did not fail, and are not in longest
}

// decision is what is known of the list.
func (m *listMonitor) decision() register.Decision {
	switch {
	case m.violated:
		return register.Violated
	case m.abstained:
		return register.Abstained
	}
	return register.Valid
}

// invoke begins an operation. What it returns must be handed to complete: the number of elements that the operation
// must see.
func (m *listMonitor) invoke(op *history.Op) (floor int) {
	if m.violated || m.abstained {
		return 0
	}
	switch op.Func {
	case history.Read:
	case history.Append:
		if m.asked == nil {
			m.asked, m.place = make(map[int64]bool), make(map[int64]int)
		}
		if m.asked[op.Value] || m.place[op.Value] > 0 {
			m.abstain(fmt.Sprintf("%d is appended twice", op.Value))
			return 0
		}
		m.asked[op.Value] = true
	default:
		m.abstain(fmt.Sprintf("there is a %s among the appends", op.Func))
	}
	return len(m.longest)
}

// abstain makes the monitor decide nothing more. It needs no memory then.
func (m *listMonitor) abstain(reason string) { *m = listMonitor{abstained: true, reason: reason} }

// complete ends an operation that had to see floor elements.
func (m *listMonitor) complete(op *history.Op, floor int, outcome history.Type, seen []int64) {
	switch {
	case m.violated || m.abstained:
	case outcome == history.OK:
		if !m.fits(op, floor, seen) {
			m.violated, m.reason = true, m.account(op, floor, seen)
		}
	case outcome == history.Fail && op.Func == history.Append:
		if m.place[op.Value] > 0 {
			m.violated, m.reason = true, fmt.Sprintf("%d was seen, but its append failed", op.Value)
		}
		delete(m.asked, op.Value)
	}
}

// fits reports whether an answer goes together with all before it, and takes note of the elements that it is the first
// to show.
func (m *listMonitor) fits(op *history.Op, floor int, seen []int64) bool {
	if op.Func == history.Append && (len(seen) == 0 || seen[len(seen)-1] != op.Value) {
		return false
	}
	known := min(len(seen), len(m.longest))
	if len(seen) < floor || !slices.Equal(seen[:known], m.longest[:known]) {
		return false
	}
	for _, v := range seen[known:] {
		if !m.asked[v] {
			return false
		}
		delete(m.asked, v)
		m.longest = append(m.longest, v)
		m.place[v] = len(m.longest)
	}
	return true
}

// account says why an answer does not fit, in terms of elements.
func (m *listMonitor) account(op *history.Op, floor int, seen []int64) string {
	at := make(map[int64]int, len(seen))
	for i, v := range seen {
		switch {
		case m.place[v] == 0 && !m.asked[v]:
			return fmt.Sprintf("%d was seen, which nobody had asked to append", v)
		case at[v] > 0:
			return fmt.Sprintf("%d is there twice", v)
		}
		at[v] = i + 1
	}
	if op.Func == history.Append && (len(seen) == 0 || seen[len(seen)-1] != op.Value) {
		return fmt.Sprintf("the list does not end with %d", op.Value)
	}
	for i := floor - 1; i >= 0; i-- {
		if v := m.longest[i]; at[v] == 0 {
			return fmt.Sprintf("%d is missing, which had been in the list before", v)
		}
	}
	for i := range min(len(seen), len(m.longest)) {
		was, is := m.longest[i], seen[i]
		switch {
		case was == is:
		case at[was] > 0 && m.place[is] > 0:
			return fmt.Sprintf("%d comes before %d, and had come after it", is, was)
		default:
			return fmt.Sprintf("element %d is %d, and had been %d", i+1, is, was)
		}
	}
	return "it does not go together with the answers before it"
}
