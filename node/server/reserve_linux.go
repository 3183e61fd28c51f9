package server

import (
	"os"

	"golang.org/x/sys/unix"
)

// observationsOnDisk is the observations file of a node.
type observationsOnDisk struct{ *os.File }

// Reserve allocates length bytes from an offset on, without making the file longer (fallocate(2)).
func (f observationsOnDisk) Reserve(from, length int64) error {
	return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, from, length)
}
