package sim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"elenchus/node/protocol"
	"elenchus/node/wal"
	"elenchus/node/wire"
)

// sectorBytes is the unit that a disk writes atomically.
const sectorBytes = 512

// byteDisk simulates a node's disk at the level of bytes, with the real write-ahead log on it. It implements wal.FS
// and behaves as badly as POSIX allows: after a crash, each unsynced sector is there or not, independently of the
// others, and unsynced changes to the directory are there up to some point. Its random choices are keyed by what they
// decide, so that runs can be repeated.
type byteDisk struct {
	rng     rng
	node    int
	log     *wal.Log
	ops     int
	crashAt int // the number of the operation that fails, as do all after it; zero for none
	reboots uint64

	entries []dirEntry // the directory as processes see it
	durable []dirEntry // the directory as it would be after a crash
	changes []dirChange
}

type dirEntry struct {
	name string
	file *byteFile
}

// dirChange removes a file's name, adds one, or both.
type dirChange struct {
	from, to string
	file     *byteFile
}

type byteFile struct {
	number  uint64
	data    []byte // the page cache
	durable []byte
	dirty   []bool // by sector: not yet durable
}

func newByteDisk(r rng, node int) *byteDisk { return &byteDisk{rng: r, node: node} }

var errCrashed = errors.New("process has crashed")

func (d *byteDisk) tick() error {
	d.ops++
	if d.crashAt != 0 && d.ops >= d.crashAt {
		return errCrashed
	}
	return nil
}

func find(list []dirEntry, name string) int {
	return slices.IndexFunc(list, func(e dirEntry) bool { return e.name == name })
}

func put(list []dirEntry, name string, f *byteFile) []dirEntry {
	if i := find(list, name); i >= 0 {
		list[i].file = f
		return list
	}
	return append(list, dirEntry{name, f})
}

func drop(list []dirEntry, name string) []dirEntry {
	if i := find(list, name); i >= 0 {
		return slices.Delete(list, i, i+1)
	}
	return list
}

// MkdirAll implements wal.FS.
func (d *byteDisk) MkdirAll(string) error { return d.tick() }

// OpenFile implements wal.FS.
func (d *byteDisk) OpenFile(name string, flag int) (wal.File, error) {
	if err := d.tick(); err != nil {
		return nil, err
	}
	if i := find(d.entries, name); i >= 0 {
		f := d.entries[i].file
		if flag&os.O_TRUNC != 0 {
			f.truncate(0)
		}
		return openFile{d, f}, nil
	}
	if flag&os.O_CREATE == 0 {
		return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
	}
	f := &byteFile{number: uint64(d.ops)}
	d.entries = put(d.entries, name, f)
	d.changes = append(d.changes, dirChange{to: name, file: f})
	return openFile{d, f}, nil
}

// Rename implements wal.FS.
func (d *byteDisk) Rename(from, to string) error {
	if err := d.tick(); err != nil {
		return err
	}
	i := find(d.entries, from)
	if i < 0 {
		return &os.PathError{Op: "rename", Path: from, Err: os.ErrNotExist}
	}
	f := d.entries[i].file
	d.entries = put(drop(d.entries, from), to, f)
	d.changes = append(d.changes, dirChange{from, to, f})
	return nil
}

// Remove implements wal.FS.
func (d *byteDisk) Remove(name string) error {
	if err := d.tick(); err != nil {
		return err
	}
	i := find(d.entries, name)
	if i < 0 {
		return &os.PathError{Op: "remove", Path: name, Err: os.ErrNotExist}
	}
	d.changes = append(d.changes, dirChange{from: name, file: d.entries[i].file})
	d.entries = drop(d.entries, name)
	return nil
}

// SyncDir implements wal.FS.
func (d *byteDisk) SyncDir(string) error {
	if err := d.tick(); err != nil {
		return err
	}
	d.settle(len(d.changes))
	return nil
}

// settle makes the first count changes to the directory durable.
func (d *byteDisk) settle(count int) {
	for _, c := range d.changes[:count] {
		if c.from != "" {
			d.durable = drop(d.durable, c.from)
		}
		if c.to != "" {
			d.durable = put(d.durable, c.to, c.file)
		}
	}
	d.changes = slices.Delete(d.changes, 0, count)
}

// Lock implements wal.FS. A node runs one process at a time, so there is nobody to lock out.
func (d *byteDisk) Lock(string) (io.Closer, error) { return io.NopCloser(nil), d.tick() }

// reboot simulates a loss of power: the page cache is lost.
func (d *byteDisk) reboot() {
	d.reboots++
	id := uint64(d.node)<<32 | d.reboots
	d.settle(int(below(d.rng.at(forTorn, id, 0), uint64(len(d.changes))+1)))
	d.changes = d.changes[:0]
	d.entries = slices.Clone(d.durable)
	for _, e := range d.entries {
		e.file.reboot(d.rng, id)
	}
}

// reboot keeps of a file what is durable, and each of its unsynced sectors or not.
func (f *byteFile) reboot(r rng, id uint64) {
	for i, dirty := range f.dirty {
		if dirty && r.at(forTorn, id, f.number<<24|uint64(i+1))&1 == 0 {
			f.write(i)
		}
		f.dirty[i] = false
	}
	f.data = slices.Clone(f.durable)
}

// write puts a sector on the disk.
func (f *byteFile) write(sector int) {
	low := sector * sectorBytes
	high := min(low+sectorBytes, len(f.data))
	if low >= high {
		return
	}
	if len(f.durable) < high {
		f.durable = append(f.durable, make([]byte, high-len(f.durable))...)
	}
	copy(f.durable[low:high], f.data[low:high])
}

func (f *byteFile) truncate(size int) {
	if size <= len(f.data) {
		f.data = f.data[:size]
	} else {
		f.data = append(f.data, make([]byte, size-len(f.data))...)
	}
	f.touch(max(0, size-1), size) // the length is written with the last sector
	if len(f.durable) > size {
		f.durable = f.durable[:size]
	}
}

func (f *byteFile) touch(low, high int) {
	for sector := low / sectorBytes; sector*sectorBytes < high; sector++ {
		for len(f.dirty) <= sector {
			f.dirty = append(f.dirty, false)
		}
		f.dirty[sector] = true
	}
}

// openFile is a byteFile that a process has open.
type openFile struct {
	disk *byteDisk
	file *byteFile
}

// ReadAt implements io.ReaderAt.
func (o openFile) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(o.file.data)) {
		return 0, io.EOF
	}
	n := copy(p, o.file.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements io.WriterAt. One that a crash interrupts leaves a part behind.
func (o openFile) WriteAt(p []byte, off int64) (int, error) {
	err := o.disk.tick()
	count := len(p)
	if err != nil {
		count = int(below(o.disk.rng.at(forTorn, uint64(o.disk.node)<<32|o.disk.reboots, uint64(o.disk.ops)),
			uint64(len(p))+1))
	}
	f := o.file
	end := int(off) + count
	if end > len(f.data) {
		f.data = append(f.data, make([]byte, end-len(f.data))...)
	}
	copy(f.data[off:], p[:count])
	f.touch(int(off), end)
	return count, err
}

// Sync makes the file durable.
func (o openFile) Sync() error {
	if err := o.disk.tick(); err != nil {
		return err
	}
	f := o.file
	for i, dirty := range f.dirty {
		if dirty {
			f.write(i)
			f.dirty[i] = false
		}
	}
	if len(f.durable) < len(f.data) {
		f.durable = append(f.durable, f.data[len(f.durable):]...)
	}
	return nil
}

// Truncate changes the file's length.
func (o openFile) Truncate(size int64) error {
	if err := o.disk.tick(); err != nil {
		return err
	}
	o.file.truncate(int(size))
	return nil
}

// Size is the file's length.
func (o openFile) Size() (int64, error) { return int64(len(o.file.data)), nil }

// Close does nothing: there is nothing to release.
func (o openFile) Close() error { return nil }

// dataDir is where a node keeps its log.
const dataDir = "data"

// identity identifies a node's disk for random choices.
func (d *byteDisk) identity() wal.Identity {
	return wal.Identity{Cluster: "sim", Node: uint16(d.node + 1)}
}

// persistBytes writes what is being synced.
func (w *World) persistBytes(n *node) error {
	d := n.disk.bytes
	if d == nil {
		return nil
	}
	appended := 0
	appendTo := func(end int) error {
		for ; appended < end; appended++ {
			w.frame = wire.AppendRecord(w.frame[:0], &n.disk.pending[appended])
			if _, err := d.log.Append(w.frame); err != nil {
				return err
			}
		}
		return nil
	}
	for _, t := range n.disk.turns[:n.disk.groupTurns] {
		if err := appendTo(t.behind); err != nil {
			return err
		}
		payloads := make([][]byte, len(t.to.Records))
		for i := range t.to.Records {
			payloads[i] = wire.AppendRecord(nil, &t.to.Records[i])
		}
		if err := d.log.Rotate(uint64(t.to.Slot), payloads); err != nil {
			return err
		}
	}
	if err := appendTo(n.disk.group); err != nil {
		return err
	}
	_, err := d.log.Sync()
	return err
}

// saveBytes writes the snapshot that is being saved.
func (w *World) saveBytes(n *node) error {
	d, s := n.disk.bytes, n.disk.saving
	if d == nil {
		return nil
	}
	return wal.WriteSnapshot(d, dataDir, d.identity(), uint64(s.Slot), wire.AppendSnapshotHead(nil, s), s.State)
}

// crashBytes has the process die while it writes: at any operation, or after the last one. If the power is lost, so
// is the page cache. What is left of the write is found when the node starts again.
func (w *World) crashBytes(n *node) {
	d := n.disk.bytes
	if d.log == nil {
		return // the process died before it had opened its log
	}
	crash := func(id, number, within uint64) {
		d.crashAt = d.ops + 1 + int(below(w.rng.at(forGroup, id, number), within))
	}
	if n.disk.saving != nil {
		crash(snapshotID|uint64(n.index), uint64(n.disk.saving.Slot), crashOps)
		_ = w.saveBytes(n) // the error is that of the crash
	}
	if n.disk.syncing {
		within := uint64(groupOps)
		if n.disk.groupTurns > 0 {
			within = crashOps
		}
		crash(uint64(n.index), n.disk.syncs, within)
		_ = w.persistBytes(n)
	}
	d.crashAt = 0
	if n.powerless > 0 || w.rng.at(forTorn, uint64(n.index), n.disk.syncs)&1 == 0 {
		d.reboot()
	}
	_ = d.log.Close() // the process that had it open is gone
	d.log = nil
}

// Bounds of the number of the file system operation at which a crash happens. A group takes a write and a sync, after
// which it is durable; a snapshot and a new log take some more.
const (
	groupOps = 3
	crashOps = 8
)

// recoverBytes opens log and snapshot, compares them with what must be in them, and finds out which writes have
// become durable.
func (w *World) recoverBytes(n *node) error {
	b, d := n.disk.bytes, &n.disk
	count := 0
	nonce := uint32(w.rng.at(forTorn, uint64(n.index)<<32|uint64(n.life), 1))
	log, info, err := wal.Open(b, dataDir, b.identity(), wal.Options{Nonce: func() uint32 { nonce++; return nonce }},
		func(_ wal.Position, payload []byte) error {
			_, err := wire.DecodeRecord(payload)
			count++
			return err
		})
	if err != nil {
		return err
	}
	b.log = log
	if err := w.recoverSnapshot(n); err != nil {
		return err
	}
	for done, parts := 0, d.parts(); done <= parts; done++ {
		if base, records := d.after(done); uint64(base) == info.Base && records == count {
			if done < parts {
				w.stats.TornGroups++
			}
			w.persist(n, done)
			d.abandon()
			return nil
		}
	}
	return fmt.Errorf("log rests on slot %d and has %d records; on slot %d there were %d, and %d more being written",
		info.Base, count, d.base, len(d.records), d.group)
}

// after is what the log rests on, and how many records it has, when the first of the parts are done.
func (d *disk) after(parts int) (base protocol.Slot, records int) {
	base, records = d.base, len(d.records)
	taken, turned := 0, 0
	for range parts {
		next := d.group
		if turned < d.groupTurns {
			next = d.turns[turned].behind
		}
		if taken == next {
			to := d.turns[turned].to
			base, records = to.Slot, len(to.Records)
			turned++
			continue
		}
		records += next - taken
		taken = next
	}
	return base, records
}

// recoverSnapshot reads the snapshot: the last one, or the one that was being written.
func (w *World) recoverSnapshot(n *node) error {
	b, d := n.disk.bytes, &n.disk
	number, payload, err := wal.ReadSnapshot(b, dataDir, b.identity())
	if errors.Is(err, os.ErrNotExist) && d.snapshot == nil {
		return nil
	}
	if err != nil {
		return err
	}
	s, err := wire.DecodeSnapshot(payload)
	if err != nil {
		return err
	}
	for _, known := range []*protocol.Snapshot{d.snapshot, d.saving} {
		if known != nil && uint64(known.Slot) == number && known.Slot == s.Slot && bytes.Equal(known.State, s.State) {
			d.snapshot = s
			return nil
		}
	}
	return fmt.Errorf("snapshot %d is neither the last that was written nor the one that was being written", number)
}

// rotBytes flips a bit in every file.
func (w *World) rotBytes(n *node) {
	d := n.disk.bytes
	if d == nil {
		return
	}
	for _, e := range d.entries {
		if size := uint64(len(e.file.data)); size > 0 {
			bit := below(w.rng.at(forRot, uint64(n.index), n.disk.syncs), size*8)
			e.file.data[bit/8] ^= 1 << (bit % 8)
		}
	}
}
