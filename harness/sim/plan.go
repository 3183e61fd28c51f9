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
// seed. Removing or changing parts of it leaves the random choices about everything else as they were.
type Plan struct {
	Seed   uint64        `json:"seed"`  // of all random choices during the run
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

	// Triggers make some faults wait for an event, or choose their targets. See [Plan.Freeze].
	Triggers []Trigger `json:"triggers,omitempty"`

	Reseed *Reseed `json:"reseed,omitempty"`
}

// Clock is the state of a node's clocks when the run begins.
type Clock struct {
	Rate   int64         `json:"rate_ppb"`  // how much faster than true time the monotonic clock runs
	Offset time.Duration `json:"offset_ns"` // of the wall clock from true time
}

// Network describes all links while no fault is in effect. Probabilities are in parts per million, of messages.
type Network struct {
	// Datagram makes messages independent of one another, as with UDP: any may overtake any other. Otherwise a link
	// is a stream, as with TCP: it keeps the order, and what is lost is a connection with everything in transit on
	// it.
	Datagram bool `json:"datagram,omitempty"`

	Delay  time.Duration `json:"delay_ns"`  // the shortest delay of a message
	Jitter time.Duration `json:"jitter_ns"` // up to this much is added to each
	Skew   time.Duration `json:"skew_ns"`   // up to this much is added to all messages on one directed link

	TailPPM uint32        `json:"tail_ppm,omitempty"` // this many messages take up to Tail longer
	Tail    time.Duration `json:"tail_ns,omitempty"`

	LossPPM      uint32 `json:"loss_ppm,omitempty"` // of datagrams; in a stream, this many messages break the connection
	DuplicatePPM uint32 `json:"duplicate_ppm,omitempty"`
	CorruptPPM   uint32 `json:"corrupt_ppm,omitempty"` // this many have a bit flipped in transit

	// Bandwidth of a directed link, in bytes a second; zero is no limit.
	Bandwidth int64 `json:"bandwidth,omitempty"`

	// Reconnect is the longest time until a broken connection is replaced. DeadAfter is how long a connection may be
	// silent before it is given up: a shorter cut only delays what a stream carries.
	Reconnect time.Duration `json:"reconnect_ns,omitempty"`
	DeadAfter time.Duration `json:"dead_after_ns,omitempty"`

	// Ranks, if not zero, orders messages by priority rather than by chance. Every chain of messages, those of one
	// kind from one node to another, has a rank from 0 to Ranks-1, and each of its messages takes that many RankSteps
	// longer. So one chain stays slower than another for long enough to matter; faults that demote are the points at
	// which priorities change (Burckhardt and others 2010).
	Ranks    int           `json:"ranks,omitempty"`
	RankStep time.Duration `json:"rank_step_ns,omitempty"`

	// CodecPPM of the messages are encoded and decoded. The others are passed as values.
	CodecPPM uint32 `json:"codec_ppm,omitempty"`
}

// Disk describes all disks while no fault is in effect.
type Disk struct {
	Sync   time.Duration `json:"sync_ns"`   // the shortest sync
	Jitter time.Duration `json:"jitter_ns"` // up to this much is added to each

	TailPPM uint32        `json:"tail_ppm,omitempty"` // this many syncs take up to Tail longer
	Tail    time.Duration `json:"tail_ns,omitempty"`

	ErrorPPM uint32 `json:"error_ppm,omitempty"` // this many syncs fail, which stops the process

	// Bytes has the real write-ahead log write bytes to a simulated disk whose sectors a crash may lose one by one.
	// Otherwise a log is a list of records with the same semantics: the group in progress survives a crash whole or
	// not at all.
	Bytes bool `json:"bytes,omitempty"`
}

// Process describes what happens to processes besides the faults of the plan.
type Process struct {
	CrashPPM uint32 `json:"crash_ppm,omitempty"` // a process dies in the middle of this many of its steps

	// RestartMin and RestartMax bound how long a process that died by itself stays down.
	RestartMin time.Duration `json:"restart_min_ns,omitempty"`
	RestartMax time.Duration `json:"restart_max_ns,omitempty"`
}

// Load describes the clients.
type Load struct {
	Workload string `json:"workload"`

	// Clients for each node, at least 2. All stay with their node; the last of each only reads.
	Clients int `json:"clients"`

	ThinkMin time.Duration `json:"think_min_ns"` // between an answer and the next request
	ThinkMax time.Duration `json:"think_max_ns"`
	Patience time.Duration `json:"patience_ns"` // how long a client waits for an answer
	Delay    time.Duration `json:"delay_ns"`    // between clients and nodes, at most, each way

	// RetryPPM of the updates with unknown outcome are retried, as the same request of the same session, at the same
	// node or at any, up to RetriesMax times.
	RetryPPM   uint32 `json:"retry_ppm,omitempty"`
	RetriesMax int    `json:"retries_max,omitempty"`

	ReadPercent int `json:"read_percent,omitempty"` // as in workloads.Options
	ActiveKeys  int `json:"active_keys,omitempty"`
	KeyOps      int `json:"key_ops,omitempty"`

	// Digits is the least number of digits with which values are written, up to 1000. It determines how much is
	// stored and sent.
	Digits int `json:"digits,omitempty"`

	// Script, if not nil, lists everything that clients do, instead of what the workload would generate.
	Script []Call `json:"script,omitempty"`
}

// Call is one operation of a script. A client performs its calls in order, each no sooner than at At.
type Call struct {
	Client int           `json:"client"`
	At     time.Duration `json:"at_ns"`
	Op     history.Op    `json:"op"`

	// Nth numbers the call among those of its client, for random choices about it; zero means one more than the call
	// before. So these choices stay the same when an earlier call is removed.
	Nth uint64 `json:"nth,omitempty"`
}

// Reseed derives all random choices from a given time on from another seed: the run stays the same until then, and
// continues in another way that was possible. Random choices of the machines change, too, unless they were made
// earlier.
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

// LengthMax is the longest run. Longer ones are better divided, because their histories are kept in memory.
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

// digitsMax limits the length of values.
const digitsMax = 1000

// clientsMax is the largest number of clients of a node, for which a request's number has room.
const clientsMax = 20

// options returns the options of one incarnation of a node.
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
