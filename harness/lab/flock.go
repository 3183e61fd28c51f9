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

// useFile is the lock file beside a local lab's inventory, locked by whoever uses the lab.
const useFile = "use.lock"

// acquireLocal locks a local lab. The kernel releases the lock when the process dies.
func acquireLocal(inventory string, me User) (release func() error, err error) {
	path := filepath.Join(filepath.Dir(inventory), useFile)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock of lab: %w", err)
	}
	for range 10 {
		// Retry: a process that only checks whether the lab is in use holds the lock for a moment.
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

// Holder returns who is using the local lab with the given inventory file, if anybody is.
func Holder(inventory string) (holder User, held bool) {
	f, err := os.Open(filepath.Join(filepath.Dir(inventory), useFile))
	if err != nil {
		return User{}, false
	}
	defer func() { _ = f.Close() }()
	if unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == nil {
		return User{}, false
	}
	// The holder may just be writing its name. If it stays missing, the lab is in use nevertheless.
	for range 20 {
		if err := json.NewDecoder(f).Decode(&holder); err == nil {
			break
		}
		_, _ = f.Seek(0, 0)
		time.Sleep(time.Millisecond)
	}
	return holder, true
}
