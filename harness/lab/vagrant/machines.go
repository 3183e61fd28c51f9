package vagrant

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/kevinburke/ssh_config"

	"elenchus/harness/control"
)

// machine is a machine of a Vagrantfile.
type machine struct {
	name  string
	state string // "running", "not_created", "poweroff", …
}

// machines lists the machines in the order of the Vagrantfile.
func (v environment) machines(ctx context.Context) ([]machine, error) {
	out, err := v.run(ctx, "status", "--machine-readable")
	if err != nil {
		return nil, err
	}
	machines := parseStatus(out)
	if len(machines) == 0 {
		return nil, fmt.Errorf("read vagrant status: there is no machine in %s", filepath.Join(v.dir, "Vagrantfile"))
	}
	return machines, nil
}

// parseStatus parses lines of "time,machine,what,value", in which a comma of the value is written
// %!(VAGRANT_COMMA).
func parseStatus(out string) []machine {
	var machines []machine
	for line := range strings.Lines(out) {
		fields := strings.Split(strings.TrimSpace(line), ",")
		if len(fields) == 4 && fields[1] != "" && fields[2] == "state" {
			machines = append(machines, machine{name: fields[1], state: fields[3]})
		}
	}
	return machines
}

// running returns an error that says what to do about the machines that are not running.
func running(machines []machine) error {
	var states []string
	missing, off := false, false
	for _, m := range machines {
		if m.state == "running" {
			continue
		}
		missing = missing || m.state == "not_created"
		off = off || m.state != "not_created"
		states = append(states, m.name+" is "+strings.ReplaceAll(m.state, "_", " "))
	}
	advice := "vagrant up starts them"
	switch {
	case missing && off:
		advice = "vagrant up creates and starts them"
	case missing:
		advice = "vagrant up creates them (NODES=3 vagrant up makes fewer; then set NODES for elenchus too)"
	}
	if len(states) == 0 {
		return nil
	}
	return fmt.Errorf("use vagrant machines: %s: %s", strings.Join(states, ", "), advice)
}

// parseSSHConfig parses the output of `vagrant ssh-config`, an OpenSSH client configuration with one section per
// machine.
func parseSSHConfig(config string, machines []machine) ([]control.Host, error) {
	parsed, err := ssh_config.DecodeBytes([]byte(config))
	if err != nil {
		return nil, err
	}
	var hosts []control.Host
	for _, m := range machines {
		get := func(key string) string {
			value, err := parsed.Get(m.name, key)
			if err != nil {
				return ""
			}
			return strings.Trim(value, `"`)
		}
		h := control.Host{
			Name: m.name, Address: get("HostName"), Port: 22, User: get("User"), KeyFile: get("IdentityFile"),
			Become: "sudo -n",
		}
		if h.Address == "" || h.User == "" || h.KeyFile == "" {
			return nil, fmt.Errorf("machine %s has no HostName, User or IdentityFile", m.name)
		}
		if port := get("Port"); port != "" {
			if _, err := fmt.Sscanf(port, "%d", &h.Port); err != nil {
				return nil, fmt.Errorf("machine %s has port %q", m.name, port)
			}
		}
		if h.User == "root" {
			h.Become = ""
		}
		for _, c := range Capabilities() {
			h.Capabilities = append(h.Capabilities, string(c))
		}
		hosts = append(hosts, h)
	}
	return hosts, nil
}

// dotfile returns the directory of Vagrant's state.
func (v environment) dotfile() string {
	if path := os.Getenv("VAGRANT_DOTFILE_PATH"); path != "" {
		if filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(v.dir, path)
	}
	return filepath.Join(v.dir, ".vagrant")
}
