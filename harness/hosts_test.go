package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"

	"elenchus/harness/control"
	"elenchus/harness/lab"
	"elenchus/harness/lab/local"
	"elenchus/nemesis"
	"elenchus/results/verdict"
)

// listed is the inventory of a local lab as that of somebody's hosts, after some changes.
func (r *rig) listed(name string, change func(hosts []control.Host)) string {
	r.t.Helper()
	state, err := local.Status(r.t.Context(), name, local.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	inv, err := lab.Load(state.Inventory)
	if err != nil {
		r.t.Fatal(err)
	}
	inv.Name, inv.Kind = "some hosts", lab.Listed
	change(inv.Hosts)
	data, err := inv.Marshal()
	if err != nil {
		r.t.Fatal(err)
	}
	f, err := os.CreateTemp(r.dir, "lab-*.toml")
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.Write(data); err != nil {
		r.t.Fatal(err)
	}
	return f.Name()
}

// within is the command line that runs the program beside the hosts of a lab, which it must take for anybody's.
func (r *rig) within(name string, args ...string) []string {
	return append([]string{"lab", "exec", "--lab-name", name, "--", self(r.t)}, args...)
}

// newKey writes a key that opens nothing.
func (r *rig) newKey() string {
	r.t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		r.t.Fatal(err)
	}
	return r.file("wrong-key", string(pem.EncodeToMemory(block)))
}

func TestHostsThatCannotBeUsedAreNamed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	name := r.labUp(3)
	wrongKey := r.newKey()
	for _, tc := range []struct {
		name   string
		change func([]control.Host)
		args   []string
		want   []string
	}{
		{"no such host", func(h []control.Host) { h[1].Address = "10.99.0.99" }, nil, []string{"n2", "10.99.0.99"}},
		{"no SSH server", func(h []control.Host) { h[1].Port = 23 }, nil, []string{"n2", "10.99.0.12:23", "refused"}},
		{"wrong client key", func(h []control.Host) { h[1].KeyFile = wrongKey }, nil, []string{"n2", "key"}},
		{"no client key", func(h []control.Host) { h[1].KeyFile = "/no/such/key" }, nil, []string{"n2", "/no/such/key"}},
		{"wrong host key", func(h []control.Host) { h[1].HostKey = h[0].HostKey }, nil, []string{"n2", "host key"}},
		{"no such user", func(h []control.Host) { h[1].User = "nobody-there" }, nil, []string{"n2", "nobody-there"}},
		{"no way to be root", func(h []control.Host) { h[1].Become = "no-such-sudo -n" }, nil, []string{"n2", "no-such-sudo", "not found"}},
		{"not root", func(h []control.Host) { h[1].Become = "setpriv --reuid 65534" }, nil, []string{"n2", "as root", "become"}},
		{"no such ability", func(h []control.Host) { h[1].Capabilities = []string{"root", "signals"} },
			[]string{"--nemesis", "partition,kill"}, []string{"n2", "partition", "iptables"}},
		{"address that is another's", func(h []control.Host) { h[1].Peer = netip.MustParseAddr("10.99.0.13") }, nil,
			[]string{"n3", "10.99.0.13"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.name == "not root" {
				needRoot(t) // without, the lab's hosts have no other user to become
			}
			file := r.listed(name, tc.change)
			args := append([]string{"test", "--lab", "inventory", "--inventory", file, "--time-limit", "2s"}, tc.args...)
			p := r.start(r.within(name, args...)...)
			if code := p.wait(); code != verdict.ExitHarness && code != verdict.ExitUsage {
				t.Errorf("exit code %d", code)
			}
			t.Logf("%s%s", p.stderr(), p.stdout())
			for _, want := range tc.want {
				if !strings.Contains(p.stderr(), want) {
					t.Errorf("%q is not in the message:\n%s", want, p.stderr())
				}
			}
			for _, host := range []string{"n1", "n2", "n3"} {
				left := r.on(name, host, "sh", "-c", "ls /run/elenchus/lock /run/elenchus/node.pid 2>/dev/null; iptables -S | grep ELENCHUS; :")
				if left != "" {
					t.Errorf("%s is left with\n%s", host, left)
				}
			}
		})
	}
}

func TestAnyHostsWithSSHWillDo(t *testing.T) {
	t.Parallel()
	needClocks(t)
	needRoot(t)
	r := newRig(t)
	name := r.labUp(3)
	// A user as an administrator would make it: with a key, without a password, and with sudo.
	const script = `set -eu
command -v sudo >/dev/null || { echo missing; exit 0; }
mkdir -p /home && useradd --create-home --shell /bin/bash tester
usermod --password '*' tester
chmod 755 /etc/elenchus && chmod 644 /etc/elenchus/authorized_keys
mkdir -p /etc/sudoers.d && echo 'tester ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/tester && chmod 440 /etc/sudoers.d/tester
`
	for _, host := range []string{"n1", "n2", "n3"} {
		if out := r.on(name, host, "sh", "-c", script); contains(out, "missing") {
			t.Skip("sudo is not installed")
		}
	}
	file := r.listed(name, func(hosts []control.Host) {
		for i := range hosts {
			hosts[i].User, hosts[i].Become = "tester", "sudo -n"
			// Names that are not n1 … must do too.
			hosts[i].Name = []string{"alpha", "beta", "gamma"}[i]
		}
	})
	doctor := r.start(r.within(name, "lab", "doctor", "--lab", "inventory", "--inventory", file)...)
	if code := doctor.wait(); code != verdict.ExitValid {
		t.Errorf("doctor: exit code %d", code)
	}
	p := r.start(r.within(name, "test", "--lab", "inventory", "--inventory", file, "--time-limit", "8s", "--seed", "3")...)
	p.until("installed")
	busy := r.start(r.within(name, "test", "--lab", "inventory", "--inventory", file, "--time-limit", "8s")...)
	if code := busy.wait(); code != verdict.ExitHarness {
		t.Errorf("a second test on the same hosts: exit code %d", code)
	}
	busy.says("alpha", "in use by run", "--break-lock")
	if code := p.wait(); code != verdict.ExitValid {
		t.Fatalf("exit code %d", code)
	}
	p.says("VALID")
	for _, kind := range []string{nemesis.Partition, nemesis.Kill, nemesis.Pause} {
		p.until(`installed f\d+ ` + kind)
	}
}

// Who breaks a lock has the hosts to themselves: the run that had them touches nothing more, though its nodes go by the
// same names and pid files.
func TestWhoLosesTheLabLeavesItAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	name := r.labUp(3)
	file := r.listed(name, func([]control.Host) {})
	schedule := r.schedule(3, "5m", "at 1s for 4m partition isolate n1", "at 1s for 4m pause n2")
	test := func(results string, args ...string) *program {
		return r.start(r.within(name, append([]string{"test", "--lab", "inventory", "--inventory", file, "--results",
			filepath.Join(r.dir, results), "--seed", "3"}, args...)...)...)
	}
	first := test("first", "--schedule", schedule)
	first.until(`installed f1 partition`)
	first.until(`installed f2 pause`)
	second := test("second", "--break-lock", "--nemesis", "kill", "--time-limit", "20s")
	if code := first.wait(); code != verdict.ExitHarness {
		t.Errorf("the first: exit code %d", code)
	}
	first.says("HARNESS FAILED", "the hosts are somebody else's", "the lab was taken")
	if contains(first.stderr(), "reverted") {
		t.Errorf("the first went on reverting:\n%s", first.stderr())
	}
	if code := second.wait(); code != verdict.ExitValid {
		t.Errorf("the second: exit code %d:\n%s", code, second.stderr())
	}
}

// So it is when the run is past its workload: it neither goes on to wait for its nodes nor stops them.
func TestWhoLosesTheLabInRecoveryLeavesItAlone(t *testing.T) {
	t.Parallel()
	needRoot(t)
	r := newRig(t)
	name := r.labUp(3)
	file := r.listed(name, func([]control.Host) {})
	p := r.start(r.within(name, "test", "--lab", "inventory", "--inventory", file, "--recovery-timeout", "10m",
		"--schedule", r.schedule(3, "5s", "at 1s for 500ms pause n2"))...)
	p.until(`reverted  f1 pause`)
	r.on(name, "n1", "iptables", "-I", "INPUT", "-p", "tcp", "--dport", "8000", "-j", "DROP") // so that it never answers
	p.until("waiting for every node to answer")
	r.start(r.within(name, "lab", "heal", "--lab", "inventory", "--inventory", file, "--break-lock")...).wait()
	if code := p.wait(); code != verdict.ExitHarness {
		t.Errorf("exit code %d", code)
	}
	p.says("HARNESS FAILED", "the hosts are somebody else's", "the lab was taken")
	if out := p.stderr(); contains(out, "collected") || contains(out, "canceled") {
		t.Errorf("it went on, or told of what was under way:\n%s", out)
	}
	if pid := strings.TrimSpace(r.on(name, "n3", "sh", "-c", "pgrep elenchus-node || true")); pid == "" {
		t.Error("its nodes were stopped")
	}
}

// A host that is gone does not keep the others from being healed. It is named, and what may be left on it is not
// forgotten.
func TestHealReachesWhomItCan(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	name := r.labUp(3)
	all := r.listed(name, func([]control.Host) {})
	oneLess := r.listed(name, func(hosts []control.Host) { hosts[1].Port = 23 })
	p := r.start(r.within(name, "test", "--lab", "inventory", "--inventory", all, "--schedule", r.lasting())...)
	p.until("installed f2 pause")
	if err := syscall.Kill(r.inner().pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.wait()
	heal := func(wantCode int, inventory string, want ...string) *program {
		t.Helper()
		h := r.start(r.within(name, "lab", "heal", "--lab", "inventory", "--inventory", inventory, "--break-lock")...)
		if code := h.wait(); code != wantCode {
			t.Errorf("exit code %d, want %d", code, wantCode)
		}
		h.says(want...)
		return h
	}
	first := heal(verdict.ExitHarness, oneLess, "n3: resumed process", "reached 2 of the 3 hosts of lab some hosts, not n2",
		"n2 was not healed: ", "refused")
	if contains(first.stderr(), "is outstanding on n2") {
		t.Errorf("it is told twice that n2 was not healed:\n%s", first.stderr())
	}
	if rules := r.on(name, "n2", "iptables", "-S"); !contains(rules, "ELENCHUS-f1") {
		t.Fatalf("n2 was healed all the same:\n%s", rules)
	}
	second := heal(verdict.ExitValid, all, "outstanding: f1 partition", "n2: removed iptables ELENCHUS-f1", "healed the 3 hosts")
	if contains(second.stdout(), "outstanding: f2") {
		t.Errorf("f2 was over on all of its hosts, and was kept:\n%s", second.stdout())
	}
	heal(verdict.ExitValid, all, "nothing to heal on the 3 hosts")
	look := r.start(r.within(name, "lab", "leftovers", "--lab", "inventory", "--inventory", oneLess)...)
	if code := look.wait(); code != verdict.ExitHarness {
		t.Errorf("exit code %d", code)
	}
	look.says("left behind: n1: process", "is running", "n2 was not looked at: ")
}

// A lab that is up has the hosts that it has.
func TestNodesOfALabThatIsUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	name := r.labUp(3)
	r.exits(verdict.ExitUsage, "test", "--lab-name", name, "--nodes", "5", "--time-limit", "3s").
		says("--nodes is 5, and lab "+name+" is up with 3", "elenchus lab down")
}
