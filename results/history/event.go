package history

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Type is the type of an event: an invocation, an outcome, or the end.
type Type string

// The types of events.
const (
	Invoke  Type = "invoke"
	OK      Type = "ok"
	Fail    Type = "fail"
	Unknown Type = "unknown"

	// End is the last line of a complete history. A history without it was truncated, and cannot be judged valid.
	End Type = "end"
)

// Func is what an operation does to its register.
type Func string

// The operations of protocols.md §1.
const (
	Read   Func = "read"
	Write  Func = "write"
	CAS    Func = "cas"
	Append Func = "append"
)

// Funcs lists all operations, in the order in which reports show them.
var Funcs = []Func{Read, Write, CAS, Append}

// Phase is the part of a run in which an operation was invoked.
type Phase string

// The phases of a run, in order.
const (
	PhaseSetup    Phase = "setup"    // before the clock of the workload starts
	PhaseMain     Phase = "main"     // the workload, with faults
	PhaseRecovery Phase = "recovery" // everything is healed; the cluster recovers
	PhaseFinal    Phase = "final"    // final reads from every node
)

// Phases lists the phases of a run, in order.
var Phases = []Phase{PhaseSetup, PhaseMain, PhaseRecovery, PhaseFinal}

// NodeUnknown is the node of every process in a history that does not record which node served whom.
const NodeUnknown = "unknown"

// Op is what a client requests. Values are unique per key in a run unless a workload says otherwise, so that a
// value identifies the operation that wrote it.
type Op struct {
	Func  Func
	Key   string
	Value int64 // Write, CAS: the new value. Append: the element.

	// Expect is the value a CAS expects; nil means that it expects the register to be absent.
	Expect *int64

	// Request is set where clients send updates several times on purpose. Values are then unique for each request.
	Request Request `json:",omitzero"`
}

// String formats the operation as in "cas x 3→5" or "read x".
func (o Op) String() string {
	switch o.Func {
	case CAS:
		expect := "absent"
		if o.Expect != nil {
			expect = strconv.FormatInt(*o.Expect, 10)
		}
		return fmt.Sprintf("cas %s %s→%d", o.Key, expect, o.Value)
	case Write, Append:
		return fmt.Sprintf("%s %s %d", o.Func, o.Key, o.Value)
	default:
		return fmt.Sprintf("%s %s", o.Func, o.Key)
	}
}

// Result is the result of an operation that completed ok.
//
// Values are the register's elements: for a read what it returned (none means absent), for an append the whole list
// with the new element last, for a CAS that did not match the actual contents. Otherwise empty.
type Result struct {
	Matched bool // CAS only: it matched and replaced the value
	Values  []int64
}

// Equal reports whether two results are the same.
func (r Result) Equal(s Result) bool {
	return r.Matched == s.Matched && slices.Equal(r.Values, s.Values)
}

// String formats the values as in "7", "[1 2 3]" or "absent".
func (r Result) String() string {
	switch len(r.Values) {
	case 0:
		return "absent"
	case 1:
		return strconv.FormatInt(r.Values[0], 10)
	}
	parts := make([]string, len(r.Values))
	for i, v := range r.Values {
		parts[i] = strconv.FormatInt(v, 10)
	}
	return "[" + strings.Join(parts, " ") + "]"
}

// Limits of [Result.Brief]: the longest list shown completely, and the ends shown of a longer one.
const (
	briefMax   = 8
	briefFirst = 2
	briefLast  = 4
)

// Brief is like String, but shortens a long list to its ends and its length: "[1 2 … 14 15 16 17] (17 elements)".
func (r Result) Brief() string {
	n := len(r.Values)
	if n <= briefMax {
		return r.String()
	}
	first, last := Result{Values: r.Values[:briefFirst]}.String(), Result{Values: r.Values[n-briefLast:]}.String()
	return fmt.Sprintf("%s … %s (%d elements)", strings.TrimSuffix(first, "]"), strings.TrimPrefix(last, "["), n)
}

// Witness is what the system reported about how it served an operation: evidence for explanations, never for the
// verdict.
type Witness struct {
	Slot   uint64 `json:"slot,omitempty"`
	Ballot string `json:"ballot,omitempty"`
	Leader string `json:"leader,omitempty"`
}

// Event is one line of a history.
type Event struct {
	Seq     int64         // consecutive, from 0
	Time    time.Duration // since the run began, on the harness's monotonic clock
	Type    Type
	Process int    // the logical client, from 0; it has at most one outstanding operation
	Node    string // the node this process is pinned to
	Phase   Phase

	Op     Op      // in every event of an operation: completions repeat their invocation
	Result Result  // OK only
	Reason string  // Fail and Unknown: why, for humans
	By     Witness // completions
}

// Operation is an invocation with its completion.
type Operation struct {
	ID      int // index among operations, in order of invocation
	Process int
	Node    string
	Phase   Phase
	Op      Op

	Outcome Type // OK, Fail or Unknown
	Result  Result
	Reason  string
	By      Witness

	Call   time.Duration
	Return time.Duration // meaningless if Completed is false

	// CallSeq and ReturnSeq order the operation among all others without ties. ReturnSeq is -1 for an operation
	// that never completed.
	CallSeq, ReturnSeq int64
}

// Completed reports whether the operation has a completion, including one with unknown outcome.
func (o Operation) Completed() bool { return o.ReturnSeq >= 0 }
