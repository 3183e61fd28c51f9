//go:build linux

package local

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"elenchus/harness/lab"
)

// labSpec is the description from which a supervisor builds a lab.
type labSpec struct {
	Name     string `json:"name"`
	Dir      string `json:"dir"` // the lab's own directory
	Hosts    int    `json:"hosts"`
	Rootless bool   `json:"rootless"`
	Disk     string `json:"disk,omitempty"` // directory for the hosts' private directories; in memory when empty
	Sshd     string `json:"sshd,omitempty"` // path of OpenSSH's server; our own when empty
}

// labStatus is a supervisor's view of its lab. Process ids are those of its own namespace.
type labStatus struct {
	Since    time.Time `json:"since"`
	Rootless bool      `json:"rootless"`
	Hosts    []int     `json:"hosts"` // process ids by host, 0 when dead
	Commands int       `json:"commands"`
}

// supervisor is process 1 of an enclosure.
type supervisor struct {
	spec    labSpec
	since   time.Time
	reaper  *reaper
	witness *witness
	keys    labKeys

	ending sync.Once
	ended  chan struct{} // closed when the lab is to end

	mu       sync.Mutex
	hosts    []int // process ids by host, 0 when dead
	commands map[int]struct{}
}

// supervise builds and serves the lab that the program requests over controlFD. If the program closes its end
// without having said that the lab is to stay, or dies, the lab ends: all processes end with this one.
func supervise() error {
	control, err := newLink(controlFD, "control")
	if err != nil {
		return err
	}
	f, _, err := control.receive()
	if err != nil {
		return fmt.Errorf("wait for instructions: %w", err)
	}
	if f.Op != opBuild || f.Lab == nil {
		return fmt.Errorf("wait for instructions: got %q", f.Op)
	}
	s := &supervisor{
		spec: *f.Lab, since: time.Now(), reaper: newReaper(), witness: newWitness(), ended: make(chan struct{}),
		commands: make(map[int]struct{}),
	}
	if err := s.build(); err != nil {
		return control.send(frame{Op: opError, Error: err.Error(), Unavailable: errors.Is(err, ErrUnavailable)})
	}
	if err := control.send(frame{Op: opReady}); err != nil {
		return err
	}
	stay := s.serve(control, true)
	control.close()
	if !stay {
		return nil
	}
	<-s.ended
	return nil
}

// build makes the enclosure, the hosts, and the inventory that describes them.
func (s *supervisor) build() error {
	if err := enclose(); err != nil {
		return err
	}
	if err := s.prepareDisk(); err != nil {
		return err
	}
	var err error
	if s.keys, err = newLabKeys(s.spec.Hosts); err != nil {
		return err
	}
	links := make([]*link, 0, s.spec.Hosts)
	defer func() {
		for _, l := range links {
			l.close()
		}
	}()
	for i := 1; i <= s.spec.Hosts; i++ {
		l, err := s.startHost(i)
		if err != nil {
			return fmt.Errorf("start host %s: %w", hostName(i), err)
		}
		links = append(links, l)
	}
	if err := buildNetwork(s.hosts); err != nil {
		return fmt.Errorf("build network: %w", err)
	}
	var errs []error
	for i, l := range links {
		if _, err := l.expect(opReady); err != nil {
			errs = append(errs, fmt.Errorf("host %s: %w (its log: %s)", hostName(i+1), err, s.hostLog(i+1)))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return s.writeInventory()
}

// enclose isolates the supervisor's view of the machine: its mounts do not propagate, and /proc shows the
// enclosure.
func enclose() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", diagnose(sysctl, err))
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc of the enclosure: %w", diagnose(sysctl, err))
	}
	return nil
}

// prepareDisk mounts the memory file system that holds all changes of all hosts, and disappears with the enclosure.
func (s *supervisor) prepareDisk() error {
	for _, dir := range []string{s.hostsDir(), filepath.Join(s.spec.Dir, "log")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make directory: %w", err)
		}
	}
	if err := unix.Mount("tmpfs", s.hostsDir(), "tmpfs", unix.MS_NOSUID, "mode=0755"); err != nil {
		return fmt.Errorf("mount memory for the hosts: %w", err)
	}
	return nil
}

func (s *supervisor) hostsDir() string { return filepath.Join(s.spec.Dir, "hosts") }
func (s *supervisor) hostLog(i int) string {
	return filepath.Join(s.spec.Dir, "log", hostName(i)+".log")
}

// startHost starts process 1 of host i and sends it its description.
func (s *supervisor) startHost(i int) (*link, error) {
	ours, theirs, err := socketPair(hostName(i))
	if err != nil {
		return nil, err
	}
	defer func() { _ = theirs.Close() }()
	log, err := os.OpenFile(s.hostLog(i), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		ours.close()
		return nil, err
	}
	defer func() { _ = log.Close() }()
	null, err := os.Open(os.DevNull)
	if err != nil {
		ours.close()
		return nil, err
	}
	defer func() { _ = null.Close() }()
	pid, dead, err := s.reaper.start("/proc/self/exe", []string{hostProcName}, []string{"PATH=" + hostPath}, "/",
		[]*os.File{null, log, log, theirs}, &syscall.SysProcAttr{
			Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS |
				unix.CLONE_NEWIPC,
			Setsid: true, // a Ctrl-C at the terminal is for the command, not for the hosts
		})
	if err != nil {
		ours.close()
		return nil, err
	}
	s.mu.Lock()
	s.hosts = append(s.hosts, pid)
	s.mu.Unlock()
	go func() {
		<-dead
		s.mu.Lock()
		s.hosts[i-1] = 0
		s.mu.Unlock()
	}()
	spec := hostSpec{
		Index: i, Hosts: s.spec.Hosts, Base: filepath.Join(s.hostsDir(), hostName(i)), Rootless: s.spec.Rootless,
		Sshd: s.spec.Sshd, HostKey: s.keys.hosts[i-1].private, AuthorizedKey: s.keys.client.public,
	}
	if s.spec.Disk != "" {
		spec.Disk = filepath.Join(s.spec.Disk, hostName(i))
	}
	if err := ours.send(frame{Op: opBuild, Host: &spec}); err != nil {
		ours.close()
		return nil, err
	}
	return ours, nil
}

// serve serves one program until it disconnects, and reports whether it said that the lab is to stay. The first
// program is the one that created the lab: its commands share its terminal's signals, those of others do not.
func (s *supervisor) serve(l *link, first bool) (stay bool) {
	var c *command
	defer func() {
		if c != nil {
			c.abandon(killGrace)
		}
	}()
	for {
		f, files, err := l.receive()
		if err != nil {
			return stay
		}
		answer := frame{Op: opReady}
		switch f.Op {
		case opServe:
			if err = s.listen(); err == nil {
				stay = true
			}
		case opExec:
			if c != nil {
				err = errors.New("one command is running already")
				break
			}
			if c, err = s.run(l, f, files, !first); err == nil {
				closeFiles(files)
				continue // the reply is the command's exit
			}
		case opSignal:
			if c != nil {
				c.forward(syscall.Signal(f.Signal), f.Count)
			}
			closeFiles(files)
			continue
		case opAbandon:
			if c != nil {
				go c.abandon(killGrace)
			}
			continue
		case opStatus:
			answer = frame{Op: opStatus, Status: s.status()}
		case opDown:
			s.end()
			continue
		default:
			err = fmt.Errorf("operation %q is unknown", f.Op)
		}
		closeFiles(files)
		if err != nil {
			answer = frame{Op: opError, Error: err.Error()}
		}
		if l.send(answer) != nil {
			return stay
		}
	}
}

// end makes the supervisor's main function return; everything in its namespaces ends with the process.
func (s *supervisor) end() { s.ending.Do(func() { close(s.ended) }) }

// listen opens the socket of a named lab and serves programs of the lab's owner.
func (s *supervisor) listen() error {
	dir, err := os.Open(s.spec.Dir)
	if err != nil {
		return fmt.Errorf("open lab directory: %w", err)
	}
	defer func() { _ = dir.Close() }()
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: socketPath(dir), Net: "unix"})
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	listener.SetUnlinkOnClose(false)
	go func() {
		for {
			conn, err := listener.AcceptUnix()
			if err != nil {
				time.Sleep(10 * time.Millisecond) // most likely out of descriptors: some will be closed
				continue
			}
			go func() {
				defer func() { _ = conn.Close() }()
				if ownedBy(conn, os.Getuid()) {
					s.serve(&link{conn: conn}, false)
				}
			}()
		}
	}()
	return nil
}

// socketPath returns a path of the lab's socket that is short enough, however long the directory's path is.
func socketPath(dir *os.File) string { return fmt.Sprintf("/proc/self/fd/%d/socket", dir.Fd()) }

// ownedBy reports whether the process at the other end runs as the user. A user that this namespace does not map,
// which for a lab without root means any but its owner, appears as the overflow user.
func ownedBy(conn *net.UnixConn, uid int) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	owned := false
	_ = raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		owned = err == nil && int(cred.Uid) == uid
	})
	return owned
}

func (s *supervisor) status() *labStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &labStatus{
		Since: s.since, Rootless: s.spec.Rootless, Hosts: append([]int(nil), s.hosts...), Commands: len(s.commands),
	}
}

// writeInventory writes the lab's inventory and the private key for its hosts.
func (s *supervisor) writeInventory() error {
	inv := lab.Inventory{Name: s.spec.Name, Kind: lab.Local}
	keyFile := filepath.Join(s.spec.Dir, "id_ed25519")
	if err := os.WriteFile(keyFile, []byte(s.keys.client.private), 0o600); err != nil {
		return fmt.Errorf("write client key: %w", err)
	}
	caps := capabilities(s.spec.Rootless)
	for i, key := range s.keys.hosts {
		inv.Hosts = append(inv.Hosts, inventoryHost(i+1, keyFile, key.public, caps))
	}
	data, err := inv.Marshal()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.spec.Dir, inventoryFile), data, 0o600); err != nil {
		return fmt.Errorf("write inventory: %w", err)
	}
	return nil
}
