package history

import "time"

// FaultStep is the part of a fault's life that a FaultEvent tells of.
type FaultStep string

// The steps of a fault's life.
const (
	FaultApply  FaultStep = "apply"
	FaultRevert FaultStep = "revert"

	// FaultEnd is the last line of a complete fault log, and no step of any fault. A log without it was cut short.
	FaultEnd FaultStep = "end"
)

// FaultStatus is what came of a step. Nothing is installed unless it was seen to take effect.
type FaultStatus string

// The outcomes of a step.
const (
	FaultInstalled FaultStatus = "installed" // apply: the effect was observed
	FaultReverted  FaultStatus = "reverted"  // revert: the effect was observed to be gone
	FaultSkipped   FaultStatus = "skipped"   // there was nothing to do: the node to pause is dead
	FaultFailed    FaultStatus = "failed"    // it could not be done or not be proven: the harness failed
)

// FaultEvent is one step of one fault, as played.
type FaultEvent struct {
	ID      string   `json:"id"`      // "f3": the third fault of the schedule
	Kind    string   `json:"kind"`    // "partition", "kill", "pause", …
	Detail  string   `json:"detail"`  // as planned, in the words of the schedule file: "isolate leader"
	Targets []string `json:"targets"` // the nodes it was aimed at, resolved when it was fired
	Played  string   `json:"played"`  // detail with its targets resolved: "isolate n3"

	Step   FaultStep   `json:"step"`
	Status FaultStatus `json:"status"`

	Planned time.Duration `json:"planned_ns"` // when the schedule wanted it, since the run began
	Begin   time.Duration `json:"begin_ns"`   // when the harness began to do it …
	End     time.Duration `json:"end_ns"`     // … and when it had been proven

	// Evidence says, node by node, what was seen that proves it: "n2: dropped 3 packets from 10.99.0.13".
	Evidence []string `json:"evidence,omitempty"`
	Error    string   `json:"error,omitempty"`
}

// FaultWindow is the time in which a fault was in effect, from the moment its effect was proven to the moment its
// revert began: what happened inside happened under the fault for certain.
type FaultWindow struct {
	ID, Kind, Detail, Played string
	Targets                  []string
	From, To                 time.Duration
	Status                   FaultStatus // of the apply step
	RevertStatus             FaultStatus // empty when the run ended before the revert
}
