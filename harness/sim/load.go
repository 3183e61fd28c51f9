package sim

import (
	"fmt"

	"elenchus/results"
)

// LoadPlan reads the plan of a simulated run from its directory. The error wraps fs.ErrNotExist when the run was not
// simulated.
func LoadPlan(dir results.Run) (*Plan, error) {
	var p Plan
	if err := dir.LoadSimulated(&p); err != nil {
		return nil, fmt.Errorf("load plan: %w", err)
	}
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("load plan: %w", err)
	}
	return &p, nil
}

// HashOption is under which name a run directory's manifest has the hash of the run.
const HashOption = "hash"
