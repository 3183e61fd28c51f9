//go:build unix

package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// useFile is the file, beside a local lab's inventory, that whoever tests on the lab has locked.
const useFile = "use.lock"

// acquireLocal locks a lab of this machine. The kernel gives the lock back when the process is dead.
func acquireLocal(inventory string, me User) (release func() error, err error) {
	path := filepath.Join(filepath.Dir(inventory), useFile)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock of lab: %w", err)
	}
	for range 10 {
		// Whoever only looks whether the lab is in use holds the lock for a moment.
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err != nil {
		defer func() { _ = f.Close() }()
		if errors.Is(err, unix.EWOULDBLOCK) {
			holder, _ := Holder(inventory)
			return nil, &InUseError{Holder: holder, Advice: "a lab holds one test at a time"}
		}
		return nil, fmt.Errorf("lock lab: %w", err)
	}
	data, err := json.Marshal(me)
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt(data, 0)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("write lock of lab: %w", err)
	}
	return f.Close, nil
}

// Holder tells who is testing on the local lab with the inventory file, if somebody is.
func Holder(inventory string) (holder User, held bool) {
	f, err := os.Open(filepath.Join(filepath.Dir(inventory), useFile))
	if err != nil {
		return User{}, false
	}
	defer func() { _ = f.Close() }()
	if unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == nil {
		return User{}, false
	}
	// It may just be writing its name. Then the name is missing, but not the fact.
	for range 20 {
		if err := json.NewDecoder(f).Decode(&holder); err == nil {
			break
		}
		_, _ = f.Seek(0, 0)
		time.Sleep(time.Millisecond)
	}
	return holder, true
}
