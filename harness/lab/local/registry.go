//go:build linux

package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// registry is the directory that contains a user's labs:
//
//	lock             held while labs are made, listed or swept
//	NAME/alive       locked by the lab's processes for as long as one lives
//	NAME/owner.json  the lab's owner
//	NAME/…           inventory.toml, id_ed25519, log/, socket
//
// The kernel releases a lock when its last holder dies, whatever kills it and even if process ids are reused, so a
// lab whose alive file can be locked is dead. Names of ephemeral labs contain a dot.
type registry struct{ dir string }

// owner is the process with which a lab ends.
type owner struct {
	Process int       `json:"process"`
	Start   uint64    `json:"start"` // start time of the process, in clock ticks since boot: unique together with Process
	Since   time.Time `json:"since"`
}

// openRegistry creates or checks the directory. Only its user may own or read it: its keys give access to hosts,
// and a link or a directory of somebody else would let them choose what we delete.
func openRegistry(dir string) (registry, error) {
	if dir == "" {
		dir = defaultDir()
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return registry{}, fmt.Errorf("make directory of labs: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return registry{}, fmt.Errorf("make directory of labs: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return registry{}, fmt.Errorf("check directory of labs: %w", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || int(st.Uid) != os.Getuid() || st.Mode&0o077 != 0 {
		return registry{}, fmt.Errorf("check directory of labs: %s must be a directory of user %d with mode 0700",
			dir, os.Getuid())
	}
	return registry{dir: dir}, nil
}

// defaultDir returns $XDG_RUNTIME_DIR/elenchus, /run/elenchus for root, and otherwise a directory in /tmp. A
// runtime directory of another user was inherited through su or sudo and is ignored.
func defaultDir() string {
	uid := os.Getuid()
	if uid == 0 && unix.Access("/run", unix.W_OK) == nil {
		return "/run/elenchus"
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		var st unix.Stat_t
		if unix.Stat(dir, &st) == nil && int(st.Uid) == uid && unix.Access(dir, unix.W_OK) == nil {
			return filepath.Join(dir, "elenchus")
		}
	}
	return filepath.Join("/tmp", "elenchus-"+strconv.Itoa(uid))
}

// lock acquires the registry's lock.
func (r registry) lock() (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(r.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock labs: %w", err)
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock labs: %w", err)
	}
	return func() { _ = f.Close() }, nil
}

// create creates the directory of a new lab and returns its path and the locked alive file, after removing what
// dead labs have left behind. An empty name creates an ephemeral one.
func (r registry) create(name string) (dir string, alive *os.File, err error) {
	unlock, err := r.lock()
	if err != nil {
		return "", nil, err
	}
	defer unlock()
	r.sweep()
	if name == "" {
		dir, err = os.MkdirTemp(r.dir, "run.")
	} else {
		dir = filepath.Join(r.dir, name)
		err = os.Mkdir(dir, 0o700)
	}
	if err != nil {
		return "", nil, fmt.Errorf("make directory of lab: %w", err)
	}
	alive, err = lockAlive(dir)
	if err != nil {
		return "", nil, errors.Join(err, removeAll(dir))
	}
	return dir, alive, nil
}

// errAlive means that a lab's processes are alive.
var errAlive = errors.New("lab is alive")

// lockAlive locks the alive file of a lab that has no living processes.
func lockAlive(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "alive"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open alive file: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errAlive
		}
		return nil, fmt.Errorf("lock alive file: %w", err)
	}
	return f, nil
}

// sweep removes the directories of dead labs. The registry must be locked.
func (r registry) sweep() {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if f, err := lockAlive(filepath.Join(r.dir, e.Name())); err == nil {
			_ = r.remove(e.Name())
			_ = f.Close()
		}
	}
}

// remove deletes what is left of a dead lab, including its directory on disk.
func (r registry) remove(name string) error {
	dir := filepath.Join(r.dir, name)
	if disk, err := os.ReadFile(filepath.Join(dir, "disk")); err == nil && strings.Contains(string(disk), diskPrefix) {
		if err := removeAll(string(disk)); err != nil {
			return err
		}
	}
	return removeAll(dir)
}

// diskPrefix begins the name of a lab's directory below Options.Disk.
const diskPrefix = "elenchus-lab-"

// makeDisk creates such a directory and records it for remove.
func makeDisk(labDir, disk string) (string, error) {
	path, err := os.MkdirTemp(disk, diskPrefix)
	if err != nil {
		return "", fmt.Errorf("make directory on disk: %w", err)
	}
	if err := os.WriteFile(filepath.Join(labDir, "disk"), []byte(path), 0o600); err != nil {
		return "", errors.Join(fmt.Errorf("note directory on disk: %w", err), os.Remove(path))
	}
	return path, nil
}

// names lists the named labs that are alive.
func (r registry) names() ([]string, error) {
	unlock, err := r.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	r.sweep()
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return nil, fmt.Errorf("list labs: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && labName.MatchString(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// removeAll is os.RemoveAll for trees that may contain unreadable directories.
func removeAll(dir string) error {
	if err := os.RemoveAll(dir); err == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, _ error) error {
		if e != nil && e.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}

func writeOwner(dir string, pid int) error {
	start, err := startTime(pid)
	if err != nil {
		return err
	}
	data, err := json.Marshal(owner{Process: pid, Start: start, Since: time.Now()})
	if err != nil {
		return fmt.Errorf("encode owner: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "owner.json"), data, 0o600); err != nil {
		return fmt.Errorf("write owner: %w", err)
	}
	return nil
}

func readOwner(dir string) (owner, error) {
	var o owner
	data, err := os.ReadFile(filepath.Join(dir, "owner.json"))
	if err != nil {
		return o, fmt.Errorf("read owner: %w", err)
	}
	if err := json.Unmarshal(data, &o); err != nil {
		return o, fmt.Errorf("parse owner: %w", err)
	}
	return o, nil
}
