package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Identity identifies the owner of a log. Opening a log with another identity fails.
type Identity struct {
	Cluster string
	Node    uint16
}

// String returns the identity in the form n2 of cluster "lab".
func (id Identity) String() string { return fmt.Sprintf("n%d of cluster %q", id.Node, id.Cluster) }

const (
	headerMagic     = "ELENCHUS"
	headerVersion   = 3
	headerFixed     = 8 + 2 + 2 + 4 + 8 + 8 + 4 + 2 // magic, version, then the fields, length of the cluster's name
	checksumBytes   = 4
	clusterBytesMax = 64

	frameMagic       = 0x454d5246 // "FRME"
	frameHeaderBytes = 4 + 4 + 8 + 4 + 4

	// RecordBytesMax is the maximum size of a record.
	RecordBytesMax = 32 << 20
	frameBytesMax  = RecordBytesMax + binary.MaxVarintLen32
	sectorBytes    = 512
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	errHeader  = errors.New("file header is damaged")
	errVersion = errors.New("format version is not supported")
)

// header is the file header.
type header struct {
	id      Identity
	nonce   uint32
	base    uint64 // the log depends on a snapshot with this or a higher number; zero if on none
	dropped uint64 // frames in earlier logs; the first frame here has the next sequence number
	born    uint32 // frames that were durable before the log got its name; none of them can be torn
}

// append appends the encoded header.
func (h header) append(b []byte) []byte {
	start := len(b)
	b = append(b, headerMagic...)
	b = binary.LittleEndian.AppendUint16(b, headerVersion)
	b = binary.LittleEndian.AppendUint16(b, h.id.Node)
	b = binary.LittleEndian.AppendUint32(b, h.nonce)
	b = binary.LittleEndian.AppendUint64(b, h.base)
	b = binary.LittleEndian.AppendUint64(b, h.dropped)
	b = binary.LittleEndian.AppendUint32(b, h.born)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(h.id.Cluster)))
	b = append(b, h.id.Cluster...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// parseHeader reads the file header at the start of b and returns its length.
func parseHeader(b []byte) (h header, length int, err error) {
	if len(b) < 10 || string(b[:8]) != headerMagic {
		return h, 0, errHeader
	}
	if v := binary.LittleEndian.Uint16(b[8:]); v != headerVersion {
		// Possibly damage instead: the checksum of an unknown format cannot be verified.
		return h, 0, fmt.Errorf("%w: %d", errVersion, v)
	}
	if len(b) < headerFixed {
		return h, 0, errHeader
	}
	nameBytes := int(binary.LittleEndian.Uint16(b[headerFixed-2:]))
	length = headerFixed + nameBytes + checksumBytes
	if nameBytes > clusterBytesMax || len(b) < length {
		return h, 0, errHeader
	}
	body := b[:length-checksumBytes]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(b[len(body):]) {
		return h, 0, errHeader
	}
	return header{
		id:    Identity{Cluster: string(body[headerFixed:]), Node: binary.LittleEndian.Uint16(b[10:])},
		nonce: binary.LittleEndian.Uint32(b[12:]), base: binary.LittleEndian.Uint64(b[16:]),
		dropped: binary.LittleEndian.Uint64(b[24:]), born: binary.LittleEndian.Uint32(b[32:]),
	}, length, nil
}

// frameHeader precedes the group of records in a frame.
type frameHeader struct {
	length   uint32
	sequence uint64
	checksum uint32
}

// sealFrame fills in the header of frame, whose body is complete.
func sealFrame(frame []byte, sequence uint64, nonce uint32) {
	body := frame[frameHeaderBytes:]
	binary.LittleEndian.PutUint32(frame[0:], frameMagic)
	binary.LittleEndian.PutUint32(frame[4:], uint32(len(body)))
	binary.LittleEndian.PutUint64(frame[8:], sequence)
	binary.LittleEndian.PutUint32(frame[16:], crc32.Update(nonce, castagnoli, body))
	binary.LittleEndian.PutUint32(frame[20:], crc32.Update(nonce, castagnoli, frame[:20]))
}

// parseFrameHeader reads a frame header and reports whether it is valid for this log.
func parseFrameHeader(b []byte, nonce uint32) (frameHeader, bool) {
	if binary.LittleEndian.Uint32(b) != frameMagic ||
		crc32.Update(nonce, castagnoli, b[:20]) != binary.LittleEndian.Uint32(b[20:]) {
		return frameHeader{}, false
	}
	h := frameHeader{
		length:   binary.LittleEndian.Uint32(b[4:]),
		sequence: binary.LittleEndian.Uint64(b[8:]),
		checksum: binary.LittleEndian.Uint32(b[16:]),
	}
	return h, h.length <= frameBytesMax
}

// splitRecords calls visit for each record of a frame's body.
func splitRecords(body []byte, visit func([]byte) error) error {
	for len(body) > 0 {
		n, used := binary.Uvarint(body)
		if used <= 0 || n > uint64(len(body)-used) {
			return errors.New("frame holds a record longer than itself")
		}
		record := body[used : used+int(n)]
		if err := visit(record); err != nil {
			return err
		}
		body = body[used+int(n):]
	}
	return nil
}
