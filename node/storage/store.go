package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"elenchus/node/protocol"
	"elenchus/node/wal"
	"elenchus/node/wire"
)

// Store is a node's open disk. Append and Compact must be called from one goroutine. Sync and WriteSnapshot may be
// called concurrently from others, each from one goroutine at a time.
type Store struct {
	fsys    wal.FS
	dir     string
	id      wal.Identity
	log     *wal.Log
	encoded []byte
}

// Open recovers the contents of dir and returns a store ready for appending. A new directory gets an empty log.
//
// Errors are those of wal.Open and wal.ReadSnapshot, and wal.ErrCorrupt or wal.ErrMissing if log and snapshot do not
// fit together.
func Open(fsys wal.FS, dir string, id wal.Identity, opts wal.Options) (
	*Store, protocol.Recovered, wal.Info, error,
) {
	var rec protocol.Recovered
	some, err := exists(fsys, filepath.Join(dir, wal.SnapshotName))
	if err != nil {
		return nil, rec, wal.Info{}, err
	}
	opts.MustExist = opts.MustExist || some // a snapshot is never written before the log exists
	log, info, err := wal.Open(fsys, dir, id, opts, func(_ wal.Position, payload []byte) error {
		r, err := wire.DecodeRecord(payload)
		if err == nil {
			rec.Apply(r)
		}
		return err
	})
	if err != nil {
		return nil, rec, info, err
	}
	if rec.Snapshot, err = readSnapshot(fsys, dir, id, info.Base); err != nil {
		return nil, rec, info, errors.Join(err, log.Close())
	}
	return &Store{fsys: fsys, dir: dir, id: id, log: log}, rec, info, nil
}

func exists(fsys wal.FS, name string) (bool, error) {
	f, err := fsys.OpenFile(name, os.O_RDONLY)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("open snapshot: %w", err)
	}
	return true, f.Close()
}

// readSnapshot returns the snapshot needed by a log that depends on base, or nil if none is needed and none exists.
func readSnapshot(fsys wal.FS, dir string, id wal.Identity, base uint64) (*protocol.Snapshot, error) {
	name := filepath.Join(dir, wal.SnapshotName)
	number, payload, err := wal.ReadSnapshot(fsys, dir, id)
	if errors.Is(err, os.ErrNotExist) {
		if base == 0 {
			return nil, nil
		}
		return nil, &wal.CorruptError{File: name, Reason: fmt.Sprintf(
			"it is missing, and the log begins behind slot %d", base)}
	}
	if err != nil {
		return nil, err
	}
	s, err := wire.DecodeSnapshot(payload)
	switch {
	case err != nil:
		return nil, &wal.CorruptError{File: name, Reason: err.Error()}
	case uint64(s.Slot) != number:
		return nil, &wal.CorruptError{File: name, Reason: fmt.Sprintf("it is of slot %d and numbered %d", s.Slot, number)}
	case number < base:
		return nil, &wal.CorruptError{File: name, Reason: fmt.Sprintf(
			"it ends with slot %d, and the log begins behind slot %d: one of them is an old copy", number, base)}
	}
	return s, nil
}

// Append appends a record to the log and returns its number, counted from 1 since Open, and its size in bytes. The
// record is durable once Sync has returned that number or a higher one.
func (s *Store) Append(r *protocol.Record) (seq protocol.WriteSeq, size int, err error) {
	s.encoded = wire.AppendRecord(s.encoded[:0], r)
	n, err := s.log.Append(s.encoded)
	return protocol.WriteSeq(n), len(s.encoded), err
}

// Compact makes the next Sync replace the log, at the current position between appended records. The snapshot of c.Slot
// or a later one must be durable.
func (s *Store) Compact(c *protocol.Compaction) error {
	records := make([][]byte, 0, len(c.Records))
	for i := range c.Records {
		records = append(records, wire.AppendRecord(nil, &c.Records[i]))
	}
	return s.log.Rotate(uint64(c.Slot), records)
}

// Sync makes all records appended before the call durable, and returns the number of the last of them.
func (s *Store) Sync() (protocol.WriteSeq, error) {
	n, err := s.log.Sync()
	return protocol.WriteSeq(n), err
}

// WriteSnapshot durably replaces the snapshot. After an error the node must stop.
func (s *Store) WriteSnapshot(snapshot *protocol.Snapshot) error {
	head := wire.AppendSnapshotHead(nil, snapshot)
	return wal.WriteSnapshot(s.fsys, s.dir, s.id, uint64(snapshot.Slot), head, snapshot.State)
}

// Stats returns the log's counters.
func (s *Store) Stats() wal.Stats { return s.log.Stats() }

// Close releases the store. Unsynced records are lost, as in a crash.
func (s *Store) Close() error { return s.log.Close() }

// Read visits the contents of dir without locking or changing anything: first the snapshot, if there is one, then every
// record. It works on the disk of a running node.
func Read(
	fsys wal.FS, dir string, snapshot func(*protocol.Snapshot) error, record func(wal.Position, *protocol.Record) error,
) (wal.Info, error) {
	begin := func(info wal.Info) error {
		s, err := readSnapshot(fsys, dir, info.Identity, info.Base)
		if err != nil || s == nil {
			return err
		}
		return snapshot(s)
	}
	return wal.Read(fsys, dir, begin, func(at wal.Position, payload []byte) error {
		r, err := wire.DecodeRecord(payload)
		if err != nil {
			return err
		}
		return record(at, &r)
	})
}
