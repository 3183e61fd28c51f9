package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// ErrInvalid is wrapped by every decoding error.
var ErrInvalid = errors.New("invalid encoding")

// version is the first byte of every encoding.
const version = 1

// reader consumes values from the front of its input. After the first error it returns zero values.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
		r.rest = nil
	}
}

// finish returns the first error. Leftover input is an error.
func (r *reader) finish() error {
	if len(r.rest) > 0 {
		r.fail("%d trailing bytes", len(r.rest))
	}
	return r.err
}

func (r *reader) byte() byte {
	if len(r.rest) == 0 {
		r.fail("truncated")
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

// uvarint reads an integer of at most limit. A non-minimal varint is an error.
func (r *reader) uvarint(limit uint64) uint64 {
	v, n := binary.Uvarint(r.rest)
	switch {
	case n <= 0:
		r.fail("truncated or oversized integer")
		return 0
	case n != uvarintLen(v):
		r.fail("integer %d in %d bytes", v, n)
		return 0
	case v > limit:
		r.fail("%d exceeds %d", v, limit)
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// count reads the number of items that follow, each of which takes at least size bytes. It rejects a count that the
// rest of the input cannot hold, before anything is allocated for it.
func (r *reader) count(limit, size int) int {
	n := int(r.uvarint(uint64(limit)))
	if n*size > len(r.rest) {
		r.fail("%d items cannot follow in %d bytes", n, len(r.rest))
		return 0
	}
	return n
}

func (r *reader) string(limit int) string {
	n := r.count(limit, 1)
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func uvarintLen(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }
