package run

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"elenchus/checker"
	"elenchus/harness/system"
	"elenchus/nemesis"
	"elenchus/nemesis/hostclock"
	"elenchus/node/mutants"
	"elenchus/results/history"
	"elenchus/workloads"
)

// Options configure a run. Validate fills in the defaults of zero values.
type Options struct {
	Workload    string            // default "register"
	Nemesis     []string          // kinds of faults; empty means a run without faults
	Schedule    *nemesis.Schedule // played instead of a schedule planned from Seed
	TimeLimit   time.Duration     // of the main phase (default 30 s)
	Rate        float64           // operations per second over all clients; 0 means no limit
	Concurrency int               // number of clients (default: two for each node)
	Keys        int               // keys in use at a time (default: the workload's)
	ReadPercent int               // reads among the operations of clients that also write (default: the workload's)
	Seed        uint64

	OpTimeout       time.Duration // how long a client waits for an answer (default 2 s)
	Retry           float64       // the share of updates without an answer in time that are retried (none)
	RecoveryTimeout time.Duration // how long the system may take to answer everywhere after the last heal (default 30 s)

	Reads           string        // how the node serves reads: "lease" (default), "quorum", "log" or "local"
	Lease           system.Lease  // leader leases (default: by rate)
	ElectionTimeout time.Duration // of the node (default: the node's own)
	PromiseGrace    time.Duration // of the node (default: the node's own)
	Window          int           // of the node: slots that may be outstanding (default: the node's own)
	NodeBinary      string        // the program to deploy
	ClockBinary     string        // the helper that reads and moves the hosts' clocks; empty if there is none
	NodeFlags       []string      // further options for it, e.g. "--window=8"

	// Mutant is the mutant that NodeBinary was built with, for the manifest; nil for none.
	Mutant *mutants.Mutant

	// ClockWays are how the clocks of the nodes are moved, by name; nil if that is not known yet. See [ClockWay].
	ClockWays map[string]hostclock.Way

	// ClockDrift is how far apart planned clocks run, as a share: 0.02 is 2 %. Zero is as far as the leases allow, or 1 %;
	// negative plans no rates. ClockStep is how far wall clocks are stepped at most: zero is as far as leases on wall
	// clocks allow, or an hour for others; negative plans no steps. Hunt is the part of the time under faults that goes to
	// hunts for leases: zero is a third, negative none.
	ClockDrift float64
	ClockStep  time.Duration
	Hunt       float64

	// HuntElections adds hunts that are aimed at changes of the leader, and need no leases.
	HuntElections bool

	// HuntOnly are the names of the only hunts to plan; nil means all.
	HuntOnly []string

	// Drawn says that options which were not given were drawn from the seed, see [Swarm]. Hunts are then planned where
	// there are any for what was drawn; otherwise it is an error to ask for them in vain.
	Drawn bool

	CheckTime   time.Duration // budget of the linearizability check (default 60 s)
	CheckMemory int64         // bytes (default 2 GiB)

	// DeposedReads is how many reads must be attempted at deposed leaders for the run not to be vacuous. Zero leaves it to
	// the checker, which wants one when clock faults and others attack leases; a negative number demands none.
	DeposedReads int

	// FailFast ends the workload at the first answer that leaves some register or list without a linearization, instead
	// of at the time limit.
	FailFast bool

	BreakLock bool // take the lab from whoever is testing on it

	Results string   // where run directories are made (default "results/runs")
	Argv    []string // the command line, for the manifest
}

// Limits that reject values which can only be typing errors.
const (
	timeLimitMax = 24 * time.Hour
	rateMax      = 1e6
	nodesMax     = 9 // of the node itself
	windowMax    = 1 << 16
	clientsMax   = 1000
	keysMax      = 10_000
)

// Validate fills in defaults for a lab of nodes hosts and lists everything that is wrong.
func (o *Options) Validate(nodes int) error {
	def := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	if o.Workload == "" {
		o.Workload = "register"
	}
	if o.Reads == "" {
		o.Reads = "lease"
	}
	o.Lease = o.Lease.WithDefaults()
	if o.Results == "" {
		o.Results = "results/runs"
	}
	if o.Concurrency == 0 {
		o.Concurrency = 2 * nodes
	}
	if o.CheckMemory == 0 {
		o.CheckMemory = 2 << 30
	}
	def(&o.TimeLimit, 30*time.Second)
	def(&o.OpTimeout, 2*time.Second)
	def(&o.RecoveryTimeout, 30*time.Second)
	def(&o.CheckTime, time.Minute)
	return errors.Join(o.problems(nodes)...)
}

func (o *Options) problems(nodes int) []error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	if w, err := workloads.Lookup(o.Workload); err != nil {
		errs = append(errs, err)
	} else {
		check(!o.FailFast || !slices.ContainsFunc(w.Funcs, func(f history.Func) bool { return !checker.DecidesOnline(f) }),
			"to fail fast takes registers or lists, which can be decided while a run goes on, and %s is about neither",
			o.Workload)
	}
	check(nodes >= 1 && nodes <= nodesMax, "a test has 1 to %d nodes, not %d", nodesMax, nodes)
	check(o.TimeLimit >= time.Second && o.TimeLimit <= timeLimitMax,
		"the time limit must be from 1s to %v, not %v", timeLimitMax, o.TimeLimit)
	check(o.Rate >= 0 && o.Rate <= rateMax, "the rate must be from 0 (no limit) to %v a second, not %v", rateMax, o.Rate)
	check(o.Concurrency >= 1 && o.Concurrency <= clientsMax,
		"--concurrency must be from 1 to %d clients, not %d", clientsMax, o.Concurrency)
	check(o.Keys >= 0 && o.Keys <= keysMax, "--keys must be 1 to %d, not %d", keysMax, o.Keys)
	check(o.ReadPercent >= 0 && o.ReadPercent <= 100, "--read-percent must be 0 to 100, not %d", o.ReadPercent)
	check(o.OpTimeout >= 10*time.Millisecond, "the operation timeout must be at least 10ms, not %v", o.OpTimeout)
	check(o.Retry <= 1, "--retry must be at most 100%%, not %g", o.Retry)
	check(o.RecoveryTimeout > 0, "the recovery timeout must be positive, not %v", o.RecoveryTimeout)
	check(o.CheckTime > 0, "the checker's time must be positive, not %v", o.CheckTime)
	check(o.CheckMemory >= 64<<20, "the checker's memory must be at least 64 MiB, not %d bytes", o.CheckMemory)
	check(o.ElectionTimeout >= 0, "the election timeout must not be negative, is %v", o.ElectionTimeout)
	check(o.PromiseGrace >= 0, "the promise grace must not be negative, is %v", o.PromiseGrace)
	check(o.Window >= 0 && o.Window <= windowMax, "the window must be from 1 to %d slots, not %d", windowMax, o.Window)
	switch o.Reads {
	case "lease", "quorum", "log", "local":
	default:
		errs = append(errs, fmt.Errorf("unknown kind of reads %q: there are lease, quorum, log, local", o.Reads))
	}
	return append(errs, o.Lease.Problems(o.Reads, o.ElectionTimeout)...)
}

// ParseConcurrency reads a number of clients, "10", or of clients for each node, "2n".
func ParseConcurrency(s string, nodes int) (int, error) {
	digits, perNode := strings.CutSuffix(s, "n")
	if perNode && digits == "" {
		digits = "1"
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("concurrency %q is neither a number of clients (10) nor a number for each node (2n)", s)
	}
	if perNode {
		n *= nodes
	}
	return n, nil
}

// HuntNames reads the names of hunts, separated by commas; nil if there are none. Whether there are such hunts is for
// [Plan] to say.
func HuntNames(s string) (names []string) {
	for name := range strings.SplitSeq(s, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// seeds says which random choices are derived from which seed. A schedule that was given has a seed of its own.
func (o *Options) seeds() string {
	if o.Schedule == nil {
		return fmt.Sprintf("seed %d: workload, nodes and faults", o.Seed)
	}
	return fmt.Sprintf("seed %d: workload and nodes; the schedule's own seed %d: who is meant by its roles", o.Seed,
		o.Schedule.Seed)
}

// settings are those of the options that have no place of their own in the manifest and were given, as one would type
// them.
func (o *Options) settings() map[string]string {
	settings := make(map[string]string)
	for name, d := range map[string]time.Duration{
		"election-timeout": o.ElectionTimeout, "promise-grace": o.PromiseGrace,
	} {
		if d != 0 {
			settings[name] = d.String()
		}
	}
	for name, n := range map[string]int{
		"window": o.Window, "keys": o.Keys, "read-percent": o.ReadPercent,
	} {
		if n != 0 {
			settings[name] = strconv.Itoa(n)
		}
	}
	if o.Retry > 0 {
		settings["retry"] = strconv.FormatFloat(100*o.Retry, 'g', -1, 64) + "%"
	}
	if len(o.NodeFlags) > 0 {
		settings["node-flags"] = strings.Join(o.NodeFlags, " ")
	}
	return settings
}
