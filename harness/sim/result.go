package sim

import (
	"cmp"
	"slices"
	"time"

	"elenchus/results/history"
)

// Stats counts events of a run.
type Stats struct {
	// Events counts what happens at a time of its own: a message arrives, a timer is due, a sync is complete, a
	// request or an answer arrives, a client continues or stops waiting, a fault begins or ends, a node starts.
	// Immediate consequences do not count: the step of a machine, what it sends, or the notice that a sync is
	// complete. A message that arrives at a node that is cut off or paused, and is delivered later, counts twice.
	Events uint64 `json:"events"`
	Steps  uint64 `json:"steps"` // of machines

	Sent       uint64 `json:"sent"`
	Delivered  uint64 `json:"delivered"`
	Lost       uint64 `json:"lost"`
	Cut        uint64 `json:"cut"`
	Duplicated uint64 `json:"duplicated"`
	Corrupted  uint64 `json:"corrupted"`
	Encoded    uint64 `json:"encoded"`
	Released   uint64 `json:"released"` // messages delivered after they were held
	Resets     uint64 `json:"resets"`

	Syncs      uint64 `json:"syncs"`
	TornGroups uint64 `json:"torn_groups"` // groups that were lost in a crash while they were being written
	DiskErrors uint64 `json:"disk_errors"`

	Snapshots   uint64 `json:"snapshots"`   // snapshots written
	Installed   uint64 `json:"installed"`   // snapshots that came from a peer
	Compactions uint64 `json:"compactions"` // of logs

	Crashes  uint64 `json:"crashes"`
	Restarts uint64 `json:"restarts"`
	Refused  uint64 `json:"refused"` // starts that failed because of the disk
	Faults   uint64 `json:"faults"`  // that took effect

	Elections  uint64 `json:"elections"`
	Deposed    uint64 `json:"deposed"`
	CaughtUp   uint64 `json:"caught_up"`
	Leases     uint64 `json:"leases"` // acquired or renewed
	LeasesLost uint64 `json:"leases_lost"`

	OK      uint64 `json:"ok"`
	Failed  uint64 `json:"failed"`
	Unknown uint64 `json:"unknown"`
	Reads   uint64 `json:"reads"` // reads among those that were ok
	Retries uint64 `json:"retries"`
}

// Add adds the counts of another run.
func (s *Stats) Add(o *Stats) {
	a, b := s.fields(), o.fields()
	for i := range a {
		*a[i] += *b[i]
	}
}

func (s *Stats) fields() [31]*uint64 {
	return [...]*uint64{
		&s.Events, &s.Steps, &s.Sent, &s.Delivered, &s.Lost, &s.Cut, &s.Duplicated, &s.Corrupted, &s.Encoded, &s.Released,
		&s.Resets, &s.Syncs, &s.TornGroups, &s.DiskErrors, &s.Crashes, &s.Restarts, &s.Refused, &s.Faults, &s.Elections,
		&s.Deposed, &s.CaughtUp, &s.Leases, &s.LeasesLost, &s.OK, &s.Failed, &s.Unknown, &s.Reads, &s.Retries,
		&s.Snapshots, &s.Installed, &s.Compactions,
	}
}

// Result is the result of a run.
type Result struct {
	Seed uint64 `json:"seed"`
	Hash uint64 `json:"hash"` // of every event: equal plans and programs give equal hashes

	Simulated time.Duration `json:"simulated_ns"` // true time from beginning to end
	Stats     Stats         `json:"stats"`

	// Interrupted is when the run was told to stop, see [Options.Stop]; zero if it was not.
	Interrupted time.Duration `json:"interrupted_ns,omitempty"`

	// Recovered is the time from the last heal until every client had its answer; zero if the run did not get that
	// far.
	Recovered time.Duration `json:"recovered_ns"`

	// Violation is the first rule that was broken; nil if none was. The history of the clients is judged at the end
	// of the run, so the violation of an invariant precedes its verdict.
	Violation *Violation `json:"violation,omitempty"`

	// Hidden is the first broken rule that no client can see, with [Options.ClientsOnly].
	Hidden *Violation `json:"hidden,omitempty"`

	// Undecided lists the registers whose history the checker could not decide.
	Undecided []string `json:"undecided,omitempty"`

	// Fired lists the faults that took effect, in order.
	Fired []Fired `json:"-"`

	History []history.Operation  `json:"-"`
	Faults  []history.FaultEvent `json:"-"` // with Options.Record
	Trace   *Trace               `json:"-"` // with Options.Trace

	clients []extra // which client did what of History
}

// finish judges what the clients saw, and completes the result.
func (w *World) finish() Result {
	if w.opts.Record { // what stopped the run has ended its faults, too
		for i := range w.n {
			w.sampleNode(&w.nodes[i], w.now)
		}
		for i := range w.faults {
			if w.faults[i].on {
				w.recordHeal(i)
			}
		}
	}
	r := Result{
		Seed: w.plan.Seed, Hash: w.hash, Simulated: w.now, Stats: w.stats, History: w.ops, Faults: w.faultLog,
		Fired: w.fired,
		Trace: w.trace, clients: w.extras,
	}
	if w.length < w.plan.Length {
		r.Interrupted = w.length
	}
	if w.violation == nil {
		r.Recovered = w.now - w.length
		finding := w.opts.Checker.Check(w.ops)
		r.Undecided = finding.Undecided
		if finding.Violated != "" {
			w.violated(Violation{
				Invariant: checkLinearizable, Key: finding.Violated,
				Message: "what the clients saw of " + finding.Violated + " is not what a register can have done",
			})
		}
	}
	r.Violation, r.Hidden = w.violation, w.hidden
	return r
}

// Replay calls functions for the invocations and completions of all operations of the history, in their order. The
// first error ends it.
func (r *Result) Replay(each func(op int, completed bool, at time.Duration) error) error {
	edges := make([]int, 0, 2*len(r.History)) // the index of an operation, or its complement for its completion
	for i := range r.History {
		edges = append(edges, i)
		if r.History[i].ReturnSeq >= 0 {
			edges = append(edges, ^i)
		}
	}
	seq := func(edge int) int64 {
		if edge < 0 {
			return r.History[^edge].ReturnSeq
		}
		return r.History[edge].CallSeq
	}
	slices.SortFunc(edges, func(a, b int) int { return cmp.Compare(seq(a), seq(b)) })
	for _, edge := range edges {
		i, at := edge, time.Duration(0)
		if edge < 0 {
			i = ^edge
			at = r.History[i].Return
		} else {
			at = r.History[i].Call
		}
		if err := each(i, edge < 0, at); err != nil {
			return err
		}
	}
	return nil
}

// Witness is what is known of an operation besides what its client saw.
func (r *Result) Witness(op int) (by history.Witness) {
	x := &r.clients[op]
	if x.slot != 0 {
		by.Slot, by.Ballot = uint64(x.slot), x.ballot.String()
	}
	if x.leader != 0 {
		by.Leader = x.leader.String()
	}
	return by
}

// Script returns what the clients did before everything was healed, as a script that repeats it.
func (r *Result) Script() []Call {
	calls := []Call{}
	for i := range r.History {
		if op := &r.History[i]; op.Phase == history.PhaseMain {
			calls = append(calls, Call{Client: r.clients[i].client, At: op.Call, Op: op.Op, Nth: r.clients[i].nth})
		}
	}
	return calls
}
