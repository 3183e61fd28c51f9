package sshd

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// command is a process started by a session, with our ends of its pipes.
type command struct {
	server *Server
	cmd    *exec.Cmd
	stdin  *os.File
	stdout *os.File
	stderr *os.File
	exited chan struct{} // closed when the process is dead and its exit status is known

	mu     sync.Mutex
	reaped bool // from here on the process id may be reused
}

// start runs argv in a new session with three pipes. The server tracks the command until it has exited.
func (s *Server) start(argv []string) (*command, error) {
	c := &command{server: s, cmd: exec.Command(argv[0], argv[1:]...), exited: make(chan struct{})}
	c.cmd.Dir = orDefault(s.Dir, "/")
	c.cmd.Env = s.environment()
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	theirs, err := c.pipes()
	if err != nil {
		return nil, err
	}
	defer closeAll(theirs...)

	// The lock makes starting and Close exclusive: nothing is started that Close would not kill.
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		err = ErrServerClosed
	} else {
		err = c.cmd.Start()
	}
	if err != nil {
		closeAll(c.stdin, c.stdout, c.stderr)
		return nil, err
	}
	s.commands[c] = struct{}{}
	s.work.Add(1)
	go c.wait()
	return c, nil
}

// pipes connects the command to three pipes and returns the command's ends. To exec.Cmd they are plain files, so
// that waiting for the process does not wait for others that hold its output open.
func (c *command) pipes() (theirs []*os.File, err error) {
	var ours []*os.File
	for range 3 {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(ours...)
			closeAll(theirs...)
			return nil, err
		}
		if len(ours) == 0 {
			ours, theirs = append(ours, w), append(theirs, r)
		} else {
			ours, theirs = append(ours, r), append(theirs, w)
		}
	}
	c.stdin, c.stdout, c.stderr = ours[0], ours[1], ours[2]
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = theirs[0], theirs[1], theirs[2]
	return theirs, nil
}

// wait waits for the process to die and reaps it.
func (c *command) wait() {
	defer c.server.work.Done()
	awaitExit(c.cmd.Process.Pid)
	c.mu.Lock()
	c.reaped = true
	c.mu.Unlock()
	_ = c.cmd.Wait() // the exit status is read from ProcessState

	c.server.mu.Lock()
	delete(c.server.commands, c)
	c.server.mu.Unlock()
	close(c.exited)
}

// awaitExit returns when the child pid is dead, without reaping it: until it is reaped its id cannot be reused, so
// killing the group by its id cannot hit another process.
func awaitExit(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// kill kills the command's process group, unless the command has exited.
func (c *command) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reaped {
		_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	}
}

// relay copies data between the channel and the command, and closes the channel when the command is over.
func (c *command) relay(channel ssh.Channel) {
	work := &c.server.work
	work.Go(func() {
		_, _ = io.Copy(c.stdin, channel)
		_ = c.stdin.Close()
	})
	linger := orDefault(c.server.Linger, lingerDefault)
	var outputs sync.WaitGroup
	outputs.Go(func() { pump(channel, c.stdout, linger) })
	outputs.Go(func() { pump(channel.Stderr(), c.stderr, linger) })
	work.Go(func() {
		<-c.exited
		// Wake readers that are waiting for background children.
		_ = c.stdout.SetReadDeadline(time.Now())
		_ = c.stderr.SetReadDeadline(time.Now())
		outputs.Wait()
		_ = channel.CloseWrite()
		sendExit(channel, c.cmd.ProcessState)
		_ = channel.Close()
	})
}

// disconnect closes our ends of the pipes, because the client is gone. The process is not signalled.
func (c *command) disconnect() {
	closeAll(c.stdin, c.stdout, c.stderr)
}

// sendExit reports how the process ended (RFC 4254, section 6.10). It reports nothing for a nil state, when
// something else in this process has reaped the child: the client then sees a session without an exit status.
func sendExit(channel ssh.Channel, state *os.ProcessState) {
	if state == nil {
		return
	}
	status := state.Sys().(syscall.WaitStatus)
	if !status.Signaled() {
		payload := struct{ Status uint32 }{uint32(status.ExitStatus())}
		_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(payload))
		return
	}
	payload := struct {
		Signal     string
		CoreDumped bool
		Message    string
		Language   string
	}{Signal: signalName(status.Signal()), CoreDumped: status.CoreDump()}
	_, _ = channel.SendRequest("exit-signal", false, ssh.Marshal(payload))
}

// signalName returns the signal's name in the protocol: standard ones without SIG, others as in OpenSSH.
func signalName(s syscall.Signal) string {
	switch s {
	case syscall.SIGABRT, syscall.SIGALRM, syscall.SIGFPE, syscall.SIGHUP, syscall.SIGILL, syscall.SIGINT, syscall.SIGKILL,
		syscall.SIGPIPE, syscall.SIGQUIT, syscall.SIGSEGV, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2:
		return unix.SignalName(s)[len("SIG"):]
	default:
		return "SIG@openssh.com"
	}
}

func (s *Server) environment() []string {
	if s.Env != nil {
		return s.Env
	}
	return []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root", "SHELL=/bin/sh", "USER=" + orDefault(s.User, "root"),
	}
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}
