package results

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// elsewhere is a directory on another file system than dir.
func elsewhere(t *testing.T, dir string) string {
	t.Helper()
	device := func(path string) uint64 {
		var stat syscall.Stat_t
		if err := syscall.Stat(path, &stat); err != nil {
			return 0
		}
		return stat.Dev
	}
	for _, root := range []string{"/dev/shm", "/var/tmp", "/tmp", "."} {
		if at := device(root); at == 0 || at == device(dir) {
			continue
		}
		other, err := os.MkdirTemp(root, "elenchus-test-") //nolint:usetesting // t.TempDir is on the same file system
		if err == nil {
			t.Cleanup(func() { _ = os.RemoveAll(other) })
			return other
		}
	}
	t.Skip("there is no other file system that can be written")
	return ""
}

func aRun(t *testing.T) Run {
	t.Helper()
	run, err := Make(t.TempDir(), "register-seed7", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string]string{HistoryFile: "a history", "nodes/n1/node.log": "a log"} {
		if err := os.MkdirAll(filepath.Dir(run.Path(file)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(run.Path(file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return run
}

func TestRunsMove(t *testing.T) {
	for name, to := range map[string]func(Run) string{
		"here":      func(Run) string { return filepath.Join(t.TempDir(), "a", "b") },
		"elsewhere": func(r Run) string { return filepath.Join(elsewhere(t, r.Dir), "a", "b") },
	} {
		t.Run(name, func(t *testing.T) {
			run := aRun(t)
			root := to(run)
			moved, err := run.Move(root)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(run.Dir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("it is still there, too: %v", err)
			}
			log, err := os.ReadFile(moved.Path("nodes", "n1", "node.log"))
			if err != nil || string(log) != "a log" || moved.Name() != run.Name() {
				t.Errorf("%s: the log is %q, %v", moved.Dir, log, err)
			}
			if info, err := os.Stat(moved.Dir); err != nil || info.Mode().Perm() != 0o755 {
				t.Errorf("%v: the directory is %v", err, info)
			}
			if entries, err := os.ReadDir(root); err != nil || len(entries) != 1 {
				t.Errorf("%v: in the new root are %v", err, entries)
			}
		})
	}
}

// A copy that fails leaves the run where it is, and nothing where it was to be.
func TestARunThatCannotMoveStays(t *testing.T) {
	run := aRun(t)
	root := elsewhere(t, run.Dir)
	if err := syscall.Mkfifo(run.Path("pipe"), 0o600); err != nil { // which is not copied
		t.Fatal(err)
	}
	if _, err := run.Move(root); err == nil {
		t.Error("it was moved")
	}
	if _, err := os.Stat(run.History()); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(root); err != nil || len(entries) != 0 {
		t.Errorf("%v: left behind: %v", err, entries)
	}
}
