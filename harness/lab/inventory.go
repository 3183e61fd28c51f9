package lab

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"elenchus/harness/control"
)

// Kind is the origin of the hosts.
type Kind string

// The kinds of labs.
const (
	Local   Kind = "local"
	Listed  Kind = "inventory"
	Vagrant Kind = "vagrant"
)

// HostsMax is the maximal number of hosts in an inventory: more than any test of a quorum system can use.
const HostsMax = 64

// Inventory is a lab: its hosts, how to reach them and what they can do.
type Inventory struct {
	Name  string
	Kind  Kind
	Hosts []control.Host

	// Path is the file that the inventory was loaded from; empty if there is none.
	Path string
}

// file is an inventory as TOML. Defaults apply to every host that does not override them.
type file struct {
	Name     string      `toml:"name"`
	Kind     Kind        `toml:"kind,omitempty"`
	Defaults fileCommon  `toml:"defaults,omitempty"`
	Hosts    []*fileHost `toml:"host"`
}

type fileHost struct {
	Name    string `toml:"name,omitempty"`
	Address string `toml:"address,omitempty"`
	Peer    string `toml:"peer,omitempty"`
	HostKey string `toml:"host_key,omitempty"`
	fileCommon
}

// fileCommon is what hosts may have in common.
type fileCommon struct {
	Port         int      `toml:"port,omitempty"`
	User         string   `toml:"user,omitempty"`
	KeyFile      string   `toml:"key_file,omitempty"`
	KnownHosts   string   `toml:"known_hosts,omitempty"`
	Become       *string  `toml:"become,omitempty"`
	Capabilities []string `toml:"capabilities,omitempty"`
}

// Load reads an inventory from a TOML file. Its error lists everything that is wrong with the file: syntax errors
// and unknown fields with line and column, everything else by host.
func Load(path string) (Inventory, error) {
	f, err := os.Open(path)
	if err != nil {
		return Inventory{}, fmt.Errorf("open inventory: %w", err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return Inventory{}, fmt.Errorf("read inventory: %w", err)
	}
	inv, err := parse(data, filepath.Dir(path))
	if err != nil {
		return Inventory{}, fmt.Errorf("inventory %s: %w", path, err)
	}
	inv.Path = path
	return inv, nil
}

// parse decodes, completes and validates an inventory. Relative paths in it are relative to dir.
func parse(data []byte, dir string) (Inventory, error) {
	var f file
	var problems []error
	err := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().Decode(&f)
	var unknown *toml.StrictMissingError
	switch {
	case errors.As(err, &unknown):
		// The rest of the file has been decoded nevertheless, so report its problems too.
		for i := range unknown.Errors {
			row, column := unknown.Errors[i].Position()
			key := strings.Join(unknown.Errors[i].Key(), ".")
			problems = append(problems, fmt.Errorf("line %d, column %d: unknown field %q", row, column, key))
		}
	case err != nil:
		return Inventory{}, located(err)
	}
	inv := Inventory{Name: f.Name, Kind: f.Kind}
	if inv.Kind == "" {
		inv.Kind = Listed
	}
	for i, h := range f.Hosts {
		host, errs := h.resolve(f.Defaults, dir)
		if host.Name == "" {
			errs = append(errs, errors.New("name is missing"))
		}
		for _, err := range errs {
			problems = append(problems, fmt.Errorf("%s: %w", label(host, i), err))
		}
		inv.Hosts = append(inv.Hosts, host)
	}
	problems = append(problems, inv.problems()...)
	if err := errors.Join(problems...); err != nil {
		return Inventory{}, err
	}
	return inv, nil
}

// located prefixes a decoder's error with line and column.
func located(err error) error {
	var bad *toml.DecodeError
	if errors.As(err, &bad) {
		row, column := bad.Position()
		return fmt.Errorf("line %d, column %d: %w", row, column, err)
	}
	return err
}

func label(h control.Host, i int) string {
	if h.Name == "" {
		return fmt.Sprintf("host %d", i+1)
	}
	return "host " + h.Name
}

// resolve completes a host from the defaults and reports what cannot be parsed.
func (h *fileHost) resolve(def fileCommon, dir string) (control.Host, []error) {
	var errs []error
	host := control.Host{
		Name:         h.Name,
		Address:      h.Address,
		Port:         cmp.Or(h.Port, def.Port, 22),
		User:         cmp.Or(h.User, def.User, "root"),
		KeyFile:      expand(cmp.Or(h.KeyFile, def.KeyFile), dir),
		HostKey:      h.HostKey,
		Capabilities: h.Capabilities,
	}
	if host.Capabilities == nil {
		host.Capabilities = def.Capabilities
	}
	switch {
	case h.Become != nil:
		host.Become = *h.Become
	case def.Become != nil:
		host.Become = *def.Become
	}
	if peer := cmp.Or(h.Peer, h.Address); peer != "" {
		addr, err := netip.ParseAddr(peer)
		if err != nil {
			errs = append(errs, fmt.Errorf("peer must be an IP address (it is what partitions cut): %q is none", peer))
		}
		host.Peer = addr.Unmap()
	}
	known := expand(cmp.Or(h.KnownHosts, def.KnownHosts), dir)
	if host.HostKey == "" && known != "" && host.Address != "" {
		key, err := knownHostKey(known, host.Address, host.Port)
		if err != nil {
			errs = append(errs, err)
		}
		host.HostKey = key
	}
	return host, errs
}

// expand makes a path absolute: "~/" is the home directory, everything else is relative to dir.
func expand(path, dir string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// Marshal returns the inventory as TOML, which [Load] can read.
func (inv Inventory) Marshal() ([]byte, error) {
	f := file{Name: inv.Name, Kind: inv.Kind}
	for _, h := range inv.Hosts {
		f.Hosts = append(f.Hosts, &fileHost{
			Name: h.Name, Address: h.Address, Peer: h.Peer.String(), HostKey: h.HostKey,
			fileCommon: fileCommon{
				Port: h.Port, User: h.User, KeyFile: h.KeyFile, Become: &h.Become, Capabilities: h.Capabilities,
			},
		})
	}
	data, err := toml.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("encode inventory: %w", err)
	}
	return data, nil
}
