package sim

import (
	"context"
	"time"

	"elenchus/checker"
	"elenchus/results/history"
	"elenchus/results/verdict"
	"elenchus/workloads"
)

// Checker decides whether a history is that of registers. It keeps nothing of the operations.
type Checker interface {
	Check(ops []history.Operation) Finding
}

// Finding is what a Checker has found.
type Finding struct {
	Violated  string   // the first register whose history has no legal order; empty when all have one
	Undecided []string // the registers for which the checker's budget did not suffice
}

// NoChecker finds nothing, for runs that only the invariants are to judge.
type NoChecker struct{}

// Check implements [Checker].
func (NoChecker) Check([]history.Operation) Finding { return Finding{} }

// Search is a [Checker] that searches for a legal order, as the checker of lab runs does.
type Search struct {
	Budget checker.Budget
}

// NewChecker is the usual checker, with a budget that suits short runs.
func NewChecker() Checker {
	return Search{checker.Budget{Key: 2 * time.Second, Total: 10 * time.Second, Explained: -1}}
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
