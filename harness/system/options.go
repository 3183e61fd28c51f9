package system

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"elenchus/harness/control"
)

// Limits and defaults of Paxos.
const (
	hostsMax        = 9       // the maximal size of a cluster
	collectBytesMax = 4 << 30 // of the data of one host
	clusterBytesMax = 64

	peerPortDefault  = 7000
	httpPortDefault  = 8000
	stopGraceDefault = 5 * time.Second
	freeBytesDefault = 256 << 20

	binDirDefault = "/opt/elenchus/bin"
	runDirDefault = "/run/elenchus"
)

// Options configures a cluster of the project's own nodes. Binary is required, the rest may be zero.
type Options struct {
	Binary string // local path of the node's program

	// Cluster is the cluster's name; nodes of different clusters reject each other. Empty means "elenchus"; a name
	// longer than 64 bytes is shortened and keeps a hash of the rest.
	Cluster string

	Reads           string        // how reads are answered; the node's default when empty
	Lease           Lease         // leader leases; the node's default with an empty mode
	ElectionTimeout time.Duration // the node's default when zero
	PromiseGrace    time.Duration // the node's default when zero
	Window          int           // limit on outstanding slots; the node's default when zero
	Flags           []string      // further flags of the node, which override those above

	// Clocks are those of the hosts; nodes are started under a clock shim where they have a control file. Nil means
	// that clocks are neither read nor moved.
	Clocks *Clocks

	// Seed determines the nodes' random choices. Every node gets its own, derived from it; with zero, nodes choose
	// one.
	Seed uint64

	// PeerPort and HTTPPort are the ports on which nodes listen for each other and for clients, on the host's peer
	// address; 7000 and 8000 when zero.
	PeerPort int
	HTTPPort int

	// Directories on the hosts, absolute: /opt/elenchus/bin, /var/lib/elenchus, /run/elenchus and /var/log/elenchus when
	// empty. "{host}" in them stands for the host's name, for hosts that share a file system.
	BinDir  string
	DataDir string
	RunDir  string
	LogDir  string

	// StopGrace is how long a node may take to shut down; 5 s when zero.
	StopGrace time.Duration

	// FreeBytes is the free space that a deployment requires of a host; 256 MiB when zero.
	FreeBytes int64
}

// withDefaults replaces zeros.
func (o Options) withDefaults() Options {
	o.Cluster = shortName(cmp.Or(o.Cluster, "elenchus"))
	o.PeerPort = cmp.Or(o.PeerPort, peerPortDefault)
	o.HTTPPort = cmp.Or(o.HTTPPort, httpPortDefault)
	o.BinDir = cmp.Or(o.BinDir, binDirDefault)
	o.DataDir = cmp.Or(o.DataDir, "/var/lib/elenchus")
	o.RunDir = cmp.Or(o.RunDir, runDirDefault)
	o.LogDir = cmp.Or(o.LogDir, "/var/log/elenchus")
	o.StopGrace = cmp.Or(o.StopGrace, stopGraceDefault)
	o.FreeBytes = cmp.Or(o.FreeBytes, freeBytesDefault)
	return o
}

// shortName shortens a cluster's name to at most clusterBytesMax bytes.
func shortName(name string) string {
	if len(name) <= clusterBytesMax {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	end := "-" + hex.EncodeToString(sum[:8])
	return strings.ToValidUTF8(name[:clusterBytesMax-len(end)], "") + end
}

// validate lists everything that is wrong with the options and the hosts.
func (o Options) validate(clients []*control.Client) error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(o.Binary != "", "the node's program is not given")
	check(len(clients) >= 1 && len(clients) <= hostsMax, "a cluster has 1 to %d hosts, not %d", hostsMax, len(clients))
	check(o.ElectionTimeout >= 0, "election timeout %v is negative", o.ElectionTimeout)
	check(o.PromiseGrace >= 0, "promise grace %v is negative", o.PromiseGrace)
	check(o.Window >= 0, "a window of %d slots is negative", o.Window)
	check(o.StopGrace >= 0, "stop grace %v is negative", o.StopGrace)
	check(o.FreeBytes >= 0, "the free space wanted, %d bytes, is negative", o.FreeBytes)
	for _, port := range []int{o.PeerPort, o.HTTPPort} {
		check(port > 0 && port < 1<<16, "%d is not a port", port)
	}
	check(o.PeerPort != o.HTTPPort, "peers and clients cannot share port %d", o.PeerPort)
	for _, dir := range []string{o.BinDir, o.DataDir, o.RunDir, o.LogDir} {
		check(path.IsAbs(dir) && path.Clean(dir) != "/" && !strings.ContainsRune(dir, 0),
			"directory %q is not absolute, or is the root", dir)
	}
	return errors.Join(append(errs, validateHosts(clients)...)...)
}

// validateHosts finds hosts that nodes cannot tell apart, or cannot reach. A partition between them would silently
// cut nothing.
func validateHosts(clients []*control.Client) (errs []error) {
	var names, addresses []string
	for _, c := range clients {
		h := c.Host()
		if slices.Contains(names, h.Name) || h.Name == "" {
			errs = append(errs, fmt.Errorf("host name %q is empty or there twice", h.Name))
		}
		if address := h.Peer.String(); !h.Peer.IsValid() || h.Peer.IsUnspecified() {
			errs = append(errs, fmt.Errorf("host %s has no address for its peers", h.Name))
		} else if slices.Contains(addresses, address) {
			errs = append(errs, fmt.Errorf("host %s has the peer address of another, %s", h.Name, address))
		}
		names, addresses = append(names, h.Name), append(addresses, h.Peer.String())
	}
	return errs
}

// hashFile returns the SHA-256 of a file, in hex.
func hashFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
