//go:build !linux

package server

import (
	"errors"
	"os"
)

// observationsOnDisk is the observations file of a node.
type observationsOnDisk struct{ *os.File }

// Reserve is possible only where nodes are tested.
func (observationsOnDisk) Reserve(int64, int64) error { return errors.ErrUnsupported }
