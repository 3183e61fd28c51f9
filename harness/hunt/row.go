package hunt

import (
	"slices"
	"time"

	"elenchus/harness/sim"
)

// Row is what is known of one mutant.
type Row struct {
	Name      string `json:"name"`
	Digest    string `json:"digest"` // of the patch and of how it was hunted
	Place     string `json:"place"`
	Precedent string `json:"precedent"`
	Breaks    string `json:"breaks"`
	HeldBack  bool   `json:"held_back"`

	Budget  time.Duration `json:"budget_ns"`
	Reached bool          `json:"reached"` // the changed place was executed
	All     Hunt          `json:"all"`
	Clients *Hunt         `json:"clients,omitempty"` // the same, judged by what clients can see alone

	// Small is what the first run that failed came to when it was shrunk; nil when nobody tried, or nothing came of it.
	Small *Small `json:"small,omitempty"`

	// Outside says that the mutant is in a part that the simulator does not have. Then there is no hunt. Unprobed says
	// that nobody could see whether the changed place was executed, because hosts keep their files to themselves.
	Outside  bool `json:"outside,omitempty"`
	Unprobed bool `json:"unprobed,omitempty"`

	// WhyNot is why the lab is not expected to show the mutant, as its page says; empty if nothing stands in the way.
	WhyNot string `json:"why_not,omitempty"`
}

// Found reports whether any start has found the mutant.
func (r *Row) Found() bool { return r.All.Found() > 0 }

// noticed are checks besides those of the simulator that find what clients or operators can see.
var noticed = []string{
	CheckViolated, CheckEnded, CheckHang, CheckCrash, "durability", "lists", // the last two as package checker names them
}

// Propagated reports whether clients could see something.
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

// Blame says what was at fault if nothing was found: the schedule, the state or the workload (Voas 1992: a fault must
// be executed, infect the state, and propagate to the output).
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

// Score is how many of a group of mutants were found.
type Score struct {
	Mutants int `json:"mutants"`
	Found   int `json:"found"`  // by any start
	Surely  int `json:"surely"` // by at least 19 starts in 20
	Seen    int `json:"seen"`   // by clients
}

// Add counts a row that was hunted.
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
