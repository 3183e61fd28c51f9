package sim

import (
	"errors"
	"time"

	"elenchus/node/protocol"
)

// disk is what a node has on stable storage, and what is on its way there.
//
// The write-ahead log writes its records in groups, one at a time, each of which survives a crash whole or not at all
// (package wal); what is not in a group yet is in the memory of the process. So a log can be a list of records, and a
// crash a coin that is thrown for the group under way. A run with Disk.Bytes has the real log and real sectors instead.
type disk struct {
	records []protocol.Record // durable, over all incarnations
	pending []protocol.Record // written by this incarnation, and not durable
	group   int               // so many of pending are being synced; zero when no sync is under way
	syncs   uint64            // begun so far

	bytes *byteDisk // nil for a log that is a list of records

	// What faults do to it. Those that can overlap are counted.
	stuck    int16
	full     int16
	errors   uint32        // so many syncs in a million fail
	slow     time.Duration // syncs take up to this much longer
	rotten   bool          // damaged: the log is refused
	finished bool          // a sync would be done, if the disk were not stuck
}

var (
	errDiskRotten = errors.New("log is corrupt")
	errDiskFull   = errors.New("no space left on device")
)

func (d *disk) reset() {
	clear(d.records)
	clear(d.pending)
	*d = disk{records: d.records[:0], pending: d.pending[:0]}
}

// append takes records over from a machine and starts a sync if none is under way.
func (w *World) append(n *node, records []protocol.Record) {
	d := &n.disk
	if d.full > 0 {
		w.stats.DiskErrors++
		w.die(n, "write log: "+errDiskFull.Error())
		return
	}
	d.pending = append(d.pending, records...)
	if d.group == 0 {
		w.startSync(n)
	}
}

func (w *World) startSync(n *node) {
	d, p := &n.disk, &w.disk
	d.group = len(d.pending)
	d.syncs++
	id := uint64(n.index)
	took := p.Sync + within(w.rng.at(forSync, id, d.syncs), 0, p.Jitter+d.slow)
	if p.TailPPM != 0 && chance(w.rng.at(forSyncTail, id, d.syncs), p.TailPPM) {
		took += within(w.rng.at(forTailDelay, id, d.syncs), 0, p.Tail)
	}
	d.finished = false
	w.events.push(event{at: w.now + took, kind: eventSync, node: uint8(n.index), gen: n.life})
}

// syncDone is a disk that has done what it was asked to. The process may stand still meanwhile; the disk does not.
func (w *World) syncDone(n *node, e *event) {
	d := &n.disk
	if !n.up || e.gen != n.life || d.group == 0 {
		return
	}
	if d.stuck > 0 {
		d.finished = true
		return
	}
	if ppm := w.disk.ErrorPPM + d.errors; ppm != 0 &&
		chance(w.rng.at(forSyncError, uint64(n.index), d.syncs), ppm) {
		w.stats.DiskErrors++
		w.failSync(n)
		return
	}
	if err := w.persistBytes(n, d.pending[:d.group]); err != nil {
		w.violated(Violation{Invariant: invariantStart, Node: n.index + 1, Message: "write log: " + err.Error()})
		return
	}
	w.stats.Syncs++
	n.onDisk += protocol.WriteSeq(d.group)
	w.persist(n, d.group)
	w.synced(n, &event{
		at: w.now, kind: eventSynced, node: uint8(n.index), gen: n.life, arg: uint64(n.onDisk),
	})
}

// failSync is a sync that reports an error. The process stops for good, as it must: the kernel may have dropped what it
// could not write, and would report success next time.
func (w *World) failSync(n *node) {
	w.die(n, "sync log: input/output error")
}

// persist makes the first count of the pending records durable.
func (w *World) persist(n *node, count int) {
	d := &n.disk
	for i := range d.pending[:count] {
		w.ghost.synced(n, &d.pending[i])
	}
	d.records = append(d.records, d.pending[:count]...)
	d.group = 0
	left := copy(d.pending, d.pending[count:])
	clear(d.pending[left:])
	d.pending = d.pending[:left]
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
	if len(n.disk.pending) > 0 && n.disk.group == 0 {
		w.startSync(n)
	}
	w.released(n)
	if n.up && w.violation == nil {
		w.step(n, protocol.Input{Kind: protocol.InputDurable, Durable: n.durable})
	}
}

// unstick lets a disk go on, and report what it has done.
func (w *World) unstick(n *node) {
	if n.disk.stuck == 0 && n.disk.finished {
		n.disk.finished = false
		w.events.push(event{at: w.now, kind: eventSync, node: uint8(n.index), gen: n.life})
	}
}

// crashDisk is what is left of a disk's writes when the process that asked for them is gone.
func (w *World) crashDisk(n *node) {
	d := &n.disk
	switch {
	case d.group == 0:
	case d.bytes != nil:
		w.crashBytes(n)
	case w.rng.at(forGroup, uint64(n.index), d.syncs)&1 == 0:
		w.stats.TornGroups++
	default:
		w.persist(n, d.group)
	}
	clear(d.pending)
	d.pending, d.group, d.finished = d.pending[:0], 0, false
}

// recover is what a starting process finds in its log.
func (w *World) recover(n *node) (protocol.Recovered, error) {
	d := &n.disk
	var recovered protocol.Recovered
	switch {
	case d.rotten:
		return recovered, errDiskRotten
	case d.full > 0:
		return recovered, errDiskFull // the last group is written again before it is relied upon
	case d.bytes != nil:
		return w.recoverBytes(n)
	}
	for i := range d.records {
		recovered.Apply(d.records[i])
	}
	return recovered, nil
}

// wipe empties the disk of a process that is gone.
func (d *disk) wipe() {
	clear(d.records)
	d.records, d.rotten = d.records[:0], false
	if d.bytes != nil {
		d.bytes = newByteDisk(d.bytes.rng, d.bytes.node)
	}
}
