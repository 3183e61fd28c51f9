package rules

import (
	"cmp"
	"maps"
	"math"
	"math/bits"
	"slices"
	"time"

	"elenchus/results/history"
	"elenchus/results/verdict"
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
	ends    []ending     // of its lives that were cut off
}

// ending is how a life of a node was cut off, by which the lines of its last votes and proposals may be missing.
type ending struct {
	boot  string
	life  int    // which of the node's lives, from 1
	last  moment // of its last line: what has no lines came later
	known uint64 // the last slot that it knew to be chosen
	left  Ballot // that of the last message that bound it: none of those without lines are of a lower ballot

	// What is known if the node started again: its votes were on its disk before they left, so that none is of a ballot
	// above the promise that was found.
	again moment // when that was
	found Ballot
	some  bool // found is known
}

// unwritten bounds the slots in which a node can have accepted something within the last moments of a life.
const unwritten = slotsMax

// slot reports whether lines about a slot may be missing: the node did not know it to be chosen.
func (e *ending) slot(slot uint64) bool { return slot > e.known && slot-e.known <= unwritten }

// vote reports whether the line of a vote in a slot and a ballot may be missing.
func (e *ending) vote(slot uint64, b Ballot) bool {
	return e.slot(slot) && !b.Less(e.left) && (!e.some || !e.found.Less(b))
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

// begins is told of an incarnation, which begins with a line.
func (c *cluster) begins(a *account, i int) {
	if c.ballots == nil {
		c.ballots, c.slots = make(map[Ballot]*ballotState), make(map[uint64]*slotState)
	}
	if a.index = c.member(a.life.self); a.index < 0 && len(c.members) < membersMax {
		a.index = len(c.members)
		c.members = append(c.members, member{number: a.life.self, name: a.node.Name})
	}
	if e := c.lastEnding(a); e != nil {
		e.again = a.moment(i)
	}
}

// recovered is told of the promise that an incarnation found on its disk.
func (c *cluster) recovered(a *account, b Ballot) {
	if e := c.lastEnding(a); e != nil && !a.wiped {
		e.found, e.some = b, true
	}
}

// lastEnding is how the life before that of an account was cut off; nil if it was not.
func (c *cluster) lastEnding(a *account) *ending {
	if a.index < 0 || a.previous == "" {
		return nil
	}
	ends := c.members[a.index].ends
	if n := len(ends); n > 0 && ends[n-1].boot == a.previous {
		return &ends[n-1]
	}
	return nil
}

// ends is told that an account, or an incarnation in it, is over. Its last line is given.
func (c *cluster) ends(a *account, last int) {
	if a.index >= 0 && a.index < len(c.members) {
		m := &c.members[a.index]
		m.partial = m.partial || !a.life.traced || a.node.Partial || len(a.node.Lost) > 0
		if !a.life.stopped {
			m.ends = append(m.ends, ending{
				boot: a.life.boot, life: a.lives, last: a.moment(last), known: a.life.known, left: a.left})
		}
	}
}

// member is the place of the node with that number; -1 if it gave no account.
func (c *cluster) member(number uint64) int {
	return slices.IndexFunc(c.members, func(m member) bool { return m.number == number })
}

// silent is how many nodes may have sent what is always written before it leaves, besides those in the set: they gave
// no account, or only part of one.
func (c *cluster) silent(size int, heard uint16) int {
	return c.besides(size, heard, func(m *member) bool { return m.partial })
}

// besides is how many nodes there are outside of the set that gave no account, or are such as may have said more.
func (c *cluster) besides(size int, heard uint16, more func(*member) bool) int {
	count := max(0, size-len(c.members))
	for i := range c.members {
		if heard>>i&1 == 0 && more(&c.members[i]) {
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
	return cmp.Or(verdict.Together(out), "nobody")
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

// report is that of a member, by its place; nil if nothing is known of the ballot.
func (s *ballotState) report(member int) *report {
	if s == nil || member < 0 {
		return nil
	}
	return &s.reports[member]
}

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
	if bits.OnesCount16(set)+c.silent(size, set) < quorum {
		a, i := s.elected.account, s.elected.line
		a.violated(Election, i, b, "%s leads ballot %v%s, and of %d nodes only %s had promised it by then", a.node.Name, b,
			a.when(i), size, c.names(set))
	}
}

// bit is the set of one node.
func (c *cluster) bit(number uint64) uint16 {
	if i := c.member(number); i >= 0 {
		return 1 << i
	}
	return 0
}
