package picture

import (
	"testing"

	"elenchus/harness/sim"
	"elenchus/node/protocol"
	"elenchus/node/register"
	"elenchus/results/spacetime"
)

// A change that two slots hold was asked for twice. Two reads of a client were two requests, whose numbers are the same:
// a read has none of its own.
func TestCopiesAreOfChanges(t *testing.T) {
	applied := func(slot protocol.Slot, op register.Op) sim.Moment {
		return sim.Moment{Kind: sim.MomentObserved, Seen: protocol.Observation{Kind: protocol.ObservedApplied, Slot: slot,
			Batch: []register.Command{{Client: 1, Seq: 7, Op: op, Key: "x"}}}}
	}
	for op, want := range map[register.Op]string{register.OpRead: "", register.OpWrite: ", which slot 2 holds, too"} {
		t.Run(op.String(), func(t *testing.T) {
			tell := teller{d: &spacetime.Diagram{}, moments: []sim.Moment{applied(2, op), applied(3, op)}}
			c := tell.copies()
			for i := range tell.moments {
				said := c.applied(&tell.moments[i].Seen)
				if expected := []string{"", want}[i]; said != expected {
					t.Errorf("of slot %d it says %q, want %q", i+2, said, expected)
				}
			}
			c.asked(&tell.moments[0].Seen.Batch[0])
			if said := c.asked(&tell.moments[1].Seen.Batch[0]); (said != "") != (want != "") {
				t.Errorf("of the request it says %q", said)
			}
		})
	}
}
