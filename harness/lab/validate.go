package lab

import (
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"elenchus/harness/control"
)

// hostName matches valid host names: they become file names, column headings and words of a schedule.
var hostName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$`)

// Validate lists everything that would make a test on the inventory fail or, worse, test nothing.
func (inv Inventory) Validate() error {
	if err := errors.Join(inv.problems()...); err != nil {
		return fmt.Errorf("inventory %s: %w", inv.Name, err)
	}
	return nil
}

func (inv Inventory) problems() []error {
	var errs []error
	if inv.Name == "" {
		errs = append(errs, errors.New("name is missing"))
	}
	if !slices.Contains([]Kind{Local, Listed, Vagrant}, inv.Kind) {
		errs = append(errs, fmt.Errorf("kind %q is none of local, inventory, vagrant", inv.Kind))
	}
	if n := len(inv.Hosts); n == 0 || n > HostsMax {
		errs = append(errs, fmt.Errorf("%d hosts: there must be 1 to %d", n, HostsMax))
	}
	for i, h := range inv.Hosts {
		for _, err := range hostProblems(h) {
			errs = append(errs, fmt.Errorf("%s: %w", label(h, i), err))
		}
	}
	return append(errs, peerProblems(inv.Hosts)...)
}

// hostProblems checks one host alone. A missing name has been reported with its line.
func hostProblems(h control.Host) []error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if h.Name != "" && !hostName.MatchString(h.Name) {
		add("name may hold letters, digits and . _ - only")
	}
	if h.Address == "" {
		add("address is missing")
	}
	if h.Port < 0 || h.Port > 65535 {
		add("port %d is not within 1 to 65535", h.Port)
	}
	if h.User == "" {
		add("user is missing")
	}
	if h.Address != "" && !h.Peer.IsValid() {
		add("peer is missing: the IP address by which the other hosts reach this one")
	}
	if h.Peer.IsValid() && (h.Peer.IsUnspecified() || h.Peer.IsMulticast()) {
		add("peer %s is not the address of a host", h.Peer)
	}
	if err := readableKey(h.KeyFile); err != nil {
		errs = append(errs, err)
	}
	if h.HostKey == "" {
		add("host_key is missing, and no known_hosts has one: an unknown host is never trusted")
	} else if _, _, _, _, err := ssh.ParseAuthorizedKey([]byte(h.HostKey)); err != nil {
		add("host_key is not a public key like \"ssh-ed25519 AAAA…\"")
	}
	for _, c := range h.Capabilities {
		if Capability(c).Describe() == "" {
			add("capability %q is unknown, the known ones are %s", c, join(Capabilities()))
		}
	}
	return errs
}

func readableKey(path string) error {
	if path == "" {
		return errors.New("key_file is missing")
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("key_file cannot be read: %w", err)
	}
	return f.Close()
}

// peerProblems checks the hosts together. If two hosts share an address, or one calls itself localhost, a partition
// cuts nothing and a test proves nothing.
func peerProblems(hosts []control.Host) []error {
	var errs []error
	names, peers := make(map[string]int), make(map[string]string)
	loopbacks := 0
	for i, h := range hosts {
		if h.Name != "" {
			if j, taken := names[h.Name]; taken {
				errs = append(errs, fmt.Errorf("hosts %d and %d have the same name %q", j+1, i+1, h.Name))
			}
			names[h.Name] = i
		}
		if !h.Peer.IsValid() {
			continue
		}
		if other, taken := peers[h.Peer.String()]; taken {
			errs = append(errs, fmt.Errorf("%s: peer %s is %s's already", label(h, i), h.Peer, other))
		}
		peers[h.Peer.String()] = label(h, i)
		if h.Peer.IsLoopback() {
			loopbacks++
		}
	}
	if loopbacks == 0 || loopbacks == len(hosts) {
		return errs // distinct loopback addresses on one machine are valid
	}
	for i, h := range hosts {
		if h.Peer.IsLoopback() {
			err := fmt.Errorf("%s: peer %s is a loopback address, which no other host can reach", label(h, i), h.Peer)
			errs = append(errs, err)
		}
	}
	return errs
}

func join(cs []Capability) string {
	names := make([]string, len(cs))
	for i, c := range cs {
		names[i] = string(c)
	}
	return strings.Join(names, ", ")
}

// knownHostKey finds a host's key in a file in OpenSSH's known_hosts format, including hashed names. If there are
// several, it prefers ed25519 to ecdsa to anything else.
func knownHostKey(path, address string, port int) (string, error) {
	check, err := knownhosts.New(path)
	if err != nil {
		return "", fmt.Errorf("known_hosts cannot be read: %w", err)
	}
	hostport := net.JoinHostPort(address, strconv.Itoa(port))
	err = check(hostport, &net.TCPAddr{IP: net.ParseIP(address), Port: port}, nobodysKey{})
	var other *knownhosts.KeyError
	if !errors.As(err, &other) || len(other.Want) == 0 {
		return "", fmt.Errorf("%s has no key for %s: log in once with ssh, or ask ssh-keyscan and compare",
			path, hostport)
	}
	worstToBest := []string{ssh.KeyAlgoECDSA521, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA256, ssh.KeyAlgoED25519}
	rank := func(k knownhosts.KnownKey) int { return slices.Index(worstToBest, k.Key.Type()) }
	best := slices.MaxFunc(other.Want, func(a, b knownhosts.KnownKey) int { return rank(a) - rank(b) })
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(best.Key))), nil
}

// nobodysKey is a key that no host has: checking it makes knownhosts return the keys that it knows.
type nobodysKey struct{}

func (nobodysKey) Type() string    { return "none" }
func (nobodysKey) Marshal() []byte { return []byte("none") }
func (nobodysKey) Verify(_ []byte, _ *ssh.Signature) error {
	return errors.New("verify with nobody's key")
}
