package rules

import (
	"cmp"
	"maps"
	"math"
	"math/bits"
	"slices"
	"time"

	"elenchus/results/history"
)

// cluster is what all nodes together say of ballots and slots. It is judged when all accounts are read, so that their
// order does not matter.
type cluster struct {
	members []member
	ballots map[Ballot]*ballotState
	slots   map[uint64]*slotState

	silences []silence
	term     time.Duration // of the shortest lease that anybody asked for
}

// membersMax is the largest cluster. A member has one bit of a vote.
const membersMax = 16

// member is a node, by the number that it has in ballots.
type member struct {
	number  uint64
	name    string
	partial bool         // lines of it are missing, or it did not trace its messages: it may have said anything
	used    []usedBallot // in which it asked for promises
	ends    []uint64     // of each of its lives that was cut off, the last slot that it knew to be chosen
}

type usedBallot struct {
	ballot Ballot
	boot   string
}

// moment is when something was, on the common axis; unknown if the node is not placed.
type moment struct {
	at, slack time.Duration
	known     bool
}

// by reports whether m was not certainly after another moment.
func (m moment) by(other moment) bool {
	return !m.known || !other.known || m.at-m.slack <= other.at+other.slack
}

func (a *account) moment(i int) moment {
	if !a.node.placed() {
		return moment{}
	}
	return moment{a.node.When[i], a.node.Slack[i], true}
}

// begins is told of an incarnation.
func (c *cluster) begins(a *account) {
	if c.ballots == nil {
		c.ballots, c.slots = make(map[Ballot]*ballotState), make(map[uint64]*slotState)
	}
	if a.index = c.member(a.life.self); a.index < 0 && len(c.members) < membersMax {
		a.index = len(c.members)
		c.members = append(c.members, member{number: a.life.self, name: a.node.Name})
	}
}

// ends is told that an account, or an incarnation in it, is over.
func (c *cluster) ends(a *account) {
	if a.index >= 0 && a.index < len(c.members) {
		m := &c.members[a.index]
		m.partial = m.partial || !a.life.traced || a.node.Partial || len(a.node.Lost) > 0
		if !a.life.stopped {
			m.ends = append(m.ends, a.life.known)
		}
	}
}

// member is the place of the node with that number; -1 if it gave no account.
func (c *cluster) member(number uint64) int {
	return slices.IndexFunc(c.members, func(m member) bool { return m.number == number })
}

// unwritten bounds the slots in which a node can have accepted something within the last moments of a life. The lines
// about these votes may be missing: a kill can come before they are written.
const unwritten = slotsMax

// mayLack reports whether lines about a slot may be missing of what a node said. Slot zero stands for what is always
// written before it leaves.
func (m *member) mayLack(slot uint64) bool {
	return m.partial || slot > 0 && slices.ContainsFunc(m.ends, func(end uint64) bool {
		return slot > end && slot-end <= unwritten
	})
}

// silent is how many nodes may have said anything of a slot, besides those in the set: they gave no account, or only
// part of one.
func (c *cluster) silent(size int, heard uint16, slot uint64) int {
	count := max(0, size-len(c.members))
	for i := range c.members {
		if c.members[i].mayLack(slot) && heard>>i&1 == 0 {
			count++
		}
	}
	return count
}

// whole reports whether nothing is missing of what a node said.
func (c *cluster) whole(number uint64) bool {
	i := c.member(number)
	return i >= 0 && !c.members[i].partial
}

// names are those of a set of members, for people.
func (c *cluster) names(set uint16) string {
	var out []string
	for i := range c.members {
		if set>>i&1 == 1 {
			out = append(out, c.members[i].name)
		}
	}
	slices.Sort(out)
	return together(out)
}

func together(names []string) string {
	text := ""
	for i, name := range names {
		switch {
		case i == 0:
		case i == len(names)-1:
			text += " and "
		default:
			text += ", "
		}
		text += name
	}
	return cmp.Or(text, "nobody")
}

func (c *cluster) ballot(b Ballot) *ballotState {
	s := c.ballots[b]
	if s == nil {
		s = &ballotState{asks: make(map[uint64]ask)}
		c.ballots[b] = s
	}
	return s
}

// judge holds the cluster to the rules about several nodes.
func (c *cluster) judge(members int, bounds *Bounds) {
	size := max(members, len(c.members))
	quorum := size/2 + 1
	for _, b := range slices.SortedFunc(maps.Keys(c.ballots), Ballot.Compare) {
		c.judgeElection(b, size, quorum)
		c.judgeLeases(b, size, quorum)
		if bounds != nil {
			c.judgeGrants(b, bounds)
		}
	}
	if bounds != nil {
		c.judgeSilences(bounds)
	}
	for _, number := range slices.Sorted(maps.Keys(c.slots)) {
		c.judgeSlot(number, size, quorum)
	}
}

// ballotState is what happened in one ballot.
type ballotState struct {
	elected *claim
	reports [membersMax]report
	asks    map[uint64]ask // by heartbeat
	grants  [membersMax][]grant
	holds   []holding
}

// claim is something that a node takes for granted.
type claim struct {
	account *account
	line    int
	when    moment
}

func (a *account) claim(i int) claim { return claim{a, i, a.moment(i)} }

// report is what a node reported when it promised a ballot.
type report struct {
	some      bool
	covered   uint64 // up to which slot; math.MaxUint64 when it is complete
	committed uint64
	when      moment // of the last page
	entries   map[uint64]entry
}

type entry struct {
	ballot Ballot
	value  history.Digest
}

func (r *report) complete() bool { return r.some && r.covered == math.MaxUint64 }

// promised is told of a page of a promise.
func (c *cluster) promised(a *account, i int, b Ballot) {
	if a.index < 0 {
		return
	}
	o := &a.node.Observations[i]
	r := &c.ballot(b).reports[a.index]
	repeated := r.complete() // and since then it may have learned more
	if !r.some {
		r.some, r.covered, r.entries = true, o.First-1, make(map[uint64]entry)
	}
	if !repeated && o.First <= r.covered+1 && o.Slot > r.covered {
		r.covered, r.when = o.Slot, a.moment(i)
	}
	if !repeated {
		r.committed = max(r.committed, o.Sent.Committed)
	}
	for _, e := range o.Sent.Entries {
		in, ok := ParseBallot(e.Ballot)
		if !ok {
			continue
		}
		c.value(a, i, e.Slot, in, e.Value, false)
		if !repeated && in.Less(b) {
			r.entries[e.Slot] = entry{in, e.Value}
		}
	}
}

func (c *cluster) elected(a *account, i int, b Ballot) {
	s, here := c.ballot(b), a.claim(i)
	if s.elected == nil {
		s.elected = &here
	}
}

// judgeElection checks that a majority, the candidate included, has promised the ballot of a leader. Round 0 is that of
// the ballot with which a new cluster may start, which nobody need promise: there is none below it.
func (c *cluster) judgeElection(b Ballot, size, quorum int) {
	s := c.ballots[b]
	if s.elected == nil || b.Round == 0 {
		return
	}
	set := c.bit(b.Node)
	for i := range c.members {
		if r := &s.reports[i]; r.complete() && r.when.by(s.elected.when) {
			set |= 1 << i
		}
	}
	if bits.OnesCount16(set)+c.silent(size, set, 0) < quorum {
		a, i := s.elected.account, s.elected.line
		a.violated(Election, i, b, "%s leads it%s, and of %d nodes only %s had promised it by then", a.node.Name, a.when(i),
			size, c.names(set))
	}
}

// bit is the set of one node.
func (c *cluster) bit(number uint64) uint16 {
	if i := c.member(number); i >= 0 {
		return 1 << i
	}
	return 0
}
