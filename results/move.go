package results

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Move moves the run's directory into another root, which is made if it is not there. Where that is on another file
// system, the directory is copied, and removed when the copy is complete. Of a copy that fails nothing is left, and the
// run stays where it is.
func (r Run) Move(root string) (Run, error) {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return r, fmt.Errorf("move run: %w", err)
	}
	moved := Run{Dir: filepath.Join(root, r.Name())}
	err := os.Rename(r.Dir, moved.Dir)
	if errors.Is(err, syscall.EXDEV) {
		if err = copyDir(r.Dir, moved.Dir); err == nil {
			err = os.RemoveAll(r.Dir)
		}
	}
	if err != nil {
		return r, fmt.Errorf("move run: %w", err)
	}
	return moved, nil
}

// copyDir copies a directory and all that is in it, with the usual permissions. The copy gets its name when it is
// complete.
func copyDir(from, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return &os.PathError{Op: "copy to", Path: to, Err: os.ErrExist}
	}
	partial, err := os.MkdirTemp(filepath.Dir(to), ".partial-")
	if err != nil {
		return err
	}
	if err = os.CopyFS(partial, os.DirFS(from)); err == nil {
		if err = os.Chmod(partial, 0o755); err == nil { // as it is made by Make
			err = os.Rename(partial, to)
		}
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(partial))
	}
	return nil
}
