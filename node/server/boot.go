package server

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"elenchus/node/wal"
)

const bootName = "boot"

// boot is the record of a start, kept beside the log so that a log lost or truncated since is noticed.
type boot struct {
	number uint64 // number of this start, from 1; zero means never started
	frames uint64 // frames in the log at that start
}

// readBoot returns the record of the last start with this data.
func readBoot(fsys wal.FS, dir string) (last boot, err error) {
	name := filepath.Join(dir, bootName)
	f, err := fsys.OpenFile(name, os.O_RDONLY)
	if errors.Is(err, os.ErrNotExist) {
		return last, nil
	}
	if err != nil {
		return last, fmt.Errorf("read boot counter: %w", err)
	}
	b := make([]byte, 64)
	n, err := f.ReadAt(b, 0)
	if err = errors.Join(ignoreEOF(err), f.Close()); err != nil {
		return last, fmt.Errorf("read boot counter: %w", err)
	}
	if _, err := fmt.Sscanf(string(b[:n]), bootFormat, &last.number, &last.frames); err != nil || last.number == 0 {
		return last, &wal.CorruptError{File: name, Reason: fmt.Sprintf("%.64q counts no boots", b[:n])}
	}
	return last, nil
}

// bootFormat is the format of the file, which is also meant to be read by people.
const bootFormat = "boot %d with %d frames\n"

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// writeBoot durably replaces the record of the last start.
func writeBoot(fsys wal.FS, dir string, this boot) error {
	name := filepath.Join(dir, bootName)
	f, err := fsys.OpenFile(name+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return fmt.Errorf("write boot counter: %w", err)
	}
	_, err = f.WriteAt(fmt.Appendf(nil, bootFormat, this.number, this.frames), 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write boot counter: %w", err)
	}
	if err := errors.Join(fsys.Rename(name+".new", name), fsys.SyncDir(dir)); err != nil {
		return fmt.Errorf("write boot counter: %w", err)
	}
	return nil
}
