package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile writes data to path atomically: a reader of path finds either the previous contents or all of data,
// even if the program or its host dies meanwhile.
func WriteFile(path string, data []byte) (err error) {
	// Dir and not Split: an empty directory would make CreateTemp use the system's temporary one.
	dir, base := filepath.Dir(path), filepath.Base(path)
	tmp, err := os.CreateTemp(dir, "."+base+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", base, err)
	}
	defer func() {
		if err == nil {
			return
		}
		if failed := (*fs.PathError)(nil); errors.As(err, &failed) { // the temporary file's name would only confuse
			failed.Path = path
		}
		err = fmt.Errorf("write %s: %w", base, errors.Join(err, os.Remove(tmp.Name())))
	}()
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Sync())
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err = os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes the file names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// versioned is the part that all JSON files with a schema have in common.
type versioned struct {
	Schema int `json:"schema"`
}

// ErrNewer reports a file written by a later version of this program.
var ErrNewer = errors.New("written by a newer version of elenchus")

// loadJSON decodes the file at path, whose schema must be one from 1 to newest, into v.
func loadJSON(path string, newest int, v any) error { //nolint:unparam // no schema has risen yet
	base := filepath.Base(path)
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read %s: %w", base, err)
	}
	var ver versioned
	if err := json.Unmarshal(data, &ver); err != nil {
		return fmt.Errorf("decode %s: %w", base, err)
	}
	switch {
	case ver.Schema > newest:
		return fmt.Errorf("%s has schema %d, but this program reads up to %d: %w", base, ver.Schema, newest, ErrNewer)
	case ver.Schema < 1:
		return fmt.Errorf("%s has no schema number: is this a run's?", base)
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("decode %s: %w", base, err)
	}
	return nil
}

func saveJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", filepath.Base(path), err)
	}
	return WriteFile(path, append(data, '\n'))
}
