package system

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"elenchus/harness/control"
)

// ClockOptions configures how the clocks of a lab's hosts are read and moved. Binary is required.
type ClockOptions struct {
	Binary string // local path of the helper elenchus-clock

	// Move makes the clocks movable: on hosts that share their kernel the nodes are started under a clock shim.
	// Without it clocks can only be read.
	Move bool

	// BinDir and RunDir are directories on the hosts, as in [Options].
	BinDir string
	RunDir string
}

// Clocks gives access to the clocks of a lab's hosts, through a helper deployed to them.
type Clocks struct {
	options ClockOptions
	clients []*control.Client
	helper  map[string]string // by host: path of the helper

	mu    sync.Mutex
	boots map[string]string // by host with its own kernel: boot id
}

// HostClock says how the clocks of one host are accessed. The zero value means that they are not.
type HostClock struct {
	Helper  string // the helper's path on the host
	Control string // if the kernel is shared: control file of the clock shim that nodes are started under
	Boot    string // if the host has its own kernel: boot id, known after Deploy
}

// OwnClock reports whether a host has its own kernel's clocks, according to its inventory.
func OwnClock(h control.Host) bool { return h.Has("own-clock") && !h.Has("shared-kernel") }

// UnderShim reports whether the clocks of a host's node are moved by a shim in its process.
func UnderShim(h control.Host) bool { return !OwnClock(h) && h.Has("ptrace") }

// NewClocks returns the clocks of the clients' hosts. It does not contact the hosts.
func NewClocks(o ClockOptions, clients []*control.Client) (*Clocks, error) {
	o.BinDir = cmp.Or(o.BinDir, binDirDefault)
	o.RunDir = cmp.Or(o.RunDir, runDirDefault)
	hash, err := hashFile(o.Binary)
	if err != nil {
		return nil, fmt.Errorf("read the helper for clocks: %w", err)
	}
	program, err := readMachine(o.Binary)
	if err != nil {
		return nil, fmt.Errorf("read the helper for clocks: %w", err)
	}
	c := &Clocks{options: o, clients: clients, helper: map[string]string{}, boots: map[string]string{}}
	for _, client := range clients {
		h := client.Host()
		c.helper[h.Name] = control.HashedPath(in(o.BinDir, h.Name), o.Binary, hash)
		if o.Move && UnderShim(h) && program.name != "amd64" {
			err = errors.Join(err, fmt.Errorf("host %s shares its kernel, and the clock shim exists for amd64 only, not for %s",
				h.Name, program.name))
		}
	}
	return c, err
}

// in replaces {host} in a directory's path by the host's name.
func in(dir, host string) string { return path.Clean(strings.ReplaceAll(dir, "{host}", host)) }

// Of returns how a host's clocks are accessed.
func (c *Clocks) Of(host string) HostClock {
	if c == nil || c.helper[host] == "" {
		return HostClock{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	of := HostClock{Helper: c.helper[host], Boot: c.boots[host]}
	i := slices.IndexFunc(c.clients, func(client *control.Client) bool { return client.Host().Name == host })
	if UnderShim(c.clients[i].Host()) {
		of.Control = path.Join(in(c.options.RunDir, host), "clock")
	}
	return of
}

// Deploy installs the helper on every host, with a control file where one is needed and missing. Hosts that claim
// clocks of their own but turn out to share a kernel are refused.
func (c *Clocks) Deploy(ctx context.Context) error {
	err := control.Each(ctx, c.clients, func(ctx context.Context, client *control.Client) error {
		h := client.Host()
		_, _, err := client.UploadFile(ctx, c.options.Binary, in(c.options.BinDir, h.Name), 0o755)
		if err != nil {
			return err
		}
		if of := c.shim(h.Name); of.Control != "" {
			_, err = client.Run(ctx, fmt.Sprintf("%s get -f %s >/dev/null 2>&1 || { %s; }", control.Quote(of.Helper),
				control.Quote(of.Control), freshControl(of)))
			return explain(err, h.Name, "make a control file for clocks")
		}
		if !OwnClock(h) {
			return nil
		}
		out, err := client.Run(ctx, "cat /proc/sys/kernel/random/boot_id")
		if err != nil {
			return explain(err, h.Name, "ask which boot this is")
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.boots[h.Name] = out.Text()
		return nil
	})
	return errors.Join(err, c.checkBoots())
}

// shim returns the access to a host's clocks if its node is to run under a clock shim, else the zero value.
func (c *Clocks) shim(host string) HostClock {
	if c == nil || !c.options.Move {
		return HostClock{}
	}
	return c.Of(host)
}

func explain(err error, host, what string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s on %s: %w", what, host, err)
}

// freshControl returns the command that replaces the control file by a new one, under which all clocks are real. A
// node left by an earlier run keeps the old file, which is not truncated.
func freshControl(of HostClock) string {
	file := control.Quote(of.Control)
	return fmt.Sprintf("mkdir -p -- %s && rm -f -- %s %s.book && %s create -f %s", control.Quote(path.Dir(of.Control)),
		file, file, control.Quote(of.Helper), file)
}

// checkBoots refuses hosts that share a kernel with each other, or with the harness, while claiming to have their
// own: a fault on one would move the clocks of all.
func (c *Clocks) checkBoots() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := map[string]string{ownBoot(): "the harness"}
	var errs []error
	for _, client := range c.clients {
		name := client.Host().Name
		boot := c.boots[name]
		if boot == "" {
			continue
		}
		if other := known[boot]; other != "" {
			errs = append(errs, fmt.Errorf("host %s claims a clock of its own (own-clock), and runs under the same kernel as "+
				"%s: its clock will not be moved", name, other))
			delete(c.boots, name)
			continue
		}
		known[boot] = name
	}
	if !c.options.Move {
		return nil // no clock will be moved
	}
	return errors.Join(errs...)
}
