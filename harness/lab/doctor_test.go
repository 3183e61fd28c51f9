package lab

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"elenchus/harness/control"
	"elenchus/harness/lab/sshd/sshdtest"
)

func TestDoctor(t *testing.T) {
	server := sshdtest.Start(t)
	hosts := []control.Host{
		{Name: "n1", Address: server.Address, Port: server.Port, User: server.User, KeyFile: server.KeyFile,
			HostKey: server.HostKey, Peer: netip.MustParseAddr("203.0.113.7")},
		{Name: "n2", Address: server.Address, Port: 1, User: server.User, KeyFile: server.KeyFile,
			HostKey: server.HostKey, Peer: netip.MustParseAddr("203.0.113.8")},
	}
	checks := []Check{
		{"good", "never told", func(ctx context.Context, c *control.Client) (string, error) {
			out, err := c.Run(ctx, "echo all is well")
			return out.Text(), err
		}},
		{"bad", "mend it", func(ctx context.Context, c *control.Client) (string, error) {
			_, err := c.Run(ctx, "echo broken >&2; exit 3")
			return "", err
		}},
		{"refused", "", func(context.Context, *control.Client) (string, error) { return "", errors.New("no\nway") }},
	}
	found := Doctor(t.Context(), Inventory{Name: "x", Hosts: hosts}, control.Options{}, checks)
	want := []struct {
		host, check    string
		ok             bool
		detail, remedy string
	}{
		{"n1", "ssh", true, "127.0.0.1", ""},
		{"n1", "good", true, "all is well", ""},
		{"n1", "bad", false, "exit status 3: broken", "mend it"},
		{"n1", "refused", false, "no\nway", ""},
		{"n2", "ssh", false, "127.0.0.1", "ssh -p 1 -i"},
	}
	if len(found) != len(want) {
		t.Fatalf("%d findings, want %d:\n%s", len(found), len(want), found)
	}
	for i, w := range want {
		f := found[i]
		if f.Host != w.host || f.Check != w.check || f.OK != w.ok || !strings.Contains(f.Detail, w.detail) ||
			!strings.Contains(f.Remedy, w.remedy) || w.remedy == "" && f.Remedy != "" {
			t.Errorf("finding %+v, want %+v", f, w)
		}
	}
	if found.OK() || !found[:2].OK() || found[:0].OK() {
		t.Error("what is bad, or nothing, counts as good, or what is good as bad")
	}
	table := found.String()
	for _, line := range []string{"n1    refused  NO   no way", "n1, bad: mend it", "n2, ssh: try: ssh"} {
		if !strings.Contains(table, line) {
			t.Errorf("the table has no line %q:\n%s", line, table)
		}
	}
}

// TestPeerCheck checks that a peer address that is not the host's is detected.
func TestPeerCheck(t *testing.T) {
	server := sshdtest.Start(t)
	for peer, want := range map[string]bool{"203.0.113.7": false, "127.0.0.1": true} {
		h := control.Host{Name: "n1", Address: server.Address, Port: server.Port, User: server.User,
			KeyFile: server.KeyFile, HostKey: server.HostKey, Peer: netip.MustParseAddr(peer)}
		client, err := control.Dial(t.Context(), h, control.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := checkPeer(t.Context(), client); (err == nil) != want {
			t.Errorf("peer %s: %v", peer, err)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
}
