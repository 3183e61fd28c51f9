package results

import (
	"errors"
	"fmt"
	"io/fs"

	"elenchus/results/verdict"
)

// InvariantsFile holds the findings of an observer of all nodes, for runs that had one: those of the simulator.
// SimulatedFile is the simulated run as data.
//
// PictureFile is a simulated run as a space-time diagram, ShrinkFile the record of how it was shrunk.
const (
	InvariantsFile = "invariants.json"
	SimulatedFile  = "simulated.json"
	PictureFile    = "spacetime.svg"
	ShrinkFile     = "shrink.json"
)

// The schemas of these files are incremented whenever a field changes its meaning or is removed.
const (
	simulatedSchema = 1
	shrinkSchema    = 1
)

// Invariants are the invariants that were checked, and violated or not, by an observer that sees the state of every
// node in true time.
type Invariants struct {
	Schema   int              `json:"schema"`
	Findings []verdict.Broken `json:"findings,omitempty"`
}

// invariantsSchema is incremented whenever a field of Invariants changes its meaning or is removed.
const invariantsSchema = 1

// SaveInvariants writes the invariants.
func (r Run) SaveInvariants(i Invariants) error {
	i.Schema = invariantsSchema
	return saveJSON(r.Path(InvariantsFile), i)
}

// LoadInvariants reads the invariants. It returns nil for a run without such an observer.
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

// LoadSimulated reads it into plan. The error wraps fs.ErrNotExist if the run was not simulated.
func (r Run) LoadSimulated(plan any) error {
	return loadJSON(r.Path(SimulatedFile), simulatedSchema, plan)
}

// SaveShrink writes how a run was shrunk.
func (r Run) SaveShrink(what any) error {
	return saveJSON(r.Path(ShrinkFile), struct {
		Schema int `json:"schema"`
		Shrunk any `json:"shrunk"`
	}{shrinkSchema, what})
}
