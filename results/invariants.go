package results

import (
	"errors"
	"fmt"
	"io/fs"

	"elenchus/results/verdict"
)

// InvariantsFile is what an observer of all nodes found, in runs that had one: those of the simulator. SimulatedFile
// is the simulated run as data.
//
// PictureFile is a simulated run as a space-time diagram, ShrinkFile how it became as small as it is.
const (
	InvariantsFile = "invariants.json"
	SimulatedFile  = "simulated.json"
	PictureFile    = "spacetime.svg"
	ShrinkFile     = "shrink.json"
)

// The schemas of these files rise whenever a field changes its meaning or goes away.
const (
	simulatedSchema = 1
	shrinkSchema    = 1
)

// Invariants are the rules that a run was seen to break, or not, by somebody who sees the state of every node in true
// time.
type Invariants struct {
	Schema   int              `json:"schema"`
	Findings []verdict.Broken `json:"findings,omitempty"`
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

// LoadSimulated reads it into plan. The error wraps fs.ErrNotExist when the run was not simulated.
func (r Run) LoadSimulated(plan any) error {
	return loadJSON(r.Path(SimulatedFile), simulatedSchema, plan)
}

// SaveShrink writes how a run became small.
func (r Run) SaveShrink(what any) error {
	return saveJSON(r.Path(ShrinkFile), struct {
		Schema int `json:"schema"`
		Shrunk any `json:"shrunk"`
	}{shrinkSchema, what})
}
