package vagrant

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"elenchus/harness/lab"
	"elenchus/harness/lab/sshd"
	"elenchus/harness/lab/sshd/sshdtest"
)

// script writes an executable shell script.
func script(t *testing.T, dir, name, body string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+body), 0o700); err != nil {
		t.Fatal(err)
	}
}

// fake is a Vagrantfile's directory with three machines, which are SSH servers of this process.
type fake struct {
	dir, bin string
	machines []*sshdtest.Endpoint
}

// newFake puts a vagrant into PATH that answers as the real one does. Every machine has its own ip command, which
// reports VirtualBox's two networks, and its own sudo.
func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{dir: t.TempDir(), bin: t.TempDir()}
	var config strings.Builder
	for i := 1; i <= 3; i++ {
		bin := t.TempDir()
		script(t, bin, "ip", fmt.Sprintf(`case "$*" in
*addr*) echo '2: eth0    inet 10.0.2.15/24 brd 10.0.2.255 scope global dynamic eth0\       valid_lft 1sec'
        echo '3: eth1    inet 192.168.56.%d/24 brd 192.168.56.255 scope global eth1\       valid_lft forever' ;;
*route*) echo 'default via 10.0.2.2 dev eth0 proto dhcp src 10.0.2.15 metric 100' ;;
esac`, 10+i))
		script(t, bin, "sudo", `[ "$1" = -n ] && shift; exec "$@"`)
		m := sshdtest.Start(t, func(s *sshd.Server) { s.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH")} })
		f.machines = append(f.machines, m)
		fmt.Fprintf(&config, "Host n%d\n  HostName %s\n  User %s\n  Port %d\n  UserKnownHostsFile /dev/null\n"+
			"  StrictHostKeyChecking no\n  IdentityFile \"%s\"\n  IdentitiesOnly yes\n  LogLevel FATAL\n\n",
			i, m.Address, m.User, m.Port, m.KeyFile)
		f.setID(t, i, fmt.Sprintf("id-%d", i))
	}
	if err := os.WriteFile(filepath.Join(f.dir, "ssh-config"), []byte(config.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	f.setStates(t, "running", "running", "running")
	script(t, f.bin, "vagrant", `case $1 in status) cat status ;; ssh-config) cat ssh-config ;; *) exit 1 ;; esac`)
	t.Setenv("PATH", f.bin+":"+os.Getenv("PATH"))
	t.Setenv("VAGRANT_DOTFILE_PATH", "")
	return f
}

func (f *fake) setStates(t *testing.T, states ...string) {
	t.Helper()
	var b strings.Builder
	for i, s := range states {
		fmt.Fprintf(&b, "1795233944,n%d,provider-name,virtualbox\n1795233944,n%d,state,%s\n", i+1, i+1, s)
		fmt.Fprintf(&b, "1795233944,n%d,state-human-short,not %%!(VAGRANT_COMMA) what is looked for\n", i+1)
	}
	b.WriteString("1795233944,,ui,info,Current machine states:\\n\\nn1   running (virtualbox)\n")
	if err := os.WriteFile(filepath.Join(f.dir, "status"), []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (f *fake) setID(t *testing.T, i int, id string) {
	t.Helper()
	dir := filepath.Join(f.dir, ".vagrant", "machines", fmt.Sprintf("n%d", i), "virtualbox")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "id"), []byte(id), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLoad(t *testing.T) {
	f := newFake(t)
	inv, err := Load(t.Context(), f.dir)
	if err != nil {
		t.Fatal(err)
	}
	if inv.Kind != lab.Vagrant || len(inv.Hosts) != 3 {
		t.Fatalf("inventory %+v", inv)
	}
	for i, h := range inv.Hosts {
		m := f.machines[i]
		wantPeer := fmt.Sprintf("192.168.56.%d", 11+i)
		if h.Name != fmt.Sprintf("n%d", i+1) || h.Peer.String() != wantPeer || h.HostKey != m.HostKey ||
			h.Port != m.Port {
			t.Errorf("host %+v, want peer %s, host key %s and port %d", h, wantPeer, m.HostKey, m.Port)
		}
		if !h.Has(string(lab.OwnClock)) || h.Has(string(lab.SharedKernel)) {
			t.Errorf("capabilities of %s: %v", h.Name, h.Capabilities)
		}
	}
}

// TestHostKeyIsTrustedOnce checks that only a new machine may have a new key.
func TestHostKeyIsTrustedOnce(t *testing.T) {
	f := newFake(t)
	if _, err := Load(t.Context(), f.dir); err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(filepath.Join(f.dir, "ssh-config"))
	if err != nil {
		t.Fatal(err)
	}
	// Another machine answers in place of n1.
	swapped := strings.Replace(string(config), fmt.Sprintf("Port %d\n", f.machines[0].Port),
		fmt.Sprintf("Port %d\n", f.machines[1].Port), 1)
	swapped = strings.Replace(swapped, f.machines[0].KeyFile, f.machines[1].KeyFile, 1)
	if err := os.WriteFile(filepath.Join(f.dir, "ssh-config"), []byte(swapped), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(t.Context(), f.dir); err == nil || !strings.Contains(err.Error(), "host key") {
		t.Errorf("another key of the same machine: %v", err)
	}
	f.setID(t, 1, "made-anew")
	// Now both n1 and n2 are the machine with the address of n2, so Load gets as far as that check.
	if _, err := Load(t.Context(), f.dir); err == nil || !strings.Contains(err.Error(), "private network") {
		t.Errorf("another key of another machine: %v", err)
	}
}

func TestStates(t *testing.T) {
	f := newFake(t)
	for _, c := range []struct {
		states []string
		want   []string
	}{
		{[]string{"not_created", "not_created"}, []string{"n1 is not created", "n2", "vagrant up creates them"}},
		{[]string{"running", "poweroff", "running"}, []string{"n2 is poweroff", "vagrant up starts them"}},
		{[]string{"saved", "not_created", "running"}, []string{"n1 is saved, n2 is not created: vagrant up creates"}},
		{nil, []string{"no machine"}},
	} {
		f.setStates(t, c.states...)
		_, err := Load(t.Context(), f.dir)
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v: error %v does not say %q", c.states, err, want)
			}
		}
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := Load(t.Context(), f.dir); err == nil || !strings.Contains(err.Error(), "not installed") {
		t.Errorf("without vagrant: %v", err)
	}
}

func TestChoosePeers(t *testing.T) {
	const nat = "eth0 10.0.2.15/24\ndefault eth0\n"
	for _, c := range []struct {
		name     string
		machines []string
		want     string
	}{
		{"virtualbox", []string{nat + "eth1 10.1.1.1/24", nat + "eth1 10.1.1.2/24"}, "[10.1.1.1 10.1.1.2]"},
		{"libvirt, private network second", []string{
			"eth0 192.168.121.7/24\neth1 10.1.1.1/24\ndefault eth0",
			"eth0 192.168.121.9/24\neth1 10.1.1.2/24\ndefault eth0",
		}, "[10.1.1.1 10.1.1.2]"},
		{"one network only", []string{
			"eth0 10.1.1.1/24\ndefault eth0", "eth0 10.1.1.2/24\ndefault eth0",
		}, "[10.1.1.1 10.1.1.2]"},
		{"nothing shared", []string{nat + "eth1 10.1.1.1/24", nat + "eth1 10.1.2.1/24"}, ""},
		{"the same address twice", []string{nat + "eth1 10.1.1.1/24", nat + "eth1 10.1.1.1/24"}, ""},
	} {
		peers, err := choosePeers(c.machines)
		if (err != nil) != (c.want == "") || err == nil && fmt.Sprint(peers) != c.want {
			t.Errorf("%s: %v, %v, want %s", c.name, peers, err, c.want)
		}
	}
}

// TestVagrantfile has the real Vagrant check the real file.
func TestVagrantfile(t *testing.T) {
	path, err := exec.LookPath("vagrant")
	if err != nil {
		t.Skip("vagrant is not installed")
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "VAGRANT_CHECKPOINT_DISABLE=1",
		"VAGRANT_HOME="+t.TempDir(), "VAGRANT_DOTFILE_PATH="+t.TempDir())
	vagrant := func(args ...string) (string, error) {
		cmd := exec.Command(path, args...)
		cmd.Dir, cmd.Env = root, env
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	// Without its provider, which may be missing here, everything except the provider's settings is checked.
	args := []string{"validate", "--ignore-provider"}
	if plugins, err := vagrant("plugin", "list"); err == nil && strings.Contains(plugins, "vagrant-libvirt") {
		env = append(env, "VAGRANT_DEFAULT_PROVIDER=libvirt")
		args = args[:1]
	}
	if out, err := vagrant(args...); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	env = append(env, "NODES=10")
	if out, err := vagrant(args...); err == nil || !strings.Contains(out, "1 to 9") {
		t.Errorf("ten machines: %v\n%s", err, out)
	}
}
