package sim

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"elenchus/nemesis"
	"elenchus/node/multipaxos"
	"elenchus/node/protocol"
	"elenchus/results/history"
	"elenchus/workloads"
)

// Plan is a run as data: together with the program, it determines everything that happens. [Draw] makes one from a
// seed; taking things out of it, or changing them, leaves the choices about all the rest as they were.
type Plan struct {
	Seed   uint64        `json:"seed"`  // of every draw that is made while the run goes on
	Style  string        `json:"style"` // how the plan was drawn, see [Styles]
	Length time.Duration `json:"length_ns"`

	// Node configures the machines of all nodes. Self, Members and Seed are filled in for each.
	Node   multipaxos.Options `json:"node"`
	Clocks []Clock            `json:"clocks"` // one for each node

	Network Network `json:"network"`
	Disk    Disk    `json:"disk"`
	Process Process `json:"process"`
	Load    Load    `json:"load"`

	// Schedule are the faults that a lab can play too, Faults those for which the schedule file has no words.
	Schedule nemesis.Schedule `json:"schedule"`
	Faults   []Fault          `json:"faults,omitempty"`

	// Triggers make some of them wait for something, or aim them. See [Plan.Freeze].
	Triggers []Trigger `json:"triggers,omitempty"`

	Reseed *Reseed `json:"reseed,omitempty"`
}

// Clock is what a node's clocks are like when the run begins.
type Clock struct {
	Rate   int64         `json:"rate_ppb"`  // how much faster than true time the monotonic clock runs
	Offset time.Duration `json:"offset_ns"` // of the wall clock from true time
}

// Network is what all links are like when no fault is in effect. Probabilities are in parts per million, of messages.
type Network struct {
	// Datagram makes messages independent of one another, as over UDP: any may overtake any other. Otherwise a link is a
	// stream, as over TCP: in order, and a loss is that of a connection with everything that was under way on it.
	Datagram bool `json:"datagram,omitempty"`

	Delay  time.Duration `json:"delay_ns"`  // of the fastest message
	Jitter time.Duration `json:"jitter_ns"` // up to this much is added to each
	Skew   time.Duration `json:"skew_ns"`   // up to this much is added to all on one directed link

	TailPPM uint32        `json:"tail_ppm,omitempty"` // so many messages take up to Tail longer
	Tail    time.Duration `json:"tail_ns,omitempty"`

	LossPPM      uint32 `json:"loss_ppm,omitempty"` // of a datagram; of a stream, so many messages break it
	DuplicatePPM uint32 `json:"duplicate_ppm,omitempty"`
	CorruptPPM   uint32 `json:"corrupt_ppm,omitempty"` // so many have a bit flipped on the way

	// Bandwidth of a directed link, in bytes a second; zero is no limit.
	Bandwidth int64 `json:"bandwidth,omitempty"`

	// Reconnect is how long it takes at most to have a new connection in place of a broken one, DeadAfter after which
	// silence a connection is given up: a cut that ends sooner only delays what a stream carries.
	Reconnect time.Duration `json:"reconnect_ns,omitempty"`
	DeadAfter time.Duration `json:"dead_after_ns,omitempty"`

	// Ranks, when there are any, order messages by priority more than by chance. Every chain of messages, those of one
	// kind from one node to one other, has a rank from 0 to Ranks-1, and each of its messages takes so many RankSteps
	// longer. What is slow stays slow, so that one chain overtakes another for as long as it takes for that to matter;
	// faults that demote are the points at which priorities change (Burckhardt and others 2010).
	Ranks    int           `json:"ranks,omitempty"`
	RankStep time.Duration `json:"rank_step_ns,omitempty"`

	// CodecPPM of the messages go by way of their encoding. The rest is handed over as it is.
	CodecPPM uint32 `json:"codec_ppm,omitempty"`
}

// Disk is what all disks are like when no fault is in effect.
type Disk struct {
	Sync   time.Duration `json:"sync_ns"`   // the fastest sync
	Jitter time.Duration `json:"jitter_ns"` // up to this much is added to each

	TailPPM uint32        `json:"tail_ppm,omitempty"` // so many syncs take up to Tail longer
	Tail    time.Duration `json:"tail_ns,omitempty"`

	ErrorPPM uint32 `json:"error_ppm,omitempty"` // so many syncs fail, which stops the process

	// Bytes has the real write-ahead log write real bytes to a simulated disk, whose sectors a crash may tear. Otherwise
	// a log is a list of records, with the same semantics: the group under way survives a crash whole or not at all.
	Bytes bool `json:"bytes,omitempty"`
}

// Process is what processes suffer besides the faults in the plan.
type Process struct {
	CrashPPM uint32 `json:"crash_ppm,omitempty"` // a process dies in the middle of so many of its steps

	// RestartMin and RestartMax bound how long a process that died by itself stays down.
	RestartMin time.Duration `json:"restart_min_ns,omitempty"`
	RestartMax time.Duration `json:"restart_max_ns,omitempty"`
}

// Load is what clients do.
type Load struct {
	Workload string `json:"workload"`

	// Clients for each node, at least 2. All stay with their node; the last of each only reads.
	Clients int `json:"clients"`

	ThinkMin time.Duration `json:"think_min_ns"` // between an answer and the next request
	ThinkMax time.Duration `json:"think_max_ns"`
	Patience time.Duration `json:"patience_ns"` // how long a client waits for an answer
	Delay    time.Duration `json:"delay_ns"`    // between clients and nodes, at most, each way

	// RetryPPM of the updates with unknown outcome are asked for again, with the same place in the same session, at the
	// same node or at any, up to RetriesMax times.
	RetryPPM   uint32 `json:"retry_ppm,omitempty"`
	RetriesMax int    `json:"retries_max,omitempty"`

	ReadPercent int `json:"read_percent,omitempty"` // as in workloads.Options
	ActiveKeys  int `json:"active_keys,omitempty"`
	KeyOps      int `json:"key_ops,omitempty"`

	// Digits is how many digits every value is written with at least, up to 1000: how much there is to store and to send.
	Digits int `json:"digits,omitempty"`

	// Script, when there is one, is all that clients do, in place of what the workload would generate.
	Script []Call `json:"script,omitempty"`
}

// Call is one operation of a script. A client performs its calls in order, each no sooner than at At.
type Call struct {
	Client int           `json:"client"`
	At     time.Duration `json:"at_ns"`
	Op     history.Op    `json:"op"`

	// Nth says for draws about the call the how manieth it is of its client; zero is one more than the one before. So
	// they stay what they are when an earlier call is left out.
	Nth uint64 `json:"nth,omitempty"`
}

// Reseed has everything that is drawn from an instant on come from another seed: the past of the run stays, and its
// future is another one of those that it could have had. Machines draw anew, too, as far as they have not drawn yet.
type Reseed struct {
	At   time.Duration `json:"at_ns"`
	Seed uint64        `json:"seed"`
}

// Nodes is the size of the cluster.
func (p *Plan) Nodes() int { return len(p.Clocks) }

// NodeNames are the names of n nodes, up to the most that are supported: n1, n2, …
func NodeNames(n int) []string { return slices.Clone(nodeNames[:n]) }

var nodeNames = func() (names [protocol.NodesMax]string) {
	for i := range names {
		names[i] = protocol.NodeID(i + 1).String()
	}
	return names
}()

// Validate lists everything that is wrong with the plan. Whether a correct system must survive it is another question,
// see [Plan.Outside].
func (p *Plan) Validate() error {
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	n := p.Nodes()
	check(n >= 1 && n <= protocol.NodesMax, "clocks: %d nodes; want 1 to %d", n, protocol.NodesMax)
	check(p.Length > 0 && p.Length <= LengthMax, "length: %v; want more than 0, up to %v", p.Length, LengthMax)
	check(len(p.Schedule.Nodes) == n, "schedule: it has %d nodes, the plan %d", len(p.Schedule.Nodes), n)
	if err := p.Schedule.Validate(); err != nil {
		problems = append(problems, fmt.Errorf("schedule: %w", err))
	}
	if n >= 1 && n <= protocol.NodesMax {
		opts := p.options(0, 0)
		if err := opts.Validate(); err != nil {
			problems = append(problems, fmt.Errorf("node: %w", err))
		}
	}
	for i, c := range p.Clocks {
		check(c.Rate > -ppb/2 && c.Rate <= ppb, "clocks: n%d runs %d ppb fast; want -50%% to 100%%", i+1, c.Rate)
	}
	check(p.Network.Delay >= 0 && p.Network.Jitter >= 0 && p.Network.Skew >= 0 && p.Network.Tail >= 0,
		"network: a delay is negative")
	check(p.Network.Bandwidth >= 0, "network: the bandwidth is negative")
	check(p.Network.Ranks >= 0 && p.Network.RankStep >= 0, "network: a rank is negative")
	check(p.Disk.Sync >= 0 && p.Disk.Jitter >= 0 && p.Disk.Tail >= 0, "disk: a delay is negative")
	problems = append(problems, p.Load.problems()...)
	check(p.Reseed == nil || p.Reseed.At >= 0, "reseed: before the beginning")
	seen := make(map[string]bool)
	for i := range p.Faults {
		check(!seen[p.Faults[i].ID], "fault %d: another is called %q", i+1, p.Faults[i].ID)
		seen[p.Faults[i].ID] = true
		if err := p.Faults[i].validate(p.Schedule.Nodes, p.Length); err != nil {
			problems = append(problems, fmt.Errorf("fault %d (%s): %w", i+1, p.Faults[i].ID, err))
		}
	}
	return errors.Join(append(problems, p.triggerProblems()...)...)
}

// LengthMax is how long a run may be. Longer ones are better cut in pieces: their histories are kept in memory.
const LengthMax = 10 * time.Minute

func (l *Load) problems() []error {
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf("load: "+format, args...))
		}
	}
	if _, err := workloads.Lookup(l.Workload); err != nil {
		problems = append(problems, fmt.Errorf("load: %w", err))
	}
	check(l.Clients >= 1 && l.Clients <= clientsMax, "%d clients for each node; want 1 to %d", l.Clients, clientsMax)
	check(l.ThinkMin >= 0 && l.ThinkMax >= l.ThinkMin, "thinking takes %v … %v, which is no range", l.ThinkMin, l.ThinkMax)
	check(l.Patience > 0, "patience of %v", l.Patience)
	check(l.Delay >= 0, "a delay is negative")
	check(l.Digits >= 0 && l.Digits <= digitsMax, "values of %d digits; want 0 to %d", l.Digits, digitsMax)
	check(l.RetriesMax >= 0, "%d retries", l.RetriesMax)
	for i, c := range l.Script {
		check(c.Client >= 0 && c.Client < clientsMax*protocol.NodesMax, "call %d: there is no client %d", i, c.Client)
		check(c.At >= 0, "call %d: at %v", i, c.At)
	}
	return problems
}

// digitsMax bounds the length of values.
const digitsMax = 1000

// clientsMax is how many clients a node may have: a request's number has room for so many.
const clientsMax = 20

// options are those of one incarnation of a node.
func (p *Plan) options(node int, seed uint64) multipaxos.Options {
	opts := p.Node
	opts.Self, opts.Seed = protocol.NodeID(node+1), seed
	opts.Members = memberIDs[:p.Nodes()]
	return opts
}

var memberIDs = func() (ids [protocol.NodesMax]protocol.NodeID) {
	for i := range ids {
		ids[i] = protocol.NodeID(i + 1)
	}
	return ids
}()
