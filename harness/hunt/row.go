package hunt

import (
	"slices"
	"time"

	"elenchus/harness/sim"
)

// Row is everything that was measured of one mutant.
type Row struct {
	Name      string `json:"name"`
	Digest    string `json:"digest"` // of the patch and of how it was hunted
	Place     string `json:"place"`
	Precedent string `json:"precedent"`
	Breaks    string `json:"breaks"`
	HeldBack  bool   `json:"held_back"`

	Budget  time.Duration `json:"budget_ns"`
	Reached bool          `json:"reached"` // the changed code was executed
	All     Hunt          `json:"all"`
	Clients *Hunt         `json:"clients,omitempty"` // counting only what clients can see; nil if not hunted

	// Small is the first failing run after shrinking; nil if it was not shrunk, or could not be.
	Small *Small `json:"small,omitempty"`

	// Outside says that the mutant is in a part of the node that the simulator does not have, so that it is not
	// hunted there. Unprobed says that it is unknown whether the changed code was executed, because the hosts' files
	// could not be read.
	Outside  bool `json:"outside,omitempty"`
	Unprobed bool `json:"unprobed,omitempty"`

	// WhyNot is why a lab is not expected to find the mutant, according to its page; empty if it is expected to.
	WhyNot string `json:"why_not,omitempty"`
}

// Found reports whether any start has found the mutant.
func (r *Row) Found() bool { return r.All.Found() > 0 }

// noticed are the checks, besides those of the simulator, that detect what clients or operators can see.
var noticed = []string{
	CheckViolated, CheckEnded, CheckHang, CheckCrash, "durability", "lists", // the last two: package checker
}

// Propagated reports whether clients could see a failure.
func (r *Row) Propagated() bool {
	if r.Clients != nil && r.Clients.Found() > 0 {
		return true
	}
	for i := range r.All.Starts {
		check := r.All.Starts[i].Check
		if slices.Contains(noticed, check) || sim.Noticed(check) {
			return true
		}
	}
	return false
}

// Blame says why nothing was found: because of the schedule, the state or the workload (Voas 1992: a fault must be
// executed, infect the state, and propagate to the output).
func (r *Row) Blame() string {
	switch {
	case r.Outside:
		return "not in this lab"
	case r.Propagated():
		return "seen by clients"
	case r.Found() && r.Clients == nil:
		return "found by observers"
	case r.Found():
		return "seen by observers alone"
	case r.Unprobed && r.WhyNot != "":
		return r.WhyNot
	case r.Unprobed:
		return "nothing was seen"
	case r.Reached:
		return "executed, and broke nothing"
	}
	return "never executed"
}

// Score counts how many of a group of mutants were found.
type Score struct {
	Mutants int `json:"mutants"`
	Found   int `json:"found"`  // by any start
	Surely  int `json:"surely"` // by at least 19 of 20 starts
	Seen    int `json:"seen"`   // with checks of what clients can see
}

// Add counts a mutant that was hunted.
func (s *Score) Add(r *Row) {
	if r.Outside {
		return
	}
	s.Mutants++
	if r.Found() {
		s.Found++
	}
	if 20*r.All.Found() >= 19*len(r.All.Starts) {
		s.Surely++
	}
	if r.Propagated() {
		s.Seen++
	}
}
