package checker

import (
	"fmt"
	"slices"
	"strconv"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

// tellClash adds to a finding on agreement who led the ballots that it is about, what the clients saw of the commands,
// and which promise was not kept, as far as that is known.
func (d *diagnosis) tellClash(f *verdict.Finding, c clash, p plainly) {
	var told []string
	for _, p := range c {
		if slices.Contains(told, p.ballot) {
			continue
		}
		told = append(told, p.ballot)
		if i := slices.IndexFunc(d.reigns, func(r reign) bool { return r.ballot.String() == p.ballot }); i >= 0 {
			f.Story = append(f.Story, fmt.Sprintf("Ballot %s was led by %s, elected %s.", p.ballot, d.reigns[i].node,
				elected(d.reigns[i])))
		}
	}
	if f.Name == nameTwoValues {
		f.Story = append(f.Story, "A slot may be decided once only, whoever leads: from here on the nodes' states differ, "+
			"and what was acknowledged at one of them may be missing at another.")
		if cause := d.forgottenPromise(plainly{}); cause != nil {
			f.Causes = append(f.Causes, *cause)
			f.Story = append(f.Story, cause.Says)
		}
	}
	if len(p.parts) > 0 {
		p.last = slices.MaxFunc(p.parts, func(a, b part) int { return a.op.ID - b.op.ID }).op
		f.Operations, f.Table = p.operations(), p.rows()
	}
}

// told are the first commands of a slot, as far as the node said what they do.
func (p applied) told() []history.Update { return p.ops[:min(len(p.ops), commandsMax/2)] }

// takesPart finds the operations of clients that a node applied.
func (p *plainly) takesPart(a applied, ops []history.Operation) {
	for _, u := range a.told() {
		i := slices.IndexFunc(ops, func(op history.Operation) bool {
			return op.Op.Func.Mutates() && op.Op.Key == u.Key && strconv.FormatInt(op.Op.Value, 10) == u.Value
		})
		if i >= 0 {
			p.takes(ops[i], fmt.Sprintf("is in slot %d at %s", a.slot, a.node))
		}
	}
}
