package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
)

// The snapshot format. All integers are little endian, all checksums CRC-32C. The checksum of the payload is seeded
// with that of the header.
//
//	magic | version u16 | node u16 | number u64 | payload length u64 | length u16 and name of the cluster | checksum u32
//	payload | checksum u32
const (
	snapshotMagic   = "ELENSNAP"
	snapshotVersion = 1
	snapshotFixed   = 8 + 2 + 2 + 8 + 8 + 2

	// SnapshotBytesMax is the size of the largest payload that can be read.
	SnapshotBytesMax = 1<<30 + 1<<10
)

// WriteSnapshot durably replaces the snapshot in dir, which logs refer to by number. The payload is the concatenation
// of parts. The new file is complete and durable before it replaces the old one, so a crash leaves one or the other.
// WriteSnapshot may be called while a log in dir is open, even during its Sync, but not concurrently with itself.
func WriteSnapshot(fsys FS, dir string, id Identity, number uint64, parts ...[]byte) error {
	name := filepath.Join(dir, SnapshotName)
	f, err := fsys.OpenFile(name+tempSuffix, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	err = writeSnapshot(f, id, number, parts)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	if err := fsys.Rename(name+tempSuffix, name); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	if err := fsys.SyncDir(dir); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	return nil
}

func writeSnapshot(f File, id Identity, number uint64, parts [][]byte) error {
	length := uint64(0)
	for _, part := range parts {
		length += uint64(len(part))
	}
	if length > SnapshotBytesMax {
		return fmt.Errorf("%d bytes are more than %d", length, SnapshotBytesMax)
	}
	b := append(make([]byte, 0, snapshotFixed+clusterBytesMax+checksumBytes), snapshotMagic...)
	b = binary.LittleEndian.AppendUint16(b, snapshotVersion)
	b = binary.LittleEndian.AppendUint16(b, id.Node)
	b = binary.LittleEndian.AppendUint64(b, number)
	b = binary.LittleEndian.AppendUint64(b, length)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(id.Cluster)))
	b = append(b, id.Cluster...)
	checksum := crc32.Checksum(b, castagnoli)
	b = binary.LittleEndian.AppendUint32(b, checksum)
	offset := int64(0)
	for _, part := range append([][]byte{b}, parts...) {
		if _, err := f.WriteAt(part, offset); err != nil {
			return err
		}
		offset += int64(len(part))
	}
	for _, part := range parts {
		checksum = crc32.Update(checksum, castagnoli, part)
	}
	_, err := f.WriteAt(binary.LittleEndian.AppendUint32(nil, checksum), offset)
	return err
}

// ReadSnapshot returns the number and payload of the snapshot in dir. It fails with an error wrapping os.ErrNotExist if
// there is none, with ErrIdentity if it belongs to another node, and with ErrCorrupt if it is not byte for byte what
// was written, which no crash can cause.
func ReadSnapshot(fsys FS, dir string, id Identity) (number uint64, payload []byte, err error) {
	name := filepath.Join(dir, SnapshotName)
	f, err := fsys.OpenFile(name, os.O_RDONLY)
	if err != nil {
		return 0, nil, fmt.Errorf("open snapshot: %w", err)
	}
	number, payload, err = readSnapshot(f, name, id)
	if err = errors.Join(err, f.Close()); err != nil {
		return 0, nil, err
	}
	return number, payload, nil
}

func readSnapshot(f File, name string, id Identity) (number uint64, payload []byte, err error) {
	corrupt := func(format string, args ...any) (uint64, []byte, error) {
		return 0, nil, &CorruptError{File: name, Reason: fmt.Sprintf(format, args...)}
	}
	size, err := f.Size()
	if err != nil {
		return 0, nil, fmt.Errorf("measure snapshot: %w", err)
	}
	if size > SnapshotBytesMax+1<<10 {
		return corrupt("%d bytes are more than a snapshot has", size)
	}
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); ignoreEOF(err) != nil {
		return 0, nil, fmt.Errorf("read snapshot: %w", err)
	}
	if len(b) < snapshotFixed || string(b[:8]) != snapshotMagic {
		return corrupt("%v", errHeader)
	}
	if v := binary.LittleEndian.Uint16(b[8:]); v != snapshotVersion {
		return corrupt("%v: %d", errVersion, v)
	}
	header := snapshotFixed + int(binary.LittleEndian.Uint16(b[snapshotFixed-2:]))
	if header > snapshotFixed+clusterBytesMax || len(b) < header+checksumBytes {
		return corrupt("%v", errHeader)
	}
	checksum := crc32.Checksum(b[:header], castagnoli)
	if checksum != binary.LittleEndian.Uint32(b[header:]) {
		return corrupt("%v", errHeader)
	}
	length := binary.LittleEndian.Uint64(b[20:])
	payload = b[header+checksumBytes:]
	if uint64(len(payload)) != length+checksumBytes {
		return corrupt("%d bytes follow the header, which wants %d", len(payload), length+checksumBytes)
	}
	payload = payload[:length:length]
	if crc32.Update(checksum, castagnoli, payload) != binary.LittleEndian.Uint32(b[len(b)-checksumBytes:]) {
		return corrupt("checksum is wrong")
	}
	owner := Identity{Cluster: string(b[snapshotFixed:header]), Node: binary.LittleEndian.Uint16(b[10:])}
	if owner != id {
		return 0, nil, fmt.Errorf("%w: %s is of %v, this is %v", ErrIdentity, name, owner, id)
	}
	return binary.LittleEndian.Uint64(b[12:]), payload, nil
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
