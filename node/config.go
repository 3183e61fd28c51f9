package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"elenchus/node/protocol"
	"elenchus/node/server"
)

// config holds the parsed command line.
type config struct {
	id       uint
	cluster  string
	peers    string
	listen   string
	http     string
	data     string
	protocol string
	reads    string

	lease      string
	leaseTerm  time.Duration
	leaseRenew time.Duration
	driftBound string
	maxOffset  time.Duration

	electionTimeout time.Duration
	heartbeat       time.Duration
	promiseGrace    time.Duration
	retryInterval   time.Duration
	backoff         time.Duration
	linkSilence     time.Duration
	catchupChunk    int
	ballot          string
	firstBallot     bool
	preVote         bool
	window          int
	batch           int
	seed            uint64

	snapshotEntries int
	snapshotBytes   int
	snapshotKeep    int
	snapshotChunk   int

	observationBytes int64
	traceMessages    bool

	logLevel  string
	logFormat string
	version   bool

	peerAddresses map[protocol.NodeID]string // peers after parsing
}

// errHelp means that help was requested and has been printed.
var errHelp = errors.New("help")

func (c *config) flags() *flag.FlagSet {
	f := flag.NewFlagSet("elenchus-node", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.UintVar(&c.id, "id", 0, "this node's `number`, 1 to 9")
	f.StringVar(&c.cluster, "cluster", "", "`name` of the cluster; nodes of other clusters are refused")
	f.StringVar(&c.peers, "peers", "", "every node of the cluster, this one included: `1=host:port,2=host:port,...`")
	f.StringVar(&c.listen, "listen", "", "`host:port` to listen on for peers (default: this node's entry in --peers)")
	f.StringVar(&c.http, "http", "127.0.0.1:8000", "`host:port` to listen on for clients")
	f.StringVar(&c.data, "data", "", "`directory` for everything that must survive a restart")
	f.StringVar(&c.protocol, "protocol", "multipaxos", "replication `protocol`: "+strings.Join(protocolNames(), ", "))
	f.StringVar(&c.reads, "reads", "lease", "how to answer reads: lease (the leader alone, while its lease is valid), "+
		"quorum (the leader asks a majority), log (through the log, like a write) or local (any node, possibly stale)")
	f.StringVar(&c.lease, "lease", "rate", "clocks that leader leases rely on: rate (monotonic), wall, or none "+
		"(no leases)")
	f.DurationVar(&c.leaseTerm, "lease-term", time.Second, "how long a lease lasts; must be the same on all nodes")
	f.DurationVar(&c.leaseRenew, "lease-renew", 300*time.Millisecond,
		"how often to renew a lease; renewals replace heartbeats")
	f.StringVar(&c.driftBound, "drift-bound", "1%", "for --lease rate: by how much one clock may run faster than "+
		"another, such as 0.01 or 1%")
	f.DurationVar(&c.maxOffset, "max-offset", 100*time.Millisecond, "for --lease wall: how far apart wall clocks may be")
	f.DurationVar(&c.electionTimeout, "election-timeout", 600*time.Millisecond,
		"campaign after hearing from no leader for this long")
	f.DurationVar(&c.heartbeat, "heartbeat", 100*time.Millisecond, "heartbeat interval of a leader without leases")
	f.DurationVar(&c.promiseGrace, "promise-grace", 0, "how long a candidate waits for more promises than "+
		"a majority; 0 means not at all")
	f.DurationVar(&c.retryInterval, "retry-interval", 0, "repeat a message to another node that was not answered for "+
		"this long: 0 means 200ms")
	f.DurationVar(&c.backoff, "backoff", 0, "how long a candidate that lost waits at least, and at most 16 times as "+
		"long, before it campaigns again: 0 means 150ms")
	f.DurationVar(&c.linkSilence, "link-silence", 0, "connect anew to a peer that was silent for this long; heartbeats "+
		"and attempts to connect come four times as often: 0 means 800ms")
	f.StringVar(&c.ballot, "ballot", "counter", "how to choose the round of a ballot: counter (one above the highest "+
		"seen, written to disk before use)")
	f.BoolVar(&c.firstBallot, "first-ballot-shortcut", false, "let the node with the lowest number lead a cluster that "+
		"starts for the first time, without asking for promises; never for a node that lost its data")
	f.BoolVar(&c.preVote, "pre-vote", true, "before campaigning, ask whether a majority would take part, so that a node "+
		"that comes back does not depose a leader that the others still hear")
	f.IntVar(&c.window, "window", 64, "maximum number of outstanding slots")
	f.IntVar(&c.batch, "batch", 128, "maximum number of commands in one slot")
	f.IntVar(&c.snapshotEntries, "snapshot-entries", 0,
		"take a snapshot and truncate the log after this many slots: 0 means 10000, -1 no limit")
	f.IntVar(&c.snapshotBytes, "snapshot-bytes", 0,
		"take a snapshot and truncate the log after it has grown by this many bytes: 0 means 64 MiB, -1 no limit")
	f.IntVar(&c.snapshotKeep, "snapshot-keep", 0, "slots to keep in the log before a snapshot, for peers that lag a "+
		"little: 0 means a tenth of --snapshot-entries, -1 none")
	f.IntVar(&c.snapshotChunk, "snapshot-chunk", 0, "bytes of a snapshot per message to a lagging peer: 0 means 1 MiB")
	f.IntVar(&c.catchupChunk, "catchup-chunk", 0, "maximum number of slots in one message to a lagging peer, and in one "+
		"page of a promise: 0 means 256")
	f.Int64Var(&c.observationBytes, "observation-bytes", 0,
		"drop the oldest observations when they take more than this many bytes: 0 means 1 GiB, -1 no limit")
	f.BoolVar(&c.traceMessages, "trace-messages", true, "write the messages that leave this node to its observations, so "+
		"that it can be held to the rules of its protocol")
	f.Uint64Var(&c.seed, "seed", 0, "seed of random choices, mixed with the boot number; 0 means random")
	f.StringVar(&c.logLevel, "log-level", "info", "trace, debug, info, warn, error or off")
	f.StringVar(&c.logFormat, "log-format", "text", "text or json")
	f.BoolVar(&c.version, "version", false, "print the version and exit")
	return f
}

// parseConfig parses the command line. Its error lists all problems.
func parseConfig(args []string, stdout io.Writer) (config, error) {
	var c config
	f := c.flags()
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, "Usage: elenchus-node --id N --cluster NAME --peers LIST --data DIR [flags]\n"+
			"       elenchus-node dump DIR\n\n")
		f.SetOutput(stdout)
		f.PrintDefaults()
		return c, errHelp
	} else if err != nil {
		return c, err
	}
	if c.version {
		return c, nil
	}
	problems := c.validate()
	if f.NArg() > 0 {
		problems = append(problems, fmt.Errorf("unexpected arguments: %s", strings.Join(f.Args(), " ")))
	}
	return c, errors.Join(problems...)
}

// validate checks every flag, and parses those that need it.
func (c *config) validate() (problems []error) {
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(c.id >= 1 && c.id <= protocol.NodesMax, "--id must be 1 to %d: %d", protocol.NodesMax, c.id)
	check(c.cluster != "" && len(c.cluster) <= 64, "--cluster must have 1 to 64 bytes: %q", c.cluster)
	check(c.data != "", "--data must be given")
	var err error
	if c.peerAddresses, err = parsePeers(c.peers); err != nil {
		problems = append(problems, err)
	} else if _, ok := c.peerAddresses[protocol.NodeID(c.id)]; c.id != 0 && !ok {
		check(false, "--peers must include this node, %d: %s", c.id, c.peers)
	}
	for _, a := range []struct{ flag, address string }{{"--listen", c.listen}, {"--http", c.http}} {
		if _, _, err := net.SplitHostPort(a.address); err != nil && a.address != "" {
			check(false, "%s must be host:port: %q", a.flag, a.address)
		}
	}
	check(c.http != "", "--http must be host:port")
	check(hclog.LevelFromString(c.logLevel) != hclog.NoLevel,
		"--log-level must be trace, debug, info, warn, error or off: %q", c.logLevel)
	check(c.logFormat == "text" || c.logFormat == "json", "--log-format must be text or json: %q", c.logFormat)
	check(c.observationBytes == 0 || c.observationBytes == -1 || c.observationBytes >= server.ObservationBytesMin,
		"--observation-bytes must be -1, 0 or at least %d: %d", server.ObservationBytesMin, c.observationBytes)
	problems = append(problems, c.validateNumbers()...)
	return append(problems, c.validateProtocol()...)
}

// validateNumbers refuses explicit zeros in options where the protocol takes zero for its default, and times that are
// out of range.
func (c *config) validateNumbers() (problems []error) {
	for flag, d := range map[string]time.Duration{
		"--lease-term": c.leaseTerm, "--lease-renew": c.leaseRenew, "--election-timeout": c.electionTimeout,
		"--heartbeat": c.heartbeat,
	} {
		if d == 0 {
			problems = append(problems, fmt.Errorf("%s must be above 0", flag))
		}
	}
	for flag, n := range map[string]int{"--window": c.window, "--batch": c.batch} {
		if n == 0 {
			problems = append(problems, fmt.Errorf("%s must be above 0", flag))
		}
	}
	for flag, d := range map[string]time.Duration{
		"--backoff": c.backoff, "--link-silence": c.linkSilence, "--retry-interval": c.retryInterval,
	} {
		if d < 0 || d > server.LinkSilenceMax {
			problems = append(problems, fmt.Errorf("%s must be 0 to %v: %v", flag, server.LinkSilenceMax, d))
		}
	}
	if c.maxOffset == 0 {
		problems = append(problems, errors.New("--max-offset must be above 0, or the leader's lease could outlive a "+
			"grant: no two wall clocks are the same"))
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return problems
}

// parsePeers parses "1=host:port,2=host:port".
func parsePeers(text string) (map[protocol.NodeID]string, error) {
	peers := make(map[protocol.NodeID]string)
	for entry := range strings.SplitSeq(text, ",") {
		number, address, ok := strings.Cut(entry, "=")
		id, err := strconv.ParseUint(number, 10, 16)
		_, port, addressErr := net.SplitHostPort(address)
		if !ok || err != nil || addressErr != nil || port == "" || id == 0 || id > protocol.NodesMax {
			return nil, fmt.Errorf("--peers must be 1=host:port,2=host:port,...: %q", entry)
		}
		if _, twice := peers[protocol.NodeID(id)]; twice {
			return nil, fmt.Errorf("--peers has node %d twice", id)
		}
		peers[protocol.NodeID(id)] = address
	}
	return peers, nil
}

func (c *config) logger(output io.Writer) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{
		Name: fmt.Sprintf("n%d", c.id), Level: hclog.LevelFromString(c.logLevel), Output: output,
		JSONFormat: c.logFormat == "json",
		TimeFormat: "2006-01-02T15:04:05.000000Z07:00",
	})
}

func (c *config) server(logger hclog.Logger) server.Options {
	return server.Options{
		ID: protocol.NodeID(c.id), Cluster: c.cluster, Peers: c.peerAddresses, Data: c.data,
		PeerAddress: c.listen, HTTPAddress: c.http, Logger: logger, Machine: c.machine,
		Protocol: c.protocol, Reads: c.reads, Version: version(), ObservationBytes: c.observationBytes,
		NoTrace:     !c.traceMessages,
		LinkSilence: c.linkSilence,
	}
}
