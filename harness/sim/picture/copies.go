package picture

import (
	"fmt"
	"slices"
	"strings"

	"elenchus/harness/sim"
	"elenchus/node/protocol"
	"elenchus/node/register"
)

// request names what a client asked for. Asked for again it is the same request.
type request struct {
	client register.ClientID
	seq    uint64
}

// copies are the slots that hold each request for a change that was applied. There are several when a client that heard
// nothing asks again and both copies are chosen; nodes must execute the first of them only.
type copies struct {
	slots map[request][]protocol.Slot // in order
	heard map[request]int             // how often it has reached a node so far
}

func (t *teller) copies() copies {
	c := copies{slots: make(map[request][]protocol.Slot), heard: make(map[request]int)}
	for i := range t.moments {
		m := &t.moments[i]
		if m.Kind != sim.MomentObserved || m.Seen.Kind != protocol.ObservedApplied || m.At > t.d.End {
			continue
		}
		for k := range m.Seen.Batch {
			if m.Seen.Batch[k].Op == register.OpRead { // reads have no number of their own, and may be executed twice
				continue
			}
			r := requestOf(&m.Seen.Batch[k])
			if at, known := slices.BinarySearch(c.slots[r], m.Seen.Slot); !known {
				c.slots[r] = slices.Insert(c.slots[r], at, m.Seen.Slot)
			}
		}
	}
	return c
}

func requestOf(c *register.Command) request { return request{c.Client, c.Seq} }

// asked says that a request comes to a node again, if that put it into the log again.
func (c *copies) asked(what *register.Command) string {
	r := requestOf(what)
	c.heard[r]++
	if what.Op == register.OpRead || len(c.slots[r]) < 2 || c.heard[r] < 2 {
		return ""
	}
	return "is asked again for " + command(what) + ", whose client has heard nothing"
}

// applied says which commands of a slot an earlier slot holds, too.
func (c *copies) applied(o *protocol.Observation) string {
	if o.Kind != protocol.ObservedApplied {
		return ""
	}
	if len(o.Batch) == 1 {
		if at := c.before(&o.Batch[0], o.Slot); at > 0 {
			return fmt.Sprintf(", which slot %d holds, too", at)
		}
		return ""
	}
	var again []string
	for k := range o.Batch {
		what := &o.Batch[k]
		if at := c.before(what, o.Slot); at > 0 {
			again = append(again, fmt.Sprintf("%s is in slot %d, too", command(what), at))
		}
	}
	if len(again) == 0 {
		return ""
	}
	return " (" + strings.Join(again, "; ") + ")"
}

// before is the first slot before another that holds the same request; 0 if none does.
func (c *copies) before(what *register.Command, slot protocol.Slot) protocol.Slot {
	if at := c.slots[requestOf(what)]; what.Op != register.OpRead && len(at) > 0 && at[0] < slot {
		return at[0]
	}
	return 0
}
