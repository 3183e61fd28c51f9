// Package verdict is what a run comes to: four axes that never mask one another, and the exit code they make.
package verdict

import "time"

// Schema is the version of verdict.json. It rises whenever a field changes its meaning or goes away.
const Schema = 1

// Status is the state of one axis.
type Status string

// Safety and liveness are valid, violated or unknown; coverage is sufficient or vacuous; the harness is healthy,
// interrupted or failed. An axis that could not be looked at at all is none.
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

// Exit codes of every command that ends in a verdict.
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

	// Stopped says why the workload was ended before its time, if it was: an answer without a linearization.
	Stopped string `json:"stopped,omitempty"`

	// Prefix is set when files are damaged and only what stands before the damage was judged, because the user wanted so.
	Prefix []Prefix `json:"prefix,omitempty"`
}

// Prefix is a file of which only the lines before a damaged one were judged.
type Prefix struct {
	File    string `json:"file"`
	Line    int    `json:"line"` // the first that is damaged
	Problem string `json:"problem"`
}

// ExitCode is what a command that reports v exits with: a violation outranks everything, so that no failure of the
// harness can hide it; then what could not be decided, a failed harness, and a run in which nothing was tested.
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

// Word is the verdict in one word, as the banner of a report has it; of a part of a run, it says so.
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

// Finding is one thing that a checker found wrong.
type Finding struct {
	Checker string `json:"checker"`       // "linearizability", "agreement", …
	Key     string `json:"key,omitempty"` // the register concerned
	// Name says in a few words what sort of violation it is ("stale read"), as far as the history shows it.
	Name    string `json:"name,omitempty"`
	Summary string `json:"summary"` // one sentence
	// Story goes on where the summary ends: one to five sentences on who answered what from where, and what was the
	// matter with them.
	Story []string `json:"story,omitempty"`
	// Causes are the assumptions that what was recorded shows to be broken, the most telling one first.
	Causes []Cause `json:"causes,omitempty"`
	// Table has the few operations that suffice for the violation, in order of invocation.
	Table []Row `json:"table,omitempty"`
	// At is when the history first showed it, since the run began; zero when it cannot be placed in time.
	At      time.Duration `json:"at_ns,omitempty"`
	Details []string      `json:"details,omitempty"`
	// Operations are the numbers of operations that suffice for it, the one that showed it last: operations are numbered
	// from 0 in the order in which they were invoked.
	Operations []int  `json:"operations,omitempty"`
	File       string `json:"file,omitempty"` // a picture or longer account, relative to the run directory
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
	Evidence []string `json:"evidence"` // what shows it, each a sentence
}

// Row is an operation as a finding tells of it.
type Row struct {
	Operation int            `json:"operation"` // its number
	Process   int            `json:"process"`
	Node      string         `json:"node"`
	Call      time.Duration  `json:"call_ns"`
	Return    *time.Duration `json:"return_ns,omitempty"` // nil when it was never answered
	What      string         `json:"what"`                // "read x → 5"
	Slot      uint64         `json:"slot,omitempty"`      // what the system said of how it was served
	Ballot    string         `json:"ballot,omitempty"`
	By        string         `json:"by,omitempty"`   // the node that served it, as the system said
	Role      string         `json:"role,omitempty"` // its part in the violation: "the answer that no order explains"
}

// ReturnedAt is when the operation was answered; zero if it never was.
func (r Row) ReturnedAt() time.Duration {
	if r.Return == nil {
		return 0
	}
	return *r.Return
}

// Check is what one checker decided.
type Check struct {
	Checker string        `json:"checker"`
	Status  Status        `json:"status"`
	Detail  string        `json:"detail"` // what it looked at: "14 keys, 5120 operations, longest key 380"
	Elapsed time.Duration `json:"elapsed_ns"`
}

// Safety is whether anything happened that a correct register could not have done.
type Safety struct {
	Status   Status    `json:"status"`
	Checks   []Check   `json:"checks"`
	Findings []Finding `json:"findings,omitempty"`
	Reasons  []string  `json:"reasons,omitempty"` // why unknown
}

// Liveness is whether the system answered again once it was left in peace.
type Liveness struct {
	Status  Status   `json:"status"`
	Reasons []string `json:"reasons,omitempty"`

	// Recovery is the time from the end of the last heal to the moment when every node answered.
	Recovery time.Duration `json:"recovery_ns"`
	// FirstUpdate is the time from the end of the last heal to the first ok update that was invoked after it; nil when
	// there was none.
	FirstUpdate *time.Duration `json:"first_update_ns,omitempty"`
	// Ended are the nodes that ended by themselves: no fault killed them, and nothing but the program is to blame.
	Ended []Ended `json:"ended,omitempty"`
	// Faults says for every fault how long the longest stretch without an ok operation was while it lasted.
	Faults []FaultLiveness `json:"faults,omitempty"`
	// Kinds is the worst of these by kind of fault, in the order in which they first occurred.
	Kinds []KindLiveness `json:"kinds,omitempty"`
}

// Ended is a node that ended by itself.
type Ended struct {
	Node string `json:"node"`
	Why  string `json:"why"` // in its own words, or those of its run-time system: "panic: …"
}

// FaultLiveness is how the service fared under one fault.
type FaultLiveness struct {
	ID             string        `json:"id"`
	Fault          string        `json:"fault"`
	Lasted         time.Duration `json:"lasted_ns"`
	OKs            int           `json:"oks"`
	LongestSilence time.Duration `json:"longest_silence_ns"` // without an ok operation of any kind …

	// … and without one that only reads, and one that may change a register: a system that cannot agree on anything new
	// may well go on serving reads.
	ReadSilence   time.Duration `json:"read_silence_ns"`
	UpdateSilence time.Duration `json:"update_silence_ns"`

	// FirstUpdate is the time from the end of the revert to the return of the first ok update that was invoked after it.
	// Nil when the workload ended before there was one.
	FirstUpdate *time.Duration `json:"first_update_ns,omitempty"`
}

// KindLiveness is the worst that the service fared under the faults of one kind.
type KindLiveness struct {
	Kind          string         `json:"kind"`
	Faults        int            `json:"faults"`
	ReadSilence   time.Duration  `json:"read_silence_ns"`
	UpdateSilence time.Duration  `json:"update_silence_ns"`
	FirstUpdate   *time.Duration `json:"first_update_ns,omitempty"`
}

// Coverage is what was really exercised.
type Coverage struct {
	Status  Status   `json:"status"`
	Reasons []string `json:"reasons,omitempty"` // what was missing

	Operations []OperationCount `json:"operations"`
	Faults     []FaultCount     `json:"faults"`
	// UnderFault is the number of ok operations invoked and completed while at least one fault was in effect.
	UnderFault int `json:"ok_under_fault"`
	Leaders    int `json:"leaders"` // how many times some node came to lead

	LeaseExpiries      int `json:"lease_expiries"`      // leases that ended without being renewed, as their holders saw it
	LeasesForsaken     int `json:"leases_forsaken"`     // leases that their holders gave up
	CatchUps           int `json:"catch_ups"`           // how many times a node fetched what it had missed
	SnapshotsInstalled int `json:"snapshots_installed"` // how many times it fetched a whole state instead

	// DeposedReads is nil when it cannot be known when the nodes observed what they did.
	DeposedReads *DeposedReads `json:"deposed_reads,omitempty"`
}

// DeposedReads counts the reads that were attempted at leaders who had been deposed and did not know it yet, by what
// came of them. The definition is at deposedReads in package checker.
type DeposedReads struct {
	Way       string `json:"way,omitempty"` // how reads are served: "lease", "quorum", "log", "local"
	Terms     int    `json:"terms"`         // how many times some node led on after another had been elected
	Attempted int    `json:"attempted"`
	Answered  int    `json:"answered"`  // by the deposed leader itself
	Forwarded int    `json:"forwarded"` // answered by another, or after the node had learned of another
	Refused   int    `json:"refused"`
	Unknown   int    `json:"unknown"` // no answer within the client's patience
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

// FaultCount counts the faults of one kind by what came of them.
type FaultCount struct {
	Kind      string `json:"kind"`
	Wanted    bool   `json:"wanted"` // asked for on the command line
	Installed int    `json:"installed"`
	Skipped   int    `json:"skipped"`
	Failed    int    `json:"failed"`

	// InEffect is for how long at least one fault of the kind was seen to be in effect: from the proof of its effect to
	// the beginning of a revert that found it still there. Faults that overlap count once.
	InEffect time.Duration `json:"in_effect_ns"`
}

// Harness is whether the run itself can be trusted.
type Harness struct {
	Status  Status   `json:"status"`
	Reasons []string `json:"reasons,omitempty"`
}
