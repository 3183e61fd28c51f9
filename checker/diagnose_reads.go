package checker

import (
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
		return fmt.Sprintf("The answer came from the state up to slot %d; %s had been told of slot %d %s before the read began.",
			read.Slot, who(p.before), w.Slot, earlier)
	}
	return fmt.Sprintf("The answer came from the state up to slot %d; slot %d, with the %s of %d, had been acknowledged "+
		"%s before the read began.", read.Slot, w.Slot, p.before.Op.Func, p.before.Op.Value, earlier)
}

// oldState blames a node that answered a read from a state in which something acknowledged was missing, where nothing
// more is known of why it did.
func (d *diagnosis) oldState(p plainly) *verdict.Cause {
	missing := behind(p)
	node, ok := d.server(p.last)
	if missing == "" || !ok || d.in.Facts.Reads == readsLocal || d.newLeader(p) != nil {
		return nil
	}
	return &verdict.Cause{
		Name:     "answered from an old state",
		Says:     fmt.Sprintf("%s answered from a state that was no longer the latest, and did not find that out.", node),
		Evidence: []string{missing},
	}
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
		if r.node == node && r.ballot.compare(chosenIn) > 0 && r.from <= p.last.Return &&
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
