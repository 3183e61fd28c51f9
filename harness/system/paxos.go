package system

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"path"
	"strconv"
	"strings"
	"time"

	"elenchus/harness/control"
	"elenchus/node/client"
)

// Paxos is a cluster of the project's own nodes, one on each host of a lab. Hosts are identified by name. Methods
// that command hosts return the errors of package control, which name the host; all of them may be called again
// after a failure. It is safe for concurrent use.
type Paxos struct {
	options Options
	hash    string // of the program
	machine machine
	nodes   []*node
	byName  map[string]*node

	startPatience time.Duration // see start
}

// node is a host together with its node.
type node struct {
	host   control.Host
	client *control.Client
	id     int
	name   string // the node's own name: "n1"
	dirs   dirs
	api    *client.Client
}

// dirs are a host's directories.
type dirs struct{ bin, data, run, log string }

// New returns a cluster with one node on the host of each client. It reads the program, but does not contact the
// hosts. Its error lists everything that is wrong.
func New(o Options, clients []*control.Client) (*Paxos, error) {
	o = o.withDefaults()
	if err := o.validate(clients); err != nil {
		return nil, fmt.Errorf("describe the cluster: %w", err)
	}
	p := &Paxos{options: o, byName: make(map[string]*node), startPatience: startPatienceDefault}
	var err error
	if p.machine, err = readMachine(o.Binary); err != nil {
		return nil, fmt.Errorf("read the node's program: %w", err)
	}
	if p.hash, err = hashFile(o.Binary); err != nil {
		return nil, fmt.Errorf("read the node's program: %w", err)
	}
	for i, c := range clients {
		h := c.Host()
		n := &node{host: h, client: c, id: i + 1, name: nodeName(i + 1), dirs: dirs{bin: in(o.BinDir, h.Name),
			data: in(o.DataDir, h.Name), run: in(o.RunDir, h.Name), log: in(o.LogDir, h.Name)}}
		n.api = client.New(p.url(n), client.Options{DialTimeout: askTimeout})
		p.nodes = append(p.nodes, n)
		p.byName[h.Name] = n
	}
	return p, nil
}

func nodeName(id int) string { return "n" + strconv.Itoa(id) }

// BinaryHash returns the SHA-256 of the node's program, in hex.
func (p *Paxos) BinaryHash() string { return p.hash }

// Hosts returns the names of the hosts, in order.
func (p *Paxos) Hosts() []string {
	names := make([]string, len(p.nodes))
	for i, n := range p.nodes {
		names[i] = n.host.Name
	}
	return names
}

// URL returns the address at which clients reach the host's node. It is empty for an unknown host, as is
// [Paxos.PIDFile].
func (p *Paxos) URL(host string) string {
	if n, ok := p.byName[host]; ok {
		return p.url(n)
	}
	return ""
}

func (p *Paxos) url(n *node) string {
	return "http://" + address(n.host.Peer, p.options.HTTPPort)
}

func address(a netip.Addr, port int) string { return netip.AddrPortFrom(a, uint16(port)).String() }

// PIDFile returns the pid file of the host's node, in the format of [control.ShellLibrary].
func (p *Paxos) PIDFile(host string) string {
	if n, ok := p.byName[host]; ok {
		return n.pidFile()
	}
	return ""
}

func (n *node) pidFile() string { return path.Join(n.dirs.run, "node.pid") }
func (n *node) dataDir() string { return path.Join(n.dirs.data, "data") }
func (n *node) logFile() string { return path.Join(n.dirs.log, "node.log") }

// program returns the path to which Deploy installs the node's program; its name includes the hash.
func (p *Paxos) program(n *node) string {
	return control.HashedPath(n.dirs.bin, p.options.Binary, p.hash)
}

// process describes the host's node to package control.
func (p *Paxos) process(n *node) control.Process {
	return control.Process{
		Name: "node " + n.name, PIDFile: n.pidFile(), Dir: n.dirs.data, LogFile: n.logFile(),
		Argv: append(p.launcher(n), append([]string{p.program(n)}, p.flags(n)...)...),
	}
}

// launcher returns the command that launches the host's node: none, or the clock shim, which turns into the node.
func (p *Paxos) launcher(n *node) []string {
	of := p.options.Clocks.shim(n.host.Name)
	if of.Control == "" {
		return nil
	}
	return []string{of.Helper, "exec", "-f", of.Control, "--"}
}

// Clock returns a host's clock helper, and the control file of its node's clocks. Both are empty if there is no
// helper; only the file is if the node uses the host's clocks.
func (p *Paxos) Clock(host string) (helper, controlFile string) {
	return p.options.Clocks.Of(host).Helper, p.options.Clocks.shim(host).Control
}

// HostClock returns how the host's clocks are accessed.
func (p *Paxos) HostClock(host string) HostClock { return p.options.Clocks.Of(host) }

// flags returns the command line flags of the host's node.
func (p *Paxos) flags(n *node) []string {
	peers := make([]string, len(p.nodes))
	for i, peer := range p.nodes {
		peers[i] = fmt.Sprintf("%d=%s", peer.id, address(peer.host.Peer, p.options.PeerPort))
	}
	flags := []string{
		"--id=" + strconv.Itoa(n.id), "--cluster=" + p.options.Cluster, "--peers=" + strings.Join(peers, ","),
		"--http=" + address(n.host.Peer, p.options.HTTPPort), "--data=" + n.dataDir(),
		"--protocol=multipaxos", "--log-level=info", "--log-format=json",
	}
	if p.options.Reads != "" {
		flags = append(flags, "--reads="+p.options.Reads)
	}
	flags = append(flags, p.options.Lease.Flags()...)
	if p.options.PromiseGrace > 0 {
		flags = append(flags, "--promise-grace="+p.options.PromiseGrace.String())
	}
	if p.options.Window > 0 {
		flags = append(flags, "--window="+strconv.Itoa(p.options.Window))
	}
	if election := p.options.ElectionTimeout; election > 0 {
		flags = append(flags, "--election-timeout="+election.String(), "--heartbeat="+Heartbeat(election).String())
	}
	if p.options.Seed != 0 {
		flags = append(flags, "--seed="+strconv.FormatUint(nodeSeed(p.options.Seed, n.id), 10))
	}
	return append(flags, p.options.Flags...)
}

// Heartbeat returns the heartbeat interval that nodes are given together with an election timeout. Their default would
// come too seldom for a short timeout, and they would refuse it.
func Heartbeat(election time.Duration) time.Duration { return min(heartbeatDefault, election/4) }

// nodeSeed derives a node's own seed: with equal seeds, nodes would choose the same pauses and collide forever.
func nodeSeed(seed uint64, id int) uint64 {
	hash := fnv.New64a()
	var text [16]byte
	binary.LittleEndian.PutUint64(text[:8], seed)
	binary.LittleEndian.PutUint64(text[8:], uint64(id))
	_, _ = hash.Write(text[:]) // never fails
	return max(hash.Sum64(), 1)
}

// restartSettle is how long a node must live for its restart to have succeeded. It is short, because restarts inside of
// an election timeout are worth testing; why a node died later is in its log.
const restartSettle = 20 * time.Millisecond

// Start starts one host's node with the data it has. A running or paused node is left alone.
func (p *Paxos) Start(ctx context.Context, host string) error {
	n, err := p.find(host)
	if err != nil {
		return err
	}
	process := p.process(n)
	process.Settle = restartSettle
	return p.start(ctx, n, process)
}

// startPatienceDefault is how long the first attempt to start a node may take: much longer than on any healthy host.
const startPatienceDefault = 20 * time.Second

// start starts a node, in two attempts: a host that was stuck in the first one, such as on its disk, need not be in the
// second. Of the processes that both may start only one can become the node. See [control.Process.Start].
func (p *Paxos) start(ctx context.Context, n *node, process control.Process) error {
	first, cancel := context.WithTimeout(ctx, p.startPatience)
	err := process.Start(first, n.client)
	cancel()
	if errors.Is(err, control.ErrTimeout) && ctx.Err() == nil {
		if again := process.Start(ctx, n.client); again == nil || errors.Is(again, control.ErrRunning) {
			err = nil
		} else {
			err = errors.Join(again, err)
		}
	}
	if err != nil && !errors.Is(err, control.ErrRunning) {
		return err
	}
	return p.checkShim(ctx, n)
}

// shimMax is how long a node may take from its first instruction until the clock shim is in place. It is long, so that
// a node on a busy host is not taken for one without its shim.
const shimMax = 10 * time.Second

// checkShim stops a node whose clocks cannot be moved although they should be: its results would be misleading. A node
// that exits meanwhile is left to those who watch nodes.
func (p *Paxos) checkShim(ctx context.Context, n *node) error {
	of := p.options.Clocks.shim(n.host.Name)
	if of.Control == "" {
		return nil
	}
	_, err := n.client.Run(ctx, fmt.Sprintf(`%[1]sproc_find %[2]s || exit 0
%[3]s attached -f %[4]s -pid $pid -wait %[5]v && exit 0
code=$?
proc_state %[2]s
case $state in dead|zombie) exit 0 ;; esac
exit $code`, control.ShellLibrary, control.Quote(n.pidFile()), control.Quote(of.Helper), control.Quote(of.Control),
		shimMax))
	if err == nil {
		return nil
	}
	err = fmt.Errorf("node %s does not run under the clock shim: %w", n.name, err)
	return errors.Join(err, p.process(n).Stop(ctx, n.client, 0))
}

// StartAll starts all nodes, see Start.
func (p *Paxos) StartAll(ctx context.Context) error {
	return p.each(ctx, func(ctx context.Context, n *node) error { return p.start(ctx, n, p.process(n)) })
}

// StopAll shuts all nodes down, and kills those that do not end within [Options].StopGrace. Nodes that are not
// running are no error.
func (p *Paxos) StopAll(ctx context.Context) error {
	return p.each(ctx, func(ctx context.Context, n *node) error {
		return p.process(n).Stop(ctx, n.client, p.options.StopGrace)
	})
}

func (p *Paxos) find(host string) (*node, error) {
	if n, ok := p.byName[host]; ok {
		return n, nil
	}
	return nil, fmt.Errorf("there is no host %q in the cluster", host)
}

// each calls f for every node concurrently and joins the errors, each with its host's name.
func (p *Paxos) each(ctx context.Context, f func(context.Context, *node) error) error {
	clients := make([]*control.Client, len(p.nodes))
	for i, n := range p.nodes {
		clients[i] = n.client
	}
	return control.Each(ctx, clients, func(ctx context.Context, c *control.Client) error {
		return f(ctx, p.byName[c.Host().Name])
	})
}
