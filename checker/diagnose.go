package checker

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"elenchus/results/clocks"
	"elenchus/results/history"
	"elenchus/results/leases"
	"elenchus/results/verdict"
)

// diagnosis says which assumption broke when a violation came about, from what nodes and clocks show. Each of its
// suspicions is a function of its own that returns a cause only if there is evidence for every part of what it says,
// and nil otherwise: that nothing is said does not mean that nothing of the sort happened.
//
// None of it has a part in the verdict.
type diagnosis struct {
	in        Input
	windows   []history.FaultWindow
	names     map[string]string // what a node calls itself → what the harness calls it
	reigns    []reign
	agreement []verdict.Finding
	applied   map[update][]place // where each update was applied, by key and value
	slots     map[uint64]bool    // that some node whose updates are known has applied
	slack     time.Duration      // instants of nodes are placed within this

	operations []history.Operation // that broken rules are about
}

// update is what an update does, as nodes write it.
type update struct{ key, value string }

// place is where and by whom something was applied.
type place struct {
	node, boot, ballot string
	slot               uint64
}

func newDiagnosis(in Input, agreement []verdict.Finding) *diagnosis {
	d := &diagnosis{in: in, windows: history.Windows(in.Faults.Events), names: make(map[string]string),
		agreement: agreement}
	d.slack = clocks.PairError(in.Clocks) + time.Millisecond // nodes need not write at once
	for _, n := range in.Nodes {
		if len(n.When) == len(n.Log.Observations) {
			d.reigns = append(d.reigns, reignsOf(n)...)
		}
		for _, o := range n.Log.Observations {
			d.names[o.Node] = n.Node
		}
	}
	return d
}

// applications are where updates were applied. They are collected when the first violation needs them.
func (d *diagnosis) applications() map[update][]place {
	if d.applied != nil {
		return d.applied
	}
	d.applied, d.slots = make(map[update][]place), make(map[uint64]bool)
	for _, n := range d.in.Nodes {
		for _, o := range n.Log.Observations {
			if o.Kind != history.ObservedApplied || len(o.Ops) != len(o.IDs) {
				continue
			}
			d.slots[o.Slot] = true
			for _, u := range o.Ops {
				key := update{u.Key, u.Value}
				d.applied[key] = append(d.applied[key], place{n.Node, o.Boot, o.Ballot, o.Slot})
			}
		}
	}
	return d.applied
}

// tell adds to a finding what happened beyond what clients saw, and why, as far as that is known.
func (d *diagnosis) tell(f *verdict.Finding, p plainly) {
	suspicions := []func(plainly) *verdict.Cause{
		d.localReads, d.twoValues, d.forgottenPromise, d.forgottenGrant, d.drift, d.offset, d.margin, d.expired, d.twoLeases,
		d.follower, d.unlogged, d.early, d.appliedTwice, d.executedTwice, d.oldCompare, d.newLeader, d.oldState,
	}
	for _, suspect := range suspicions {
		if c := suspect(p); c != nil {
			f.Causes = append(f.Causes, *c)
		}
	}
	f.Story = d.story(p)
	if len(f.Causes) > 0 {
		f.Story = append(f.Story, f.Causes[0].Says)
	}
}

// server is the node that answered an operation from its own state, as far as that is known.
func (d *diagnosis) server(op history.Operation) (node string, ok bool) {
	if d.in.Facts.Reads == readsLocal && op.Op.Func == history.Read {
		return op.Node, op.Node != history.NodeUnknown
	}
	if op.By.Leader == "" {
		return "", false
	}
	return cmp.Or(d.names[op.By.Leader], op.By.Leader), true
}

// Ways of answering reads that diagnoses know.
const (
	readsLocal = "local"
	readsLease = "lease"
)

// leased is the node that answered the read of a violation by itself under its lease, as far as the run's
// configuration says so.
func (d *diagnosis) leased(p plainly) (node string, ok bool) {
	if p.holder != "" {
		return p.holder, true
	}
	if d.in.Facts.Reads != readsLease || p.last.Op.Func != history.Read || p.last.Outcome != history.OK {
		return "", false
	}
	return d.server(p.last)
}

// storyOf is who led and held leases when, of a node whose observations can be placed.
func (d *diagnosis) storyOf(node string) (leases.Story, bool) {
	i := slices.IndexFunc(d.in.Stories, func(s leases.Story) bool { return s.Node == node })
	if i < 0 {
		return leases.Story{}, false
	}
	return d.in.Stories[i], true
}

// observations are those of a node; ok is false without their instants.
func (d *diagnosis) observations(node string) (NodeObservations, bool) {
	i := slices.IndexFunc(d.in.Nodes, func(n NodeObservations) bool { return n.Node == node })
	if i < 0 || len(d.in.Nodes[i].When) != len(d.in.Nodes[i].Log.Observations) ||
		len(d.in.Nodes[i].Until) != len(d.in.Nodes[i].When) {
		return NodeObservations{}, false
	}
	return d.in.Nodes[i], true
}

// track is what was measured of a node's clocks.
func (d *diagnosis) track(node string) clocks.Track { return clocks.Find(d.in.Clocks, node) }

// during are the spans that have a part in a stretch of time.
func during(spans []leases.Span, from, to time.Duration) []leases.Span {
	var out []leases.Span
	for _, s := range spans {
		if s.From <= to && s.To >= from {
			out = append(out, s)
		}
	}
	return out
}

// story is one to five sentences on who answered from where, and what was the matter with them.
func (d *diagnosis) story(p plainly) []string {
	node, ok := d.server(p.last)
	if !ok {
		return nil
	}
	var out []string
	for _, s := range []string{d.whence(p, node), d.underFaults(p, node), d.whoLed(p, node)} {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// whence says from which state the operation was answered, and where the newer value was.
func (d *diagnosis) whence(p plainly, node string) string {
	by := p.last.By
	if !stateKnown(p.last) {
		return ""
	}
	s := fmt.Sprintf("The %s was answered by %s from its state up to slot %d, of ballot %s", p.last.Op.Func, node, by.Slot,
		cmp.Or(by.Ballot, "none"))
	if by.Slot == 0 {
		s = fmt.Sprintf("The %s was answered by %s from its empty state, before slot 1", p.last.Op.Func, node)
	}
	if node != p.last.Node {
		s += ", to whom " + p.last.Node + " had passed it on"
	}
	if w := p.before.By; p.superseded && w.Slot > 0 && p.before.Op.Func.Mutates() {
		s += fmt.Sprintf("; the %s of %d is in slot %d, of ballot %s", p.before.Op.Func, p.before.Op.Value, w.Slot,
			cmp.Or(w.Ballot, "none"))
		if leader := cmp.Or(d.names[w.Leader], w.Leader); leader != "" {
			s += ", acknowledged by way of " + leader
		}
	}
	return s + "."
}

// stateKnown reports whether the system said from which state it answered. Slot 0 is the state before the first one,
// where somebody says to have answered and nothing was found; else it means that nobody said.
func stateKnown(op history.Operation) bool {
	empty := op.Op.Func == history.Read && len(op.Result.Values) == 0 && op.Outcome == history.OK
	return op.By.Slot > 0 || empty && op.By.Leader != ""
}

// underFaults says what was being done to the node when it answered.
func (d *diagnosis) underFaults(p plainly, node string) string {
	var parts []string
	before := ""
	for _, w := range d.windows {
		switch {
		case w.Status != history.FaultInstalled || !slices.Contains(w.Targets, node) || w.From > p.last.Return:
		case p.last.Call <= w.To:
			parts = append(parts, fmt.Sprintf("%s (%s %s, since %s)", w.ID, w.Kind, cmp.Or(w.Played, w.Detail),
				seconds(w.From)))
		case p.superseded && w.To >= p.before.Call:
			before = fmt.Sprintf("%s had been under fault %s (%s %s) until %s.", node, w.ID, w.Kind,
				cmp.Or(w.Played, w.Detail), seconds(w.To))
		}
	}
	switch len(parts) {
	case 0:
		return before
	case 1:
		return fmt.Sprintf("%s was then under fault %s.", node, parts[0])
	}
	return fmt.Sprintf("%s was then under faults %s and %s.", node, strings.Join(parts[:len(parts)-1], ", "),
		parts[len(parts)-1])
}

// whoLed says who led besides, or instead of, the node that answered.
func (d *diagnosis) whoLed(p plainly, node string) string {
	var own, other, newest *reign
	for i, r := range d.reigns {
		if r.from > p.last.Return {
			continue
		}
		if newest == nil || newest.ballot.Less(r.ballot) {
			newest = &d.reigns[i]
		}
		switch {
		case r.to < p.last.Call:
		case r.node == node:
			own = &d.reigns[i]
		case other == nil || other.ballot.Less(r.ballot):
			other = &d.reigns[i]
		}
	}
	switch {
	case own != nil && own.ballot.Less(newest.ballot) && newest.node != node:
		noticed := "did not notice before " + seconds(own.to)
		if !own.over && own.to <= p.last.Return { // nothing is known of it behind the answer
			noticed = "did not know of that"
		}
		return fmt.Sprintf("%s had been elected in the higher ballot %s %s; %s %s.", newest.node, newest.ballot,
			elected(*newest), node, noticed)
	case other == nil:
		return ""
	case own == nil && other.ballot.Less(newest.ballot):
		return fmt.Sprintf("Nobody led then: %s, elected in ballot %s %s, did not any more, and %s, of the lower ballot %s, "+
			"only believed to lead.", newest.node, newest.ballot, elected(*newest), other.node, other.ballot)
	case own == nil:
		return fmt.Sprintf("The leader was then %s, elected in ballot %s %s.", other.node, other.ballot, elected(*other))
	}
	return fmt.Sprintf("%s then led ballot %s, to which it had been elected %s; %s did not know yet that it no longer "+
		"led.", node, own.ballot, elected(*own), other.node)
}

// elected is when a reign began, for the end of a phrase.
func elected(r reign) string {
	if r.from < 0 {
		return since(r.from)
	}
	return "at " + seconds(r.from)
}
