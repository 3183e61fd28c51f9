package sim

import (
	"elenchus/nemesis"
)

// laggard cuts a node off until it is far behind, and takes its power while it writes all at once what it has missed.
func (h *hazard) laggard() {
	cue := pick(h.d, CueSaving, CueSaved)
	if h.d.chance(50) {
		h.onBytes(50)
	} else { // what was missed comes entry by entry, and many at once
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

// checkpoint takes somebody's power when a snapshot has just been reported to be on disk, or is about to be.
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

// onBytes has snapshots be taken often, and in so many of a hundred plans the real log on disks that are simulated
// sector by sector.
func (h *hazard) onBytes(percent uint32) {
	if o := &h.p.Node; o.SnapshotEntries == 0 || o.SnapshotEntries > 20 {
		o.SnapshotEntries = pick(h.d, 5, 20)
	}
	if h.d.chance(percent) {
		h.p.Disk.Bytes = true
		h.longValues(pick(h.d, 0, 100, 300))
	}
}

// longValues has values written with so many digits, over links that can carry them. Election timeouts are drawn for
// short messages: a link so slow that the values of a single promise take longer than that elects nobody, however
// correct the nodes are.
func (h *hazard) longValues(digits int) {
	h.p.Load.Digits = digits
	if net := &h.p.Network; digits > 0 && net.Bandwidth > 0 {
		net.Bandwidth = max(net.Bandwidth, bandwidthOfLongValues)
	}
}

// bandwidthOfLongValues is the least bandwidth of a link for long values, in bytes a second: a window full of them
// takes some milliseconds.
const bandwidthOfLongValues = 2_000_000
