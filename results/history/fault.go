package history

import "time"

// FaultStep is the step of a fault that a FaultEvent reports.
type FaultStep string

// The steps of a fault's life.
const (
	FaultApply  FaultStep = "apply"
	FaultRevert FaultStep = "revert"

	// FaultEnd marks the last line of a complete fault log; it is not a step of a fault. A log without it was
	// truncated.
	FaultEnd FaultStep = "end"
)

// FaultStatus is the outcome of a step. A fault is installed only if its effect was observed.
type FaultStatus string

// The outcomes of a step.
const (
	FaultInstalled FaultStatus = "installed" // apply: the effect was observed
	FaultReverted  FaultStatus = "reverted"  // revert: the effect was observed to be gone
	FaultSkipped   FaultStatus = "skipped"   // there was nothing to do, such as pausing a dead node
	FaultFailed    FaultStatus = "failed"    // it could not be done or proven: the harness failed
)

// FaultEvent is one step of one fault, as played.
type FaultEvent struct {
	ID      string   `json:"id"`      // "f3": the third fault of the schedule
	Kind    string   `json:"kind"`    // "partition", "kill", "pause", …
	Detail  string   `json:"detail"`  // as planned, in the syntax of the schedule file: "isolate leader"
	Targets []string `json:"targets"` // the nodes it was aimed at, resolved when it fired
	Played  string   `json:"played"`  // detail with its targets resolved: "isolate n3"

	Step   FaultStep   `json:"step"`
	Status FaultStatus `json:"status"`

	Planned time.Duration `json:"planned_ns"` // planned time, since the run began
	Begin   time.Duration `json:"begin_ns"`   // when the harness began the step …
	End     time.Duration `json:"end_ns"`     // … and when its effect had been proven

	// Evidence lists, node by node, the observations that prove the step: "n2: dropped 3 packets from 10.99.0.13".
	Evidence []string `json:"evidence,omitempty"`
	Error    string   `json:"error,omitempty"`
}

// FaultWindow is the time in which a fault was in effect, from the proof of its effect to the beginning of its
// revert: whatever happened inside certainly happened under the fault.
type FaultWindow struct {
	ID, Kind, Detail, Played string
	Targets                  []string
	From, To                 time.Duration
	Status                   FaultStatus // of the apply step
	RevertStatus             FaultStatus // empty if the run ended before the revert
}
