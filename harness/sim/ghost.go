package sim

import (
	"math/bits"
	"slices"
	"strings"

	"elenchus/node/protocol"
	"elenchus/node/register"
)

// ghost observes a whole cluster in true time and knows what no node knows: what is durable where, and therefore
// which values are chosen. It is told every observation that a node reports of itself, every message and answer that
// leaves a node, and every record that becomes durable, and checks them against the rules that make the protocol
// correct. The first violation ends the run.
//
// Its work is proportional to the number of events, not to the size of its state: it never scans anything.
type ghost struct {
	w      *World
	quorum int

	slots   []slotGhost
	highest protocol.Ballot // of those in which something was chosen
	nodes   [nodesMax]nodeGhost
	ballots map[protocol.Ballot]*ballotGhost
	spare   []*ballotGhost // reused by the next run
	model   model
	lease   leaseGhost
}

// slotGhost is what is known of one position of the log.
type slotGhost struct {
	first  proposal
	more   []proposal // proposals in other ballots; rare
	chosen bool
	value  uint64 // the fingerprint of the chosen value
	batch  []register.Command
	hash   uint64 // the hash of the state after it, as reported by the first node that applied it
	hashed bool
}

// proposal is a value that was proposed in one slot and ballot.
type proposal struct {
	ballot  protocol.Ballot
	value   uint64
	batch   []register.Command
	durable uint16 // the nodes that have it on disk
	safe    bool   // the promises were found to allow it
}

// nodeGhost is what is known of one node.
type nodeGhost struct {
	onDisk   protocol.Ballot // the highest promise that is durable
	promised protocol.Ballot // the highest promise that ever left the node
	accepted []protocol.Ballot
	applied  protocol.Slot // of this incarnation
	first    protocol.Slot // earlier slots are covered by a snapshot; zero if there is none
}

// slotsMax is the number from which a slot is taken for an error. Runs are shorter.
const slotsMax = 1 << 20

func (g *ghost) reset(w *World) {
	g.w, g.quorum = w, protocol.Majority(w.n)
	clear(g.slots)
	g.slots = g.slots[:0]
	g.highest = protocol.Ballot{}
	for i := range g.nodes {
		n := &g.nodes[i]
		*n = nodeGhost{accepted: n.accepted[:0]}
	}
	for _, b := range g.ballots {
		g.spare = append(g.spare, b)
	}
	if g.ballots == nil {
		g.ballots = make(map[protocol.Ballot]*ballotGhost)
	}
	clear(g.ballots)
	g.model.reset(w)
	g.lease.reset(w.plan)
}

// slot returns what is known of a slot, creating it if need be; nil for a number that is impossible.
func (g *ghost) slot(slot protocol.Slot) *slotGhost {
	if slot == 0 || slot > slotsMax {
		return nil
	}
	for protocol.Slot(len(g.slots)) < slot {
		g.slots = append(g.slots, slotGhost{})
	}
	return &g.slots[slot-1]
}

// proposal returns the proposal of a ballot in the slot, creating it if need be.
func (s *slotGhost) proposal(b protocol.Ballot) *proposal {
	if s.first.ballot == b {
		return &s.first
	}
	if s.first.ballot.IsZero() {
		s.first.ballot = b
		return &s.first
	}
	for i := range s.more {
		if s.more[i].ballot == b {
			return &s.more[i]
		}
	}
	s.more = append(s.more, proposal{ballot: b})
	return &s.more[len(s.more)-1]
}

// fingerprint is a digest of a batch. That of a no-op is not zero.
func fingerprint(batch []register.Command) uint64 {
	h := mix(uint64(len(batch)), spread2)
	for i := range batch {
		c := &batch[i]
		h = mix(h, uint64(c.Client)<<32^c.Seq<<4^uint64(c.Op))
		h = mix(h, digest(c.Key)^bits.RotateLeft64(digest(c.Value), 17))
		if c.Expect != "" || c.ExpectAbsent {
			h = mix(h, digest(c.Expect)+1)
		}
	}
	return h
}

// digest is a hash of a string; most are shorter than a word.
func digest(s string) uint64 {
	h := uint64(len(s))
	for len(s) >= 8 {
		h = mix(h, word(s[:8]))
		s = s[8:]
	}
	if len(s) > 0 {
		h = mix(h, word(s))
	}
	return h
}

// word converts up to eight bytes to a number.
func word(s string) (v uint64) {
	for i := 0; i < len(s); i++ {
		v |= uint64(s[i]) << (8 * i)
	}
	return v
}

// sameMemory reports whether two batches share their memory, and so are equal without a comparison. Nodes that pass
// each other messages as values share them; this only saves time.
func sameMemory(a, b []register.Command) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// note records a value that was seen in a slot and ballot, and compares it with what was seen there before.
func (g *ghost) note(node int, e *protocol.Entry) (*slotGhost, *proposal) {
	s := g.slot(e.Slot)
	if s == nil {
		g.violated(Violation{
			Invariant: invariantContract, Node: node, Slot: e.Slot, Ballot: e.Ballot, Message: "the node names an absurd slot",
		})
		return nil, nil
	}
	p := s.proposal(e.Ballot)
	switch {
	case p.value == 0:
		p.value, p.batch = fingerprint(e.Batch), e.Batch
	case sameMemory(p.batch, e.Batch):
	case p.value != fingerprint(e.Batch):
		g.violated(Violation{
			Invariant: invariantOneValue, Node: node, Slot: e.Slot, Ballot: e.Ballot,
			Message: "the ballot has " + describeBatch(p.batch) + " and " + describeBatch(e.Batch) + " there",
		})
		return nil, nil
	}
	return s, p
}

// synced is told of every record that becomes durable.
func (g *ghost) synced(n *node, r *protocol.Record) {
	me := &g.nodes[n.index]
	switch r.Kind {
	case protocol.RecordPromise:
		if me.onDisk.Less(r.Ballot) {
			me.onDisk = r.Ballot
		}
	case protocol.RecordAccept:
		g.accepted(n, me, &r.Entry)
	}
}

func (g *ghost) accepted(n *node, me *nodeGhost, e *protocol.Entry) {
	if me.onDisk.Less(e.Ballot) {
		me.onDisk = e.Ballot
	}
	s, p := g.note(n.index+1, e)
	if s == nil {
		return
	}
	for protocol.Slot(len(me.accepted)) < e.Slot {
		me.accepted = append(me.accepted, protocol.Ballot{})
	}
	if before := me.accepted[e.Slot-1]; e.Ballot.Less(before) {
		g.violated(Violation{
			Invariant: invariantAcceptFalls, Node: n.index + 1, Slot: e.Slot, Ballot: e.Ballot,
			Message: "the node accepts it in " + e.Ballot.String() + ", and had accepted it in " + before.String(),
		})
		return
	}
	me.accepted[e.Slot-1] = e.Ballot
	p.durable |= 1 << n.index
	if bits.OnesCount16(p.durable) < g.quorum {
		return
	}
	if s.chosen {
		if s.value != p.value {
			g.violated(Violation{
				Invariant: invariantAgreement, Node: n.index + 1, Slot: e.Slot, Ballot: e.Ballot,
				Message: "chosen was " + describeBatch(s.batch) + ", and now in ballot " + e.Ballot.String() + " " +
					describeBatch(p.batch),
			})
		}
		return
	}
	s.chosen, s.value, s.batch = true, p.value, p.batch
	if g.w.cued&onChosen != 0 {
		g.w.cue(onChosen, &g.w.nodes[max(1, e.Ballot.Node)-1])
	}
	if g.highest.Less(e.Ballot) {
		g.highest = e.Ballot
		g.checkLeases()
	}
	g.fold()
}

// fold executes chosen values, in order.
func (g *ghost) fold() {
	for int(g.model.folded) < len(g.slots) {
		s := &g.slots[g.model.folded]
		if !s.chosen {
			return
		}
		g.model.folded++
		for i := range s.batch {
			g.model.execute(g.model.folded, &s.batch[i])
		}
	}
}

// observed is told what a node did in a step.
func (g *ghost) observed(n *node, fx *protocol.Effects) {
	applied := false
	for i := range fx.Observations {
		o := &fx.Observations[i]
		g.w.hash = mix(g.w.hash, uint64(o.Kind)<<40^uint64(o.Slot))
		g.w.trace.observed(g.w.now, n, o)
		g.w.observedCue(n, o.Kind)
		switch o.Kind {
		case protocol.ObservedElected:
			g.elected(n, o)
		case protocol.ObservedChosen:
			g.claimed(n, o)
		case protocol.ObservedApplied:
			applied = true
			g.applied(n, o)
		case protocol.ObservedSnapshotInstalled, protocol.ObservedSnapshotRestored:
			applied = true
			g.skipped(n, o)
		case protocol.ObservedSnapshotTaken:
			g.nodes[n.index].first = o.First
		case protocol.ObservedRecovered:
			g.recovered(n, o)
		case protocol.ObservedCaughtUp:
			g.w.stats.CaughtUp++
		case protocol.ObservedDeposed:
			g.w.stats.Deposed++
		default:
			g.observedLease(n, o, fx.Sends)
		}
	}
	if applied && g.w.violation == nil {
		g.hashes(n)
	}
}

// claimed checks that a value which a node takes for chosen is chosen.
func (g *ghost) claimed(n *node, o *protocol.Observation) {
	if s := g.slot(o.Slot); s == nil || !s.chosen {
		g.violated(Violation{
			Invariant: invariantJustified, Node: n.index + 1, Slot: o.Slot, Ballot: o.Ballot,
			Message: g.whereabouts(s),
		})
	}
}

// whereabouts lists the values that the disks have for a slot.
func (g *ghost) whereabouts(s *slotGhost) string {
	if s == nil || s.first.ballot.IsZero() {
		return "no disk has a value for the slot"
	}
	text := ""
	tell := func(p *proposal) {
		var names []string
		for i := range g.w.n {
			if p.durable>>i&1 == 1 {
				names = append(names, g.w.names[i])
			}
		}
		if len(names) > 0 {
			text += "ballot " + p.ballot.String() + " has " + describeBatch(p.batch) + " on the disk of " +
				strings.Join(names, " and ") + ", "
		}
	}
	tell(&s.first)
	for i := range s.more {
		tell(&s.more[i])
	}
	if text == "" {
		return "no disk has a value for the slot yet"
	}
	return text + "and a majority are " + decimal(uint64(g.quorum)) + " of " + decimal(uint64(g.w.n))
}

// applied checks that a node applies chosen values, slot by slot.
func (g *ghost) applied(n *node, o *protocol.Observation) {
	me, s := &g.nodes[n.index], g.slot(o.Slot)
	switch {
	case s == nil || !s.chosen:
		g.violated(Violation{
			Invariant: invariantJustified, Node: n.index + 1, Slot: o.Slot, Ballot: o.Ballot,
			Message: "the node applies " + describeBatch(o.Batch) + "; " + g.whereabouts(s),
		})
	case !sameMemory(s.batch, o.Batch) && s.value != fingerprint(o.Batch):
		g.violated(Violation{
			Invariant: invariantPrefix, Node: n.index + 1, Slot: o.Slot, Ballot: o.Ballot,
			Message: "the node applies " + describeBatch(o.Batch) + ", chosen is " + describeBatch(s.batch),
		})
	case o.Slot != me.applied+1:
		g.violated(Violation{
			Invariant: invariantPrefix, Node: n.index + 1, Slot: o.Slot, Ballot: o.Ballot,
			Message: "the node applies it after slot " + decimal(uint64(me.applied)),
		})
	}
	me.applied = o.Slot
}

// skipped checks that a snapshot which takes the place of a node's state covers only what is chosen, and more than
// what the node has applied.
func (g *ghost) skipped(n *node, o *protocol.Observation) {
	me := &g.nodes[n.index]
	v := Violation{Invariant: invariantPrefix, Node: n.index + 1, Slot: o.Slot, Ballot: o.Ballot}
	switch {
	case o.Slot > g.model.folded:
		v.Invariant, v.Message = invariantJustified, "a snapshot covers slots that are not chosen"
		g.violated(v)
	case o.Slot <= me.applied:
		v.Message = "the node goes back to a snapshot from slot " + decimal(uint64(me.applied))
		g.violated(v)
	}
	if me.applied, me.first = o.Slot, o.Slot+1; o.Kind == protocol.ObservedSnapshotInstalled {
		g.w.stats.Installed++
	}
}

// hashes checks that nodes which have applied the same slots are in the same state.
func (g *ghost) hashes(n *node) {
	status := n.machine.Status(n.clock.reading(g.w.now))
	s := g.slot(status.Applied)
	switch {
	case s == nil:
	case !s.hashed:
		s.hash, s.hashed = status.Hash, true
		g.w.hash = mix(g.w.hash, status.Hash)
	case s.hash != status.Hash:
		g.violated(Violation{
			Invariant: invariantStateHash, Node: n.index + 1, Slot: status.Applied, Ballot: status.Ballot,
			Message: "the node's state after slot " + decimal(uint64(status.Applied)) +
				" is not the one that another node had there",
		})
	}
}

// booted is told of a new incarnation.
//
// A grant outlives the crash of its granter, unless the granter has learned meanwhile of values chosen in a higher
// ballot: that this one was elected proves the lease to be over, and the promise of it is what the restart finds.
func (g *ghost) booted(n *node) {
	me := &g.nodes[n.index]
	me.applied, me.first = 0, 0
	if g.lease.grants[n.index].ballot.Less(me.onDisk) {
		g.lease.grants[n.index] = grantGhost{}
	}
}

// recovered checks that a restarted node knows what it has promised.
func (g *ghost) recovered(n *node, o *protocol.Observation) {
	if me := &g.nodes[n.index]; o.Ballot.Less(me.onDisk) {
		g.violated(Violation{
			Invariant: invariantRecovery, Node: n.index + 1, Ballot: o.Ballot,
			Message: "the node starts with the promise of " + o.Ballot.String() + ", its disk has " + me.onDisk.String(),
		})
	}
}

// crashed is told of the end of an incarnation.
func (g *ghost) crashed(n *node) { g.lease.believes[n.index] = belief{} }

// wiped is told that a disk was emptied. From now on nothing that the node has promised is expected of it; if that
// breaks something, the violation is one of agreement.
func (g *ghost) wiped(n *node) {
	me := &g.nodes[n.index]
	*me = nodeGhost{accepted: me.accepted[:0]}
	g.lease.grants[n.index] = grantGhost{}
}

func (g *ghost) violated(v Violation) { g.w.violated(v) }

func describeBatch(batch []register.Command) string {
	if len(batch) == 0 {
		return "a no-op"
	}
	text := ""
	for i := range batch {
		if i == 4 {
			return text + ", …"
		}
		if i > 0 {
			text += ", "
		}
		text += describeCommand(&batch[i])
	}
	return text
}

func describeCommand(c *register.Command) string {
	text := c.Op.String() + " " + c.Key
	switch {
	case c.Op == register.OpCAS && c.ExpectAbsent:
		text += " absent→" + c.Value
	case c.Op == register.OpCAS:
		text += " " + c.Expect + "→" + c.Value
	case c.Value != "":
		text += " " + c.Value
	}
	return text + " (" + c.ID() + ")"
}

// equalValues compares two answers.
func equalValues(a, b []string) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0] || slices.Equal(a, b))
}
