package multipaxos

import (
	"fmt"
	"slices"

	"elenchus/node/protocol"
	"elenchus/node/register"
	"elenchus/node/wire"
)

// ghost is an omniscient observer of a cluster. It knows what no node can know, such as which values are chosen, by
// looking at the disks. Each check names the rule it enforces; only the first violation is kept.
type ghost struct {
	nodes     int
	violation error

	highestChosen protocol.Ballot // the highest ballot in which a majority has accepted something

	reports  reports                                              // contents of promises
	checked  map[ballotSlot]bool                                  // proposals found to be safe
	disks    map[protocol.NodeID]map[protocol.Slot]protocol.Entry // each node's durable entries
	proposed map[ballotSlot]string                                // one value per ballot and slot
	accepted map[ballotSlot]map[protocol.NodeID]bool              // nodes whose disk holds it
	chosen   map[protocol.Slot]string                             // one value per slot
	batches  map[protocol.Slot][]register.Command                 // the same, decoded
	owners   map[protocol.Ballot]string                           // one incarnation per ballot
	promised map[protocol.NodeID]protocol.Ballot                  // the highest promise that left the node
	applied  map[string]protocol.Slot                             // last applied slot, by incarnation
	hashes   map[protocol.Slot]uint64                             // state hash at an applied prefix
	shadow   *register.Store                                      // folds the chosen values
	folded   protocol.Slot                                        // last slot folded
	results  map[protocol.Slot]map[string]register.Result         // results of the fold
	logReads map[protocol.Slot][]logRead                          // results of reads through the log
	versions map[string][]version                                 // versions of every register
}

type ballotSlot struct {
	ballot protocol.Ballot
	slot   protocol.Slot
}

type logRead struct {
	key    string
	values []string
}

type version struct {
	slot   protocol.Slot
	values []string
}

func newGhost(nodes int, opts Options) *ghost {
	shadow, err := register.New(register.Options{SessionsMax: opts.SessionsMax})
	if err != nil {
		panic(err)
	}
	return &ghost{
		shadow:   shadow,
		nodes:    nodes,
		reports:  make(reports),
		checked:  make(map[ballotSlot]bool),
		disks:    make(map[protocol.NodeID]map[protocol.Slot]protocol.Entry),
		proposed: make(map[ballotSlot]string),
		accepted: make(map[ballotSlot]map[protocol.NodeID]bool),
		chosen:   make(map[protocol.Slot]string),
		batches:  make(map[protocol.Slot][]register.Command),
		owners:   make(map[protocol.Ballot]string),
		promised: make(map[protocol.NodeID]protocol.Ballot),
		applied:  make(map[string]protocol.Slot),
		hashes:   make(map[protocol.Slot]uint64),
		logReads: make(map[protocol.Slot][]logRead),
		results:  make(map[protocol.Slot]map[string]register.Result),
		versions: make(map[string][]version),
	}
}

func (g *ghost) violated(format string, args ...any) {
	if g.violation == nil {
		g.violation = fmt.Errorf(format, args...)
	}
}

// batchText returns a batch as a string, for comparison and for printing with %q.
func batchText(batch []register.Command) string {
	rec := protocol.Record{Kind: protocol.RecordAccept, Entry: protocol.Entry{Batch: batch}}
	return string(wire.AppendRecord(nil, &rec))
}

// synced observes every record that reaches a disk.
func (g *ghost) synced(node protocol.NodeID, r protocol.Record) {
	if r.Kind != protocol.RecordAccept {
		return
	}
	if g.disks[node] == nil {
		g.disks[node] = make(map[protocol.Slot]protocol.Entry)
	}
	g.disks[node][r.Entry.Slot] = r.Entry // ballots never decrease
	at, value := ballotSlot{r.Entry.Ballot, r.Entry.Slot}, batchText(r.Entry.Batch)
	if old, ok := g.proposed[at]; ok && old != value {
		g.violated("slot %d holds two values in ballot %v: %q and %q", at.slot, at.ballot, old, value)
	}
	g.proposed[at] = value
	if g.accepted[at] == nil {
		g.accepted[at] = make(map[protocol.NodeID]bool)
	}
	g.accepted[at][node] = true
	if len(g.accepted[at]) < protocol.Majority(g.nodes) {
		return
	}
	if old, ok := g.chosen[at.slot]; ok && old != value {
		g.violated("slot %d: two values are chosen: %q and %q", at.slot, old, value)
	}
	if g.highestChosen.Less(at.ballot) {
		g.highestChosen = at.ballot
	}
	g.chosen[at.slot], g.batches[at.slot] = value, r.Entry.Batch
	g.fold()
}

// fold executes the chosen values in order.
func (g *ghost) fold() {
	for {
		batch, ok := g.batches[g.folded+1]
		if !ok {
			return
		}
		g.folded++
		g.results[g.folded] = make(map[string]register.Result)
		for _, c := range batch {
			result := g.shadow.Apply(c)
			if c.Op == register.OpRead {
				g.logReads[g.folded] = append(g.logReads[g.folded], logRead{c.Key, result.Values})
			} else {
				g.results[g.folded][c.ID()] = result
			}
			list := g.versions[c.Key]
			now := g.shadow.Read(c.Key).Values
			if c.Op.Mutates() && (len(list) == 0 || !slices.Equal(list[len(list)-1].values, now)) {
				g.versions[c.Key] = append(list, version{g.folded, now})
			}
		}
		g.hash(g.folded, g.shadow.Hash(), "the fold of what is chosen")
	}
}

func (g *ghost) hash(slot protocol.Slot, hash uint64, who string) {
	if old, ok := g.hashes[slot]; ok && old != hash {
		g.violated("%s: hash %x after slot %d, others have %x", who, hash, slot, old)
	}
	g.hashes[slot] = hash
}

// sent observes every message that leaves a node, together with the highest promise on its disk.
func (g *ghost) sent(incarnation string, msg *protocol.Message, onDisk protocol.Ballot) {
	switch msg.Kind {
	case protocol.MsgPrepare:
		g.used(incarnation, msg.Ballot)
	case protocol.MsgPromise, protocol.MsgAccepted:
		if onDisk.Less(msg.Ballot) {
			g.violated("%v sends %v of %v, its disk has promised %v", msg.From, msg.Kind, msg.Ballot, onDisk)
		}
		if msg.Kind == protocol.MsgPromise {
			g.reports.add(msg)
		}
		if msg.Ballot.Less(g.promised[msg.From]) {
			g.violated("%v sends %v of %v after a promise of %v", msg.From, msg.Kind, msg.Ballot, g.promised[msg.From])
		}
		g.promised[msg.From] = msg.Ballot
	case protocol.MsgChosen:
		for _, e := range msg.Entries {
			g.holds(incarnation, e)
		}
	case protocol.MsgAccept:
		g.used(incarnation, msg.Ballot)
		for _, e := range msg.Entries {
			at, value := ballotSlot{e.Ballot, e.Slot}, batchText(e.Batch)
			if old, ok := g.proposed[at]; ok && old != value {
				g.violated("slot %d is proposed twice in ballot %v: %q and %q", e.Slot, e.Ballot, old, value)
			}
			g.proposed[at] = value
			g.safe(msg.From, e)
		}
	}
}

// holds checks an entry that a node considers chosen.
func (g *ghost) holds(incarnation string, e protocol.Entry) {
	if value, ok := g.chosen[e.Slot]; !ok || value != batchText(e.Batch) {
		g.violated("%s takes %q for chosen in slot %d, chosen is %q", incarnation, batchText(e.Batch), e.Slot, value)
	}
}

// booted checks a restarted node: every log entry that it considers chosen.
func (g *ghost) booted(incarnation string, m *Machine) {
	for slot := m.log.first; slot <= m.committed; slot++ {
		e := m.log.get(slot)
		if e == nil {
			g.violated("%s starts without slot %d of its log, which has committed %d", incarnation, slot, m.committed)
			return
		}
		g.holds(incarnation, e.Entry)
	}
}

// used observes every message that only the owner of a ballot may send.
func (g *ghost) used(incarnation string, b protocol.Ballot) {
	if owner, ok := g.owners[b]; ok && owner != incarnation {
		g.violated("ballot %v is used by %s and by %s", b, owner, incarnation)
	}
	g.owners[b] = incarnation
}

// observed handles a node's own observations, together with the highest promise on its disk.
func (g *ghost) observed(incarnation string, o protocol.Observation, onDisk protocol.Ballot) {
	switch o.Kind {
	case protocol.ObservedElected:
		g.used(incarnation, o.Ballot)
		if onDisk.Less(o.Ballot) {
			g.violated("%s is elected with %v, its own disk has promised %v", incarnation, o.Ballot, onDisk)
		}
	case protocol.ObservedSnapshotInstalled, protocol.ObservedSnapshotRestored:
		if o.Slot > g.folded {
			g.violated("%s has a snapshot of slot %d, chosen is everything up to %d", incarnation, o.Slot, g.folded)
		}
		if o.Kind == protocol.ObservedSnapshotInstalled && o.First != g.applied[incarnation]+1 {
			g.violated("%s installed a snapshot from slot %d on after slot %d", incarnation, o.First, g.applied[incarnation])
		}
		g.applied[incarnation] = max(o.Slot, g.applied[incarnation])
	case protocol.ObservedChosen:
		if _, ok := g.chosen[o.Slot]; !ok {
			g.violated("%s takes slot %d for chosen, and it is not", incarnation, o.Slot)
		}
	case protocol.ObservedApplied:
		if value, ok := g.chosen[o.Slot]; !ok || value != batchText(o.Batch) {
			g.violated("%s applied %q in slot %d, chosen is %q", incarnation, batchText(o.Batch), o.Slot, value)
		}
		if o.Slot != g.applied[incarnation]+1 {
			g.violated("%s applied slot %d after slot %d", incarnation, o.Slot, g.applied[incarnation])
		}
		g.applied[incarnation] = o.Slot
	}
}

// answered checks every positive answer to a mutation: its slot must hold the command and come after the last slot that
// any client had been told of when the request was made, and the result must match the fold.
func (g *ghost) answered(c register.Command, r protocol.Reply, told protocol.Slot) {
	want, ok := g.results[r.Slot][c.ID()]
	switch {
	case !ok:
		g.violated("%v %s was acknowledged in slot %d, which does not hold it", c.Op, c.ID(), r.Slot)
	case r.Slot <= told:
		g.violated("%v %s was acknowledged in slot %d, somebody had been told of slot %d before", c.Op, c.ID(), r.Slot, told)
	case want.Code != r.Result.Code || !slices.Equal(want.Values, r.Result.Values):
		g.violated("%v %s was answered %v, the fold says %v", c.Op, c.ID(), r.Result, want)
	}
}

// read checks every answer to a read, given the last slot that any client had been told of when the request was made.
func (g *ghost) read(c register.Command, r protocol.Reply, mode Reads, told protocol.Slot) (stale bool) {
	if mode == ReadsLog {
		if !slices.ContainsFunc(g.logReads[r.Slot], func(l logRead) bool {
			return l.key == c.Key && slices.Equal(l.values, r.Result.Values)
		}) {
			g.violated("read of %q gave %q, slot %d holds no such read", c.Key, r.Result.Values, r.Slot)
		}
		return r.Slot < told
	}
	var want []string
	for _, v := range g.versions[c.Key] {
		if v.slot <= r.Slot {
			want = v.values
		}
	}
	if !slices.Equal(want, r.Result.Values) {
		g.violated("read of %q at slot %d gave %q, the fold says %q", c.Key, r.Slot, r.Result.Values, want)
	}
	if stale = r.Slot < told; stale && mode != ReadsLocal {
		g.violated("read of %q was served at slot %d, somebody had been told of slot %d before", c.Key, r.Slot, told)
	}
	return stale
}

// happened reports whether the command was executed in any slot.
func (g *ghost) happened(c register.Command) bool {
	for _, results := range g.results {
		if r, ok := results[c.ID()]; ok && (r.Code == register.CodeOK || r.Code == register.CodeMismatch) {
			return true
		}
	}
	return false
}
