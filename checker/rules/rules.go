package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"elenchus/results/history"
)

// Node is the account that one node gives of itself.
type Node struct {
	Name         string // as the harness calls it
	Observations []history.Observation
	Lost         []history.Loss

	// When is the time of each observation since the run began, and Until that of the end of its lease term, if it is
	// about one. Slack is how far each of these may be off. All are nil if the node's clocks cannot be placed on the
	// common axis.
	When, Until, Slack []time.Duration

	// Partial says that lines may be missing at the end of one of its lives, other than by a kill.
	Partial bool
}

// placed reports whether the node's observations are on the common time axis.
func (n *Node) placed() bool {
	return len(n.When) == len(n.Observations) && len(n.Until) == len(n.When) && len(n.Slack) == len(n.When)
}

// Input is what the rules are held against.
type Input struct {
	Nodes   []Node
	Members int // how many nodes the cluster has; zero means as many as gave an account

	// LeaseReads says that reads are served under leases, and Bounds what these rest on; nil means that nobody knows.
	LeaseReads bool
	Bounds     *Bounds

	// Answers are what clients were answered; nil if nobody compared them.
	Answers *Answers

	// Wiped are the times at which somebody emptied a node's disk, by the node's name. From then on it owes nothing: what
	// breaks is agreement.
	Wiped map[string][]time.Duration

	// Deaths are the earliest times at which a node's process may have been killed, by the node's name: who is dead does
	// not believe in any lease.
	Deaths map[string][]time.Duration

	// Excess is by how much the clocks may have left the bounds that leases rest on at some time between two instants: the
	// part of an overlap of leases that clocks explain, for a lease of a given term. Nil means that they kept to them.
	Excess func(from, to, term time.Duration) time.Duration
}

// Violation is a rule that a node's account breaks.
type Violation struct {
	Rule    string
	Node    string // where it shows
	Slot    uint64
	Ballot  Ballot
	At      time.Duration // since the run began
	Placed  bool          // At is known
	Account string        // what was seen, as a sentence without its full stop
	Others  int           // further violations of the same rule, which came later

	Answer *history.Operation // that breaks it; nil if none does
}

// Result is what came of holding nodes to the rules.
type Result struct {
	Violations   []Violation // the first of each rule, in order of time
	Lines        int         // observations that were looked at
	Incarnations int
	Elections    int
	Messages     int      // lines about messages that left a node
	Partial      []string // nodes of which lines may be missing, so that they may have said anything
	Grants       int
	Answers      int  // that were compared with the order of the log
	Unplaced     bool // some node cannot be placed in time, so that rules about several nodes' clocks did not apply
}

// Check holds the nodes' accounts to the rules.
func Check(in Input) Result {
	c := &check{in: in, found: make(map[string]*Violation)}
	for i := range in.Nodes {
		c.result.Unplaced = c.result.Unplaced || !in.Nodes[i].placed()
		newAccount(c, &in.Nodes[i]).read()
	}
	for i := range c.cluster.members {
		if m := &c.cluster.members[i]; m.partial && c.result.Messages > 0 {
			c.result.Partial = append(c.result.Partial, m.name)
		}
	}
	c.leases.judge(c)
	c.cluster.judge(in.Members, in.Bounds)
	if in.Answers != nil {
		c.result.Answers = in.Answers.count
		for _, v := range in.Answers.found {
			c.violated(*v)
		}
	}
	for _, v := range c.found {
		c.result.Violations = append(c.result.Violations, *v)
	}
	slices.SortFunc(c.result.Violations, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Rule, b.Rule))
	})
	return c.result
}

// check is a check under way.
type check struct {
	in      Input
	leases  leases
	cluster cluster
	found   map[string]*Violation // the first of each rule
	result  Result
}

// violated keeps the first violation of each rule.
func (c *check) violated(v Violation) {
	first := c.found[v.Rule]
	switch {
	case first == nil:
		c.found[v.Rule] = &v
	case v.Placed && (!first.Placed || v.At < first.At):
		v.Others = first.Others + 1
		c.found[v.Rule] = &v
	default:
		first.Others++
	}
}

// seconds is an instant as findings have it.
func seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', 3, 64) + " s"
}

// milliseconds is a short length of time as findings have it.
func milliseconds(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/1e6) }
