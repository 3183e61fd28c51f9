//go:build linux

package local

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// reaper starts processes and reaps its own children and the orphans that the kernel assigns to process 1. A
// process 1 must not wait in any other way, because wait4(-1) reaps any child.
type reaper struct {
	mu      sync.Mutex
	waiting map[int]chan<- syscall.WaitStatus
}

// newReaper starts reaping. There must be only one reaper in a process, and it lives as long as the process does.
func newReaper() *reaper {
	r := &reaper{waiting: make(map[int]chan<- syscall.WaitStatus)}
	children := make(chan os.Signal, 1)
	signal.Notify(children, unix.SIGCHLD)
	go func() {
		for {
			r.collect()
			<-children
		}
	}()
	return r
}

// collect reaps all dead children. Signals merge, so one SIGCHLD may stand for many.
func (r *reaper) collect() {
	for {
		r.mu.Lock()
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if pid > 0 {
			if ch, ok := r.waiting[pid]; ok {
				ch <- status
				delete(r.waiting, pid)
			}
		}
		r.mu.Unlock()
		if pid <= 0 && !errors.Is(err, syscall.EINTR) {
			return
		}
	}
}

// start starts a process. Its exit status is sent on the channel. Files are its descriptors from 0 on.
func (r *reaper) start(path string, argv, env []string, dir string, files []*os.File, sys *syscall.SysProcAttr) (
	int, <-chan syscall.WaitStatus, error,
) {
	attr := &syscall.ProcAttr{Dir: dir, Env: env, Sys: sys}
	for _, f := range files {
		attr.Files = append(attr.Files, f.Fd())
	}
	status := make(chan syscall.WaitStatus, 1)
	r.mu.Lock() // lock before the fork, so that the child is not reaped before it is registered
	defer r.mu.Unlock()
	pid, err := syscall.ForkExec(path, argv, attr)
	if err != nil {
		return 0, nil, fmt.Errorf("start %s: %w", argv[0], err)
	}
	r.waiting[pid] = status
	return pid, status, nil
}

// signal signals a process returned by start, unless it is dead already: its id may have been reused.
func (r *reaper) signal(pid int, sig syscall.Signal, group bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, alive := r.waiting[pid]; !alive {
		return
	}
	if group {
		_ = syscall.Kill(-pid, sig)
	} else {
		_ = syscall.Kill(pid, sig)
	}
}

// exitCode returns a status as shells report it.
func exitCode(s syscall.WaitStatus) int {
	if s.Signaled() {
		return 128 + int(s.Signal())
	}
	return s.ExitStatus()
}
