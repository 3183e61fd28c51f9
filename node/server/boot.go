package server

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"elenchus/node/wal"
)

const bootName = "boot"

// readBoot returns how often the node has been started with this data; zero means never.
func readBoot(fsys wal.FS, dir string) (uint64, error) {
	name := filepath.Join(dir, bootName)
	f, err := fsys.OpenFile(name, os.O_RDONLY)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read boot counter: %w", err)
	}
	b := make([]byte, 32)
	n, err := f.ReadAt(b, 0)
	if err = errors.Join(ignoreEOF(err), f.Close()); err != nil {
		return 0, fmt.Errorf("read boot counter: %w", err)
	}
	boot, err := strconv.ParseUint(strings.TrimSuffix(string(b[:n]), "\n"), 10, 64)
	if err != nil || boot == 0 {
		return 0, &wal.CorruptError{File: name, Reason: fmt.Sprintf("%.32q counts no boots", b[:n])}
	}
	return boot, nil
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// writeBoot durably replaces the counter.
func writeBoot(fsys wal.FS, dir string, boot uint64) error {
	name := filepath.Join(dir, bootName)
	f, err := fsys.OpenFile(name+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return fmt.Errorf("write boot counter: %w", err)
	}
	_, err = f.WriteAt(fmt.Appendf(nil, "%d\n", boot), 0)
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
