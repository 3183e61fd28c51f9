package picture

import (
	"fmt"
)

// words are the title and what stands below it.
func (t *teller) words() {
	v := t.result.Violation
	t.d.Caption = fmt.Sprintf("Seed %d, hash %016x. Times are the simulator's, which no node can see. What can have led "+
		"to the failure is drawn in full, the rest is faint. Rest the pointer on anything to read more.", t.result.Seed,
		t.result.Hash)
	if t.from > 0 {
		t.d.Caption += fmt.Sprintf(" The first %.1f ms are left out.", float64(t.from)/1e6)
	}
	if v == nil {
		t.d.Title = "Nothing went wrong"
		t.d.Subtitle = "The run as it was, with everything that was sent."
		return
	}
	t.d.Title, t.d.Subtitle = v.Explain(t.plan.Schedule.Nodes)
}
