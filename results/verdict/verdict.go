// Package verdict defines the outcome of a run: four independent axes that never mask one another, and the exit
// code.
package verdict

import (
	"fmt"
	"time"
)

// Schema is the version of verdict.json. It is incremented whenever a field changes its meaning or is removed.
const Schema = 1

// Status is the state of one axis.
type Status string

// Safety and liveness are valid, violated or unknown; coverage is sufficient or vacuous; the harness is healthy,
// interrupted or failed. An axis that could not be examined at all is none.
const (
	Valid       Status = "valid"
	Violated    Status = "violated"
	Unknown     Status = "unknown"
	Sufficient  Status = "sufficient"
	Vacuous     Status = "vacuous"
	Healthy     Status = "healthy"
	Interrupted Status = "interrupted"
	Failed      Status = "failed"
	None        Status = "none"
)

// Exit codes of every command that produces a verdict.
const (
	ExitValid    = 0
	ExitViolated = 1
	ExitUnknown  = 2
	ExitVacuous  = 3
	ExitHarness  = 4
	ExitUsage    = 64
)

// Verdict is the outcome of checking one run. It is a function of the files in the run directory.
type Verdict struct {
	Schema   int      `json:"schema"`
	Run      string   `json:"run"`
	Safety   Safety   `json:"safety"`
	Liveness Liveness `json:"liveness"`
	Coverage Coverage `json:"coverage"`
	Harness  Harness  `json:"harness"`

	// Stopped says why the workload was ended early, if it was: an answer without a linearization.
	Stopped string `json:"stopped,omitempty"`

	// Prefix is set if files are damaged and only the part before the damage was judged, at the user's request.
	Prefix []Prefix `json:"prefix,omitempty"`
}

// Prefix is a file of which only the lines before a damaged one were judged.
type Prefix struct {
	File    string `json:"file"`
	Line    int    `json:"line"` // the first damaged line
	Problem string `json:"problem"`
}

// ExitCode returns the exit code of a command that reports v. A violation has priority, so that no failure of the
// harness can hide it; then come an undecided check, a failed harness, and a run in which nothing was tested.
func (v Verdict) ExitCode() int {
	switch {
	case v.Safety.Status == Violated || v.Liveness.Status == Violated:
		return ExitViolated
	case v.Safety.Status == Unknown:
		return ExitUnknown
	case v.Harness.Status != Healthy || v.Safety.Status == None:
		return ExitHarness
	case v.Coverage.Status == Vacuous:
		return ExitVacuous
	case v.Liveness.Status == Unknown:
		return ExitUnknown
	default:
		return ExitValid
	}
}

// Word returns the verdict in one word, as in the banner of a report; for a partial run, it says so.
func (v Verdict) Word() string {
	if len(v.Prefix) > 0 {
		return v.word() + " (PREFIX)"
	}
	return v.word()
}

func (v Verdict) word() string {
	switch v.ExitCode() {
	case ExitViolated:
		return "VIOLATED"
	case ExitUnknown:
		return "UNKNOWN"
	case ExitVacuous:
		return "VACUOUS"
	case ExitHarness:
		if v.Harness.Status == Interrupted {
			return "INTERRUPTED"
		}
		return "HARNESS FAILED"
	default:
		return "VALID"
	}
}

// Finding is one violation found by a checker.
type Finding struct {
	Checker string `json:"checker"`       // "linearizability", "agreement", …
	Key     string `json:"key,omitempty"` // the register concerned
	// Name classifies the violation in a few words ("stale read"), as far as the history shows it, or is the identifier of
	// the rule that was broken ("lease-basis"). Title says in words what such an identifier stands for.
	Name    string `json:"name,omitempty"`
	Title   string `json:"title,omitempty"`
	Summary string `json:"summary"` // one sentence
	// Story continues the summary: one to five sentences on who answered what from where, and what was wrong with
	// them.
	Story []string `json:"story,omitempty"`
	// Causes are the assumptions that were broken according to the evidence, the most telling one first.
	Causes []Cause `json:"causes,omitempty"`
	// Table holds the few operations that suffice for the violation, in order of invocation.
	Table []Row `json:"table,omitempty"`
	// At is when the history first showed the violation, since the run began; zero if it cannot be placed in time.
	At      time.Duration `json:"at_ns,omitempty"`
	Details []string      `json:"details,omitempty"`
	// Operations are the numbers of operations that suffice for the violation, the one that showed it last.
	// Operations are numbered from 0 in order of invocation.
	Operations []int  `json:"operations,omitempty"`
	File       string `json:"file,omitempty"` // a picture or longer account, relative to the run directory
}

// Heading is what a finding is called for people: "stale read", or "a lease without a majority (lease-basis)" of a rule
// that has an identifier. It is empty if the finding has no name.
func (f Finding) Heading() string {
	if f.Title == "" {
		return f.Name
	}
	return fmt.Sprintf("%s (%s)", f.Title, f.Name)
}

// Broken is a rule that somebody saw broken who sees the state of every node in true time: the finding, and what it is
// about in a form that other evidence can be looked up by. The last of its Operations is the one whose answer broke the
// rule, if an answer did, and before it comes what that answer should have taken into account.
type Broken struct {
	Finding
	Demand string `json:"demand,omitempty"` // what should have been, and why: sentences
	Node   string `json:"node,omitempty"`
	Slot   uint64 `json:"slot,omitempty"`
	Ballot string `json:"ballot,omitempty"`
}

// Cause is an assumption that did not hold.
type Cause struct {
	Name     string   `json:"name"`     // in a few words: "clocks drifted apart"
	Says     string   `json:"says"`     // one sentence
	Evidence []string `json:"evidence"` // observations that show it, each a sentence
}

// Row is an operation in the table of a finding.
type Row struct {
	Operation int            `json:"operation"` // its number
	Process   int            `json:"process"`
	Node      string         `json:"node"`
	Call      time.Duration  `json:"call_ns"`
	Return    *time.Duration `json:"return_ns,omitempty"` // nil if it never completed
	What      string         `json:"what"`                // "read x → 5"
	Slot      uint64         `json:"slot,omitempty"`      // the system's report of how it was served
	Ballot    string         `json:"ballot,omitempty"`
	By        string         `json:"by,omitempty"`   // the node that served it, according to the system
	Role      string         `json:"role,omitempty"` // its part in the violation: "the answer that no order explains"
}

// ReturnedAt returns when the operation completed; zero if it never did.
func (r Row) ReturnedAt() time.Duration {
	if r.Return == nil {
		return 0
	}
	return *r.Return
}

// Check is the decision of one checker.
type Check struct {
	Checker string        `json:"checker"`
	Status  Status        `json:"status"`
	Detail  string        `json:"detail"` // what it examined: "14 keys, 5120 operations, longest key 380"
	Elapsed time.Duration `json:"elapsed_ns"`
}

// Safety says whether anything happened that is impossible for a correct register.
type Safety struct {
	Status   Status    `json:"status"`
	Checks   []Check   `json:"checks"`
	Findings []Finding `json:"findings,omitempty"`
	Reasons  []string  `json:"reasons,omitempty"` // why unknown
}

// Liveness says whether the system answered again after all faults were healed.
type Liveness struct {
	Status  Status   `json:"status"`
	Reasons []string `json:"reasons,omitempty"`

	// Recovery is the time from the end of the last heal to the moment when every node answered.
	Recovery time.Duration `json:"recovery_ns"`
	// FirstUpdate is the time from the end of the last heal to the first ok update invoked after it; nil if there
	// was none.
	FirstUpdate *time.Duration `json:"first_update_ns,omitempty"`
	// Ended lists the nodes that ended by themselves: no fault killed them, so the program is to blame.
	Ended []Ended `json:"ended,omitempty"`
	// Faults holds, for every fault, the longest interval without an ok operation while it lasted.
	Faults []FaultLiveness `json:"faults,omitempty"`
	// Kinds holds the worst of these by kind of fault, in order of first occurrence.
	Kinds []KindLiveness `json:"kinds,omitempty"`
}

// Ended is a node that ended by itself.
type Ended struct {
	Node string `json:"node"`
	Why  string `json:"why"` // in its own words, or those of its runtime: "panic: …"
}

// FaultLiveness is the availability of the service under one fault.
type FaultLiveness struct {
	ID             string        `json:"id"`
	Fault          string        `json:"fault"`
	Lasted         time.Duration `json:"lasted_ns"`
	OKs            int           `json:"oks"`
	LongestSilence time.Duration `json:"longest_silence_ns"` // without an ok operation of any kind …

	// … without an ok read, and without an ok operation that may change a register: a system that cannot agree on
	// anything new may still serve reads.
	ReadSilence   time.Duration `json:"read_silence_ns"`
	UpdateSilence time.Duration `json:"update_silence_ns"`

	// FirstUpdate is the time from the end of the revert to the return of the first ok update invoked after it. Nil
	// if the workload ended before there was one.
	FirstUpdate *time.Duration `json:"first_update_ns,omitempty"`
}

// KindLiveness is the worst availability under the faults of one kind.
type KindLiveness struct {
	Kind          string         `json:"kind"`
	Faults        int            `json:"faults"`
	ReadSilence   time.Duration  `json:"read_silence_ns"`
	UpdateSilence time.Duration  `json:"update_silence_ns"`
	FirstUpdate   *time.Duration `json:"first_update_ns,omitempty"`
}

// Coverage measures what was actually exercised.
type Coverage struct {
	Status  Status   `json:"status"`
	Reasons []string `json:"reasons,omitempty"` // what was missing

	Operations []OperationCount `json:"operations"`
	Faults     []FaultCount     `json:"faults"`
	// UnderFault is the number of ok operations invoked and completed while at least one fault was in effect.
	UnderFault int `json:"ok_under_fault"`
	Leaders    int `json:"leaders"` // number of times that some node became leader

	LeaseExpiries      int `json:"lease_expiries"`      // leases that expired unrenewed, as their holders saw it
	LeasesForsaken     int `json:"leases_forsaken"`     // leases that their holders gave up
	CatchUps           int `json:"catch_ups"`           // number of times that a node fetched what it had missed
	SnapshotsInstalled int `json:"snapshots_installed"` // number of times that it fetched a whole state instead

	// DeposedReads is nil if the times of the nodes' observations cannot be determined.
	DeposedReads *DeposedReads `json:"deposed_reads,omitempty"`

	TwoLeases *TwoLeases `json:"two_leases,omitempty"` // nil if nobody saw two at once
}

// TwoLeases are the times in which two nodes believed to hold a lease at once, as far as the errors of the clocks leave
// no doubt of it. A run can be valid all the same: clocks that left the bounds which leases rest on explain much, and
// no client need have been told anything wrong.
type TwoLeases struct {
	Times   int           `json:"times"`
	Longest time.Duration `json:"longest_ns"`
	At      time.Duration `json:"at_ns"` // when it first happened, since the run began
}

// DeposedReads counts the reads attempted at leaders that had been deposed and did not know it yet, by outcome. For
// the definition, see deposedReads in package checker.
type DeposedReads struct {
	Way       string `json:"way,omitempty"` // how reads are served: "lease", "quorum", "log", "local"
	Terms     int    `json:"terms"`         // number of times that a node led on after another had been elected
	Attempted int    `json:"attempted"`
	Answered  int    `json:"answered"`  // by the deposed leader itself
	Forwarded int    `json:"forwarded"` // answered by another node, or after the node had learned of another leader
	Refused   int    `json:"refused"`
	Unknown   int    `json:"unknown"` // no answer within the client's timeout
}

// OperationCount counts operations of one function in one phase by outcome.
type OperationCount struct {
	Phase    string `json:"phase"`
	Func     string `json:"func"`
	OK       int    `json:"ok"`
	Mismatch int    `json:"mismatch"` // of the ok ones: CAS that found something else
	Fail     int    `json:"fail"`
	Unknown  int    `json:"unknown"`
}

// FaultCount counts the faults of one kind by outcome.
type FaultCount struct {
	Kind      string `json:"kind"`
	Wanted    bool   `json:"wanted"` // requested on the command line
	Installed int    `json:"installed"`
	Skipped   int    `json:"skipped"`
	Failed    int    `json:"failed"`

	// InEffect is the total time in which at least one fault of the kind was in effect: from the proof of its
	// effect to the beginning of a revert that found it still in place. Overlapping faults count once.
	InEffect time.Duration `json:"in_effect_ns"`
}

// Harness says whether the run itself can be trusted.
type Harness struct {
	Status  Status   `json:"status"`
	Reasons []string `json:"reasons,omitempty"`
}
