package sim

import (
	"errors"
	"fmt"
	"time"

	"elenchus/node/protocol"
	"elenchus/node/wal"
)

// disk is what a node has on stable storage, and what is on its way there.
//
// The write-ahead log writes its records in groups, one at a time, each of which survives a crash whole or not at all
// (package wal); what is not in a group yet is in the memory of the process. A new log takes the place of the old one
// in the stream of these writes, and a snapshot is written beside it, both whole or not at all. So a log can be a
// list of records, and a crash a draw of how far the disk has come. A run with Disk.Bytes has the real log and real
// sectors instead.
type disk struct {
	records []protocol.Record // durable, over all incarnations
	base    protocol.Slot     // of the snapshot that the log rests on
	pending []protocol.Record // written by this incarnation, and not durable
	turns   []turn            // new logs that are not in place yet, in order

	syncing    bool
	group      int    // so many of pending are being synced …
	groupTurns int    // … and so many of turns
	syncs      uint64 // begun so far

	snapshot *protocol.Snapshot // durable
	saving   *protocol.Snapshot // on its way

	bytes *byteDisk // nil for a log that is a list of records

	// What faults do to it. Those that can overlap are counted.
	stuck    int16
	full     int16
	errors   uint32        // so many syncs in a million fail
	slow     time.Duration // syncs take up to this much longer
	rotten   bool          // damaged: the log is refused
	finished bool          // a sync would be done, if the disk were not stuck
	saved    bool          // a snapshot would be, likewise
}

// turn is a new log that takes the place of the old one, behind so many of the pending records.
type turn struct {
	behind int
	to     *protocol.Compaction
}

var (
	errDiskRotten = errors.New("log is corrupt")
	errDiskFull   = errors.New("no space left on device")
)

func (d *disk) reset() {
	clear(d.records)
	clear(d.pending)
	clear(d.turns)
	*d = disk{records: d.records[:0], pending: d.pending[:0], turns: d.turns[:0]}
}

// wipe empties the disk of a process that is gone.
func (d *disk) wipe() {
	clear(d.records)
	d.records, d.base, d.snapshot, d.rotten = d.records[:0], 0, nil, false
	if d.bytes != nil {
		d.bytes = newByteDisk(d.bytes.rng, d.bytes.node)
	}
}

// write takes over what a machine wants to be durable, and starts a sync if none is under way.
func (w *World) write(n *node, fx *protocol.Effects) {
	d := &n.disk
	if d.full > 0 {
		w.stats.DiskErrors++
		w.die(n, "write log: "+errDiskFull.Error())
		return
	}
	if fx.Snapshot != nil {
		w.startSave(n, fx.Snapshot)
	}
	if fx.Compaction != nil {
		d.turns = append(d.turns, turn{len(d.pending), fx.Compaction})
	}
	n.written += protocol.WriteSeq(len(fx.Records))
	if len(fx.Records) > 0 {
		w.trace.records(w.now, MomentWritten, n, n.written)
	}
	d.pending = append(d.pending, fx.Records...)
	if !d.syncing && (len(d.pending) > 0 || len(d.turns) > 0) {
		w.startSync(n)
	}
}

// took draws how long the disk needs for something: a sync, or a snapshot, by its number.
func (w *World) took(n *node, id, number uint64) time.Duration {
	p := &w.disk
	took := p.Sync + within(w.rng.at(forSync, id, number), 0, p.Jitter+n.disk.slow)
	if p.TailPPM != 0 && chance(w.rng.at(forSyncTail, id, number), p.TailPPM) {
		took += within(w.rng.at(forTailDelay, id, number), 0, p.Tail)
	}
	return took
}

func (w *World) startSync(n *node) {
	d := &n.disk
	d.syncing, d.finished, d.group, d.groupTurns = true, false, len(d.pending), len(d.turns)
	d.syncs++
	took := w.took(n, uint64(n.index), d.syncs)
	w.events.push(event{at: w.now + took, kind: eventSync, node: uint8(n.index), gen: n.life})
}

// startSave begins to write a snapshot beside the log.
func (w *World) startSave(n *node, s *protocol.Snapshot) {
	d := &n.disk
	if d.saving != nil || d.snapshot != nil && s.Slot <= d.snapshot.Slot {
		w.violated(Violation{
			Invariant: invariantContract, Node: n.index + 1, Slot: s.Slot,
			Message: "the machine asks for a snapshot out of turn",
		})
		return
	}
	d.saving, d.saved = s, false
	if w.cued&onSaving != 0 {
		w.cue(onSaving, n)
	}
	took := 2 * w.took(n, snapshotID|uint64(n.index), uint64(s.Slot))
	w.events.push(event{at: w.now + took, kind: eventSaved, node: uint8(n.index), gen: n.life, arg: uint64(s.Slot)})
}

// snapshotID keeps draws about snapshots apart from those about logs.
const snapshotID = 1 << 32

// failing draws whether what the disk was asked to do fails. The process stops, as it must: the kernel may have
// dropped what it could not write, and would report success next time.
func (w *World) failing(n *node, id, number uint64) bool {
	ppm := w.disk.ErrorPPM + n.disk.errors
	if ppm == 0 || !chance(w.rng.at(forSyncError, id, number), ppm) {
		return false
	}
	w.stats.DiskErrors++
	w.die(n, "sync: input/output error")
	return true
}

// syncDone is a disk that has done what it was asked to. The process may stand still meanwhile; the disk does not.
func (w *World) syncDone(n *node, e *event) {
	d := &n.disk
	if !n.up || e.gen != n.life || !d.syncing {
		return
	}
	if d.stuck > 0 {
		d.finished = true
		return
	}
	if w.failing(n, uint64(n.index), d.syncs) {
		return
	}
	if err := w.persistBytes(n); err != nil {
		w.violated(Violation{Invariant: invariantStart, Node: n.index + 1, Message: "write log: " + err.Error()})
		return
	}
	w.stats.Syncs++
	n.onDisk += protocol.WriteSeq(d.group)
	w.trace.records(w.now, MomentDurable, n, n.onDisk)
	w.persist(n, d.parts())
	w.synced(n, &event{
		at: w.now, kind: eventSynced, node: uint8(n.index), gen: n.life, arg: uint64(n.onDisk),
	})
}

// parts is in how many pieces, each whole or not at all, the disk does what it is doing: groups of records, and new
// logs between them.
func (d *disk) parts() int {
	count, taken := 0, 0
	for i := range d.turns[:d.groupTurns] {
		if behind := d.turns[i].behind; behind > taken {
			count, taken = count+1, behind
		}
		count++
	}
	if taken < d.group {
		count++
	}
	return count
}

// persist makes the first of the parts durable, and is done with what was under way.
func (w *World) persist(n *node, parts int) {
	d := &n.disk
	taken, turned := 0, 0
	for range parts {
		next := d.group
		if turned < d.groupTurns {
			next = d.turns[turned].behind
		}
		if taken == next {
			w.replaceLog(n, d.turns[turned].to)
			turned++
			continue
		}
		for i := taken; i < next; i++ {
			w.ghost.synced(n, &d.pending[i])
		}
		d.records = append(d.records, d.pending[taken:next]...)
		taken = next
	}
	d.syncing, d.group, d.groupTurns = false, 0, 0
	left := copy(d.pending, d.pending[taken:])
	clear(d.pending[left:])
	d.pending = d.pending[:left]
	if len(d.turns) > 0 {
		left = copy(d.turns, d.turns[turned:])
		clear(d.turns[left:])
		d.turns = d.turns[:left]
		for i := range d.turns {
			d.turns[i].behind -= taken
		}
	}
}

// replaceLog puts a new log in the place of the old one.
func (w *World) replaceLog(n *node, to *protocol.Compaction) {
	d := &n.disk
	w.stats.Compactions++
	if message := w.forgets(d, to); message != "" {
		w.violated(Violation{
			Invariant: invariantCompaction, Node: n.index + 1, Slot: to.Slot, Message: "the new log " + message,
		})
	}
	clear(d.records)
	d.records, d.base = append(d.records[:0], to.Records...), to.Slot
}

// forgets says what a new log has lost, beside the durable snapshot.
func (w *World) forgets(d *disk, to *protocol.Compaction) string {
	if d.snapshot == nil || d.snapshot.Slot < to.Slot {
		return "rests on a snapshot that is not durable"
	}
	was, is := &w.folds[0], &w.folds[1]
	fold(was, d.records)
	fold(is, to.Records)
	switch {
	case is.Round.Less(was.Round):
		return "forgets the ballot " + was.Round.String()
	case is.Promised.Less(was.Promised):
		return "forgets the promise of " + was.Promised.String()
	case is.Committed < was.Committed:
		return fmt.Sprintf("forgets that slot %d is committed", was.Committed)
	}
	for i := range d.records { // not the map, whose order is not that of the run
		e := &d.records[i].Entry
		if d.records[i].Kind != protocol.RecordAccept || e.Slot <= d.snapshot.Slot {
			continue
		}
		if now, ok := is.Entries[e.Slot]; !ok || now.Ballot.Less(e.Ballot) {
			return fmt.Sprintf("forgets what slot %d has accepted", e.Slot)
		}
	}
	return ""
}

// fold makes r what is recovered from a log.
func fold(r *protocol.Recovered, log []protocol.Record) {
	clear(r.Entries)
	*r = protocol.Recovered{Entries: r.Entries}
	for i := range log {
		r.Apply(log[i])
	}
}

// synced tells a process that a sync is done.
func (w *World) synced(n *node, e *event) {
	if !n.up || e.gen != n.life {
		return
	}
	if n.still() {
		n.backlog = append(n.backlog, *e)
		return
	}
	if seq := protocol.WriteSeq(e.arg); seq > n.durable {
		n.durable = seq
	}
	if d := &n.disk; !d.syncing && (len(d.pending) > 0 || len(d.turns) > 0) {
		w.startSync(n)
	}
	w.released(n)
	if n.up && w.violation == nil {
		w.step(n, &protocol.Input{Kind: protocol.InputDurable, Durable: n.durable})
	}
}

// saveDone is a disk that has written a snapshot.
func (w *World) saveDone(n *node, e *event) {
	d := &n.disk
	if !n.up || e.gen != n.life || d.saving == nil || d.saving.Slot != protocol.Slot(e.arg) {
		if n.up && e.gen == n.life && d.saving == nil { // it stood still when this was done
			w.toldSaved(n, e)
		}
		return
	}
	if d.stuck > 0 {
		d.saved = true
		return
	}
	if w.failing(n, snapshotID|uint64(n.index), e.arg) {
		return
	}
	if err := w.saveBytes(n); err != nil {
		w.violated(Violation{Invariant: invariantStart, Node: n.index + 1, Message: err.Error()})
		return
	}
	w.stats.Snapshots++
	d.snapshot, d.saving = d.saving, nil
	if w.cued&onSaved != 0 {
		w.cue(onSaved, n)
	}
	w.toldSaved(n, e)
}

// toldSaved tells a process that its snapshot is durable.
func (w *World) toldSaved(n *node, e *event) {
	if n.still() {
		n.backlog = append(n.backlog, *e)
		return
	}
	w.step(n, &protocol.Input{Kind: protocol.InputSnapshotted, Snapshotted: protocol.Slot(e.arg)})
}

// unstick lets a disk go on, and report what it has done.
func (w *World) unstick(n *node) {
	d := &n.disk
	if d.stuck > 0 {
		return
	}
	if d.finished {
		d.finished = false
		w.events.push(event{at: w.now, kind: eventSync, node: uint8(n.index), gen: n.life})
	}
	if d.saved {
		d.saved = false
		w.events.push(event{
			at: w.now, kind: eventSaved, node: uint8(n.index), gen: n.life, arg: uint64(d.saving.Slot),
		})
	}
}

// crashDisk is what is left of a disk's writes when the process that asked for them is gone.
func (w *World) crashDisk(n *node) {
	d := &n.disk
	if d.bytes != nil {
		w.crashBytes(n) // what is left is found out when the node starts again
		return
	}
	if d.saving != nil && w.rng.at(forGroup, snapshotID|uint64(n.index), uint64(d.saving.Slot))&1 == 0 {
		d.snapshot = d.saving
	}
	if d.syncing {
		parts := d.parts()
		done := int(below(w.rng.at(forGroup, uint64(n.index), d.syncs), uint64(parts)+1))
		if done < parts {
			w.stats.TornGroups++
		}
		w.persist(n, done)
	}
	d.abandon()
}

// abandon forgets what has not come to the disk.
func (d *disk) abandon() {
	clear(d.pending)
	clear(d.turns)
	d.pending, d.turns = d.pending[:0], d.turns[:0]
	d.syncing, d.finished, d.saved, d.group, d.groupTurns, d.saving = false, false, false, 0, 0, nil
}

// unnoticed is told why a disk with real bytes cannot be used. If it was damaged, the log itself has to say so.
func (w *World) unnoticed(n *node, err error) {
	if n.disk.rotten && !errors.Is(err, wal.ErrCorrupt) {
		w.violated(Violation{
			Invariant: invariantRecovery, Node: n.index + 1, Message: "a damaged disk is taken for a good one: " + err.Error(),
		})
	}
}

// recover is what a starting process finds on its disk.
func (w *World) recover(n *node) (protocol.Recovered, error) {
	d := &n.disk
	recovered := protocol.Recovered{}
	switch {
	case d.rotten && d.bytes == nil:
		return recovered, errDiskRotten
	case d.full > 0:
		return recovered, errDiskFull // the last group is written again before it is relied upon
	case d.bytes != nil:
		if err := w.recoverBytes(n); err != nil {
			w.unnoticed(n, err)
			return recovered, err
		}
		d.rotten = false // what was damaged had not been relied upon
	}
	recovered.Snapshot = d.snapshot
	for i := range d.records {
		recovered.Apply(d.records[i])
	}
	return recovered, nil
}
