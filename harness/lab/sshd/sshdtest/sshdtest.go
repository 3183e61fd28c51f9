// Package sshdtest starts SSH servers on loopback for tests: the project's own and, where it is installed, OpenSSH's.
package sshdtest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"elenchus/harness/lab/sshd"
)

// startDeadline limits the wait for OpenSSH to answer; generous, for slow machines.
const startDeadline = 30 * time.Second

// Endpoint is a running server and what a client needs for it.
type Endpoint struct {
	Address string // "127.0.0.1"
	Port    int
	User    string
	Key     ssh.Signer // the key that may log in
	KeyFile string     // file with the same key
	HostKey string     // the server's public key, as in authorized_keys
	Dir     string     // a scratch directory of the test

	// Server is the in-process server, nil for OpenSSH.
	Server *sshd.Server
}

// Addr returns the server's host:port.
func (e *Endpoint) Addr() string { return net.JoinHostPort(e.Address, fmt.Sprint(e.Port)) }

// Dial logs in with a plain client, which is closed when the test ends.
func (e *Endpoint) Dial(t testing.TB) *ssh.Client {
	t.Helper()
	hostKey, _, _, _, err := ssh.ParseAuthorizedKey([]byte(e.HostKey))
	if err != nil {
		t.Fatal(err)
	}
	client, err := ssh.Dial("tcp", e.Addr(), &ssh.ClientConfig{
		User:            e.User,
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(e.Key)},
		HostKeyCallback: ssh.FixedHostKey(hostKey),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// Start runs the project's own server in the test's process until the test ends. The server may be configured before
// it serves.
func Start(t testing.TB, configure ...func(*sshd.Server)) *Endpoint {
	t.Helper()
	e, hostKey, _ := prepare(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e.Port = listener.Addr().(*net.TCPAddr).Port
	e.Server = &sshd.Server{HostKey: hostKey, AuthorizedKey: e.Key.PublicKey(), User: e.User, Dir: e.Dir}
	for _, f := range configure {
		f(e.Server)
	}
	served := make(chan error, 1)
	go func() { served <- e.Server.Serve(listener) }()
	t.Cleanup(func() {
		if err := e.Server.Close(); err != nil {
			t.Errorf("close ssh server: %v", err)
		}
		if err := <-served; !errors.Is(err, sshd.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	})
	return e
}

// StartOpenSSH runs OpenSSH's sshd for the current user until the test ends. The test is skipped where it is not
// installed.
func StartOpenSSH(t testing.TB) *Endpoint {
	t.Helper()
	binary, err := exec.LookPath("sshd")
	if err != nil {
		if binary, err = exec.LookPath("/usr/sbin/sshd"); err != nil {
			t.Skip("OpenSSH's sshd is not installed")
		}
	}
	if os.Geteuid() == 0 {
		// The privilege separation directory, which a distribution creates when the service starts.
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatalf("make the directory that OpenSSH's sshd needs: %v", err)
		}
	}
	e, _, hostKeyFile := prepare(t)
	e.Port = freePort(t)
	config := filepath.Join(e.Dir, "sshd_config")
	keys := filepath.Join(e.Dir, "authorized_keys")
	writeFile(t, keys, ssh.MarshalAuthorizedKey(e.Key.PublicKey()))
	writeFile(t, config, fmt.Appendf(nil, "ListenAddress 127.0.0.1:%d\nHostKey %s\nAuthorizedKeysFile %s\n"+
		"PidFile none\nStrictModes no\nUsePAM no\nUseDNS no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"+
		"MaxSessions 100\nMaxStartups 100:30:200\n", e.Port, hostKeyFile, keys))

	log := filepath.Join(e.Dir, "sshd.log")
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, binary, "-D", "-f", config, "-E", log)
	if err := cmd.Start(); err != nil {
		stop()
		t.Fatalf("start OpenSSH's sshd: %v", err)
	}
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	t.Cleanup(func() { stop(); <-exited })
	awaitListening(t, e, exited, log)
	return e
}

// awaitListening returns when the server accepts connections.
func awaitListening(t testing.TB, e *Endpoint, exited <-chan struct{}, log string) {
	t.Helper()
	for deadline := time.Now().Add(startDeadline); time.Now().Before(deadline); {
		if c, err := net.DialTimeout("tcp", e.Addr(), time.Second); err == nil {
			_ = c.Close()
			return
		}
		select {
		case <-exited:
			text, _ := os.ReadFile(log)
			t.Fatalf("OpenSSH's sshd has ended: %s", text)
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Fatalf("OpenSSH's sshd did not listen within %v", startDeadline)
}

// prepare makes a scratch directory with a client key and a host key.
func prepare(t testing.TB) (e *Endpoint, hostKey ssh.Signer, hostKeyFile string) {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	e = &Endpoint{Address: "127.0.0.1", User: me.Username, Dir: t.TempDir()}
	e.Key, e.KeyFile = NewKey(t, e.Dir, "client_key")
	hostKey, hostKeyFile = NewKey(t, e.Dir, "host_key")
	e.HostKey = strings.TrimSpace(string(ssh.MarshalAuthorizedKey(hostKey.PublicKey())))
	return e, hostKey, hostKeyFile
}

// NewKey makes an ed25519 key and writes it to dir/name as OpenSSH would.
func NewKey(t testing.TB, dir, name string) (ssh.Signer, string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "test")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, name)
	writeFile(t, file, pem.EncodeToMemory(block))
	return signer, file
}

func writeFile(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// freePort returns a port that was free a moment ago.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}
