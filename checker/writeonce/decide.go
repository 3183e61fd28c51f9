package writeonce

import (
	"cmp"
	"fmt"
	"slices"
)

// Flaw is what is wrong with a history.
type Flaw uint8

// The flaws.
const (
	// Unknowable: an answer that no such object gives.
	Unknowable Flaw = iota + 1
	// Unproposed: a value was seen that nobody had proposed, but in proposals that failed or came too late (validity).
	Unproposed
	// Foreseen: a value was seen by somebody who had returned before the proposal that chose it was called (validity).
	Foreseen
	// Disagreed: two values were seen (agreement).
	Disagreed
	// WonTwice: two proposals were told to be the first (agreement).
	WonTwice
	// Overlooked: a read found nothing, and was called after somebody had seen the value (stability, real time).
	Overlooked
)

// Violation is a flaw, and at most four operations, by index, that are impossible by themselves.
type Violation struct {
	Flaw Flaw

	// Proof are two operations that do not go together, or one that is impossible alone. Of two, the second is the one
	// that shows the flaw: it was answered, or called, when the first had been. Then come the proposals of the values
	// that these saw, as far as they are others.
	Proof []int
}

// Decide finds out whether a history is linearizable. If it is not, it says why.
func Decide(ops []Op) (Violation, bool) {
	h := summary{ops: ops, first: -1, won: -1, early: -1, late: -1, proposals: make(map[int64]int)}
	for i := range ops {
		if flaw, found := h.add(i); found {
			return flaw, false
		}
	}
	for i := range ops { // only now it is known who proposed what
		if flaw, found := h.unproposed(i); found {
			return flaw, false
		}
	}
	return h.conclude()
}

// summary is what matters of a history.
type summary struct {
	ops         []Op
	first       int           // an operation that saw a value
	won         int           // the proposal that was told to be the first
	early, late int           // who of those that saw it returned first, who of those that found nothing was called last
	proposals   map[int64]int // of each value, the one that can have chosen it
	apart       int           // another that saw another value than first; zero if there is none
}

// add takes note of an operation, and finds flaws that need no knowledge of others.
func (h *summary) add(i int) (Violation, bool) {
	o := &h.ops[i]
	switch o.Kind {
	case Impossible:
		return Violation{Unknowable, []int{i}}, true
	case Nothing:
		if h.late < 0 || o.Call > h.ops[h.late].Call {
			h.late = i
		}
		return Violation{}, false
	case Won, Open:
		if p, known := h.proposals[o.Value]; !known || h.rather(o, &h.ops[p]) {
			h.proposals[o.Value] = i
		}
	}
	if !o.saw() {
		return Violation{}, false
	}
	if h.early < 0 || o.Return < h.ops[h.early].Return {
		h.early = i
	}
	switch {
	case h.first < 0:
		h.first = i
	case o.Value != h.ops[h.first].Value && h.apart == 0:
		h.apart = i
	}
	if o.Kind == Won {
		if h.won >= 0 && h.ops[h.won].Value == o.Value {
			return Violation{WonTwice, h.ordered(h.won, i)}, true
		}
		h.won = i
	}
	return Violation{}, false
}

// rather reports whether o chose its value rather than p, a proposal of the same one: if it was told so, or else if it
// was called first and p was not told so either.
func (h *summary) rather(o, p *Op) bool {
	if o.Kind != p.Kind {
		return o.Kind == Won
	}
	return o.Call < p.Call
}

// unproposed finds a value that nobody can have chosen, or not by then.
func (h *summary) unproposed(i int) (Violation, bool) {
	o := &h.ops[i]
	if !o.saw() {
		return Violation{}, false
	}
	p, known := h.proposals[o.Value]
	switch {
	case !known:
		return Violation{Unproposed, []int{i}}, true
	case o.Return < h.ops[p].Call:
		return Violation{Foreseen, []int{i, p}}, true
	}
	return Violation{}, false
}

// conclude finds flaws between operations of which each could be right.
func (h *summary) conclude() (Violation, bool) {
	switch {
	case h.apart > 0:
		return Violation{Disagreed, h.withProposals(h.ordered(h.bestProof(h.first), h.bestProof(h.apart)))}, false
	case h.early >= 0 && h.late >= 0 && h.ops[h.early].Return < h.ops[h.late].Call:
		before := h.bestProof(h.early)
		if h.ops[before].Return >= h.ops[h.late].Call {
			before = h.early
		}
		return Violation{Overlooked, h.withProposals([]int{before, h.late})}, false
	}
	return Violation{}, true
}

// bestProof is the operation that proves best that the value was chosen which i saw: the proposal that was told so, if
// one was, because no proposal has to be shown beside it.
func (h *summary) bestProof(i int) int {
	if p := h.proposals[h.ops[i].Value]; h.ops[p].Kind == Won {
		return p
	}
	return i
}

// ordered puts two operations in the order of their returns.
func (h *summary) ordered(i, j int) []int {
	if h.ops[i].Return > h.ops[j].Return {
		i, j = j, i
	}
	return []int{i, j}
}

// withProposals adds to a proof the proposals of what it saw.
func (h *summary) withProposals(proof []int) []int {
	for _, i := range proof {
		if !h.ops[i].saw() {
			continue
		}
		if p := h.proposals[h.ops[i].Value]; !slices.Contains(proof, p) {
			proof = append(proof, p)
		}
	}
	return proof
}

// Order is a linearization of a history that [Decide] has found to have one, as indices of its operations.
func Order(ops []Op) []int {
	chosen := -1
	var order []int
	for i := range ops {
		if ops[i].Kind != Open {
			order = append(order, i)
		}
		if ops[i].Kind == Won {
			chosen = i
		}
	}
	if at := slices.IndexFunc(ops, func(o Op) bool { return o.Kind == Saw }); at >= 0 && chosen < 0 {
		for i := range ops {
			o := &ops[i]
			if o.Kind == Open && o.Value == ops[at].Value && (chosen < 0 || o.Call < ops[chosen].Call) {
				chosen = i
			}
		}
		order = append(order, chosen)
	}
	place := func(i int) int {
		switch {
		case i == chosen:
			return 1
		case ops[i].Kind == Nothing:
			return 0
		}
		return 2
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(ops[a].Call, ops[b].Call))
	})
	return order
}

// Verify performs operations in an order on an object, and makes sure that each has shown what it then would, that none
// had returned before one that comes earlier was called, and that only such are missing as need not have taken effect.
// It knows nothing of how the order was found.
func Verify(ops []Op, order []int) error {
	done := make([]bool, len(ops))
	latest := int64(-1 << 63) // the latest call so far
	chosen, value := false, int64(0)
	for _, i := range order {
		if i < 0 || i >= len(ops) || done[i] {
			return fmt.Errorf("operation %d is there twice, or does not exist", i)
		}
		done[i] = true
		o := &ops[i]
		right := false
		switch o.Kind {
		case Nothing:
			right = !chosen
		case Saw:
			right = chosen && value == o.Value
		case Won:
			right, chosen, value = !chosen, true, o.Value
		case Open:
			right = true
			if !chosen {
				chosen, value = true, o.Value
			}
		}
		switch {
		case !right:
			return fmt.Errorf("operation %d, %v, does not show what is there", i, o)
		case o.Kind != Open && o.Return < latest:
			return fmt.Errorf("operation %d, %v, had returned before an earlier one was called", i, o)
		}
		latest = max(latest, o.Call)
	}
	for i := range ops {
		if !done[i] && ops[i].Kind != Open {
			return fmt.Errorf("operation %d, %v, is missing", i, &ops[i])
		}
	}
	return nil
}
