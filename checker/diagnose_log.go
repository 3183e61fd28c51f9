package checker

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"elenchus/checker/rules"
	"elenchus/results/history"
	"elenchus/results/verdict"
)

// twoValues blames the agreement itself, where nodes applied different commands in one slot.
func (d *diagnosis) twoValues(plainly) *verdict.Cause {
	c := &verdict.Cause{
		Name: "two values in one slot",
		Says: "The nodes did not agree: two of them applied different commands in the same slot of the log.",
	}
	for _, f := range d.agreement {
		if f.Name == nameTwoValues && len(c.Evidence) < 2 {
			c.Evidence = append(c.Evidence, f.Summary)
		}
	}
	if len(c.Evidence) == 0 {
		return nil
	}
	return c
}

// unlogged blames an acknowledgement that came before the update was safe: no node ever applied it, and what was
// applied in the slot that was named to the client is something else.
func (d *diagnosis) unlogged(p plainly) *verdict.Cause {
	if !p.superseded || !p.before.Op.Func.Mutates() || p.before.By.Slot == 0 {
		return nil
	}
	applied := d.applications()
	slot := p.before.By.Slot
	what := update{p.before.Op.Key, strconv.FormatInt(p.before.Op.Value, 10)}
	if len(applied) == 0 || len(applied[what]) > 0 || !d.slots[slot] {
		return nil
	}
	return &verdict.Cause{
		Name: "acknowledged, and not in the log",
		Says: fmt.Sprintf("The %s of %d was acknowledged in slot %d, and that slot was applied without it: it was "+
			"forgotten, or replaced by something else.", p.before.Op.Func, p.before.Op.Value, slot),
		Evidence: []string{fmt.Sprintf("No node ever applied it, in this slot or any other; slot %d was applied as %s.", slot,
			d.inSlot(slot))},
	}
}

// inSlot is what was applied in a slot, and by whom first.
func (d *diagnosis) inSlot(slot uint64) string {
	for _, n := range d.in.Nodes {
		for _, o := range n.Log.Observations {
			if o.Kind != history.ObservedApplied || o.Slot != slot || len(o.Ops) != len(o.IDs) {
				continue
			}
			return fmt.Sprintf("%s by %s, in ballot %s", updates(o), n.Node, o.Ballot)
		}
	}
	return "nothing"
}

// updates are the first of those that a node applied in a slot.
func updates(o history.Observation) string {
	var ops []string
	for _, u := range o.Ops[:min(len(o.Ops), 3)] {
		ops = append(ops, strings.TrimSpace(u.Op+" "+u.Key+" "+u.Value))
	}
	if len(o.Ops) == 0 {
		return "nothing"
	}
	return strings.Join(ops, ", ")
}

// appliedTwice blames an update that took effect a second time, after another had replaced its value. The log may well
// repeat what a client sent again; the register must not.
func (d *diagnosis) appliedTwice(p plainly) *verdict.Cause {
	if !p.superseded || p.old == nil || p.newer == nil || p.last.By.Slot == 0 {
		return nil
	}
	applied := d.applications()
	slots := func(v int64) []uint64 {
		var out []uint64
		for _, a := range applied[update{p.last.Op.Key, strconv.FormatInt(v, 10)}] {
			out = append(out, a.slot)
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	olds, news := slots(*p.old), slots(*p.newer)
	if len(olds) < 2 || len(news) == 0 {
		return nil
	}
	first, again := olds[0], olds[len(olds)-1]
	if first >= news[0] || news[len(news)-1] >= again || again > p.last.By.Slot {
		return nil
	}
	return &verdict.Cause{
		Name: "applied twice",
		Says: fmt.Sprintf("The update to %d is in the log twice, and took effect again after %d had replaced it: an update "+
			"must take effect once at most.", *p.old, *p.newer),
		Evidence: []string{fmt.Sprintf("It was applied in slot %d and in slot %d, with the update to %d in slot %d between "+
			"them; the answer came from the state up to slot %d.", first, again, *p.newer, news[0], p.last.By.Slot)},
	}
}

// oldCompare blames a compare-and-set that was decided on an older state than the one that it was executed on: the log
// has another update between its place and that of the value it replaced.
func (d *diagnosis) oldCompare(p plainly) *verdict.Cause {
	if p.name != nameLostUpdate || p.old == nil || p.newer == nil || len(p.values) != 1 {
		return nil
	}
	slotOf := func(v int64) (uint64, bool) {
		places := d.applications()[update{p.last.Op.Key, strconv.FormatInt(v, 10)}]
		if len(places) == 0 || slices.ContainsFunc(places, func(a place) bool { return a.slot != places[0].slot }) {
			return 0, false
		}
		return places[0].slot, true
	}
	old, ok1 := slotOf(*p.old)
	between, ok2 := slotOf(*p.newer)
	cas, ok3 := slotOf(p.values[0])
	if !ok1 || !ok2 || !ok3 || old >= between || between >= cas {
		return nil
	}
	return &verdict.Cause{
		Name: "compared with an old state",
		Says: fmt.Sprintf("The log has %d in slot %d and only then, in slot %d, the cas that replaced %d: what it expected "+
			"was compared with an older state than the one it was executed on.", *p.newer, between, cas, *p.old),
		Evidence: []string{fmt.Sprintf("%d is in slot %d, %d in slot %d, and the cas to %d in slot %d.",
			*p.old, old, *p.newer, between, p.values[0], cas)},
	}
}

// executedTwice blames a log that has an update twice, which a client asked for once: every repetition was executed. Or
// the log has it once, and it was executed again from there.
func (d *diagnosis) executedTwice(p plainly) *verdict.Cause {
	if !p.twice {
		return nil
	}
	var slots []uint64
	var by []string
	for _, a := range d.applications()[update{p.last.Op.Key, strconv.FormatInt(*p.newer, 10)}] {
		if !slices.Contains(slots, a.slot) {
			slots = append(slots, a.slot)
			by = append(by, fmt.Sprintf("slot %d was applied by %s in ballot %s", a.slot, a.node, a.ballot))
		}
	}
	switch len(slots) {
	case 0:
		return nil
	case 1:
		return &verdict.Cause{
			Name:     "a slot was applied twice",
			Says:     fmt.Sprintf("The append of %d is in the log once, and some node executed it again from there.", *p.newer),
			Evidence: []string{fmt.Sprintf("No other slot has it: %s.", by[0])},
		}
	}
	return &verdict.Cause{
		Name: "a repeated request was executed again",
		Says: fmt.Sprintf("The append of %d is in the log %s, because it was sent again, and it was executed more than "+
			"once: a node must recognise what it has executed before.", *p.newer, timesOver(len(slots))),
		Evidence: []string{upper(strings.Join(by, ", ")) + "."},
	}
}

// forgottenPromise blames a node that came back from a restart with a lower promise than one it had certainly made.
//
// Nodes write what they do before their disks have it, so that a promise that a crash swallowed before anybody heard of
// it may be among what they wrote. It counts only where it was certainly heard: the ballot was elected, and took the
// promise of each node that ever wrote of one.
func (d *diagnosis) forgottenPromise(plainly) *verdict.Cause {
	for _, n := range d.in.Nodes {
		var highest rules.Ballot
		boot := ""
		for _, o := range n.Log.Observations {
			b, ok := parseBallot(o.Ballot)
			restarted := o.Kind == history.ObservedRecovered && boot != "" && o.Boot != boot
			boot = o.Boot
			switch {
			case o.Kind == history.ObservedPromised && ok && highest.Less(b):
				highest = b
			case restarted && b.Less(highest) && d.needed(highest):
				return &verdict.Cause{
					Name: "a forgotten promise",
					Says: fmt.Sprintf("%s had promised ballot %s, and after a restart knew only of %s: what it had promised was not "+
						"on its disk.", n.Node, highest, cmp.Or(o.Ballot, "none")),
					Evidence: []string{
						fmt.Sprintf("%s wrote that it had promised %s, and its incarnation %s began with the promise of %s.",
							n.Node, highest, o.Boot, cmp.Or(o.Ballot, "none")),
						fmt.Sprintf("Ballot %s was elected, with no more promises than it needed: this one was among them.", highest),
					},
				}
			case restarted:
				highest = b
			}
		}
	}
	return nil
}

// needed reports whether a ballot was elected with the promise of every node that wrote of one, because there were no
// more than a majority of them.
func (d *diagnosis) needed(b rules.Ballot) bool {
	promised, elected := 0, false
	for _, n := range d.in.Nodes {
		mine := false
		for _, o := range n.Log.Observations {
			if got, ok := parseBallot(o.Ballot); ok && got == b {
				mine = mine || o.Kind == history.ObservedPromised
				elected = elected || o.Kind == history.ObservedElected
			}
		}
		if mine {
			promised++
		}
	}
	return elected && promised == len(d.in.Facts.Nodes)/2+1
}
