package checker

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"elenchus/checker/rules"
	"elenchus/results/history"
	"elenchus/results/leases"
	"elenchus/results/verdict"
)

// Rules that somebody who sees everything may see broken, as package harness/sim names them, of which there is more to
// tell than of others.
const (
	ruleLease    = rules.LeaseExclusive
	ruleBasis    = rules.LeaseBasis
	ruleGrant    = rules.GrantHonoured
	rulePromise  = rules.PromiseMonotone
	ruleRecovery = rules.Recovery
)

// named keeps the operations that broken rules are about: those that they name, and updates that are said to be in
// their slots.
type named struct {
	ids   map[int]bool
	slots map[uint64]bool
	ops   []history.Operation
}

func newNamed(broken []verdict.Broken) *named {
	n := &named{ids: make(map[int]bool), slots: make(map[uint64]bool)}
	for _, b := range broken {
		for _, id := range b.Operations {
			n.ids[id] = true
		}
		if b.Slot != 0 {
			n.slots[b.Slot] = true
		}
	}
	return n
}

// Observe implements [Watcher].
func (n *named) Observe(op *history.Operation) {
	if n.ids[op.ID] || op.By.Slot != 0 && n.slots[op.By.Slot] && op.Op.Func.Mutates() {
		n.ops = append(n.ops, *op)
	}
}

// watched is the finding of somebody who saw the state of every node in true time, and the story of how it came about.
// What the history has shown of the same answer has been told.
func (d *diagnosis) watched(b verdict.Broken, told []verdict.Finding) verdict.Finding {
	f := b.Finding
	for _, t := range told {
		if n := len(f.Operations); n > 0 && slices.Contains(t.Operations, f.Operations[n-1]) {
			f.Name, f.Operations, f.Causes = "", nil, t.Causes
			f.Story = append(f.Story, sameAnswer(t))
			return d.demanded(f, b)
		}
	}
	p := d.broken(b)
	if len(f.Operations) > 0 {
		d.tell(&f, p)
		f.Table = d.answers(p)
		return d.demanded(f, b)
	}
	for _, suspect := range d.suspects(b) {
		if c := suspect(p); c != nil {
			f.Causes = append(f.Causes, *c)
		}
	}
	f.Story = d.chronicle(b)
	if len(f.Causes) > 0 {
		f.Story = append(f.Story, f.Causes[0].Says)
	}
	return d.demanded(f, b)
}

// demanded ends a story with what should have been.
func (d *diagnosis) demanded(f verdict.Finding, b verdict.Broken) verdict.Finding {
	if b.Demand != "" {
		f.Story = append(f.Story, b.Demand)
	}
	return f
}

// suspects are the suspicions that can be asked where no answer is at fault.
func (d *diagnosis) suspects(b verdict.Broken) []func(plainly) *verdict.Cause {
	switch b.Checker {
	case ruleLease:
		return []func(plainly) *verdict.Cause{d.forgottenGrant, d.drift, d.offset, d.margin, d.twoLeases}
	case rules.LeaseRead:
		return []func(plainly) *verdict.Cause{d.drift, d.offset, d.expired}
	case ruleGrant:
		return []func(plainly) *verdict.Cause{func(plainly) *verdict.Cause { return d.dishonoured(b) }}
	case rulePromise, ruleRecovery:
		return []func(plainly) *verdict.Cause{d.forgottenPromise}
	}
	return []func(plainly) *verdict.Cause{d.twoValues}
}

// broken is the violation in the terms of those that histories show. Where no answer is at fault it is an instant at a
// node.
func (d *diagnosis) broken(b verdict.Broken) plainly {
	at := history.Operation{ID: -1, Node: b.Node, Call: b.At, Return: b.At}
	p := plainly{name: b.Name, summary: b.Summary, last: at}
	if b.Checker == ruleLease || b.Checker == rules.LeaseRead {
		p.holder = b.Node
	}
	n := len(b.Operations)
	if n == 0 {
		return p
	}
	ops := d.operations
	if last, ok := byID(ops, b.Operations[n-1]); ok {
		p.last = last
		if seen := sees(last); len(seen) == 1 {
			p.old = &seen[0]
		}
	}
	if n > 1 {
		if before, ok := byID(ops, b.Operations[0]); ok {
			p.before, p.superseded = before, true
			if before.Op.Func.Mutates() {
				p.newer = &before.Op.Value
			}
		}
	}
	return p
}

// answers are the answer at fault, and what it should have taken into account.
func (d *diagnosis) answers(p plainly) []verdict.Row {
	var rows []verdict.Row
	for _, op := range []history.Operation{p.before, p.last} {
		if op.Op.Func == "" {
			continue
		}
		r := row(op)
		switch {
		case op.ID == p.last.ID:
			r.Role = "broke the rule"
		case op.Op.Func.Mutates():
			r.Role = "was over before that began"
		default:
			r.Role = "had seen a later state"
		}
		rows = append(rows, r)
	}
	return rows
}

// dishonoured blames a node that takes part in another ballot than the one of whose lease it owes the rest.
func (d *diagnosis) dishonoured(b verdict.Broken) *verdict.Cause {
	n, ok := d.observations(b.Node)
	if !ok {
		return nil
	}
	granted := -1
	for i, o := range n.Log.Observations {
		if n.When[i] <= b.At && o.Kind == history.ObservedLeaseGranted && o.Ballot != b.Ballot {
			granted = i
		}
	}
	if granted < 0 {
		return nil
	}
	g, last := n.Log.Observations[granted], n.Log.Observations[len(n.Log.Observations)-1]
	c := &verdict.Cause{Evidence: []string{fmt.Sprintf("%s granted the lease of ballot %s at %s, until %s by its own "+
		"clock.", b.Node, g.Ballot, seconds(n.When[granted]), seconds(n.Until[granted]))}}
	if last.Boot != g.Boot {
		c.Name = "a grant forgotten in a restart"
		c.Says = fmt.Sprintf("%s had granted the lease of ballot %s, was restarted, and took part in ballot %s within the "+
			"term of that lease.", b.Node, g.Ballot, b.Ballot)
		for i, o := range n.Log.Observations[granted:] {
			if o.Kind == history.ObservedRecovered {
				c.Evidence = append(c.Evidence, fmt.Sprintf("It started again at %s.", seconds(n.When[granted+i])))
			}
		}
		return c
	}
	c.Name = "a grant that was not kept"
	c.Says = fmt.Sprintf("%s had granted the lease of ballot %s, and took part in ballot %s within its term.", b.Node,
		g.Ballot, b.Ballot)
	return c
}

// What a chronicle tells at most, and how far it goes back.
const (
	chronicleMax  = 6
	chronicleBack = 3 * time.Second
)

// episode is something that happened, as a sentence.
type episode struct {
	at   time.Duration
	text string
}

// chronicle tells what had happened, in order of time, to whom and to what a broken rule is about: who led, who owed or
// held a lease, whose process had ended, what was done to them, and what had become of the slot.
func (d *diagnosis) chronicle(b verdict.Broken) []string {
	about := d.about(b)
	list := slices.Concat(d.elections(b), d.restarts(b, about), d.termsOf(b), d.faultsOn(b, about), d.slotOf(b))
	list = slices.DeleteFunc(list, func(e episode) bool { return e.at > b.At || e.at < b.At-chronicleBack })
	slices.SortStableFunc(list, func(x, y episode) int { return cmp.Compare(x.at, y.at) })
	var out []string
	for _, e := range list[max(0, len(list)-chronicleMax):] {
		out = append(out, e.text)
	}
	return out
}

// about are the nodes that a broken rule is about: where it was seen, and whose ballot it was.
func (d *diagnosis) about(b verdict.Broken) []string {
	nodes := []string{b.Node}
	if _, owner, ok := strings.Cut(b.Ballot, "."); ok {
		nodes = append(nodes, cmp.Or(d.names[owner], owner))
	}
	for _, e := range d.lastReigns(b.At) {
		nodes = append(nodes, e.node)
	}
	slices.Sort(nodes)
	return slices.Compact(nodes)
}

// lastReigns are the last two leaderships that had begun.
func (d *diagnosis) lastReigns(at time.Duration) []reign {
	var list []reign
	for _, r := range d.reigns {
		if r.from <= at {
			list = append(list, r)
		}
	}
	slices.SortStableFunc(list, func(a, b reign) int { return cmp.Compare(a.from, b.from) })
	return list[max(0, len(list)-2):]
}

func (d *diagnosis) elections(b verdict.Broken) []episode {
	var out []episode
	for _, r := range d.lastReigns(b.At) {
		text := fmt.Sprintf("%s was elected in ballot %s at %s", r.node, r.ballot, seconds(r.from))
		if r.over && r.to < b.At {
			text += fmt.Sprintf(" and led until %s", seconds(r.to))
		}
		out = append(out, episode{r.from, text + "."})
	}
	return out
}

// restarts are the last deaths of these nodes, each with whoever died with it.
func (d *diagnosis) restarts(b verdict.Broken, nodes []string) []episode {
	type death struct {
		at     time.Duration
		reason string
	}
	died := make(map[death][]string)
	back := make(map[string]string)
	for _, name := range nodes {
		n, ok := d.observations(name)
		if !ok {
			continue
		}
		var last *death
		for i, o := range n.Log.Observations {
			switch {
			case n.When[i] > b.At:
			case o.Kind == history.ObservedEnded:
				last, back[name] = &death{n.When[i], o.Reason}, ""
			case o.Kind == history.ObservedRecovered && last != nil:
				back[name] = fmt.Sprintf("%s was up again at %s, with %s on its disk", name, seconds(n.When[i]),
					promiseText(o.Ballot))
			}
		}
		if last != nil {
			died[*last] = append(died[*last], name)
		}
	}
	var out []episode
	for last, names := range died {
		text := fmt.Sprintf("%s died at %s (%s)", verdict.Together(names), seconds(last.at), last.reason)
		for _, name := range names {
			if back[name] != "" && (name == b.Node || len(names) == 1) {
				text += "; " + back[name]
			}
		}
		out = append(out, episode{last.at, text + "."})
	}
	slices.SortFunc(out, func(x, y episode) int { return cmp.Or(cmp.Compare(x.at, y.at), cmp.Compare(x.text, y.text)) })
	return out
}

func promiseText(ballot string) string {
	if ballot == "" {
		return "no promise"
	}
	return "the promise of " + ballot
}

// termsOf are the leases that a broken rule about leases is about: what the node held or owed then, and since when.
func (d *diagnosis) termsOf(b verdict.Broken) []episode {
	if !slices.Contains([]string{ruleLease, ruleBasis, ruleGrant}, b.Checker) {
		return nil
	}
	var out []episode
	for _, s := range d.in.Stories {
		for _, h := range during(s.Holds, b.At, b.At) {
			text := fmt.Sprintf("%s held the lease of ballot %s since %s, and until %s by its own clock.", s.Node, h.Ballot,
				since(h.From), seconds(h.To))
			out = append(out, episode{h.From, text})
		}
		if s.Node == b.Node && b.Checker == ruleGrant {
			out = append(out, grantsOf(s, b)...)
		}
	}
	return out
}

// grantsOf is what a node had granted last.
func grantsOf(s leases.Story, b verdict.Broken) []episode {
	for i := len(s.Honours) - 1; i >= 0; i-- {
		if h := s.Honours[i]; h.From <= b.At {
			return []episode{{h.From, fmt.Sprintf("%s had granted ballot %s a lease at %s.", s.Node, h.Ballot, since(h.From))}}
		}
	}
	return nil
}

// sudden are the faults of a moment, besides those that are told of as deaths.
var sudden = []string{"reset", "forsake", "transfer", "disk-rot", "disk-wipe"}

// faultsOn is what was being done to these nodes, or had been until shortly before.
func (d *diagnosis) faultsOn(b verdict.Broken, nodes []string) []episode {
	var out []episode
	for _, w := range d.windows {
		death := w.Kind == "kill" || w.Kind == "crash" // which has a sentence of its own
		if w.Status != history.FaultInstalled || w.From > b.At || death ||
			!slices.ContainsFunc(w.Targets, func(t string) bool { return slices.Contains(nodes, t) }) {
			continue
		}
		lasted := "was in effect since " + seconds(w.From)
		switch {
		case slices.Contains(sudden, w.Kind):
			lasted = "struck at " + seconds(w.From)
		case w.To < b.At:
			lasted = fmt.Sprintf("was in effect from %s to %s", seconds(w.From), seconds(w.To))
		}
		out = append(out, episode{w.From, fmt.Sprintf("Fault %s (%s %s) %s.", w.ID, w.Kind, cmp.Or(w.Played, w.Detail),
			lasted)})
	}
	return out[max(0, len(out)-3):]
}

// slotOf is what had become of the slot: who had applied what there, and what clients had been told of it.
func (d *diagnosis) slotOf(b verdict.Broken) []episode {
	if b.Slot == 0 {
		return nil
	}
	var out []episode
	seen := make(map[string]bool)
	for _, n := range d.in.Nodes {
		for i, o := range n.Log.Observations {
			if o.Kind != history.ObservedApplied || o.Slot != b.Slot || i >= len(n.When) || n.When[i] >= b.At {
				continue
			}
			what := updates(o)
			if !seen[what+o.Ballot] {
				seen[what+o.Ballot] = true
				out = append(out, episode{n.When[i], fmt.Sprintf("%s had applied slot %d as %s, in ballot %s, at %s.", n.Node,
					b.Slot, what, cmp.Or(o.Ballot, "none"), seconds(n.When[i]))})
			}
		}
	}
	for _, op := range d.operations {
		if op.Outcome == history.OK && op.Op.Func.Mutates() && op.By.Slot == b.Slot && op.Return <= b.At {
			out = append(out, episode{op.Return, fmt.Sprintf("The %s of %d to %s by %s had been acknowledged in slot %d at %s.",
				op.Op.Func, op.Op.Value, op.Op.Key, who(op), b.Slot, seconds(op.Return))})
		}
	}
	return out
}

// sameAnswer says that a finding is about an answer that another is about.
func sameAnswer(told verdict.Finding) string {
	switch told.Checker {
	case CheckLinearizability, CheckDurability, CheckLists, CheckSessions:
		return "It is the same answer that the history shows to be impossible."
	}
	return "It is the same answer that breaks another rule: " + told.Heading() + "."
}
