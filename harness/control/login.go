package control

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/crypto/ssh/knownhosts"
)

// login holds what a client needs to connect, prepared once: its credentials, and the host's expected identity.
type login struct {
	address string // host:port
	config  ssh.ClientConfig
	key     string // for messages: the key that is offered
	agent   bool   // the keys come from the SSH agent
}

// newLogin reads the keys. Its errors match ErrAuth or ErrHostKey.
func newLogin(h Host, o Options) (*login, error) {
	port := h.Port
	if port == 0 {
		port = 22
	}
	l := &login{address: net.JoinHostPort(h.Address, strconv.Itoa(port))}
	l.config.User = h.User
	verify, algorithms, err := hostKeyCheck(h, o, l.address)
	if err != nil {
		return nil, err
	}
	l.config.HostKeyCallback, l.config.HostKeyAlgorithms = verify, algorithms
	if h.KeyFile == "" {
		l.key, l.agent = "the agent's keys", true
		if os.Getenv("SSH_AUTH_SOCK") == "" {
			return nil, connectError(h, ErrAuth, "no key file is given and no agent is running (SSH_AUTH_SOCK is not set)")
		}
		return l, nil
	}
	signer, err := readKey(h.KeyFile)
	if err != nil {
		return nil, connectError(h, ErrAuth, "%w", err)
	}
	l.key = fmt.Sprintf("key %s (%s)", h.KeyFile, ssh.FingerprintSHA256(signer.PublicKey()))
	l.config.Auth = []ssh.AuthMethod{ssh.PublicKeys(signer)}
	return l, nil
}

// readKey reads a private key. Like OpenSSH, it refuses one that others than its owner can read.
func readKey(file string) (ssh.Signer, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	if mode := info.Mode(); mode.Perm()&0o077 != 0 {
		return nil, fmt.Errorf("read key: %s is open to others (mode %04o): chmod 600 it", file, mode.Perm())
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("read key: %w (it belongs to another user?)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	signer, err := ssh.ParsePrivateKey(text)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		return nil, fmt.Errorf("read key: %s has a passphrase: add it to an agent and give no key file", file)
	}
	if err != nil {
		return nil, fmt.Errorf("read key: %s: %w", file, err)
	}
	return signer, nil
}

// askAgent offers the keys of the running SSH agent. The agent signs during the handshake; call done after it.
func askAgent() (auth ssh.AuthMethod, done func(), err error) {
	conn, err := net.Dial("unix", os.Getenv("SSH_AUTH_SOCK"))
	if err != nil {
		return nil, nil, fmt.Errorf("ask the SSH agent: %w", err)
	}
	return ssh.PublicKeysCallback(agent.NewClient(conn).Signers), func() { _ = conn.Close() }, nil
}

// hostKeyCheck returns how to verify the host's key, and the acceptable key algorithms. Requesting only those
// matters: a host with several keys could otherwise present one that is not pinned.
func hostKeyCheck(h Host, o Options, address string) (ssh.HostKeyCallback, []string, error) {
	switch {
	case h.HostKey != "":
		pinned, _, _, _, err := ssh.ParseAuthorizedKey([]byte(h.HostKey))
		if err != nil {
			return nil, nil, connectError(h, ErrHostKey, "parse the pinned host key %q: %w", h.HostKey, err)
		}
		check := func(_ string, _ net.Addr, key ssh.PublicKey) error {
			if string(key.Marshal()) == string(pinned.Marshal()) {
				return nil
			}
			return fmt.Errorf("expected %s %s, got %s %s: another machine answers at %s, or the host was made anew",
				pinned.Type(), ssh.FingerprintSHA256(pinned), key.Type(), ssh.FingerprintSHA256(key), address)
		}
		return check, algorithmsOf(pinned.Type()), nil
	case o.KnownHosts != "":
		check, err := knownhosts.New(o.KnownHosts)
		if err != nil {
			return nil, nil, connectError(h, ErrHostKey, "read known hosts: %w", err)
		}
		return knownHostsCheck(h, o, address, check)
	default:
		return nil, nil, connectError(h, ErrHostKey, "no host key is pinned and no known_hosts file is given: "+
			"refusing to connect to whoever answers at %s", address)
	}
}

// knownHostsCheck finds the keys that the file has for the address, by presenting one that cannot match.
func knownHostsCheck(h Host, o Options, address string, check ssh.HostKeyCallback) (
	ssh.HostKeyCallback, []string, error) {
	var known *knownhosts.KeyError
	if err := check(address, &net.TCPAddr{}, noKey{}); !errors.As(err, &known) || len(known.Want) == 0 {
		return nil, nil, connectError(h, ErrHostKey, "%s has no key for %s", o.KnownHosts, address)
	}
	var algorithms []string
	for _, k := range known.Want {
		algorithms = append(algorithms, algorithmsOf(k.Key.Type())...)
	}
	return func(a string, remote net.Addr, key ssh.PublicKey) error {
		err := check(a, remote, key)
		if errors.As(err, &known) && len(known.Want) > 0 {
			return fmt.Errorf("expected %s %s (%s:%d), got %s %s", known.Want[0].Key.Type(),
				ssh.FingerprintSHA256(known.Want[0].Key), known.Want[0].Filename, known.Want[0].Line,
				key.Type(), ssh.FingerprintSHA256(key))
		}
		return err
	}, algorithms, nil
}

// algorithmsOf returns the signature algorithms of a key type. Only RSA has several, and SHA-1 is excluded.
func algorithmsOf(keyType string) []string {
	if keyType == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{keyType}
}

// noKey is a public key that no host has.
type noKey struct{}

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return []byte("none") }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("no key") }
