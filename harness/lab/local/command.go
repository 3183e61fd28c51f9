//go:build linux

package local

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// forwarded are the signals that a program forwards to its command in an enclosure.
var forwarded = []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT}

// witness counts the signals that the supervisor itself receives. An ephemeral lab's supervisor is in the process
// group of the program that created it and of the command. A signal for the group (Ctrl-C, a closed terminal)
// therefore reaches the witness, and so has reached the command too; a signal for the program alone does not, and
// must be forwarded.
type witness struct {
	mu   sync.Mutex
	seen map[syscall.Signal]int
}

func newWitness() *witness {
	w := &witness{seen: make(map[syscall.Signal]int)}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, forwarded...)
	go func() {
		for sig := range signals {
			if sig, ok := sig.(syscall.Signal); ok {
				w.mu.Lock()
				w.seen[sig]++
				w.mu.Unlock()
			}
		}
	}()
	return w
}

// reset restarts the count, for a new command.
func (w *witness) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.seen)
}

func (w *witness) count(sig syscall.Signal) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[sig]
}

// groupSignalMax is how much later than its program the witness may receive a signal of their group. The kernel
// sends it to all of them at once, so this is ample; it delays only signals other than a Ctrl-C.
const groupSignalMax = 100 * time.Millisecond

// command is a command that a program runs in the enclosure.
type command struct {
	s     *supervisor
	pid   int
	group bool // the command has a process group of its own
	dead  chan struct{}

	passedOn map[syscall.Signal]int // number of signals received from its program alone
}

// run starts a command with the three passed files. Its exit is reported over the link. A command of a named lab
// gets its own process group; in an ephemeral lab it stays in its program's, and so in the foreground of the
// terminal.
func (s *supervisor) run(l *link, f frame, files []*os.File, group bool) (*command, error) {
	if len(f.Argv) == 0 || len(files) != 3 {
		return nil, errors.New("run needs a command and three files")
	}
	path, err := lookPath(f.Argv[0], f.Env, f.Dir)
	if err != nil {
		return nil, err
	}
	env := slices.Concat(f.Env, []string{EnvFile + "=" + filepath.Join(s.spec.Dir, inventoryFile)})
	pid, dead, err := s.reaper.start(path, f.Argv, env, f.Dir, files, &syscall.SysProcAttr{Setpgid: group})
	if err != nil {
		return nil, err
	}
	s.witness.reset() // what the group received before has not reached the command
	s.mu.Lock()
	s.commands[pid] = struct{}{}
	s.mu.Unlock()
	c := &command{s: s, pid: pid, group: group, dead: make(chan struct{}), passedOn: make(map[syscall.Signal]int)}
	go func() {
		status := <-dead
		s.mu.Lock()
		delete(s.commands, pid)
		s.mu.Unlock()
		close(c.dead)
		_ = l.send(frame{Op: opExited, Code: exitCode(status)}) // fails if the program is gone
	}()
	return c, nil
}

// forward sends the command a signal that its program received for the count-th time, unless the command has
// received it already. It is not safe for concurrent use.
func (c *command) forward(sig syscall.Signal, count int) {
	if c.group {
		c.s.reaper.signal(c.pid, sig, true)
		return
	}
	for end := time.Now().Add(groupSignalMax); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if c.s.witness.count(sig)+c.passedOn[sig] >= count {
			return
		}
	}
	c.passedOn[sig]++
	c.s.reaper.signal(c.pid, sig, false)
}

// abandon ends a command whose program is gone. It is asked to terminate first, so that it can heal its faults.
func (c *command) abandon(grace time.Duration) {
	c.s.reaper.signal(c.pid, unix.SIGTERM, c.group)
	select {
	case <-c.dead:
	case <-time.After(grace):
		c.s.reaper.signal(c.pid, unix.SIGKILL, c.group)
		<-c.dead
	}
}

// lookPath looks a program up as a shell with the given environment and directory would.
func lookPath(name string, env []string, dir string) (string, error) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return name, nil
	}
	path := ""
	for _, kv := range env {
		if value, ok := strings.CutPrefix(kv, "PATH="); ok {
			path = value
		}
	}
	for _, d := range filepath.SplitList(path) {
		full := filepath.Join(d, name)
		if info, err := os.Stat(full); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
			return full, nil
		}
	}
	return "", fmt.Errorf("find %q in PATH: %w", name, exec.ErrNotFound)
}
