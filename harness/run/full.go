package run

import (
	"errors"
	"fmt"
	"syscall"
)

// fullDisk replaces err, if its cause is that the disk with dir is full, by an error that says so and what to do.
// Otherwise every file that could not be written would give another message.
func fullDisk(err error, dir string) error {
	if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
		return err
	}
	return &fullDiskError{dir: dir, cause: err}
}

// fullDiskError is reported once, with the first write that failed.
type fullDiskError struct {
	dir   string
	cause error
}

func (e *fullDiskError) Error() string {
	return fmt.Sprintf("the disk is full that holds %s: no space left on device (make room, or keep runs elsewhere with "+
		"--results)", e.dir)
}

func (e *fullDiskError) Unwrap() error { return e.cause }
