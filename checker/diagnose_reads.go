package checker

import (
	"cmp"
	"fmt"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// localReads blames the way in which reads were answered, if that asks nobody at all.
func (d *diagnosis) localReads(p plainly) *verdict.Cause {
	if d.in.Facts.Reads != readsLocal || p.last.Op.Func != history.Read || !p.superseded {
		return nil
	}
	c := &verdict.Cause{
		Name: "reads without any check",
		Says: "Reads were answered in the mode \"local\": every node answers from its own state and asks nobody whether " +
			"that is the latest. It is this mode that is at fault; nodes and clocks need not have done anything wrong.",
		Evidence: []string{"The run was configured with local reads."},
	}
	if missing := behind(p); missing != "" {
		c.Evidence = append(c.Evidence, missing)
	}
	return c
}

// behind says, from what the system said of both operations, that the read was answered from a state without the slot
// that somebody had been told of before. It is empty when that is not shown.
func behind(p plainly) string {
	read, w := p.last.By, p.before.By
	if !p.superseded || p.last.Op.Func != history.Read || !stateKnown(p.last) || w.Slot <= read.Slot {
		return ""
	}
	earlier := milliseconds(p.last.Call - p.before.Return)
	if !p.before.Op.Func.Mutates() {
		return fmt.Sprintf("The answer came from the state up to slot %d; %s had been told of slot %d %s before the read "+
			"began.", read.Slot, who(p.before), w.Slot, earlier)
	}
	return fmt.Sprintf("The answer came from the state up to slot %d; slot %d, with the %s of %d, had been acknowledged "+
		"%s before the read began.", read.Slot, w.Slot, p.before.Op.Func, p.before.Op.Value, earlier)
}

// oldState blames a node that answered a read from a state in which something acknowledged was missing, where nothing
// more is known of why it did.
func (d *diagnosis) oldState(p plainly) *verdict.Cause {
	missing := behind(p)
	node, ok := d.server(p.last)
	if missing == "" || !ok || d.in.Facts.Reads == readsLocal || d.newLeader(p) != nil || d.follower(p) != nil ||
		d.early(p) != nil {
		return nil
	}
	return &verdict.Cause{
		Name:     "answered from an old state",
		Says:     fmt.Sprintf("%s answered from a state that was no longer the latest, and did not find that out.", node),
		Evidence: []string{missing},
	}
}

// follower blames a node that answered a read by itself and did not even believe to lead, where that takes a lease.
func (d *diagnosis) follower(p plainly) *verdict.Cause {
	node, ok := d.leased(p)
	if !ok {
		return nil
	}
	if _, placed := d.observations(node); !placed {
		return nil
	}
	for _, r := range d.reigns {
		if r.node == node && r.from <= p.last.Return+d.slack && p.last.Call <= r.to+d.slack {
			return nil
		}
	}
	c := &verdict.Cause{
		Name: "a follower answered by itself",
		Says: fmt.Sprintf("%s answered the read from its own state between %s and %s, when it neither led nor believed to: "+
			"only a leader with a lease may.", node, seconds(p.last.Call), seconds(p.last.Return)),
		Evidence: []string{fmt.Sprintf("%s wrote of no ballot that it led at that time.", node)},
	}
	if missing := behind(p); missing != "" {
		c.Evidence = append(c.Evidence, missing)
	}
	return c
}

// early blames an acknowledgement that was given before the update was decided: the leader that gave it wrote only
// later that the slot was chosen.
func (d *diagnosis) early(p plainly) *verdict.Cause {
	w := p.before
	if !p.superseded || !w.Op.Func.Mutates() || w.By.Slot == 0 || w.By.Leader == "" {
		return nil
	}
	leader := cmp.Or(d.names[w.By.Leader], w.By.Leader)
	n, ok := d.observations(leader)
	if !ok {
		return nil
	}
	for i, o := range n.Log.Observations {
		if o.Slot != w.By.Slot || o.Kind != history.ObservedChosen && o.Kind != history.ObservedApplied {
			continue
		}
		if n.When[i] <= w.Return+d.slack {
			return nil
		}
		return &verdict.Cause{
			Name: "acknowledged before it was decided",
			Says: fmt.Sprintf("%s acknowledged the %s of %d %s before it knew that a majority had accepted it: until then the "+
				"update was nowhere to be seen, and might have been lost.", leader, w.Op.Func, w.Op.Value,
				milliseconds(n.When[i]-w.Return)),
			Evidence: []string{fmt.Sprintf("It was acknowledged at %s, in slot %d; %s wrote at %s that slot %d was %s.",
				seconds(w.Return), w.By.Slot, leader, seconds(n.When[i]), w.By.Slot, o.Kind)},
		}
	}
	return nil
}

// newLeader blames a leader that answered before it had applied what had been chosen before its election.
func (d *diagnosis) newLeader(p plainly) *verdict.Cause {
	missing := behind(p)
	node, ok := d.server(p.last)
	chosenIn, known := parseBallot(p.before.By.Ballot)
	if missing == "" || !ok || !known || d.in.Facts.Reads == readsLocal {
		return nil
	}
	for _, r := range d.reigns {
		// A ballot above that of the update: its leader must have learned of the slot when it was elected.
		if r.node == node && chosenIn.Less(r.ballot) && r.from <= p.last.Return &&
			(!r.over || p.last.Return <= r.to) {
			return &verdict.Cause{
				Name: "a new leader answered before it had caught up",
				Says: fmt.Sprintf("%s led ballot %s and answered a read before it had applied everything that had been chosen in "+
					"earlier ballots.", node, r.ballot),
				Evidence: []string{missing, fmt.Sprintf("Slot %d was chosen in ballot %s, and %s was elected in ballot %s at %s.",
					p.before.By.Slot, chosenIn, node, r.ballot, seconds(r.from))},
			}
		}
	}
	return nil
}
