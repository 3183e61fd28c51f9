package lab

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"elenchus/harness/control"
	"elenchus/harness/lab/sshd/sshdtest"
)

// testKey is a public key that no host has.
const testKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIaIisp0ON+/KeDGPIwM197NrklsSRnaBZ3cMxbJCQyY"

// place returns a directory with a private key in it.
func place(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte("a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "known_hosts"), []byte("192.0.2.1 "+testKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

const good = `
name = "rack"
[defaults]
key_file = "key"
known_hosts = "known_hosts"
capabilities = ["iptables"]
`

func TestParse(t *testing.T) {
	dir := place(t)
	const text = `
name = "rack"
[defaults]
key_file = "key"
user = "admin"
become = "sudo -n"
capabilities = ["iptables", "signals"]
[[host]]
name = "a"
address = "192.0.2.1"
host_key = "` + testKey + `"
[[host]]
name = "b"
address = "b.example.org"
port = 2222
peer = "10.0.0.2"
user = "root"
become = ""
host_key = "` + testKey + `"
capabilities = []
`
	inv, err := parse([]byte(text), dir)
	if err != nil {
		t.Fatal(err)
	}
	want := Inventory{Name: "rack", Kind: Listed, Hosts: []control.Host{
		{Name: "a", Address: "192.0.2.1", Port: 22, User: "admin", Become: "sudo -n",
			KeyFile: filepath.Join(dir, "key"), HostKey: testKey,
			Peer: netip.MustParseAddr("192.0.2.1"), Capabilities: []string{"iptables", "signals"}},
		{Name: "b", Address: "b.example.org", Port: 2222, User: "root", KeyFile: filepath.Join(dir, "key"),
			HostKey: testKey, Peer: netip.MustParseAddr("10.0.0.2"), Capabilities: []string{}},
	}}
	compare := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if diff := cmp.Diff(want, inv, compare); diff != "" {
		t.Error(diff)
	}
	// Marshal and Load must be inverse.
	data, err := inv.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	again, err := parse(data, "/")
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	again.Hosts[1].Capabilities = []string{} // TOML cannot tell an omitted list from an empty one
	if diff := cmp.Diff(want, again, compare); diff != "" {
		t.Error(diff)
	}
}

// TestParseListsAllProblems checks that a user can fix a file in one go.
func TestParseListsAllProblems(t *testing.T) {
	dir := place(t)
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"syntax", "name = \"x\nkind = 1", []string{"line 1, column"}},
		{"type", "name = \"x\"\n[[host]]\nport = \"22\"", []string{"line 3, column"}},
		{"empty", "", []string{"name is missing", "0 hosts: there must be 1 to 64"}},
		{"unknown fields, and everything else as well", `name = "x"
colour = "red"
[defaults]
key_fiel = "key"
address = "192.0.2.3"
[[host]]
name = "n1"
address = "192.0.2.1"
prot = 23
port = 70000
`, []string{
			`line 2, column 1: unknown field "colour"`, `line 4, column 1: unknown field "defaults.key_fiel"`,
			`line 5, column 1: unknown field "defaults.address"`, `line 9, column 1: unknown field "host.prot"`,
			"host n1: port 70000 is not within 1 to 65535", "host n1: key_file is missing",
			"host n1: host_key is missing",
		}},
		{"hosts", good + `
[[host]]
address = "192.0.2.1"
[[host]]
name = "n 2"
address = "192.0.2.2"
peer = "192.0.2.1"
capabilities = ["iptables", "telepathy"]
[[host]]
name = "n3"
address = "somewhere"
host_key = "secret"
[[host]]
name = "n4"
address = "192.0.2.4"
peer = "127.0.0.1"
key_file = "missing"
[[host]]
name = "n4"
peer = "0.0.0.0"
`, []string{
			"host 1: name is missing", "host n 2: name may hold", "host n 2: peer 192.0.2.1 is host 1's already",
			`host n 2: capability "telepathy" is unknown, the known ones are device-mapper, fuse, iptables`,
			`host n3: peer must be an IP address (it is what partitions cut): "somewhere" is none`,
			"host n3: host_key is not a public key", "host n4: peer 127.0.0.1 is a loopback address",
			"host n4: key_file cannot be read", `hosts 4 and 5 have the same name "n4"`, "host n4: address is missing",
			"known_hosts has no key for 192.0.2.2:22",
			"host n4: peer 0.0.0.0 is not the address of a host",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse([]byte(c.text), dir)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("not told: %q\n%v", want, err)
				}
			}
		})
	}
}

// TestLoopback checks that hosts on one machine are allowed as long as a partition can tell them apart.
func TestLoopback(t *testing.T) {
	hosts := func(peers ...string) string {
		text := good
		for i, p := range peers {
			text += fmt.Sprintf("[[host]]\nname = \"n%d\"\nport = %d\npeer = %q\n", i, 2200+i, p)
			text += "address = \"127.0.0.1\"\nhost_key = \"" + testKey + "\"\n"
		}
		return text
	}
	dir := place(t)
	if _, err := parse([]byte(hosts("127.0.0.11", "127.0.0.12")), dir); err != nil {
		t.Error(err)
	}
	if _, err := parse([]byte(hosts("192.168.56.11", "192.168.56.12")), dir); err != nil {
		t.Error(err)
	}
	bad := [][]string{{"127.0.0.1", "127.0.0.1"}, {"127.0.0.1", "10.0.0.2"}, {"10.0.0.1", "::ffff:10.0.0.1"}}
	for _, peers := range bad {
		if _, err := parse([]byte(hosts(peers...)), dir); err == nil {
			t.Errorf("peers %v: no error", peers)
		}
	}
}

func TestKnownHosts(t *testing.T) {
	dir := place(t)
	ecdsa := "ecdsa-sha2-nistp256 " +
		"AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7opKgwFB9nkt5YRrYMjNuG5N" +
		"87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg="
	lines := []string{
		knownhosts.HashHostname("192.0.2.1") + " " + ecdsa,
		knownhosts.HashHostname("192.0.2.1") + " " + testKey,
		"[192.0.2.1]:2222 " + ecdsa,
	}
	path := filepath.Join(dir, "known_hosts")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if key, err := knownHostKey(path, "192.0.2.1", 22); err != nil || key != testKey {
		t.Errorf("the better of two hashed keys: %q, %v", key, err)
	}
	if key, err := knownHostKey(path, "192.0.2.1", 2222); err != nil || key != ecdsa {
		t.Errorf("the key of a port: %q, %v", key, err)
	}
	if key, err := knownHostKey(path, "192.0.2.9", 22); err == nil {
		t.Errorf("an unknown host has key %q", key)
	}
}

// TestExample checks that the documented example is a valid inventory, except for its keys, which are not on this
// machine.
func TestExample(t *testing.T) {
	data, err := os.ReadFile("../../docs/inventory.example.toml")
	if err != nil {
		t.Fatal(err)
	}
	dir := place(t)
	_, key := sshdtest.NewKey(t, dir, "n3")
	lines := "192.0.2.11 " + testKey + "\n192.0.2.12 " + testKey + "\n"
	if err := os.WriteFile(filepath.Join(dir, "known_hosts"), []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("~/.ssh/known_hosts", "known_hosts", "~/.ssh/id_ed25519", "key", "keys/n3", key).
		Replace(string(data))
	inv, err := parse([]byte(text), dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(inv.Hosts) != 3 || inv.Hosts[2].Become != "sudo -n" || inv.Hosts[2].Port != 2203 ||
		!inv.Hosts[0].Has(string(OwnClock)) {
		t.Errorf("%+v", inv)
	}
	for _, c := range Capabilities() {
		if !strings.Contains(text, `"`+string(c)+`"`) {
			t.Errorf("the example does not mention capability %s", c)
		}
	}
}

// TestCapabilities checks that every capability has a description, and a name that a file can contain.
func TestCapabilities(t *testing.T) {
	all := Capabilities()
	if len(all) < 10 || !slices.IsSorted(all) {
		t.Errorf("capabilities %v", all)
	}
	for _, c := range all {
		if c.Describe() == "" || strings.ToLower(string(c)) != string(c) || strings.ContainsAny(string(c), " _") {
			t.Errorf("capability %q: %q", c, c.Describe())
		}
	}
	if _, _, _, _, err := ssh.ParseAuthorizedKey([]byte(testKey)); err != nil {
		t.Error(err)
	}
}
