//go:build linux

package local

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"elenchus/harness/lab/sshd"
)

// hostSpec is the description from which a host is built.
type hostSpec struct {
	Index         int    `json:"index"` // from 1
	Hosts         int    `json:"hosts"`
	Base          string `json:"base"`           // directory of its changes, in memory
	Disk          string `json:"disk,omitempty"` // directory of its private directories, if on disk
	Rootless      bool   `json:"rootless"`
	Sshd          string `json:"sshd,omitempty"`
	HostKey       string `json:"host_key"`
	AuthorizedKey string `json:"authorized_key"`
}

// Where a host keeps its SSH server's files, as the host sees them.
const (
	etcDir         = "/etc/elenchus"
	hostKeyFile    = etcDir + "/ssh_host_ed25519_key"
	authorizedFile = etcDir + "/authorized_keys"
	sshdConfigFile = etcDir + "/sshd_config"
)

// hostPath is the search path of every command in a host. Firewall tools live in sbin.
const hostPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// sshdConfig is a minimal configuration of OpenSSH's server: one key, no PAM, no name look-ups, many sessions.
const sshdConfig = `Port 22
AddressFamily inet
HostKey ` + hostKeyFile + `
AuthorizedKeysFile ` + authorizedFile + `
PidFile /run/sshd.pid
AuthenticationMethods publickey
PermitRootLogin prohibit-password
UsePAM no
UseDNS no
X11Forwarding no
PrintMotd no
PrintLastLog no
LogLevel INFO
LoginGraceTime 60
MaxSessions 200
MaxStartups 200:30:400
SetEnv PATH=` + hostPath + `
Subsystem sftp internal-sftp
`

// beHost turns a new process in new namespaces into a host and stays as its process 1, until the supervisor or
// something in the host kills it.
func beHost() error {
	runtime.LockOSThread() // capabilities belong to a thread, and children have those of the thread that forks them
	parent, err := newLink(controlFD, "supervisor")
	if err != nil {
		return err
	}
	f, _, err := parent.receive()
	if err != nil {
		return fmt.Errorf("wait for instructions: %w", err)
	}
	if f.Op != opBuild || f.Host == nil {
		return fmt.Errorf("wait for instructions: got %q", f.Op)
	}
	h := *f.Host
	server, err := h.build()
	if err == nil {
		err = server.start()
	}
	if err != nil {
		return errors.Join(err, parent.send(frame{Op: opError, Error: err.Error()}))
	}
	if err := parent.send(frame{Op: opReady}); err != nil {
		return err
	}
	parent.close()
	return server.keep()
}

// build does everything except starting the server.
func (h hostSpec) build() (*sshServer, error) {
	unix.Umask(0o022)
	if err := unix.Sethostname([]byte(hostName(h.Index))); err != nil {
		return nil, fmt.Errorf("set host name: %w", err)
	}
	if err := h.buildRoot(); err != nil {
		return nil, fmt.Errorf("build file system: %w", err)
	}
	if err := dropCapabilities(); err != nil {
		return nil, err
	}
	return newSSHServer(h)
}

// sshServer is the SSH server of a host, kept running by the host's process 1. A fault that kills every process of
// a host must not prevent restarting them.
type sshServer struct {
	reaper   *reaper
	path     string
	argv     []string
	listener *os.File // for our own server; OpenSSH's creates its own
	dead     <-chan syscall.WaitStatus
}

func newSSHServer(h hostSpec) (*sshServer, error) {
	s := &sshServer{reaper: newReaper()}
	if h.Sshd != "" {
		s.path, s.argv = h.Sshd, []string{h.Sshd, "-D", "-e", "-f", sshdConfigFile}
		return s, nil
	}
	s.path, s.argv = "/proc/self/exe", []string{sshdName}
	listener, err := net.Listen("tcp4", ":22")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	defer func() { _ = listener.Close() }()
	tcp, ok := listener.(*net.TCPListener)
	if !ok {
		return nil, errors.New("listen: not TCP")
	}
	if s.listener, err = tcp.File(); err != nil {
		return nil, fmt.Errorf("duplicate listener: %w", err)
	}
	return s, nil
}

// start starts the server and returns when it accepts connections.
func (s *sshServer) start() error {
	env := []string{"PATH=" + hostPath, "HOME=/root", "SHELL=/bin/bash", "USER=root", "LOGNAME=root", "LANG=C.UTF-8"}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer func() { _ = null.Close() }()
	sys := &syscall.SysProcAttr{Setsid: true, Pdeathsig: unix.SIGKILL}
	if s.listener != nil { // connections wait in its queue until the server takes them
		files := []*os.File{null, os.Stdout, os.Stderr, s.listener}
		_, s.dead, err = s.reaper.start(s.path, s.argv, env, "/root", files, sys)
		return err
	}
	log, out, err := os.Pipe()
	if err != nil {
		return err
	}
	_, s.dead, err = s.reaper.start(s.path, s.argv, env, "/root", []*os.File{null, out, out}, sys)
	_ = out.Close()
	if err != nil {
		_ = log.Close()
		return err
	}
	listening := make(chan bool, 1)
	go relayLog(log, listening)
	if !<-listening {
		return fmt.Errorf("start %s: it ended before it listened", s.path)
	}
	return nil
}

// relayLog copies OpenSSH's log to ours, and reports whether its server has started to listen. The wording has not
// changed since its first release, and the only other sign is a connection that works.
func relayLog(log *os.File, listening chan<- bool) {
	defer func() { _ = log.Close() }()
	lines := bufio.NewReader(log)
	told := false
	for {
		line, err := lines.ReadString('\n')
		_, _ = io.WriteString(os.Stderr, line)
		if !told && strings.HasPrefix(line, "Server listening on ") {
			listening <- true
			told = true
		}
		if err != nil {
			break
		}
	}
	if !told {
		listening <- false
	}
}

// keep restarts the server whenever it ends, unless it repeatedly fails at once.
func (s *sshServer) keep() error {
	const failuresMax = 5
	for failures := 0; failures < failuresMax; {
		began := time.Now()
		status := <-s.dead
		log.Printf("ssh server ended with status %d, starting another", exitCode(status))
		if time.Since(began) > time.Second {
			failures = 0
		}
		failures++
		time.Sleep(10 * time.Millisecond)
		if err := s.start(); err != nil {
			return err
		}
	}
	return fmt.Errorf("ssh server ended %d times in a row", failuresMax)
}

// serveSSH runs our own SSH server, in a separate process because it starts processes and waits for them, which
// conflicts with a process 1 that reaps every child.
func serveSSH() error {
	listener, err := net.FileListener(os.NewFile(controlFD, "listener"))
	if err != nil {
		return fmt.Errorf("use inherited listener: %w", err)
	}
	hostKey, err := os.ReadFile(hostKeyFile)
	if err != nil {
		return fmt.Errorf("read host key: %w", err)
	}
	signer, err := ssh.ParsePrivateKey(hostKey)
	if err != nil {
		return fmt.Errorf("parse host key: %w", err)
	}
	authorized, err := os.ReadFile(authorizedFile)
	if err != nil {
		return fmt.Errorf("read authorized key: %w", err)
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey(authorized)
	if err != nil {
		return fmt.Errorf("parse authorized key: %w", err)
	}
	server := &sshd.Server{
		HostKey: signer, AuthorizedKey: public, User: "root", Dir: "/root", Env: os.Environ(), Logf: log.Printf,
		SessionsMax: 200, ConnsMax: 200,
	}
	return server.Serve(listener)
}
