package results

import (
	"fmt"
	"slices"
	"time"

	"elenchus/results/history"
)

// ManifestSchema is the version of manifest.json. It rises whenever a field changes its meaning or goes away.
const ManifestSchema = 1

// State is how far a run has come. States are entered in order and never left backwards.
type State string

// The states of a run.
const (
	StateCreated   State = "created"   // the directory is there; the lab is being brought up
	StateRunning   State = "running"   // the workload runs: time zero of the history
	StateHealed    State = "healed"    // the workload has ended and every fault is reverted
	StateCollected State = "collected" // final reads are done, logs and data of all nodes are here
	StateChecked   State = "checked"   // there is a verdict
)

var states = []State{StateCreated, StateRunning, StateHealed, StateCollected, StateChecked}

// Instant is when a state was entered, since the run began. States before the run began have negative instants.
type Instant struct {
	State State         `json:"state"`
	At    time.Duration `json:"at_ns"`
}

// Kind is what a run was for.
type Kind string

// The kinds of runs.
const (
	KindTest  Kind = ""      // to test a system; also of runs that were made before there were others
	KindBench Kind = "bench" // to measure: there is nothing to judge

	// KindEnvelope: to find out where leases break. The verdict says whether that is where it should be.
	KindEnvelope Kind = "envelope"
)

// Manifest says what was run, on what, and how far it came. It is saved again at every step.
type Manifest struct {
	Schema int  `json:"schema"`
	Kind   Kind `json:"kind,omitempty"`
	Tool   Tool `json:"tool"`

	Argv   []string `json:"argv"`
	Repeat string   `json:"repeat"` // the command that does it again, as one types it
	Seed   uint64   `json:"seed,string"`

	Lab    string     `json:"lab"` // "sim", "local", "vagrant", "inventory"
	Hosts  []Host     `json:"hosts"`
	Node   NodeBinary `json:"node"`
	Config Config     `json:"config"`

	State    State     `json:"state"`
	Instants []Instant `json:"instants"`

	// Started is the wall clock of the harness's host at time zero of the history. It orders nothing; it is for people,
	// and for placing what nodes wrote by their own clocks.
	Started time.Time `json:"started"`

	// PlayedUntil is up to when the schedule of faults was played: each that was planned for a time up to that is on
	// record.
	PlayedUntil time.Duration `json:"played_until_ns,omitempty"`

	Stopped *Stopped `json:"stopped,omitempty"` // the workload was ended early, at a violation

	Interrupted   bool     `json:"interrupted"`              // ended early by a signal
	HarnessErrors []string `json:"harness_errors,omitempty"` // what went wrong that is not the system's doing

	Recovery Recovery `json:"recovery"`

	// Imported is the format of the history if another tool has recorded it ("jepsen"): there were no lab and no nodes,
	// and nothing is known of recovery.
	Imported string `json:"imported,omitempty"`

	// Files are the SHA-256 of everything that the verdict is made from, by path in the run's directory, as it was when
	// it had been collected.
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
	Mutant  string `json:"mutant,omitempty"` // the mistake that was built into it, a folder in MutantDir; empty for none
}

// Config is what the user asked for, defaults filled in.
type Config struct {
	System   string         `json:"system"`   // "paxos", or the name of an adapter
	Protocol string         `json:"protocol"` // "multipaxos", or a rung of the ladder
	Workload string         `json:"workload"`
	Funcs    []history.Func `json:"funcs"`   // what the workload does
	Nemesis  []string       `json:"nemesis"` // the kinds of faults that were wanted

	Rate        float64       `json:"rate"` // operations per second, all clients together; 0: as fast as they can
	Concurrency int           `json:"concurrency"`
	TimeLimit   time.Duration `json:"time_limit_ns"` // of the workload
	OpTimeout   time.Duration `json:"op_timeout_ns"`
	Reads       string        `json:"reads,omitempty"` // "lease", "quorum", "log", "local"

	Lease *Lease `json:"lease,omitempty"` // nil when the system has none, or of its own

	UniqueValues bool `json:"unique_values"` // the workload promises that no value is written twice to a key
	Observations bool `json:"observations"`  // the system writes observations: a node without is a failure to collect
	SharedClock  bool `json:"shared_clock"`  // all hosts have the wall clock of the harness's host

	// DeposedReads is how many reads must be attempted at deposed leaders for the run to have tested something, as in
	// checker.Thresholds: zero is the checker's default, a negative number demands none.
	DeposedReads int `json:"deposed_reads,omitempty"`

	// Options are further settings by name, such as node flags, as the user would type them.
	Options map[string]string `json:"options,omitempty"`
}

// Lease is what the system's leader leases are configured to.
type Lease struct {
	Mode       string        `json:"mode"` // "rate", "wall" or "none"
	Term       time.Duration `json:"term_ns,omitempty"`
	Renew      time.Duration `json:"renew_ns,omitempty"`
	DriftBound string        `json:"drift_bound,omitempty"` // a share like "1%": by rate only
	MaxOffset  time.Duration `json:"max_offset_ns,omitempty"`
}

// String is for people: "rate, term 1s, renewed every 300ms, drift bound 1%". It is empty for nil.
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

// Stopped is the violation at which a run that was to fail fast ended its workload.
type Stopped struct {
	At     time.Duration `json:"at_ns"` // of the answer that has no linearization
	Seq    int64         `json:"seq"`   // of its event
	Key    string        `json:"key"`
	Reason string        `json:"reason"` // for people: whose answer it was, and why it is impossible in terms of values
}

// Recovery is what happened between the end of the last heal and the final reads.
type Recovery struct {
	Attempted bool          `json:"attempted"`
	HealedAt  time.Duration `json:"healed_at_ns"`
	Deadline  time.Duration `json:"deadline_ns"` // how long the system was given
	Recovered bool          `json:"recovered"`
	Took      time.Duration `json:"took_ns"` // until every node answered; meaningless when it did not recover
	Nodes     []NodeReady   `json:"nodes,omitempty"`
}

// NodeReady is how one node came back.
type NodeReady struct {
	Node   string        `json:"node"`
	Ready  bool          `json:"ready"`
	Took   time.Duration `json:"took_ns"`
	Detail string        `json:"detail,omitempty"` // what was missing
}

// Enter records that the run has come to state at the instant at. Entering the present state again, as a second check
// does, moves its instant.
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

// Reached reports whether the run has come to state, or further.
func (m *Manifest) Reached(state State) bool {
	return slices.Index(states, m.State) >= slices.Index(states, state)
}

// At is when state was entered.
func (m *Manifest) At(state State) (time.Duration, bool) {
	for _, i := range m.Instants {
		if i.State == state {
			return i.At, true
		}
	}
	return 0, false
}

// SaveManifest writes the manifest with the schema of this program.
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
