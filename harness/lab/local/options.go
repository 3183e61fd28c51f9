package local

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// Environment variables of every command that runs in an enclosure.
const (
	// EnvFile holds the path of the lab's inventory.
	EnvFile = "ELENCHUS_LAB_FILE"
	// EnvCaller holds the process id, outside, of the program that asked for the command.
	EnvCaller = "ELENCHUS_LAB_CALLER"
)

// Limits.
const (
	// HostsMax is the largest number of hosts: what consensus needs, and what one machine carries.
	HostsMax     = 9
	hostsDefault = 5
	buildMax     = 60 * time.Second
	killGrace    = 10 * time.Second
)

// Privilege says whether a lab uses root's powers.
type Privilege int

// With root, a lab has OpenSSH, a full overlay of / and loop devices. Without, it needs user namespaces instead.
const (
	Auto     Privilege = iota // with root if the caller is root, and without otherwise
	WithRoot                  // fail unless the caller is root
	Rootless                  // do without, even when the caller is root
)

// Options configures a lab. The zero value is a lab of five hosts with the caller's privilege.
type Options struct {
	// Hosts is the number of hosts, 1 to [HostsMax]; 5 when zero. They are called n1, n2, …
	Hosts int

	// Privilege says whether to use root's powers; by default, if the caller has them.
	Privilege Privilege

	// Dir is the directory for the state of this user's labs: $XDG_RUNTIME_DIR/elenchus, /run/elenchus for root, or
	// else /tmp/elenchus-UID. It must belong to the user and be closed to everybody else. Labs in different
	// directories are independent.
	Dir string

	// Disk is a directory for the hosts' private directories (/var/lib, /var/log, /opt, /root, /tmp), so that
	// syncing a file has the cost of that disk. In memory when empty.
	Disk string

	// Stdin, Stdout and Stderr are the files of the command that Run or Exec runs; the program's own when nil.
	Stdin, Stdout, Stderr *os.File
}

func (o Options) withDefaults() Options {
	if o.Hosts == 0 {
		o.Hosts = hostsDefault
	}
	return o
}

func (o Options) validate() error {
	var errs []error
	if o.Hosts < 0 || o.Hosts > HostsMax {
		errs = append(errs, fmt.Errorf("%d hosts: a local lab has 1 to %d", o.Hosts, HostsMax))
	}
	if o.Privilege < Auto || o.Privilege > Rootless {
		errs = append(errs, fmt.Errorf("privilege %d is unknown", o.Privilege))
	}
	if o.Dir != "" && !filepath.IsAbs(o.Dir) {
		errs = append(errs, fmt.Errorf("directory %q must be absolute", o.Dir))
	}
	if o.Disk != "" && !filepath.IsAbs(o.Disk) {
		errs = append(errs, fmt.Errorf("disk %q must be absolute", o.Disk))
	}
	return errors.Join(errs...)
}

// labName matches names of named labs. Names of ephemeral labs contain a dot, so the two cannot collide.
var labName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,30}$`)

// ValidateName returns what is wrong with the name of a lab.
func ValidateName(name string) error {
	if !labName.MatchString(name) {
		return fmt.Errorf("lab name %q: use at most 31 of a-z, 0-9 and -", name)
	}
	return nil
}

// hostAddress returns the address of host i (from 1) on the bridge.
func hostAddress(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 99, 0, byte(10 + i)}) }

func hostName(i int) string { return fmt.Sprintf("n%d", i) }

// State is the state of a named lab.
type State struct {
	Name       string      `json:"name"`
	Supervisor int         `json:"supervisor"` // process id
	Since      time.Time   `json:"since"`
	Rootless   bool        `json:"rootless"`
	Inventory  string      `json:"inventory"` // path of its inventory file
	Hosts      []HostState `json:"hosts"`
	Commands   int         `json:"commands"` // number of commands now running in it

	// User is who is using it, as in "lab NAME is in use by USER"; empty if nobody is.
	User string `json:"user,omitempty"`

	// Problem is why only the name is known, for example while a lab is being created; empty for a lab that
	// answers.
	Problem string `json:"problem,omitempty"`
}

// HostState is the state of a host of a named lab.
type HostState struct {
	Name    string     `json:"name"`
	Address netip.Addr `json:"address"`
	Process int        `json:"process"` // process id, as the caller sees it, of the host's process 1; 0 when it is dead
}

// ErrUnavailable means that this machine cannot run such a lab as it is. The error says what is missing or
// forbidden, and what would help.
var ErrUnavailable = errors.New("local lab is unavailable")

// ErrNotUp means that there is no lab of that name.
var ErrNotUp = errors.New("lab is not up")

// ErrInUse means that somebody is using the lab.
var ErrInUse = errors.New("lab is in use")
