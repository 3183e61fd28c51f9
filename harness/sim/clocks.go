package sim

import (
	"slices"
	"time"

	"elenchus/nemesis/clockshim"
	"elenchus/nemesis/hostclock"
)

// clockMove is one change that a fault makes to a node's clocks while it is in effect. As in package hostclock, the
// latest of several rates counts, and steps add up.
type clockMove struct {
	fault int
	move  hostclock.Move
	swung bool // of a strobe: the clock is stepped now
}

// moveClocks begins a change of a node's clocks.
func (w *World) moveClocks(fault int, n *node, m hostclock.Move) {
	n.moves = append(n.moves, clockMove{fault: fault, move: m, swung: m.Strobe != 0})
	w.setClocks(n)
	if m.Strobe != 0 {
		w.strobeLater(fault, n, m.Every)
	}
}

func (w *World) strobeLater(fault int, n *node, every time.Duration) {
	w.events.push(event{at: w.now + every, kind: eventStrobe, node: uint8(n.index), arg: uint64(fault)})
}

// strobe steps a wall clock, or steps it back.
func (w *World) strobe(n *node, fault int) {
	for i := range n.moves {
		if m := &n.moves[i]; m.fault == fault {
			m.swung = !m.swung
			w.setClocks(n)
			w.strobeLater(fault, n, m.move.Every)
		}
	}
}

// putClocksRight undoes what a fault does to a node's clocks. The monotonic clock does not jump.
func (w *World) putClocksRight(fault int, n *node) {
	n.moves = slices.DeleteFunc(n.moves, func(m clockMove) bool { return m.fault == fault })
	w.setClocks(n)
}

// setClocks applies all changes that are in effect to a node's clocks.
func (w *World) setClocks(n *node) {
	base := w.plan.Clocks[n.index]
	rate, wallRate, offset, moved := base.Rate, int64(0), base.Offset, false
	for i := range n.moves {
		m := &n.moves[i]
		if m.move.Rate != 0 {
			rate, moved = rateOf(m.move), true
			wallRate = rate
		}
		offset += m.move.Step
		if m.swung {
			offset += m.move.Strobe
		}
	}
	changed := n.clock.rate != rate
	w.changeClock(n, func(c *nodeClock) {
		c.setWall(w.now, offset, wallRate, moved)
		if changed {
			c.setRate(w.now, rate)
		}
	})
	if changed {
		w.remapTimers(n)
	}
	w.ghost.checkLeases()
}

// rateOf returns the rate of a change as a difference from true time.
func rateOf(m hostclock.Move) int64 { return int64(m.Rate - clockshim.Nominal) }
