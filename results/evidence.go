package results

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Evidence returns the SHA-256 of every existing file that a verdict is derived from, for [Manifest].Files: the
// history, the faults, the clocks, the schedules and everything collected from the nodes. Known holds hashes that
// need not be computed.
func (r Run) Evidence(known map[string]string) (map[string]string, error) {
	files := make(map[string]string)
	for _, name := range []string{HistoryFile, FaultsFile, ClocksFile, SchedulePlannedFile, SchedulePlayedFile, PlanFile,
		ProbesFile, InvariantsFile, SimulatedFile, NodesDir} {
		err := filepath.WalkDir(r.Path(name), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			rel, err := filepath.Rel(r.Dir, path)
			if err != nil {
				return err
			}
			sum, ok := known[filepath.ToSlash(rel)]
			if !ok {
				sum, err = hashFile(path)
			}
			files[filepath.ToSlash(rel)] = sum
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("hash %s: %w", name, err)
		}
	}
	return files, nil
}

// Tampered lists the files that differ from what was collected, sorted by name.
func (r Run) Tampered(m *Manifest) []string {
	var changed []string
	for name, want := range m.Files {
		switch got, err := hashFile(r.Path(filepath.FromSlash(name))); {
		case errors.Is(err, fs.ErrNotExist):
			changed = append(changed, name+" is gone since it was collected")
		case err != nil:
			changed = append(changed, fmt.Sprintf("%s cannot be read: %v", name, err))
		case got != want:
			changed = append(changed, name+" was changed since it was collected")
		}
	}
	slices.Sort(changed)
	return changed
}

func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // opened for reading
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
