package nemesis

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"elenchus/nemesis/hostclock"
)

// Version is the version of the schedule file that this package writes, and the newest that it reads.
const Version = 1

// Limits of a schedule. They are far above any sensible run and keep a mistake from eating the machine.
const (
	MaxFaults   = 10_000
	MaxNodes    = 64
	MaxLength   = 30 * 24 * time.Hour
	maxFileSize = 4 << 20
)

// Schedule is what is to be done to a cluster in one run, and when: faults as data. It is made by [Plan], read from
// a file by [Parse], or written down in Go. See the package's documentation for the file.
type Schedule struct {
	Seed   uint64        // of the random choices that are made when faults fire, and of the plan if it was planned
	Nodes  []string      // every node of the cluster; faults may aim at these only
	Length time.Duration // of the run; all faults fire, and those with an end are over, within it
	Faults []Fault       // in the order of At
}

// Fault is one thing to be done to a cluster, and undone.
type Fault struct {
	// ID names the fault in events, ledgers and on the hosts: "f3" is the third fault of a schedule unless the file
	// gives it another name. Small letters, digits and dashes, at most 16.
	ID string

	At  time.Duration // when it fires, since the run began
	For time.Duration // how long it lasts, from At; zero means until everything is healed at the end

	Kind  string // Partition, Kill, Pause or Clock
	Shape string // of a partition: Split, Halves, ...; of a clock fault: ClockRate, ...; empty for other kinds

	// Groups are the targets: names of nodes and roles. What each group stands for is up to the kind and the shape:
	//
	//	Kill, Pause, Isolate  the targets
	//	and clock faults
	//	Split                 the sides
	//	Halves                nothing, or one group with RoleLeader
	//	Ring                  nothing, or one group with all nodes in the order of the ring
	//	Bridge                the bridge; or the bridge and the two sides
	//	OneWay                those who are not heard, and those who do not hear them
	Groups [][]string

	// Move is what a clock fault does to clocks: Move.Rate with ClockRate and so on. It is zero for other kinds.
	Move hostclock.Move
}

// The shapes of a clock fault.
const (
	ClockRate   = "rate"   // CLOCK_MONOTONIC and CLOCK_REALTIME run fast or slow
	ClockStep   = "step"   // CLOCK_REALTIME jumps, and jumps back when reverted
	ClockStrobe = "strobe" // CLOCK_REALTIME jumps to and fro
)

// The shapes of a partition.
const (
	Split   = "split"   // the groups do not hear each other; nodes in no group hear everybody
	Halves  = "halves"  // half of the nodes, rounded down, against the rest, drawn when fired
	Isolate = "isolate" // each of the targets hears nobody and is heard by nobody
	Ring    = "ring"    // every node hears a majority, no two the same one
	Bridge  = "bridge"  // two halves which only the targets connect
	OneWay  = "one-way" // packets from the first group to the second are dropped, the other way they pass
)

// Roles may stand in the place of nodes. They are resolved when the fault fires, see [Fault.Resolve].
const (
	RoleLeader    = "leader"
	RoleFollower  = "follower"  // one node that is not the leader
	RoleFollowers = "followers" // all nodes but the leader
	RoleAny       = "any"       // one node
	RoleMinority  = "minority"  // ⌊(n-1)/2⌋ nodes
	RoleMajority  = "majority"  // ⌊n/2⌋+1 nodes
	RoleAll       = "all"
	RoleRest      = "rest" // all nodes that the fault does not name otherwise
)

var (
	shapeNames = []string{Split, Halves, Isolate, Ring, Bridge, OneWay}
	moveNames  = []string{ClockRate, ClockStep, ClockStrobe}
	roleNames  = []string{
		RoleLeader, RoleFollower, RoleFollowers, RoleAny, RoleMinority, RoleMajority, RoleAll, RoleRest,
	}

	// reserved are words that a node cannot be called, so that a line of a schedule has one meaning.
	reserved = slices.Concat([]string{"at", "on", "for", "between", "every"}, shapeNames, moveNames, roleNames)

	nodePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
	idPattern   = regexp.MustCompile(`^[a-z][a-z0-9-]{0,15}$`)
)

func isRole(target string) bool { return slices.Contains(roleNames, target) }

// Kinds are the kinds of fault that occur in the schedule, in the order of [Kinds].
func (s *Schedule) Kinds() []string {
	used := []string{}
	for _, name := range kindNames() {
		if slices.ContainsFunc(s.Faults, func(f Fault) bool { return f.Kind == name }) {
			used = append(used, name)
		}
	}
	return used
}

// Detail says what the fault is in the words of the schedule file, without its kind: "isolate leader".
func (f Fault) Detail() string {
	var words []string
	if f.Shape != "" {
		words = append(words, f.Shape)
	}
	for i, group := range f.Groups {
		if i > 0 {
			words = append(words, f.separator(i))
		}
		words = append(words, strings.Join(group, ","))
	}
	if f.Kind == Clock {
		words = append(words, moveWords(f.Move))
	}
	return strings.Join(words, " ")
}

// separator is what stands before group i in the file.
func (f Fault) separator(i int) string {
	switch {
	case f.Shape == OneWay:
		return "->"
	case f.Shape == Bridge && i == 1:
		return "between"
	default:
		return "|"
	}
}

// String is the fault as a line of a schedule file.
func (f Fault) String() string {
	words := []string{"at", f.At.String()}
	if f.For != 0 {
		words = append(words, "for", f.For.String())
	}
	return strings.TrimRight(strings.Join(append(words, f.Kind, f.Detail()), " "), " ")
}

// End is when the fault is to be reverted; the second result is false if that is left to the final heal.
func (f Fault) End() (time.Duration, bool) { return f.At + f.For, f.For != 0 }

// Validate lists everything that is wrong with the schedule; nil means that it can be played and written to a file
// that reads back the same.
func (s *Schedule) Validate() error {
	problems := s.headProblems()
	seen := map[string]bool{}
	for i, f := range s.Faults {
		name := fmt.Sprintf("fault %d (%s)", i+1, f.ID)
		add := func(format string, args ...any) {
			problems = append(problems, fmt.Errorf("%s: %s", name, fmt.Sprintf(format, args...)))
		}
		switch {
		case !idPattern.MatchString(f.ID):
			add("%q is no name for a fault: up to 16 small letters, digits and dashes, a letter first", f.ID)
		case seen[f.ID]:
			add("another fault has that name already")
		}
		seen[f.ID] = true
		if i > 0 && f.At < s.Faults[i-1].At {
			add("out of order: it fires at %v, before the fault in front of it", f.At)
		}
		for _, p := range slices.Concat(f.timeProblems(s.Length), f.targetProblems(s.Nodes), f.moveProblems()) {
			add("%s", p.msg)
		}
	}
	return errors.Join(problems...)
}

// headProblems says what is wrong with all but the faults.
func (s *Schedule) headProblems() []error {
	var problems []error
	if len(s.Nodes) == 0 {
		problems = append(problems, errors.New("no nodes: faults need somebody to befall"))
	}
	if len(s.Nodes) > MaxNodes {
		problems = append(problems, fmt.Errorf("%d nodes: at most %d are supported", len(s.Nodes), MaxNodes))
	}
	for i, node := range s.Nodes {
		if msg := nodeProblem(s.Nodes[:i], node); msg != "" {
			problems = append(problems, errors.New(msg))
		}
	}
	if msg := lengthProblem(s.Length); msg != "" {
		problems = append(problems, errors.New(msg))
	}
	if len(s.Faults) > MaxFaults {
		problems = append(problems, fmt.Errorf("%d faults: at most %d are supported", len(s.Faults), MaxFaults))
	}
	return problems
}

// nodeProblem says what is wrong with the name of a node that comes after others, or nothing.
func nodeProblem(before []string, node string) string {
	switch {
	case !nodePattern.MatchString(node):
		return fmt.Sprintf("%q is no name for a node: letters, digits, '.', '_' and '-'", node)
	case slices.Contains(reserved, node):
		return fmt.Sprintf("%q is no name for a node: the word means something in schedules", node)
	case slices.Contains(before, node):
		return fmt.Sprintf("node %q is listed twice", node)
	}
	return ""
}

func lengthProblem(length time.Duration) string {
	switch {
	case length <= 0:
		return fmt.Sprintf("length %v: it must be more than nothing", length)
	case length > MaxLength:
		return fmt.Sprintf("length %v: at most %v is supported", length, MaxLength)
	}
	return ""
}

// Sort puts the faults in the order in which they fire; those of the same moment keep theirs.
func (s *Schedule) Sort() {
	slices.SortStableFunc(s.Faults, func(a, b Fault) int {
		switch {
		case a.At < b.At:
			return -1
		case a.At > b.At:
			return 1
		}
		return 0
	})
}

// nameFaults gives every fault without a name the number of its place, "f3", or if that is taken the next free one.
func (s *Schedule) nameFaults() {
	taken := map[string]bool{}
	for _, f := range s.Faults {
		taken[f.ID] = true
	}
	free := len(s.Faults) + 1
	for i := range s.Faults {
		if s.Faults[i].ID != "" {
			continue
		}
		id := fmt.Sprintf("f%d", i+1)
		for ; taken[id]; free++ {
			id = fmt.Sprintf("f%d", free)
		}
		s.Faults[i].ID, taken[id] = id, true
	}
}
