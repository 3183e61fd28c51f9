package vagrant

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"elenchus/harness/control"
	"elenchus/harness/lab"
)

// loadMax limits all queries to Vagrant and to the machines. Vagrant alone takes seconds.
const loadMax = 5 * time.Minute

// Capabilities lists the capabilities of a machine of the Vagrantfile: a kernel and a clock of its own, and root.
func Capabilities() []lab.Capability {
	return []lab.Capability{
		lab.Root, lab.Iptables, lab.Netem, lab.NFQueue, lab.Signals, lab.Ptrace, lab.OwnClock, lab.Mount, lab.Loop,
		lab.Fuse, lab.DeviceMapper, lab.Systemd, lab.Reboot,
	}
}

// Load returns the machines of the Vagrantfile in dir. All of them must be running. The error says what to do: install
// Vagrant, create machines, start them.
func Load(ctx context.Context, dir string) (lab.Inventory, error) {
	ctx, cancel := context.WithTimeout(ctx, loadMax)
	defer cancel()
	dir, err := filepath.Abs(dir)
	if err != nil {
		return lab.Inventory{}, fmt.Errorf("find Vagrantfile: %w", err)
	}
	v := environment{dir: dir}
	machines, err := v.machines(ctx)
	if err != nil {
		return lab.Inventory{}, err
	}
	if err := running(machines); err != nil {
		return lab.Inventory{}, err
	}
	config, err := v.run(ctx, "ssh-config")
	if err != nil {
		return lab.Inventory{}, err
	}
	inv := lab.Inventory{Name: "vagrant", Kind: lab.Vagrant}
	if inv.Hosts, err = parseSSHConfig(config, machines); err != nil {
		return lab.Inventory{}, fmt.Errorf("read vagrant ssh-config: %w", err)
	}
	if err := pinHostKeys(ctx, v.dotfile(), inv.Hosts); err != nil {
		return lab.Inventory{}, err
	}
	if err := learnPeers(ctx, inv.Hosts); err != nil {
		return lab.Inventory{}, err
	}
	return inv, inv.Validate()
}

// learnPeers gets the machines' addresses and fills in their peer addresses.
func learnPeers(ctx context.Context, hosts []control.Host) error {
	addresses := make([]string, len(hosts))
	for i, h := range hosts {
		c, err := control.Dial(ctx, h, control.Options{})
		if err != nil {
			return fmt.Errorf("ask for addresses: %w", err)
		}
		out, err := c.Run(ctx, addressScript)
		_ = c.Close()
		if err != nil {
			return fmt.Errorf("ask for addresses: %w", err)
		}
		addresses[i] = out.Text()
	}
	peers, err := choosePeers(addresses)
	if err != nil {
		return fmt.Errorf("find the machines' private network: %w", err)
	}
	for i := range hosts {
		hosts[i].Peer = peers[i]
	}
	return nil
}

// environment is a directory with a Vagrantfile.
type environment struct{ dir string }

// run runs vagrant and returns its standard output.
func (v environment) run(ctx context.Context, args ...string) (string, error) {
	path, err := exec.LookPath("vagrant")
	if err != nil {
		return "", errors.New("find vagrant: it is not installed: apt-get install -y vagrant vagrant-libvirt," +
			" or see developer.hashicorp.com/vagrant; a local lab needs no virtual machines")
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = v.dir
	cmd.Env = append(cmd.Environ(), "VAGRANT_CHECKPOINT_DISABLE=1", "VAGRANT_NO_COLOR=1")
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.Output()
	if err != nil {
		said := strings.TrimSpace(string(out))
		var exit *exec.ExitError
		if errors.As(err, &exit) && len(exit.Stderr) > 0 {
			said = strings.TrimSpace(string(exit.Stderr))
		}
		return "", fmt.Errorf("run vagrant %s: %w: %s", strings.Join(args, " "), err, said)
	}
	return string(out), nil
}
