package checker

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"elenchus/results/clocks"
	"elenchus/results/history"
	"elenchus/results/leases"
	"elenchus/results/verdict"
)

// Input is all that a verdict is made from.
type Input struct {
	Run        string // name of the run
	History    history.Log
	HistoryErr error // why the history could not be read, if it could not
	Faults     history.FaultLog
	FaultsErr  error // why the fault log could not be read, if it could not
	Nodes      []NodeObservations
	Facts      Facts

	// Stories are who led and held leases when, and Clocks what was measured of the nodes' clocks: what explanations go
	// by, and no verdict.
	Stories []leases.Story
	Clocks  []clocks.Track

	// Watched says that somebody saw the state of every node in true time, and Broken which rules were seen broken. The
	// error says why that cannot be read.
	Watched    bool
	Broken     []verdict.Broken
	WatchedErr error

	// Prefix says which files are damaged when only what stands before the damage is to be judged. A history or fault log
	// is then no error, but its beginning.
	Prefix []*history.Damage

	// Linearizability is what [RunWorker] or [Linearize] decided on the keys of History.
	Linearizability Linearizability

	Thresholds Thresholds
}

// NodeObservations is what one node wrote of itself.
type NodeObservations struct {
	Node string
	Log  history.ObservationLog
	Err  error // why it could not be read, if it could not

	// When is the time of each observation since the run began; nil when nobody can know it.
	When []time.Duration
	// Ended says, in its own words, why the node ended by itself, for each of its lives that did.
	Ended []string
	// Failed says that its machine made the node end, such as by a full disk. What it observed last may be missing.
	Failed bool
	// Until is the same for the end of the term of each that is about a lease, on the clock that the lease is on; zero for
	// others. Nil when When is.
	Until []time.Duration
	// Slack is how far each of these may be off; nil when When is.
	Slack []time.Duration
}

// Facts are the things a verdict depends on that the harness knows and the history does not say.
type Facts struct {
	Nodes       []string       // names of all nodes
	Funcs       []history.Func // what the workload does
	WantedKinds []string       // kinds of faults that were asked for
	TimeLimit   time.Duration  // of the workload

	Protocol     string // what the nodes run; the rules of "multipaxos" are known
	Reads        string // how the system answers reads, "lease" for one; empty when nothing is known of it
	Lease        Lease  // what leases rest on, if the system has any
	UniqueValues bool   // the workload promises that no value is written twice to a key
	Observations bool   // the system writes observations: a node without any is a failure to collect

	Recovery Recovery

	Plan    *Plan // nil: what was planned is not known, and not compared with what was done
	PlanErr error // why the schedule could not be read, if it could not

	Imported      bool     // another tool has recorded the history, and nothing else of the run is known
	Collected     bool     // final reads were done, and logs fetched from every node
	Interrupted   bool     // ended early by a signal
	Stopped       string   // why the workload was ended at a violation that showed while it ran; empty if it was not
	HarnessErrors []string // what else went wrong that is not the system's doing
}

// Lease is what the system's leases are configured to assume of clocks.
type Lease struct {
	Mode       string // "rate" or "wall"; anything else means that there are none
	DriftBound float64
	MaxOffset  time.Duration
}

// Plan is which faults were to be played, and for how long they could be.
type Plan struct {
	Faults []PlannedFault
	// Until is when the player stopped, since the run began: every fault with a time up to that has an event.
	Until time.Duration
}

// PlannedFault is one fault of a schedule.
type PlannedFault struct {
	ID, Kind string
	At, For  time.Duration // For is 0 when it lasts until everything is healed
}

// Recovery is what came of the wait after the last heal.
type Recovery struct {
	Attempted bool
	HealedAt  time.Duration // when everything was healed, since the run began
	Recovered bool
	Took      time.Duration // until every node answered
	Deadline  time.Duration // how long the system was given
	Missing   []string      // what was missing at the deadline, node by node, for people
}

// Thresholds say when a run has tested something. In each a zero means the default and a negative number means that
// nothing is demanded.
type Thresholds struct {
	// OKPerFunc is how many operations of each function of the workload must be ok in the main phase (default 1). Of
	// cas, as many must also have matched.
	OKPerFunc int
	// InstalledPerKind is how many faults of each wanted kind must have been seen to take effect (default 1).
	InstalledPerKind int
	// InEffectPerKind is for how long faults of each wanted kind must have been in effect (default a sixtieth of the time
	// limit and at most a second, or a quarter of what was planned if that is less).
	InEffectPerKind time.Duration
	// UnderFault is how many operations must have been invoked and answered ok while a fault was in effect, if any was
	// wanted (default 20, or one for each second of the time limit if that is less than 20 s).
	UnderFault int
	// FinalReads is how many final reads must be ok (default 1), so that losses can show at all.
	FinalReads int
	// DeposedReads is how many reads must have been attempted at deposed leaders (default 1 when reads are under leases,
	// and both clock faults and faults that can depose a leader who lives on, pauses or partitions, were wanted; else
	// none). Without any, nobody tried whether leases hold when clocks do not.
	DeposedReads int
}

func (t Thresholds) withDefaults(facts Facts) Thresholds {
	limit := facts.TimeLimit
	def := func(v *int, d int) { *v = max(0, cmp.Or(*v, d)) }
	def(&t.OKPerFunc, 1)
	def(&t.InstalledPerKind, 1)
	underFault := 20
	if limit > 0 && limit < 20*time.Second {
		underFault = max(1, int(limit/time.Second))
	}
	def(&t.UnderFault, underFault)
	def(&t.FinalReads, 1)
	deposed := 0
	if facts.attacksLeases() {
		deposed = 1
	}
	def(&t.DeposedReads, deposed)
	t.InEffectPerKind = max(0, cmp.Or(t.InEffectPerKind, min(limit/60, time.Second)))
	return t
}

// attacksLeases reports whether the run was meant to find out whether leases hold.
func (f Facts) attacksLeases() bool {
	wanted := func(kind string) bool { return slices.Contains(f.WantedKinds, kind) }
	return f.Reads == "lease" && wanted("clock") && (wanted("partition") || wanted("pause"))
}

// partial says why a run cannot be judged by what it did: there is no history to go by, or only its beginning.
func partial(in Input) string {
	switch {
	case in.HistoryErr != nil:
		return "the history cannot be read"
	case len(in.Prefix) > 0:
		return fmt.Sprintf("of %s only the lines before line %d are looked at", in.Prefix[0].File, in.Prefix[0].Line)
	}
	return ""
}
