package sim

import (
	"context"
	"slices"
	"time"

	"elenchus/checker"
	"elenchus/checker/register"
	"elenchus/results/history"
	"elenchus/results/verdict"
	"elenchus/workloads"
)

// Checker decides whether a history is linearizable. It does not keep the operations.
type Checker interface {
	Check(ops []history.Operation) Finding
}

// Finding is the result of a Checker.
type Finding struct {
	Violated  string   // the first register whose history has no legal order; empty when all have one
	Undecided []string // the registers for which the checker's budget did not suffice
}

// NoChecker finds nothing. With it, only the invariants judge a run.
type NoChecker struct{}

// Check implements [Checker].
func (NoChecker) Check([]history.Operation) Finding { return Finding{} }

// Search is a [Checker] that searches for a linearization, as the checker of runs in labs does.
type Search struct {
	Budget checker.Budget
}

// Check implements [Checker].
func (s Search) Check(ops []history.Operation) (f Finding) {
	decided := checker.Linearize(context.Background(), workloads.Model(), ops, nil, s.Budget)
	for i := range decided.Keys {
		switch k := &decided.Keys[i]; {
		case k.Status == verdict.Violated && f.Violated == "":
			f.Violated = k.Key
		case k.Status == verdict.Unknown:
			f.Undecided = append(f.Undecided, k.Key)
		}
	}
	return f
}

// NewChecker returns the usual checker. All attempts at one request must get the same answer, and then count as one
// operation. Registers with unique values are decided by their order (package checker/register), lists by comparing
// their versions, and everything else by a search with a budget that suits short runs. The checker reuses its memory.
func NewChecker() Checker { return newQuick() }

func newQuick() *quick {
	return &quick{
		index:  make(map[string]int),
		search: Search{checker.Budget{Key: 2 * time.Second, Total: 10 * time.Second, Explained: -1}},
	}
}

type quick struct {
	index    map[string]int
	keys     []quickKey
	register register.Checker
	list     listChecker
	search   Search
}

// quickKey is the history of one register or list, prepared for the fast checkers.
type quickKey struct {
	name      string
	ops       []register.Op // the operations of a register of single values
	positions []int         // the indices of all its operations in the history
	list      bool          // an element is appended to it
	mixed     bool          // it is also used otherwise
}

// Check implements [Checker].
func (q *quick) Check(ops []history.Operation) (f Finding) {
	ops, requests := history.Once(ops)
	if _, other, found := requests.Discord(); found {
		return Finding{Violated: other.Op.Key}
	}
	q.split(ops)
	for i := range q.keys {
		k := &q.keys[i]
		switch {
		case !k.list:
			switch q.register.Decide(k.ops) {
			case register.Valid:
				continue
			case register.Violated:
				f.Violated = k.name
				return f
			}
		case !k.mixed:
			if q.list.legal(ops, k.positions) {
				continue
			}
			f.Violated = k.name
			return f
		}
		one := make([]history.Operation, len(k.positions))
		for j, position := range k.positions {
			one[j] = ops[position]
		}
		found := q.search.Check(one)
		if found.Violated != "" {
			return found
		}
		f.Undecided = append(f.Undecided, found.Undecided...)
	}
	return f
}

func (q *quick) split(ops []history.Operation) {
	clear(q.index)
	q.keys = q.keys[:0]
	for i := range ops {
		op := &ops[i]
		at, ok := q.index[op.Op.Key]
		if !ok {
			at = len(q.keys)
			q.index[op.Op.Key] = at
			if cap(q.keys) > at {
				q.keys = q.keys[:at+1]
			} else {
				q.keys = append(q.keys, quickKey{})
			}
			k := &q.keys[at]
			*k = quickKey{name: op.Op.Key, ops: k.ops[:0], positions: k.positions[:0]}
		}
		k := &q.keys[at]
		k.positions = append(k.positions, i)
		switch op.Op.Func {
		case history.Append:
			k.list = true
		case history.Write, history.CAS:
			k.mixed = true
		}
		k.ops, _ = register.Append(k.ops, op) // for a list these are not used
	}
}

// listChecker decides histories of one list to which unique elements are appended, and which is read.
//
// Every answer is the whole list, so the longest one tells in which order the appends took effect, and every answer
// which version it saw. A legal order is then one in which versions rise; within a version the append comes first.
// There is one if nothing returned before something was called that must come earlier.
type listChecker struct {
	position map[int64]int // of each element in the longest list, from 1
	versions []listVersion
}

// listVersion is the list after so many appends.
type listVersion struct {
	maxCall   int64 // of who saw it, or made it
	minReturn int64 // of who saw it
	append    int   // who made it, as a place in the history; -1 when nobody is known
}

func (c *listChecker) legal(ops []history.Operation, positions []int) bool {
	var longest []int64
	for _, i := range positions {
		if op := &ops[i]; op.Outcome == history.OK && len(op.Result.Values) > len(longest) {
			longest = op.Result.Values
		}
	}
	if c.position == nil {
		c.position = make(map[int64]int)
	}
	clear(c.position)
	c.versions = slices.Grow(c.versions[:0], len(longest)+1)[:len(longest)+1]
	for i := range c.versions {
		c.versions[i] = listVersion{maxCall: -1, minReturn: 1<<63 - 1, append: -1}
	}
	for i, v := range longest {
		c.position[v] = i + 1
	}
	if len(c.position) != len(longest) {
		return false // an element occurs twice
	}
	for _, i := range positions {
		if !c.take(&ops[i], i, longest) {
			return false
		}
	}
	return c.rising(ops)
}

// take notes which version an operation saw or made. It reports false if there is no such version.
func (c *listChecker) take(op *history.Operation, i int, longest []int64) bool {
	switch {
	case op.Op.Func == history.Append:
		at, there := c.position[op.Op.Value]
		switch {
		case !there:
			return op.Outcome != history.OK // it had no effect, or none that any read saw
		case op.Outcome == history.Fail, c.versions[at].append >= 0:
			return false // an append that failed was seen, or an element was appended twice
		case op.Outcome == history.OK && len(op.Result.Values) != at:
			return false
		}
		c.versions[at].append = i
	case op.Outcome != history.OK:
		return true
	}
	if op.Outcome != history.OK {
		return true
	}
	seen := op.Result.Values
	if !slices.Equal(seen, longest[:len(seen)]) {
		return false
	}
	if op.Op.Func == history.Read {
		v := &c.versions[len(seen)]
		v.maxCall, v.minReturn = max(v.maxCall, op.CallSeq), min(v.minReturn, op.ReturnSeq)
	}
	return true
}

// rising reports whether the versions rise in time: no operation returned before another was called that must precede
// it.
func (c *listChecker) rising(ops []history.Operation) bool {
	latest := int64(-1) // the latest call so far
	for at := range c.versions {
		v := &c.versions[at]
		if at > 0 {
			if v.append < 0 {
				return false // the append of this element is not in the history
			}
			made := &ops[v.append]
			if made.Outcome == history.OK && made.ReturnSeq < latest {
				return false
			}
			latest = max(latest, made.CallSeq)
		}
		if v.minReturn < latest {
			return false
		}
		latest = max(latest, v.maxCall)
	}
	return true
}
