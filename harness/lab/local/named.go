//go:build linux

package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"elenchus/harness/lab"
)

// Up creates a named lab that stays until [Down], or until its supervisor dies, and returns its state. A name
// consists of a-z, 0-9 and -. It is an error if the lab exists; Status describes it.
func Up(ctx context.Context, name string, o Options) (State, error) {
	if err := ValidateName(name); err != nil {
		return State{}, err
	}
	p, err := plan(o)
	if err != nil {
		return State{}, err
	}
	dir, alive, err := p.registry.create(name)
	if errors.Is(err, fs.ErrExist) {
		return State{}, fmt.Errorf("make lab %s: it is up already", name)
	}
	if err != nil {
		return State{}, err
	}
	defer func() { _ = alive.Close() }()
	sup, err := p.launch(ctx, name, dir, alive, true)
	if err != nil {
		return State{}, errors.Join(err, p.registry.remove(name))
	}
	err = writeOwner(dir, sup.pid)
	if err == nil {
		err = sup.link.send(frame{Op: opServe})
	}
	if err == nil {
		_, err = sup.link.expect(opReady)
	}
	if err != nil {
		sup.end()
		return State{}, errors.Join(fmt.Errorf("make lab: %w", err), p.registry.remove(name))
	}
	sup.link.close()
	return Status(ctx, name, o)
}

// Exec runs a command inside the enclosure of a named lab, as [Run] does in an ephemeral one. Several may run at
// once; use [lab.Acquire] to keep two tests apart. When the program dies, the command is terminated, and killed 10
// s later. Ctrl-C reaches the command through the program, because the command belongs to no terminal.
//
// The error is [ErrNotUp] when there is no such lab.
func Exec(ctx context.Context, name string, o Options, argv, env []string) (int, error) {
	n, err := find(name, o)
	if err != nil {
		return 0, err
	}
	defer n.link.close()
	return n.link.command(ctx, o, argv, env)
}

// Status returns the state of a named lab. The error is [ErrNotUp] if there is no such lab.
func Status(ctx context.Context, name string, o Options) (State, error) {
	n, err := find(name, o)
	if err != nil {
		return State{}, err
	}
	defer n.link.close()
	ctx, cancel := context.WithTimeoutCause(ctx, answerMax, errSilent)
	defer cancel()
	defer context.AfterFunc(ctx, n.link.close)() // only closing the socket ends the wait
	var f frame
	if err = n.link.send(frame{Op: opStatus}); err == nil {
		f, err = n.link.expect(opStatus)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		err = context.Cause(ctx)
	case err == nil && f.Status == nil:
		err = errors.New("the answer is empty")
	}
	if err != nil {
		return State{}, fmt.Errorf("ask lab %s: %w", name, err)
	}
	s := State{
		Name: name, Supervisor: n.owner.Process, Since: f.Status.Since, Rootless: f.Status.Rootless,
		Inventory: filepath.Join(n.dir, inventoryFile), Commands: f.Status.Commands,
	}
	if holder, held := lab.Holder(s.Inventory); held {
		s.User = holder.String()
	}
	outside := processesOutside(n.owner.Process)
	for i, pid := range f.Status.Hosts {
		s.Hosts = append(s.Hosts, HostState{Name: hostName(i + 1), Address: hostAddress(i + 1), Process: outside[pid]})
	}
	return s, nil
}

// answerMax is how long a supervisor may take to say how its lab is.
const answerMax = 20 * time.Second

// errSilent means that a supervisor does not answer.
var errSilent = fmt.Errorf("its supervisor does not answer within %v: is it stopped? (elenchus lab down ends it)",
	answerMax)

// States returns the state of every named lab. For one that does not answer, Problem says why: it may be on its way
// up or down.
func States(ctx context.Context, o Options) ([]State, error) {
	names, err := List(o)
	if err != nil {
		return nil, err
	}
	states := make([]State, 0, len(names))
	for _, name := range names {
		s, err := Status(ctx, name, o)
		if errors.Is(err, ErrNotUp) { // gone since the names were read
			continue
		}
		if err != nil {
			s = State{Name: name, Problem: err.Error()}
		}
		states = append(states, s)
	}
	return states, nil
}

// List returns the names of the named labs that are up.
func List(o Options) ([]string, error) {
	r, err := openRegistry(o.Dir)
	if err != nil {
		return nil, err
	}
	return r.names()
}

// Down ends a named lab and everything that runs in it, and removes what it leaves behind. It is no error if the
// lab is not up. The error is [ErrInUse] if somebody is using it, unless force is set.
func Down(ctx context.Context, name string, o Options, force bool) error {
	n, err := find(name, o)
	if errors.Is(err, ErrNotUp) {
		return nil
	}
	if err != nil {
		return err
	}
	defer n.link.close()
	if holder, held := lab.Holder(filepath.Join(n.dir, inventoryFile)); held && !force {
		return fmt.Errorf("end lab %s: %w by %s", name, ErrInUse, holder)
	}
	if err := n.owner.end(ctx, n.link); err != nil {
		return fmt.Errorf("end lab %s: %w", name, err)
	}
	unlock, err := n.registry.lock()
	if err != nil {
		return err
	}
	defer unlock()
	return n.registry.remove(name)
}

// namedLab is a named lab that answers.
type namedLab struct {
	registry registry
	dir      string
	owner    owner
	link     *link
}

// find connects to a named lab. It also removes what dead labs have left behind.
func find(name string, o Options) (*namedLab, error) {
	if err := ValidateName(name); err != nil {
		return nil, err
	}
	r, err := openRegistry(o.Dir)
	if err != nil {
		return nil, err
	}
	unlock, err := r.lock()
	if err != nil {
		return nil, err
	}
	r.sweep()
	unlock()
	n := &namedLab{registry: r, dir: filepath.Join(r.dir, name)}
	dir, err := os.Open(n.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("lab %s: %w", name, ErrNotUp)
	}
	if err != nil {
		return nil, fmt.Errorf("find lab %s: %w", name, err)
	}
	defer func() { _ = dir.Close() }()
	if n.owner, err = readOwner(n.dir); err != nil {
		return nil, fmt.Errorf("find lab %s (is it just being made?): %w", name, err)
	}
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socketPath(dir), Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("connect to lab %s (is it just being made?): %w", name, err)
	}
	n.link = &link{conn: conn}
	return n, nil
}

// endMax is how long a supervisor may take to end before it is killed.
const endMax = 5 * time.Second

// end tells a supervisor to end and waits until the kernel has ended everything in its namespaces.
func (o owner) end(ctx context.Context, l *link) error {
	pidfd, err := unix.PidfdOpen(o.Process, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("watch supervisor %d: %w", o.Process, err)
	}
	defer func() { _ = unix.Close(pidfd) }()
	// The pidfd refers to one process forever. If that is not the recorded one, the supervisor is dead.
	if start, err := startTime(o.Process); err != nil || start != o.Start {
		return nil
	}
	if err := l.send(frame{Op: opDown}); err != nil {
		_ = unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0)
	}
	if waitPidfd(ctx, pidfd, endMax) {
		return nil
	}
	if err := unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill supervisor %d: %w", o.Process, err)
	}
	if !waitPidfd(context.WithoutCancel(ctx), pidfd, endMax) {
		return fmt.Errorf("kill supervisor %d: it is still there after %v", o.Process, endMax)
	}
	return nil
}

// waitPidfd reports whether the process has ended within the time.
func waitPidfd(ctx context.Context, pidfd int, limit time.Duration) bool {
	const slice = 50 * time.Millisecond
	fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	for end := time.Now().Add(limit); time.Now().Before(end) && ctx.Err() == nil; {
		if n, err := unix.Poll(fds, int(slice/time.Millisecond)); n > 0 && err == nil {
			return true
		}
	}
	return false
}

// processesOutside maps a supervisor's child process ids, as it sees them, to the caller's view.
func processesOutside(supervisor int) map[int]int {
	pids := make(map[int]int)
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return pids
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		status, err := os.ReadFile(filepath.Join("/proc", e.Name(), "status"))
		if err != nil {
			continue
		}
		if parent, ids := statusIDs(string(status)); parent == supervisor && len(ids) > 1 {
			pids[ids[1]] = pid
		}
	}
	return pids
}
