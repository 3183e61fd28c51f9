package sim

import (
	"errors"
	"fmt"
	"time"

	"elenchus/node/protocol"
	"elenchus/node/wal"
)

// disk simulates a node's stable storage, and the writes in progress.
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
	turns   []turn            // new logs that are not yet in place, in order

	syncing    bool
	group      int    // how many of pending are being synced …
	groupTurns int    // … and how many of turns
	syncs      uint64 // the number of syncs that have begun

	snapshot *protocol.Snapshot // durable
	saving   *protocol.Snapshot // the snapshot that is being written

	bytes *byteDisk // nil unless the run simulates the disk byte by byte

	// Effects of faults. Those that can overlap are counted.
	stuck    int16
	full     int16
	errors   uint32        // how many syncs in a million fail
	slow     time.Duration // syncs take up to this much longer
	rotten   bool          // damaged: the log is refused
	finished bool          // a sync is complete, but the disk is stuck
	saved    bool          // a snapshot is complete, but the disk is stuck
}

// turn is a new log that replaces the old one, after a given number of the pending records.
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

// wipe empties the disk. The process must have ended.
func (d *disk) wipe() {
	clear(d.records)
	d.records, d.base, d.snapshot, d.rotten = d.records[:0], 0, nil, false
	if d.bytes != nil {
		d.bytes = newByteDisk(d.bytes.rng, d.bytes.node)
	}
}

// write accepts what a machine wants to be durable, and starts a sync if none is in progress.
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

// took draws how long the disk takes for a sync or a snapshot, which the number identifies.
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

// snapshotID separates random choices about snapshots from those about logs.
const snapshotID = 1 << 32

// failing draws whether a sync or the writing of a snapshot fails. Then the process stops, as it must: the kernel may
// have dropped the data, and would report success the next time.
func (w *World) failing(n *node, id, number uint64) bool {
	ppm := w.disk.ErrorPPM + n.disk.errors
	if ppm == 0 || !chance(w.rng.at(forSyncError, id, number), ppm) {
		return false
	}
	w.stats.DiskErrors++
	w.die(n, "sync: input/output error")
	return true
}

// syncDone handles the completion of a sync. The process may be paused meanwhile; the disk is not.
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

// parts returns in how many atomic parts the disk performs the write in progress: groups of records, and new logs
// between them.
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

// persist makes the first parts durable, and ends the write in progress.
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

// replaceLog replaces the old log by a new one.
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

// forgets describes what a new log together with the durable snapshot has lost of the old log; empty if nothing.
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
	for i := range d.records { // the map's order is not determined by the run
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

// fold computes what is recovered from a log.
func fold(r *protocol.Recovered, log []protocol.Record) {
	clear(r.Entries)
	*r = protocol.Recovered{Entries: r.Entries}
	for i := range log {
		r.Apply(log[i])
	}
}

// synced tells a process that a sync is complete.
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

// saveDone handles the completion of a snapshot.
func (w *World) saveDone(n *node, e *event) {
	d := &n.disk
	if !n.up || e.gen != n.life || d.saving == nil || d.saving.Slot != protocol.Slot(e.arg) {
		if n.up && e.gen == n.life && d.saving == nil { // it was paused when the snapshot became durable
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

// unstick ends the stuck state of a disk, which then reports what it has completed.
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

// crashDisk draws what is left of the writes in progress when the process that made them is gone.
func (w *World) crashDisk(n *node) {
	d := &n.disk
	if d.bytes != nil {
		w.crashBytes(n) // what is left is determined when the node starts again
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

// abandon drops the writes that have not reached the disk.
func (d *disk) abandon() {
	clear(d.pending)
	clear(d.turns)
	d.pending, d.turns = d.pending[:0], d.turns[:0]
	d.syncing, d.finished, d.saved, d.group, d.groupTurns, d.saving = false, false, false, 0, 0, nil
}

// unnoticed checks why a disk that is simulated byte by byte cannot be used: if it is damaged, the log itself must
// have detected that.
func (w *World) unnoticed(n *node, err error) {
	if n.disk.rotten && !errors.Is(err, wal.ErrCorrupt) {
		w.violated(Violation{
			Invariant: invariantRecovery, Node: n.index + 1, Message: "a damaged disk is taken for a good one: " + err.Error(),
		})
	}
}

// recover returns what a starting process reads from its disk.
func (w *World) recover(n *node) (protocol.Recovered, error) {
	d := &n.disk
	recovered := protocol.Recovered{}
	switch {
	case d.rotten && d.bytes == nil:
		return recovered, errDiskRotten
	case d.full > 0:
		return recovered, errDiskFull // the last group is written again before anything relies on it
	case d.bytes != nil:
		if err := w.recoverBytes(n); err != nil {
			w.unnoticed(n, err)
			return recovered, err
		}
		d.rotten = false // what was damaged was not needed
	}
	recovered.Snapshot = d.snapshot
	for i := range d.records {
		recovered.Apply(d.records[i])
	}
	return recovered, nil
}
