package wal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// File names in a log's directory.
const (
	FileName     = "wal"
	LockName     = "wal.lock"
	SnapshotName = "snapshot"
	tempSuffix   = ".new" // suffix of incomplete files
)

// spareBytesMax is the size of the largest buffer kept for reuse.
const spareBytesMax = 4 << 20

// ErrMissing means that the log does not exist although the caller required it to.
var ErrMissing = errors.New("log is missing")

// ErrBroken means that an earlier write or sync of this Log failed: nothing can be made durable any more.
var ErrBroken = errors.New("log is broken by an earlier error")

// Options configures [Open].
type Options struct {
	// MustExist makes Open fail with ErrMissing instead of creating a log. A node that has run before and finds no log has
	// lost its promises and must not start as if it had made none.
	MustExist bool

	// FramesMin is the number of frames that the log is known to have had (Info.Frames of an earlier Open). If there are
	// fewer, the log is truncated or an old copy, and Open fails with ErrCorrupt.
	FramesMin uint64

	// Nonce returns the checksum seed of a new file; nil means crypto/rand. A simulation derives it from its own seed.
	Nonce func() uint32
}

// Log is an open log. Append, Rotate and Sync may be called concurrently.
type Log struct {
	fsys   FS
	dir    string
	id     Identity
	draw   func() uint32
	lock   io.Closer
	syncMu sync.Mutex // held during a Sync, so that groups reach the disk in order

	mu       sync.Mutex
	pending  []group
	spare    []byte // buffer of a written frame, for reuse
	appended uint64
	stats    Stats
	err      error

	// Guarded by syncMu.
	file     File
	nonce    uint32
	offset   int64
	sequence uint64
}

// group is what one write puts on disk: a frame with room for its header, or a new log.
type group struct {
	frame    []byte
	rotation *rotation
}

// Stats counts a log's operations since Open. Bytes and Records describe the current file.
type Stats struct {
	Base        uint64
	Bytes       int64
	Records     uint64 // durable records
	Syncs       uint64
	Rotations   uint64
	SyncLatency time.Duration // of the last write and fsync
}

// Open replays the log in dir, calling visit for each record in order, and returns it ready for appending. A new
// directory gets a new log. The payload is valid only during the call of visit, whose error makes Open fail with
// ErrCorrupt.
//
// Info.Torn, when not nil, describes a truncated tail. Errors are ErrCorrupt, ErrIdentity, ErrLocked, ErrMissing, or
// come from the file system.
func Open(fsys FS, dir string, id Identity, opts Options, visit func(Position, []byte) error) (*Log, Info, error) {
	if id.Node == 0 || id.Cluster == "" || len(id.Cluster) > clusterBytesMax {
		return nil, Info{}, fmt.Errorf("open log: identity %v needs a node and a cluster of at most %d bytes",
			id, clusterBytesMax)
	}
	if err := makeDir(fsys, dir); err != nil {
		return nil, Info{}, err
	}
	lock, err := fsys.Lock(filepath.Join(dir, LockName))
	if err != nil {
		return nil, Info{}, fmt.Errorf("open log in %s: %w", dir, err)
	}
	l, info, err := open(fsys, dir, id, opts, visit)
	if err != nil {
		return nil, info, errors.Join(err, lock.Close())
	}
	l.lock = lock
	return l, info, nil
}

// makeDir creates dir durably.
func makeDir(fsys FS, dir string) error {
	if err := fsys.MkdirAll(dir); err != nil {
		return fmt.Errorf("create log directory: %w", err)
	}
	if err := fsys.SyncDir(filepath.Dir(dir)); err != nil {
		return fmt.Errorf("sync parent of log directory: %w", err)
	}
	return nil
}

func open(fsys FS, dir string, id Identity, opts Options, visit func(Position, []byte) error) (*Log, Info, error) {
	for _, name := range []string{FileName, SnapshotName} {
		temp := filepath.Join(dir, name+tempSuffix)
		if err := fsys.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, Info{}, fmt.Errorf("remove what a crash left: %w", err)
		}
	}
	name := filepath.Join(dir, FileName)
	f, err := fsys.OpenFile(name, os.O_RDWR)
	if errors.Is(err, os.ErrNotExist) {
		if opts.MustExist {
			return nil, Info{}, fmt.Errorf("%w: %s", ErrMissing, name)
		}
		f, err = create(fsys, dir, header{id: id, nonce: opts.nonce()}, nil)
	}
	if err != nil {
		return nil, Info{}, fmt.Errorf("open log: %w", err)
	}
	l, info, err := recoverLog(fsys, dir, id, f, opts, visit)
	if err != nil {
		return nil, info, errors.Join(err, f.Close())
	}
	return l, info, nil
}

func (o Options) nonce() uint32 {
	if o.Nonce != nil {
		return o.Nonce()
	}
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint32(b[:])
}

// create writes a log with the given sealed frames under a temporary name, and renames it once complete, so that
// neither a partial header nor a partial rotation can exist. The rename is not yet durable.
func create(fsys FS, dir string, h header, frames [][]byte) (File, error) {
	name := filepath.Join(dir, FileName)
	f, err := fsys.OpenFile(name+tempSuffix, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return nil, fmt.Errorf("create log: %w", err)
	}
	offset := int64(0)
	for _, b := range append([][]byte{h.append(nil)}, frames...) {
		if _, err := f.WriteAt(b, offset); err != nil {
			return nil, errors.Join(fmt.Errorf("create log: %w", err), f.Close())
		}
		offset += int64(len(b))
	}
	if err := f.Sync(); err != nil {
		return nil, errors.Join(fmt.Errorf("create log: %w", err), f.Close())
	}
	if err := fsys.Rename(name+tempSuffix, name); err != nil {
		return nil, errors.Join(fmt.Errorf("create log: %w", err), f.Close())
	}
	return f, nil
}

// recoverLog replays f, repairs its tail, and makes what it read durable.
func recoverLog(
	fsys FS, dir string, id Identity, f File, opts Options, visit func(Position, []byte) error,
) (*Log, Info, error) {
	s := scanner{file: f, name: filepath.Join(dir, FileName), visit: visit}
	if err := s.readHeader(); err != nil {
		return nil, s.info, err
	}
	if s.info.Identity != id {
		return nil, s.info, fmt.Errorf("%w: %s is of %v, this is %v", ErrIdentity, s.name, s.info.Identity, id)
	}
	if err := s.readFrames(); err != nil {
		return nil, s.info, err
	}
	if s.info.Frames < opts.FramesMin {
		return nil, s.info, s.corrupt(s.info.Bytes, "the log ends after frame %d and had %d before: its end is missing",
			s.info.Frames, opts.FramesMin)
	}
	if err := s.repair(); err != nil {
		return nil, s.info, fmt.Errorf("repair log: %w", err)
	}
	if err := fsys.SyncDir(dir); err != nil {
		return nil, s.info, fmt.Errorf("sync log directory: %w", err)
	}
	l := &Log{
		fsys: fsys, dir: dir, id: id, draw: opts.nonce,
		file: f, nonce: s.nonce, offset: s.info.Bytes, sequence: s.info.Frames,
		stats: Stats{Base: s.info.Base, Bytes: s.info.Bytes, Records: s.info.Records},
	}
	return l, s.info, nil
}

// repair truncates a torn tail or, if there is none, rewrites the last frame, which may never have been synced.
func (s *scanner) repair() error {
	switch {
	case s.info.Torn != nil:
		if err := s.file.Truncate(s.info.Bytes); err != nil {
			return err
		}
	case s.last != nil:
		if _, err := s.file.WriteAt(s.last, s.info.Bytes-int64(len(s.last))); err != nil {
			return err
		}
	}
	s.last = nil
	return s.file.Sync()
}

// Append buffers one record and returns its number, counted from 1 since Open. The record is durable once Sync has
// returned that number or a higher one. The payload is copied.
func (l *Log) Append(payload []byte) (uint64, error) {
	if len(payload) > RecordBytesMax {
		return 0, fmt.Errorf("append to log: record of %d bytes is longer than %d", len(payload), RecordBytesMax)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return 0, l.err
	}
	last := len(l.pending) - 1
	if last < 0 || l.pending[last].rotation != nil || !fits(l.pending[last].frame, payload) {
		l.pending = append(l.pending, group{frame: append(l.spare[:0], make([]byte, frameHeaderBytes)...)})
		l.spare = nil
		last++
	}
	l.pending[last].frame = appendRecord(l.pending[last].frame, payload)
	l.appended++
	return l.appended, nil
}

// fits reports whether the frame has room for another record.
func fits(frame, payload []byte) bool {
	return len(frame)+binary.MaxVarintLen32+len(payload) <= frameHeaderBytes+frameBytesMax
}

func appendRecord(frame, payload []byte) []byte {
	return append(binary.AppendUvarint(frame, uint64(len(payload))), payload...)
}

// Sync makes everything appended before the call durable, and returns the number of the last such record. It performs
// rotations at their position among the records. If there is nothing new to write, it does nothing.
func (l *Log) Sync() (uint64, error) {
	l.syncMu.Lock()
	defer l.syncMu.Unlock()
	l.mu.Lock()
	groups, appended, err := l.pending, l.appended, l.err
	l.pending = nil
	l.mu.Unlock()
	if err != nil {
		return 0, err
	}
	for _, g := range groups {
		if g.rotation != nil {
			err = l.rotate(g.rotation)
		} else {
			err = l.writeFrame(g.frame)
		}
		if err != nil {
			l.fail(err)
			return 0, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return appended, l.err
}

// writeFrame writes and syncs one frame. The next frame may be written only once this one is durable (see the package
// comment).
func (l *Log) writeFrame(frame []byte) error {
	start := time.Now()
	sealFrame(frame, l.sequence+1, l.nonce)
	if _, err := l.file.WriteAt(frame, l.offset); err != nil {
		return fmt.Errorf("write log: %w", err)
	}
	if err := l.file.Sync(); err != nil {
		return fmt.Errorf("sync log: %w", err)
	}
	l.sequence++
	l.offset += int64(len(frame))
	records := uint64(0)
	if err := splitRecords(frame[frameHeaderBytes:], func([]byte) error { records++; return nil }); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Bytes = l.offset
	l.stats.Records += records
	l.stats.Syncs++
	l.stats.SyncLatency = time.Since(start)
	if cap(frame) <= spareBytesMax {
		l.spare = frame
	}
	return nil
}

// fail makes every later operation fail with ErrBroken and err.
func (l *Log) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = fmt.Errorf("%w: %w", ErrBroken, err)
		l.pending, l.spare = nil, nil
	}
}

// Stats returns the counters.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}

// Close releases the log. Unsynced records are lost, as in a crash; an orderly shutdown calls Sync first.
func (l *Log) Close() error {
	l.fail(os.ErrClosed)
	l.syncMu.Lock()
	defer l.syncMu.Unlock()
	if l.lock == nil {
		return os.ErrClosed
	}
	closed := errors.Join(l.file.Close(), l.lock.Close())
	l.lock = nil
	return closed
}
