package vagrant

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"elenchus/harness/control"
)

// keyFile keeps the machines' host keys, a JSON object from a machine's identity to its key.
const keyFile = "elenchus_host_keys"

// pinHostKeys fills in the hosts' keys. The key of a machine that is not in the file is fetched and stored.
func pinHostKeys(ctx context.Context, dotfile string, hosts []control.Host) error {
	path := filepath.Join(dotfile, keyFile)
	known := make(map[string]string)
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read host keys: %w", err)
	}
	if err == nil {
		if err := json.Unmarshal(data, &known); err != nil {
			return fmt.Errorf("read host keys: %s: %w", path, err)
		}
	}
	learnt := false
	for i := range hosts {
		id, err := machineID(dotfile, hosts[i].Name)
		if err != nil {
			return err
		}
		if known[id] == "" {
			if known[id], err = askHostKey(ctx, hosts[i]); err != nil {
				return fmt.Errorf("ask %s for its host key: %w", hosts[i].Name, err)
			}
			learnt = true
		}
		hosts[i].HostKey = known[id]
	}
	if !learnt {
		return nil
	}
	if data, err = json.MarshalIndent(known, "", "  "); err != nil {
		return fmt.Errorf("encode host keys: %w", err)
	}
	fresh := path + ".new"
	if err := errors.Join(os.WriteFile(fresh, append(data, '\n'), 0o600), os.Rename(fresh, path)); err != nil {
		return fmt.Errorf("keep host keys: %w", err)
	}
	return nil
}

// machineID returns the identity that Vagrant's provider gave a machine at its creation.
func machineID(dotfile, name string) (string, error) {
	files, err := filepath.Glob(filepath.Join(dotfile, "machines", name, "*", "id"))
	if err != nil {
		return "", fmt.Errorf("find identity of %s: %w", name, err)
	}
	for _, f := range files {
		if data, err := os.ReadFile(f); err == nil && len(bytes.TrimSpace(data)) > 0 {
			return name + "/" + strings.TrimSpace(string(data)), nil
		}
	}
	return "", fmt.Errorf("find identity of %s: none in %s", name, filepath.Join(dotfile, "machines", name))
}

// askHostKey connects only as far as needed to get the host's key.
func askHostKey(ctx context.Context, h control.Host) (string, error) {
	const limit = 30 * time.Second
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	address := net.JoinHostPort(h.Address, strconv.Itoa(h.Port))
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
		return "", err
	}
	var key ssh.PublicKey
	seen := errors.New("host key seen")
	_, _, _, err = ssh.NewClientConn(conn, address, &ssh.ClientConfig{
		User:              h.User,
		HostKeyAlgorithms: []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoRSASHA512},
		HostKeyCallback: func(_ string, _ net.Addr, k ssh.PublicKey) error {
			key = k
			return seen
		},
	})
	if key == nil {
		return "", fmt.Errorf("connect to %s: %w", address, err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))), nil
}
