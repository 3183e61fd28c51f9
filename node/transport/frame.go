package transport

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"time"
)

// A frame is: payload length u32, CRC-32C of the rest u32, kind u8, payload; little endian.
const frameHeaderBytes = 4 + 4 + 1

type frameKind uint8

const (
	frameHello   frameKind = iota + 1 // the dialler identifies itself
	frameWelcome                      // the acceptor identifies itself and accepts or refuses
	frameMessage                      // dialler to acceptor
	framePing                         // dialler to acceptor: its clock
	framePong                         // acceptor to dialler: the clock of the answered ping, or empty
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	errFrameLong    = errors.New("frame is too long")
	errFrameDamaged = errors.New("frame is damaged")
)

// writeFrame writes one frame to w without flushing it.
func writeFrame(w *bufio.Writer, kind frameKind, payload []byte) error {
	var header [frameHeaderBytes]byte
	header[8] = byte(kind)
	binary.LittleEndian.PutUint32(header[0:], uint32(len(payload)))
	checksum := crc32.Update(crc32.Checksum(header[8:], castagnoli), castagnoli, payload)
	binary.LittleEndian.PutUint32(header[4:], checksum)
	if _, err := w.Write(header[:]); err != nil {
		return err
	}
	_, err := w.Write(payload)
	return err
}

// readFrame reads one frame of at most bytesMax. It allocates memory as data arrives, not according to the announced
// length.
func readFrame(r io.Reader, bytesMax int) (frameKind, []byte, error) {
	var header [frameHeaderBytes]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return 0, nil, err
	}
	length := binary.LittleEndian.Uint32(header[0:])
	if uint64(length) > uint64(bytesMax) {
		return 0, nil, fmt.Errorf("%w: %d bytes, the limit is %d", errFrameLong, length, bytesMax)
	}
	var payload bytes.Buffer
	payload.Grow(min(int(length), 64<<10))
	if _, err := io.CopyN(&payload, r, int64(length)); err != nil {
		return 0, nil, err
	}
	checksum := crc32.Update(crc32.Checksum(header[8:], castagnoli), castagnoli, payload.Bytes())
	if checksum != binary.LittleEndian.Uint32(header[4:]) {
		return 0, nil, errFrameDamaged
	}
	return frameKind(header[8]), payload.Bytes(), nil
}

// aliveReader reads from a connection and fails if nothing arrives for deadAfter.
type aliveReader struct {
	conn      net.Conn
	deadAfter time.Duration
	heard     func()
}

func (r aliveReader) Read(b []byte) (int, error) {
	if err := r.conn.SetReadDeadline(time.Now().Add(r.deadAfter)); err != nil {
		return 0, err
	}
	n, err := r.conn.Read(b)
	if n > 0 {
		r.heard()
	}
	return n, err
}
