package control_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"

	"elenchus/harness/control"
	"elenchus/harness/lab/sshd"
	"elenchus/harness/lab/sshd/sshdtest"
)

// dialFailure is one way in which connecting can fail.
type dialFailure struct {
	name    string
	change  func(*control.Host) // turns a good host into one that fails
	options control.Options
	kinds   []error  // what the error must match; of the main kinds it may match only the first
	texts   []string // what its message must contain
}

// Each kind of failure must be distinguishable, and its message must say what to check.
func TestDialDiagnosis(t *testing.T) {
	e := sshdtest.Start(t)
	t.Setenv("SSH_AUTH_SOCK", "")
	for _, tc := range slices.Concat(transportFailures(t), identityFailures(t, e), keyFailures(t, e)) {
		t.Run(tc.name, func(t *testing.T) {
			h := hostOf(e)
			tc.change(&h)
			c, err := control.Dial(context.Background(), h, tc.options)
			if err == nil {
				_ = c.Close()
			}
			expectError(t, err, nil, append(tc.texts, "n1: ")...)
			for _, kind := range tc.kinds {
				expectError(t, err, kind)
			}
			for _, kind := range []error{control.ErrUnreachable, control.ErrAuth, control.ErrHostKey} {
				if !errors.Is(tc.kinds[0], kind) && errors.Is(err, kind) {
					t.Errorf("%v also matches %v", err, kind)
				}
			}
		})
	}
}

// transportFailures are those without an SSH connection.
func transportFailures(t *testing.T) []dialFailure {
	short := control.Options{DialTimeout: 100 * time.Millisecond}
	return []dialFailure{
		{"nothing listens", func(h *control.Host) { h.Port = closedPort(t) }, control.Options{},
			[]error{control.ErrUnreachable}, []string{"nothing listens at 127.0.0.1:", "connection refused"}},
		{"stalls after accepting", func(h *control.Host) { h.Port = listen(t, stall) }, short,
			[]error{control.ErrUnreachable, control.ErrTimeout}, []string{"accepted the connection", "did not finish"}},
		{"stalls after its version", func(h *control.Host) { h.Port = listen(t, versionThenStall) }, short,
			[]error{control.ErrUnreachable, control.ErrTimeout}, []string{"accepted the connection", "did not finish"}},
		{"hangs up", func(h *control.Host) { h.Port = listen(t, hangUp) }, control.Options{},
			[]error{control.ErrUnreachable}, []string{"ended the SSH handshake"}},
		{"speaks something else", func(h *control.Host) { h.Port = listen(t, speakHTTP) }, control.Options{},
			[]error{control.ErrUnreachable}, []string{"not an SSH server"}},
	}
}

// identityFailures are those of hosts with the wrong identity.
func identityFailures(t *testing.T, e *sshdtest.Endpoint) []dialFailure {
	key, _ := sshdtest.NewKey(t, e.Dir, "other_host")
	other := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key.PublicKey())))
	expected := "expected ssh-ed25519 " + ssh.FingerprintSHA256(key.PublicKey())
	hostKey, _, _, _, err := ssh.ParseAuthorizedKey([]byte(e.HostKey))
	if err != nil {
		t.Fatal(err)
	}
	got := "got ssh-ed25519 " + ssh.FingerprintSHA256(hostKey)
	foreign := writeFile(t, e, "known_hosts", knownhosts.Line([]string{e.Addr()}, key.PublicKey()), 0o600)
	empty := writeFile(t, e, "no_known_hosts", "", 0o600)
	kinds := []error{control.ErrHostKey}
	unpin := func(h *control.Host) { h.HostKey = "" }
	return []dialFailure{
		{"wrong host key", func(h *control.Host) { h.HostKey = other }, control.Options{}, kinds, []string{expected, got}},
		{"host key that is none", func(h *control.Host) { h.HostKey = "ssh-ed25519 !" }, control.Options{}, kinds,
			[]string{"parse the pinned host key"}},
		{"no host key", unpin, control.Options{}, kinds, []string{"no host key is pinned", "refusing to connect"}},
		{"other key in known_hosts", unpin, control.Options{KnownHosts: foreign}, kinds,
			[]string{expected, foreign + ":1", got}},
		{"not in known_hosts", unpin, control.Options{KnownHosts: empty}, kinds,
			[]string{empty + " has no key for 127.0.0.1:"}},
		{"no known_hosts", unpin, control.Options{KnownHosts: empty + "-not"},
			[]error{control.ErrHostKey, os.ErrNotExist}, []string{"read known hosts"}},
	}
}

// keyFailures are those of users who may not log in.
func keyFailures(t *testing.T, e *sshdtest.Endpoint) []dialFailure {
	stranger, strangerFile := sshdtest.NewKey(t, e.Dir, "stranger")
	key, err := os.ReadFile(e.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	use := func(file string) func(*control.Host) { return func(h *control.Host) { h.KeyFile = file } }
	open := writeFile(t, e, "open", string(key), 0o644)
	empty := writeFile(t, e, "empty", "", 0o600)
	locked := writeFile(t, e, "locked", lockedKey(t), 0o600)
	kinds := []error{control.ErrAuth}
	return []dialFailure{
		{"wrong key", use(strangerFile), control.Options{}, kinds, []string{"user \"" + e.User + "\"", strangerFile,
			ssh.FingerprintSHA256(stranger.PublicKey()), "authorized_keys"}},
		{"wrong user", func(h *control.Host) { h.User = "nobody-here" }, control.Options{}, kinds,
			[]string{"user \"nobody-here\" may not log in"}},
		{"no key file", use(empty + "-not"), control.Options{}, []error{control.ErrAuth, os.ErrNotExist},
			[]string{"read key"}},
		{"key open to others", use(open), control.Options{}, kinds, []string{"mode 0644", "chmod 600"}},
		{"key that is none", use(empty), control.Options{}, kinds, []string{"read key", empty}},
		{"key with a passphrase", use(locked), control.Options{}, kinds, []string{"has a passphrase", "agent"}},
		{"no key and no agent", use(""), control.Options{}, kinds, []string{"SSH_AUTH_SOCK"}},
	}
}

func TestDialRejectsOptions(t *testing.T) {
	_, err := control.Dial(context.Background(), control.Host{}, control.Options{DialTimeout: -1, KeepAlive: -1,
		ShellsMax: -2})
	expectError(t, err, nil, "dial timeout -1ns", "keepalive -1ns", "shells -2")
}

func TestDialHonoursItsContext(t *testing.T) {
	h := hostOf(sshdtest.Start(t))
	h.Port = listen(t, stall)
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() {
		_, err := control.Dial(ctx, h, control.Options{})
		result <- err
	}()
	cancel()
	expectError(t, <-result, context.Canceled)
	_, err := control.Dial(ctx, h, control.Options{})
	expectError(t, err, context.Canceled)
}

func TestKeyTypes(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecdsaKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.PrivateKey{"rsa": rsaKey, "ecdsa": ecdsaKey} {
		t.Run(name, func(t *testing.T) {
			signer, err := ssh.NewSignerFromKey(key)
			if err != nil {
				t.Fatal(err)
			}
			e := sshdtest.Start(t, func(s *sshd.Server) { s.HostKey, s.AuthorizedKey = signer, signer.PublicKey() })
			h := hostOf(e)
			h.HostKey = string(ssh.MarshalAuthorizedKey(signer.PublicKey()))
			h.KeyFile = filepath.Join(e.Dir, "key")
			block, err := ssh.MarshalPrivateKey(key, "")
			if err == nil {
				err = os.WriteFile(h.KeyFile, pem.EncodeToMemory(block), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := dial(t, h, control.Options{}).Run(context.Background(), "true"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestKnownHosts(t *testing.T) {
	forEachServer(t, func(t *testing.T, e *sshdtest.Endpoint) {
		h := hostOf(e)
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(h.HostKey))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(e.Dir, "known_hosts")
		if err := os.WriteFile(file, []byte(knownhosts.Line([]string{e.Addr()}, key)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		h.HostKey = ""
		if _, err := dial(t, h, control.Options{KnownHosts: file}).Run(context.Background(), "true"); err != nil {
			t.Error(err)
		}
	})
}

func TestAgent(t *testing.T) {
	e := sshdtest.Start(t)
	text, err := os.ReadFile(e.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParseRawPrivateKey(text)
	if err != nil {
		t.Fatal(err)
	}
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(e.Dir, "agent")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = agent.ServeAgent(ring, conn) // ends when the client hangs up
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-served })
	t.Setenv("SSH_AUTH_SOCK", socket)
	h := hostOf(e)
	h.KeyFile = ""
	if _, err := dial(t, h, control.Options{}).Run(context.Background(), "true"); err != nil {
		t.Error(err)
	}
}

// A server replaced by another one during the client's life must not be trusted on redial.
func TestRedialChecksTheHostKey(t *testing.T) {
	e, other := sshdtest.Start(t), sshdtest.Start(t)
	proxy := newProxy(t, e.Addr())
	h := hostOf(e)
	h.Port = proxy.port()
	c := dial(t, h, control.Options{})
	proxy.retarget(other.Addr())
	proxy.cut()
	await(t, "the other server's key to be refused", func() bool {
		_, err := c.Run(context.Background(), "true")
		if err == nil {
			t.Fatal("a command ran on the wrong host")
		}
		return errors.Is(err, control.ErrHostKey)
	})
}

func writeFile(t *testing.T, e *sshdtest.Endpoint, name, text string, mode os.FileMode) string {
	t.Helper()
	name = filepath.Join(e.Dir, name)
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return name
}

// listen serves every connection with handle until the test ends.
func listen(t *testing.T, handle func(net.Conn)) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() {
				handle(conn)
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); work.Wait() })
	return l.Addr().(*net.TCPAddr).Port
}

func stall(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

func versionThenStall(conn net.Conn) {
	_, _ = io.WriteString(conn, "SSH-2.0-stalls\r\n")
	stall(conn)
}

func hangUp(net.Conn) {}

func speakHTTP(conn net.Conn) {
	_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
}

// closedPort returns a port on which nothing listens.
func closedPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func lockedKey(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block))
}
