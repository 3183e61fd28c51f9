package results

import (
	"fmt"
	"slices"
	"time"

	"elenchus/results/history"
)

// ManifestSchema is the version of manifest.json. It is incremented whenever a field changes its meaning or is
// removed.
const ManifestSchema = 1

// State is the progress of a run. States are entered in order and never left backwards.
type State string

// The states of a run.
const (
	StateCreated   State = "created"   // the directory exists; the lab is being brought up
	StateRunning   State = "running"   // the workload runs: time zero of the history
	StateHealed    State = "healed"    // the workload has ended and every fault is reverted
	StateCollected State = "collected" // final reads are done, logs and data of all nodes have been collected
	StateChecked   State = "checked"   // there is a verdict
)

var states = []State{StateCreated, StateRunning, StateHealed, StateCollected, StateChecked}

// Instant is when a state was entered, since the run began; negative for states before that.
type Instant struct {
	State State         `json:"state"`
	At    time.Duration `json:"at_ns"`
}

// Kind is the purpose of a run.
type Kind string

// The kinds of runs.
const (
	KindTest  Kind = ""      // to test a system; also used by runs from before there were other kinds
	KindBench Kind = "bench" // to measure: there is nothing to judge

	// KindEnvelope: to find where leases break. The verdict says whether that is where they should.
	KindEnvelope Kind = "envelope"
)

// Manifest describes what was run, on what, and how far the run came. It is saved at every step.
type Manifest struct {
	Schema int  `json:"schema"`
	Kind   Kind `json:"kind,omitempty"`
	Tool   Tool `json:"tool"`

	Argv   []string `json:"argv"`
	Repeat string   `json:"repeat"` // the command line that repeats it
	Seed   uint64   `json:"seed,string"`

	Lab    string     `json:"lab"` // "sim", "local", "vagrant", "inventory"
	Hosts  []Host     `json:"hosts"`
	Node   NodeBinary `json:"node"`
	Config Config     `json:"config"`

	State    State     `json:"state"`
	Instants []Instant `json:"instants"`

	// Started is the wall clock of the harness's host at time zero of the history. It is not used for ordering, but
	// for display and for placing what nodes recorded by their own clocks.
	Started time.Time `json:"started"`

	// PlayedUntil is the time up to which the fault schedule was played: every fault planned no later than that is
	// recorded.
	PlayedUntil time.Duration `json:"played_until_ns,omitempty"`

	Stopped *Stopped `json:"stopped,omitempty"` // set if the workload was ended early, at a violation

	Interrupted   bool     `json:"interrupted"`              // ended early by a signal
	HarnessErrors []string `json:"harness_errors,omitempty"` // failures that are not the system's

	Recovery Recovery `json:"recovery"`

	// Imported is the format of the history if another tool recorded it ("jepsen"): there were no lab and no nodes,
	// and nothing is known about recovery.
	Imported string `json:"imported,omitempty"`

	// Files holds the SHA-256 of everything that the verdict is derived from, as collected, by path in the run's
	// directory.
	Files map[string]string `json:"files,omitempty"`
}

// Host is a machine of the lab.
type Host struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	Kernel  string `json:"kernel,omitempty"`
	Arch    string `json:"arch,omitempty"`
}

// NodeBinary is the program that was tested.
type NodeBinary struct {
	Version string `json:"version,omitempty"`
	SHA256  string `json:"sha256,omitempty"`
	Mutant  string `json:"mutant,omitempty"` // the bug that was built into it, a folder in MutantDir; empty for none
}

// Config is what the user asked for, with defaults filled in.
type Config struct {
	System   string         `json:"system"`   // "paxos", or the name of an adapter
	Protocol string         `json:"protocol"` // "multipaxos", or a rung of the ladder
	Workload string         `json:"workload"`
	Funcs    []history.Func `json:"funcs"`   // what the workload does
	Nemesis  []string       `json:"nemesis"` // the requested kinds of faults

	Rate        float64       `json:"rate"` // operations per second, all clients together; 0 means as fast as they can
	Concurrency int           `json:"concurrency"`
	TimeLimit   time.Duration `json:"time_limit_ns"` // of the workload
	OpTimeout   time.Duration `json:"op_timeout_ns"`
	Reads       string        `json:"reads,omitempty"` // "lease", "quorum", "log", "local"

	Lease *Lease `json:"lease,omitempty"` // nil if the system has no leases, or its own defaults

	UniqueValues bool `json:"unique_values"` // the workload writes no value twice to a key
	Observations bool `json:"observations"`  // the system writes them: if a node's are missing, collecting has failed
	SharedClock  bool `json:"shared_clock"`  // all hosts share the wall clock of the harness's host

	// DeposedReads is the minimal number of reads attempted at deposed leaders for the run to count as a test, as
	// in checker.Thresholds: zero is the checker's default, a negative number requires none.
	DeposedReads int `json:"deposed_reads,omitempty"`

	// Options holds further settings by name, such as node flags, as the user would type them.
	Options map[string]string `json:"options,omitempty"`
}

// Lease is the configuration of the system's leader leases.
type Lease struct {
	Mode       string        `json:"mode"` // "rate", "wall" or "none"
	Term       time.Duration `json:"term_ns,omitempty"`
	Renew      time.Duration `json:"renew_ns,omitempty"`
	DriftBound string        `json:"drift_bound,omitempty"` // a share like "1%"; by rate only
	MaxOffset  time.Duration `json:"max_offset_ns,omitempty"`
}

// String formats the configuration for humans: "rate, term 1s, renewed every 300ms, drift bound 1%". It is "" for
// nil.
func (l *Lease) String() string {
	if l == nil {
		return ""
	}
	text := l.Mode
	if l.Term > 0 {
		text += fmt.Sprintf(", term %v, renewed every %v", l.Term, l.Renew)
	}
	if l.DriftBound != "" {
		text += ", drift bound " + l.DriftBound
	}
	if l.MaxOffset > 0 {
		text += fmt.Sprintf(", maximal offset %v", l.MaxOffset)
	}
	return text
}

// Stopped is the violation at which a fail-fast run ended its workload.
type Stopped struct {
	At     time.Duration `json:"at_ns"` // time of the answer that has no linearization
	Seq    int64         `json:"seq"`   // sequence number of its event
	Key    string        `json:"key"`
	Reason string        `json:"reason"` // for humans: whose answer it was, and why it is impossible in terms of values
}

// Recovery is what happened between the end of the last heal and the final reads.
type Recovery struct {
	Attempted bool          `json:"attempted"`
	HealedAt  time.Duration `json:"healed_at_ns"`
	Deadline  time.Duration `json:"deadline_ns"` // the time that the system was given
	Recovered bool          `json:"recovered"`
	Took      time.Duration `json:"took_ns"` // until every node answered; meaningless if the system did not recover
	Nodes     []NodeReady   `json:"nodes,omitempty"`
}

// NodeReady is the recovery of one node.
type NodeReady struct {
	Node   string        `json:"node"`
	Ready  bool          `json:"ready"`
	Took   time.Duration `json:"took_ns"`
	Detail string        `json:"detail,omitempty"` // what was missing
}

// Enter records that the run has reached state at the given time. Entering the present state again, as a second
// check does, updates its time.
func (m *Manifest) Enter(state State, at time.Duration) error {
	to, from := slices.Index(states, state), slices.Index(states, m.State)
	switch {
	case to < 0:
		return fmt.Errorf("enter state %q: there is no such state", state)
	case to < from:
		return fmt.Errorf("enter state %q: the run is already %s", state, m.State)
	case to == from:
		m.Instants = slices.DeleteFunc(m.Instants, func(i Instant) bool { return i.State == state })
	}
	m.State = state
	m.Instants = append(m.Instants, Instant{State: state, At: at})
	return nil
}

// Reached reports whether the run has reached state or a later one.
func (m *Manifest) Reached(state State) bool {
	return slices.Index(states, m.State) >= slices.Index(states, state)
}

// At returns when state was entered.
func (m *Manifest) At(state State) (time.Duration, bool) {
	for _, i := range m.Instants {
		if i.State == state {
			return i.At, true
		}
	}
	return 0, false
}

// SaveManifest writes the manifest with this program's schema.
func (r Run) SaveManifest(m *Manifest) error {
	m.Schema = ManifestSchema
	return saveJSON(r.Path(ManifestFile), m)
}

// LoadManifest reads the manifest.
func (r Run) LoadManifest() (*Manifest, error) {
	m := new(Manifest)
	if err := loadJSON(r.Path(ManifestFile), ManifestSchema, m); err != nil {
		return nil, err
	}
	if !slices.Contains(states, m.State) {
		return nil, fmt.Errorf("decode %s: unknown state %q", ManifestFile, m.State)
	}
	return m, nil
}
