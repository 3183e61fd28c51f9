package checker

import (
	"fmt"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// service is what each node did for its clients in each phase: final reads and, after everything was healed, updates.
type service struct {
	byPhase map[history.Phase]map[string]*tally
}

// tally is how many operations a node was asked for and answered ok.
type tally struct {
	ok, tried int
	reason    string // of the last that was not, in order of invocation
	last      int
}

func newService() *service {
	return &service{byPhase: map[history.Phase]map[string]*tally{history.PhaseRecovery: {}, history.PhaseFinal: {}}}
}

// Observe implements Watcher.
func (s *service) Observe(op *history.Operation) {
	byNode := s.byPhase[op.Phase]
	if byNode == nil || op.Phase == history.PhaseRecovery && !op.Op.Func.Mutates() {
		return
	}
	t := byNode[op.Node]
	if t == nil {
		t = &tally{last: -1}
		byNode[op.Node] = t
	}
	t.tried++
	switch {
	case op.Outcome == history.OK:
		t.ok++
	case op.ID > t.last:
		t.reason, t.last = op.Reason, op.ID
	}
}

// of is what a node did in a phase.
func (s *service) of(phase history.Phase, node string) tally {
	if t := s.byPhase[phase][node]; t != nil {
		return *t
	}
	return tally{}
}

// unserved says of each node that answered no final read, or no update after the heal, why that is so. That updates
// were tried is not demanded: who records a run may leave them to the reads.
func (s *service) unserved(nodes []string) []string {
	var out []string
	for _, n := range nodes {
		if t := s.of(history.PhaseRecovery, n); t.tried > 0 && t.ok == 0 {
			out = append(out, fmt.Sprintf("none of %s to %s after everything was healed was answered ok (%s)",
				verdict.Count(t.tried, "update"), n, t.reason))
		}
		switch t := s.of(history.PhaseFinal, n); {
		case t.ok > 0:
		case t.tried == 0:
			out = append(out, fmt.Sprintf("nothing was read from %s at the end", n))
		default:
			out = append(out, fmt.Sprintf("none of %s from %s was answered ok (%s)",
				verdict.Count(t.tried, "final read"), n, t.reason))
		}
	}
	return out
}
