package run

import (
	"crypto/ed25519"
	"encoding/pem"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"elenchus/harness/control"
	"elenchus/harness/lab"
)

// Of hosts that nobody could look at nobody knows that nothing was left behind on them.
func TestLookNamesWhomItCannotReach(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	hostKey, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	keyFile := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	// Nothing ever listens at the first port, which is reserved.
	gone := control.Host{Name: "n1", Address: "127.0.0.1", Port: 1, User: "root", KeyFile: keyFile,
		HostKey: string(ssh.MarshalAuthorizedKey(hostKey)), Peer: netip.MustParseAddr("10.9.0.1")}
	left, err := Look(t.Context(), lab.Inventory{Name: "gone", Hosts: []control.Host{gone}}, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "n1 was not looked at: ") {
		t.Errorf("the error is %v", err)
	}
	if left.Clean() || !slices.Equal(left.Unreachable, []string{"n1"}) {
		t.Errorf("left behind: %+v", left)
	}
}
