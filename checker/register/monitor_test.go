package register

import (
	"math/rand/v2"
	"testing"
)

// However long a history is, a monitor remembers only what overlaps, and updates that may yet be seen.
func TestMonitorForgets(t *testing.T) {
	const clients, operations = 8, 30_000
	for _, kind := range []Kind{Write, CAS} {
		rng := rand.New(rand.NewPCG(1, uint64(kind)))
		var m Monitor
		var open [clients]Ticket
		var ops [clients]Op // of the outstanding operations; they took effect as they were called
		busy := [clients]bool{}
		content, present := int64(0), false
		unknown := 0
		for at := int64(1); at <= 2*operations; at++ {
			c := rng.IntN(clients)
			op := &ops[c]
			ok := true
			switch {
			case busy[c] && op.Kind == Read && op.Absent:
				ok = m.FoundNothing(open[c], at)
			case busy[c] && op.Kind == Read:
				ok = m.Found(open[c], at, op.Sees)
			case busy[c]:
				ok = m.Done(open[c], at)
			default:
				*op = Op{Call: at, Sees: content, Absent: !present}
				if rng.IntN(2) == 0 {
					op.Kind, op.Writes = kind, at
				}
				open[c] = m.Invoke(op)
				if op.Kind != Read && rng.IntN(200) == 0 {
					m.Unknown(open[c], at) // and it never takes effect
					unknown++
					continue
				}
				if op.Kind != Read {
					content, present = at, true
				}
			}
			busy[c] = !busy[c]
			if !ok {
				t.Fatalf("kind %d at %d: %s", kind, at, m.Reason())
			}
		}
		for what, n := range map[string]int{
			"segments": len(m.segs.items) - unknown, "values": m.values.used - unknown, "blocks": len(m.blocks.items),
			"operations": len(m.ops.items), "recent": len(m.recent.first), "alive": len(m.alive.items),
			"replaced": len(m.replaced.items),
		} {
			if n > 500 {
				t.Errorf("kind %d: %d %s are remembered", kind, n, what)
			}
		}
		if unknown < 20 {
			t.Errorf("only %d updates of unknown outcome", unknown)
		}
	}
}
