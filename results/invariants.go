package results

import (
	"errors"
	"fmt"
	"io/fs"

	"elenchus/results/verdict"
)

// InvariantsFile is what an observer of all nodes found, in runs that had one: those of the simulator. SimulatedFile
// is the simulated run as data.
const (
	InvariantsFile = "invariants.json"
	SimulatedFile  = "simulated.json"
)

// Invariants are the rules that a run was seen to break, or not, by somebody who sees the state of every node in true
// time.
type Invariants struct {
	Schema   int               `json:"schema"`
	Findings []verdict.Finding `json:"findings,omitempty"`
}

// invariantsSchema rises whenever a field of Invariants changes its meaning or goes away.
const invariantsSchema = 1

// SaveInvariants writes them.
func (r Run) SaveInvariants(i Invariants) error {
	i.Schema = invariantsSchema
	return saveJSON(r.Path(InvariantsFile), i)
}

// LoadInvariants reads them. The answer is nil for a run that nobody watched so.
func (r Run) LoadInvariants() (*Invariants, error) {
	var i Invariants
	err := loadJSON(r.Path(InvariantsFile), invariantsSchema, &i)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load invariants: %w", err)
	}
	return &i, nil
}

// SaveSimulated writes the plan of a simulated run.
func (r Run) SaveSimulated(plan any) error { return saveJSON(r.Path(SimulatedFile), plan) }
