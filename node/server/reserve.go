package server

import (
	"errors"
	"fmt"
	"syscall"
)

// Room is reserved ahead of the end of the observations, because a full disk is when they matter: it stops the node at
// the next record of its log, and what the node said until then must be on file, or at least that something is missing.
// To write that only once there is room again would not do: the node may be gone by then.
const (
	reservedAhead = 4 << 20 // bytes of lines that can be written after the disk has become full
	reservedLast  = 4 << 10 // bytes behind them that only a line of kind "unwritten" may use
)

// reserve makes sure that the next need bytes can be written, and a line of kind "unwritten" after them. An error means
// that there is no room. A file system that reserves nothing is not asked again.
func (o *observer) reserve(need int64) error {
	need += reservedLast
	if o.unreserved || o.size+need <= o.reserved {
		return nil
	}
	ahead := int64(reservedAhead)
	if o.limit > 0 {
		ahead = min(ahead, o.limit) // another file follows
	}
	err := o.file.Reserve(o.size, need+ahead)
	if err == nil {
		o.reserved = o.size + need + ahead
		return nil
	}
	if err = o.file.Reserve(o.size, need); err == nil {
		o.reserved = o.size + need
		return nil
	}
	if !noRoom(err) { // a write tells whether there is room; fallocate(2) can be interrupted, and is then asked again
		o.unreserved = errors.Is(err, errors.ErrUnsupported)
		return nil
	}
	return fmt.Errorf("reserve room for observations: %w", err)
}

func noRoom(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// mark writes, once after the last line that was written, that lines are missing from here on. How many more there
// were is written when there is room again. A segment may begin with the mark.
func (o *observer) mark() {
	if o.marked || o.broken {
		return
	}
	data, err := o.headed(nil)
	if err == nil && o.reserve(0) == nil && o.append(data) == nil {
		o.lost, o.marked = 0, true
	}
}
