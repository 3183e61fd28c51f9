package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
)

// ErrCorrupt means that a log or a snapshot is damaged in a way that a crash does not explain.
var ErrCorrupt = errors.New("data is corrupt")

// ErrIdentity means that a log or a snapshot belongs to another node or another cluster.
var ErrIdentity = errors.New("data belongs to somebody else")

// CorruptError describes where a file is damaged. It matches ErrCorrupt.
type CorruptError struct {
	File   string
	Offset int64 // offset of the damaged frame or header
	Reason string
}

// Error returns file, offset and reason.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("%v: %s at offset %d: %s", ErrCorrupt, e.File, e.Offset, e.Reason)
}

// Is reports whether target is ErrCorrupt.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// Torn describes a write interrupted by a crash.
type Torn struct {
	Offset int64  // start of the incomplete frame
	Bytes  int64  // number of its bytes present
	Reason string // why it is known to be incomplete
}

// Position is the location of a record.
type Position struct {
	Offset int64  // offset of its frame in the file
	Frame  uint64 // sequence number of its frame
	Record int    // index within its frame
}

// Info describes a log that was read.
type Info struct {
	Identity Identity
	Base     uint64 // number of the snapshot that the log depends on (Log.Rotate); zero if none
	Frames   uint64 // sequence number of the last frame, which counts those dropped with earlier logs
	Records  uint64
	Bytes    int64 // size up to the end of the last valid frame
	Torn     *Torn // nil if the log ends with a valid frame
}

// Read visits every record of the log in dir, in order, without changing anything, not even a torn tail. It takes no
// lock, so the log of a running node may end in a frame that is still being written. Read calls begin once the log is
// open: a snapshot read then is at least as new as the one the log depends on. The payload is valid only during the
// call of visit.
func Read(fsys FS, dir string, begin func(Info) error, visit func(Position, []byte) error) (Info, error) {
	f, err := fsys.OpenFile(filepath.Join(dir, FileName), os.O_RDONLY)
	if err != nil {
		return Info{}, fmt.Errorf("open log: %w", err)
	}
	s := scanner{file: f, name: filepath.Join(dir, FileName), visit: visit}
	err = s.readHeader()
	if err == nil {
		err = begin(s.info)
	}
	if err == nil {
		err = s.readFrames()
	}
	return s.info, errors.Join(err, f.Close())
}

// scanner reads a log from its beginning to the end of its last valid frame.
type scanner struct {
	file  File
	name  string
	visit func(Position, []byte) error

	size  int64
	nonce uint32
	whole uint64 // frames up to this sequence number cannot be torn
	info  Info
	last  []byte // the last valid frame, including its header
}

func (s *scanner) corrupt(offset int64, format string, args ...any) error {
	return &CorruptError{File: s.name, Offset: offset, Reason: fmt.Sprintf(format, args...)}
}

func (s *scanner) readFrames() error {
	for s.info.Torn == nil && s.info.Bytes < s.size {
		if err := s.readFrame(); err != nil {
			return err
		}
	}
	if s.info.Frames >= s.whole {
		return nil
	}
	reason := "it is missing"
	if t := s.info.Torn; t != nil {
		reason, s.info.Torn = t.Reason, nil
	}
	return s.corrupt(s.info.Bytes, "the log had frame %d when it took its name: %s", s.info.Frames+1, reason)
}

func (s *scanner) readHeader() error {
	var err error
	if s.size, err = s.file.Size(); err != nil {
		return fmt.Errorf("measure log: %w", err)
	}
	b, err := s.read(0, min(s.size, headerFixed+clusterBytesMax+checksumBytes))
	if err != nil {
		return err
	}
	h, length, err := parseHeader(b)
	if err != nil {
		return s.corrupt(0, "%v", err)
	}
	s.nonce, s.whole = h.nonce, h.dropped+uint64(h.born)
	s.info = Info{Identity: h.id, Base: h.base, Frames: h.dropped, Bytes: int64(length)}
	return nil
}

func (s *scanner) read(offset, length int64) ([]byte, error) {
	b := make([]byte, length)
	if _, err := s.file.ReadAt(b, offset); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read log at offset %d: %w", offset, err)
	}
	return b, nil
}

// readFrame reads the next frame, or records that it is torn.
func (s *scanner) readFrame() error {
	offset := s.info.Bytes
	if s.size-offset < frameHeaderBytes {
		s.torn("the file ends inside a frame header")
		return nil
	}
	b, err := s.read(offset, frameHeaderBytes)
	if err != nil {
		return err
	}
	header, ok := parseFrameHeader(b, s.nonce)
	if !ok {
		return s.badHeader(offset)
	}
	if want := s.info.Frames + 1; header.sequence != want {
		return s.corrupt(offset, "frame %d stands where frame %d is expected", header.sequence, want)
	}
	end := offset + frameHeaderBytes + int64(header.length)
	if end > s.size {
		s.torn("the file ends inside a frame")
		return nil
	}
	frame, err := s.read(offset, end-offset)
	if err != nil {
		return err
	}
	body := frame[frameHeaderBytes:]
	if crc32.Update(s.nonce, castagnoli, body) != header.checksum {
		if end == s.size && hasZeroSector(frame, offset) {
			s.torn("a sector of the last frame was never written")
			return nil
		}
		return s.corrupt(offset, "checksum of frame %d is wrong", header.sequence)
	}
	return s.accept(frame, offset)
}

func (s *scanner) accept(frame []byte, offset int64) error {
	at := Position{Offset: offset, Frame: s.info.Frames + 1}
	err := splitRecords(frame[frameHeaderBytes:], func(payload []byte) error {
		if err := s.visit(at, payload); err != nil {
			return err
		}
		at.Record++
		return nil
	})
	if err != nil {
		return s.corrupt(offset, "record %d of frame %d: %v", at.Record, at.Frame, err)
	}
	s.info.Frames++
	s.info.Records += uint64(at.Record)
	s.info.Bytes = offset + int64(len(frame))
	s.last = frame
	return nil
}

func (s *scanner) torn(reason string) {
	s.info.Torn = &Torn{Offset: s.info.Bytes, Bytes: s.size - s.info.Bytes, Reason: reason}
}

// badHeader classifies an unreadable frame header: it is torn if its sector was never written and no later frame
// exists.
func (s *scanner) badHeader(offset int64) error {
	rest := s.size - offset
	if rest > frameHeaderBytes+frameBytesMax {
		return s.corrupt(offset, "frame header is damaged, and more than one frame follows")
	}
	b, err := s.read(offset, rest)
	if err != nil {
		return err
	}
	// The header's one or two sectors, from the start of the frame on.
	sectors := (offset%sectorBytes + frameHeaderBytes + sectorBytes - 1) / sectorBytes * sectorBytes
	if !hasZeroSector(b[:min(rest, sectors-offset%sectorBytes)], offset) {
		return s.corrupt(offset, "frame header is damaged")
	}
	if at, ok := s.laterFrame(b); ok {
		return s.corrupt(offset, "frame header is damaged, and a good one follows at offset %d", offset+int64(at))
	}
	s.torn("the sector of the last frame's header was never written")
	return nil
}

// laterFrame searches for a frame header after the one that should begin at b[0]. Its sequence number must fit, which
// makes a checksum that matches by chance practically impossible.
func (s *scanner) laterFrame(b []byte) (int, bool) {
	magic := binary.LittleEndian.AppendUint32(nil, frameMagic)
	for at := 0; ; at++ {
		next := bytes.Index(b[at:], magic)
		if next < 0 || at+next+frameHeaderBytes > len(b) {
			return 0, false
		}
		at += next
		h, ok := parseFrameHeader(b[at:at+frameHeaderBytes], s.nonce)
		if ok && h.sequence > s.info.Frames+1 && h.sequence <= s.info.Frames+1+uint64(len(b)/frameHeaderBytes) {
			return at, true
		}
	}
}

// hasZeroSector reports whether b, located at offset in the file, contains a sector of zeros. Partial sectors at either
// end of b count as sectors.
func hasZeroSector(b []byte, offset int64) bool {
	for len(b) > 0 {
		n := min(int64(len(b)), sectorBytes-offset%sectorBytes)
		if len(bytes.TrimLeft(b[:n], "\x00")) == 0 {
			return true
		}
		b, offset = b[n:], offset+n
	}
	return false
}
