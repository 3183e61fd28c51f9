package wal

import (
	"errors"
	"fmt"
)

// rotation is a new log that replaces the old one.
type rotation struct {
	base    uint64
	frames  [][]byte // with room for their headers
	records uint64
}

// Rotate makes the next Sync replace the log by a new one. The new log depends on the snapshot numbered base, which
// must be durable ([WriteSnapshot]), and begins with the given records. Everything appended before is dropped with the
// old log; everything appended later goes to the new one.
//
// The new log is complete and durable before it is renamed, and the rename is durable before a frame is appended. So a
// crash leaves either the old log, with everything that Sync made durable, or the new one. The records are copied and
// are not counted by Append.
func (l *Log) Rotate(base uint64, records [][]byte) error {
	r := &rotation{base: base, records: uint64(len(records))}
	for _, payload := range records {
		if len(payload) > RecordBytesMax {
			return fmt.Errorf("rotate log: record of %d bytes is longer than %d", len(payload), RecordBytesMax)
		}
		last := len(r.frames) - 1
		if last < 0 || !fits(r.frames[last], payload) {
			r.frames = append(r.frames, make([]byte, frameHeaderBytes))
			last++
		}
		r.frames[last] = appendRecord(r.frames[last], payload)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	l.pending = append(l.pending, group{rotation: r})
	return nil
}

// rotate performs a rotation.
func (l *Log) rotate(r *rotation) error {
	h := header{id: l.id, nonce: l.draw(), base: r.base, dropped: l.sequence, born: uint32(len(r.frames))}
	bytes := int64(len(h.append(nil)))
	for i, frame := range r.frames {
		sealFrame(frame, l.sequence+uint64(i)+1, h.nonce)
		bytes += int64(len(frame))
	}
	f, err := create(l.fsys, l.dir, h, r.frames)
	if err != nil {
		return fmt.Errorf("rotate log: %w", err)
	}
	if err := l.fsys.SyncDir(l.dir); err != nil {
		return errors.Join(fmt.Errorf("rotate log: %w", err), f.Close())
	}
	if err := l.file.Close(); err != nil {
		return errors.Join(fmt.Errorf("close old log: %w", err), f.Close())
	}
	l.file, l.nonce, l.offset, l.sequence = f, h.nonce, bytes, l.sequence+uint64(len(r.frames))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Base, l.stats.Bytes, l.stats.Records = r.base, bytes, r.records
	l.stats.Rotations++
	return nil
}
