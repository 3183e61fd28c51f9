//go:build linux

package local

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// keyPair is an ed25519 key in OpenSSH's formats.
type keyPair struct {
	private string // PEM
	public  string // as in authorized_keys
}

// labKeys are the keys of a lab: made with it, and worth nothing after it.
type labKeys struct {
	client keyPair
	hosts  []keyPair
}

func newLabKeys(hosts int) (labKeys, error) {
	var keys labKeys
	var err error
	if keys.client, err = newKeyPair("elenchus"); err != nil {
		return labKeys{}, err
	}
	for i := 1; i <= hosts; i++ {
		pair, err := newKeyPair(hostName(i))
		if err != nil {
			return labKeys{}, err
		}
		keys.hosts = append(keys.hosts, pair)
	}
	return keys, nil
}

func newKeyPair(comment string) (keyPair, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return keyPair{}, fmt.Errorf("generate key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, comment)
	if err != nil {
		return keyPair{}, fmt.Errorf("encode private key: %w", err)
	}
	sshPublic, err := ssh.NewPublicKey(public)
	if err != nil {
		return keyPair{}, fmt.Errorf("encode public key: %w", err)
	}
	return keyPair{
		private: string(pem.EncodeToMemory(block)),
		public:  strings.TrimSpace(string(ssh.MarshalAuthorizedKey(sshPublic))),
	}, nil
}
