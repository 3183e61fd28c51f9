package run

import (
	"errors"
	"fmt"
	"syscall"
)

// fullDisk is err as a person can use it when it comes down to a full disk under dir, which shows in a different
// message for every file that does not fit.
func fullDisk(err error, dir string) error {
	if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
		return err
	}
	return &fullDiskError{dir: dir, cause: err}
}

// fullDiskError is told once, whatever it was that did not fit first.
type fullDiskError struct {
	dir   string
	cause error
}

func (e *fullDiskError) Error() string {
	return fmt.Sprintf("the disk is full that holds %s: no space left on device (make room, or keep runs elsewhere with "+
		"--results)", e.dir)
}

func (e *fullDiskError) Unwrap() error { return e.cause }
