package sim

import (
	"elenchus/nemesis"
)

// laggard cuts a node off until it is far behind, and turns its power off while it writes what it has missed.
func (h *hazard) laggard() {
	cue := pick(h.d, CueSaving, CueSaved)
	if h.d.chance(50) {
		h.onBytes(50)
	} else { // what was missed comes entry by entry, many at once
		h.p.Node.SnapshotEntries, h.p.Node.CatchupChunk, h.p.Disk.Bytes = 0, 256, true
		h.longValues(pick(h.d, 100, 300))
		cue = CueCaughtUp
	}
	node := h.p.Schedule.Nodes[h.d.below(h.p.Nodes())]
	away, lasts := 2*h.over(), h.over()
	h.cut("away", 0, away, node)
	h.own("disk", away-h.jitter(), lasts, Fault{
		Kind: FaultDiskSlow, Targets: []string{node}, Amount: int64(pick(h.d, 10*ms, 30*ms, 80*ms)),
	})
	h.crash("crash", away+h.d.within(0, 2*h.p.Node.ElectionTimeout), node)
	id := h.crash("again", away, node)
	h.when(Trigger{Fault: id, On: cue, After: h.jitter()})
}

// checkpoint turns the power of a node off when a snapshot has just been reported as durable, or is about to be.
func (h *hazard) checkpoint() {
	h.onBytes(70)
	for _, name := range []string{"first", "second", "third"} {
		id := h.crash(name, 0, nemesis.RoleAny)
		h.when(Trigger{
			Fault: id, On: pick(h.d, CueSaving, CueSaved, CueSaved), Nth: 1 + h.d.below(6), After: h.d.within(0, 3*ms),
			Aim: AimActor,
		})
	}
	h.end += h.over()
}

// onBytes makes snapshots frequent, and in the given percentage of plans has the real log write to disks that are
// simulated sector by sector.
func (h *hazard) onBytes(percent uint32) {
	if o := &h.p.Node; o.SnapshotEntries == 0 || o.SnapshotEntries > 20 {
		o.SnapshotEntries = pick(h.d, 5, 20)
	}
	if h.d.chance(percent) {
		h.p.Disk.Bytes = true
		h.longValues(pick(h.d, 0, 100, 300))
	}
}

// longValues has values written with a given number of digits, over links that are fast enough for them. Election
// timeouts are drawn for short messages: with a link on which the values of a single promise take longer than that,
// nobody would be elected, however correct the nodes are.
func (h *hazard) longValues(digits int) {
	h.p.Load.Digits = digits
	if net := &h.p.Network; digits > 0 && net.Bandwidth > 0 {
		net.Bandwidth = max(net.Bandwidth, bandwidthOfLongValues)
	}
}

// bandwidthOfLongValues is the least bandwidth of a link for long values, in bytes per second: a full window of them
// takes some milliseconds.
const bandwidthOfLongValues = 2_000_000
