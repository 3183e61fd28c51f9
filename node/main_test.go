package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"elenchus/node/client"
	"elenchus/node/multipaxos"
	"elenchus/node/wal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

// output collects what a program has printed so far.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// program is a running elenchus-node.
type program struct {
	stdout, stderr output
	cancel         context.CancelFunc
	exit           chan int
}

func start(t *testing.T, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &program{cancel: cancel, exit: make(chan int, 1)}
	go func() { p.exit <- run(ctx, args, &p.stdout, &p.stderr) }()
	t.Cleanup(cancel)
	return p
}

func (p *program) wait(t *testing.T) int {
	t.Helper()
	select {
	case status := <-p.exit:
		return status
	case <-time.After(patience):
		t.Fatalf("program does not end:\n%s", p.stderr.String())
		return -1
	}
}

// finish runs the program until it exits.
func finish(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	p := start(t, args...)
	status = p.wait(t)
	return status, p.stdout.String(), p.stderr.String()
}

// address waits for the address at which clients are served.
func (p *program) address(t *testing.T) string {
	t.Helper()
	clients := regexp.MustCompile(`clients[=":]+([0-9.:]+)`)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if found := clients.FindStringSubmatch(p.stderr.String()); found != nil {
			return "http://" + found[1]
		}
	}
	t.Fatalf("node does not start:\n%s", p.stderr.String())
	return ""
}

func single(dir string, more ...string) []string {
	return append([]string{"--id", "1", "--cluster", "lab", "--peers", "1=127.0.0.1:1", "--listen", "127.0.0.1:0",
		"--http", "127.0.0.1:0", "--data", dir, "--election-timeout", "50ms", "--heartbeat", "10ms",
		"--lease-term", "100ms", "--lease-renew", "20ms"}, more...)
}

func TestCommandLine(t *testing.T) {
	good := single("d")
	tests := map[string]struct {
		args   []string
		status int
		want   []string // expected in the output
	}{
		"nothing": {nil, exitUsage, []string{"--id", "--cluster", "--data", "--peers"}},
		"everything bad": {strings.Fields("--id 0 --cluster= --peers 1=x --listen y --http z --data= --protocol naive " +
			"--log-level verbose --log-format xml rest"), exitUsage,
			strings.Fields("--id --cluster --peers --listen --http --data --protocol --log-level --log-format rest")},
		"protocol's own": {append(good, "--reads", "sometimes", "--window", "-3", "--heartbeat", "5s"), exitUsage,
			[]string{`"sometimes"`, "window", "heartbeat"}},
		"reads by default need a lease": {append(good, "--lease", "none"), exitUsage,
			[]string{"choose a lease, rate or wall"}},
		"zeros": {append(good, "--lease-term", "0", "--lease-renew", "0", "--election-timeout", "0", "--heartbeat", "0",
			"--window", "0", "--batch", "0", "--max-offset", "0"), exitUsage, []string{"--lease-term must be above 0",
			"--lease-renew must", "--election-timeout must", "--heartbeat must", "--window must", "--batch must",
			"--max-offset must be above 0, or the leader's lease could outlive"}},
		"ballots from nowhere": {append(good, "--ballot", "clock"), exitUsage, []string{`"clock"`, "want counter"}},
		"grace":                {append(good, "--promise-grace", "50ms"), exitUsage, []string{"would campaign against it"}},
		"leases": {append(good, "--lease", "eternal", "--lease-term", "1s", "--lease-renew", "2s", "--drift-bound=-1%",
			"--max-offset", "-1s"), exitUsage, []string{`"eternal"`, "--drift-bound must not be negative",
			"before it is renewed", "max offset"}},
		"drift beyond reason": {append(good, "--drift-bound", "150%"), exitUsage,
			[]string{`--drift-bound must be at most 100%, which is more than any clock needs: "150%"`}},
		"renewals too rare": {append(good, "--lease-renew", "60ms"), exitUsage,
			[]string{"is not below the election timeout 50ms: renewals are the leader's heartbeat"}},
		"snapshots": {append(good, "--snapshot-entries", "10", "--snapshot-keep", "11", "--snapshot-bytes", "-5"), exitUsage,
			[]string{"snapshot keep: 11 is above the snapshot entries 10", "snapshot bytes: -5"}},
		"offset as long as the term": {append(good, "--lease", "wall"), exitUsage, []string{"could not tell a lease"}},

		"unknown flag":  {append(good, "--frobnicate"), exitUsage, []string{"frobnicate"}},
		"leftovers":     {append(good, "one", "two"), exitUsage, []string{"unexpected arguments: one two"}},
		"not a member":  {append(good, "--id", "2"), exitUsage, []string{"--peers must include this node, 2"}},
		"peer twice":    {append(good, "--peers", "1=a:1,1=b:1"), exitUsage, []string{"node 1 twice"}},
		"peer too high": {append(good, "--peers", "1=a:1,10=b:1"), exitUsage, []string{`"10=b:1"`}},
		"help":          {[]string{"--help"}, exitOK, []string{"Usage", "-election-timeout", "dump DIR"}},
		"version":       {[]string{"--version"}, exitOK, []string{"elenchus-node ", "go1."}},
		"dump of what":  {[]string{"dump"}, exitUsage, []string{"dump DIR"}},
		"dump of many":  {[]string{"dump", "a", "b"}, exitUsage, []string{"dump DIR"}},
		"dump of none":  {[]string{"dump", "does-not-exist"}, exitError, []string{"no such file"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			status, stdout, stderr := finish(t, test.args...)
			if status != test.status {
				t.Errorf("exit status %d, want %d", status, test.status)
			}
			printed := stderr
			if status == exitOK {
				printed = stdout
			}
			for _, want := range test.want {
				if !strings.Contains(printed, want) {
					t.Errorf("printed\n%swhich lacks %q", printed, want)
				}
			}
		})
	}
}

// TestLifeOfANode starts a node, writes something, stops it, restarts it, and then dumps its log.
func TestLifeOfANode(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	for round, format := range []string{"text", "json"} {
		p := start(t, single(dir, "--log-format", format)...)
		c := client.New(p.address(t), client.Options{})
		var got client.Response
		for end := time.Now().Add(patience); time.Now().Before(end) && got.Outcome != client.OK; {
			got = c.Do(t.Context(), client.Request{Op: client.OpAppend, Key: "k", Value: format,
				Client: 1, Seq: uint64(round + 1), Timeout: time.Second})
		}
		if want := []string{"text", "json"}[:round+1]; !slices.Equal(got.Values, want) {
			t.Errorf("append: %+v, want %v", got, want)
		}
		c.Close()
		p.cancel()
		if status := p.wait(t); status != exitOK || !strings.Contains(p.stderr.String(), "node stopped") {
			t.Errorf("exit status %d after\n%s", status, p.stderr.String())
		}
		for line := range strings.Lines(p.stderr.String()) {
			if format == "json" && !json.Valid([]byte(line)) {
				t.Errorf("log line is no JSON: %s", line)
			}
		}
	}
	status, stdout, stderr := finish(t, "dump", dir)
	for _, want := range []string{`"kind":"accept"`, `"id":"1:2","op":"append","key":"k","value":"json"`,
		`"kind":"log","cluster":"lab"`} {
		if status != exitOK || !strings.Contains(stdout, want) {
			t.Errorf("dump, status %d, lacks %s:\n%s%s", status, want, stdout, stderr)
		}
	}
	for line := range strings.Lines(stdout) {
		if !json.Valid([]byte(line)) {
			t.Errorf("dump prints %q", line)
		}
	}
}

// TestSnapshotFlags runs a node that takes snapshots all the time, and dumps its disk while it runs and afterwards.
func TestSnapshotFlags(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p := start(t, single(dir, "--snapshot-entries", "2", "--snapshot-keep", "-1", "--snapshot-bytes", "-1")...)
	c := client.New(p.address(t), client.Options{})
	defer c.Close()
	var status client.Status
	for seq, end := uint64(1), time.Now().Add(patience); status.WAL.Base == 0 && time.Now().Before(end); seq++ {
		c.Do(t.Context(), client.Request{Op: client.OpAppend, Key: "k", Value: "v", Client: 1, Seq: seq, Timeout: time.Second})
		status, _ = c.Status(t.Context())
	}
	if status.Snapshot.Slot < 2 || status.WAL.Base == 0 || status.WAL.Rotations == 0 {
		t.Fatalf("status %+v", status)
	}
	for _, when := range []string{"running", "stopped"} {
		if when == "stopped" {
			p.cancel()
			p.wait(t)
		}
		code, stdout, stderr := finish(t, "dump", dir)
		first, _, _ := strings.Cut(stdout, "\n")
		if code != exitOK || !strings.HasPrefix(first, `{"kind":"snapshot","slot":`) ||
			!strings.Contains(first, `"keys":1,"sessions":1`) || strings.Contains(stdout, `"base":0`) {
			t.Errorf("dump of the %s node, status %d:\n%s%s", when, code, stdout, stderr)
		}
	}
	snapshot := filepath.Join(dir, wal.SnapshotName)
	content, err := os.ReadFile(snapshot)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(snapshot, content, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{single(dir), {"dump", dir}} {
		if code, _, stderr := finish(t, args...); code != exitError ||
			!strings.Contains(stderr, "data is corrupt: "+snapshot) {
			t.Errorf("%v with a damaged snapshot: status %d, %s", args, code, stderr)
		}
	}
}

// TestRefusals checks that anything that keeps a node from starting is reported in one line, with status 1.
func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	p := start(t, single(dir)...)
	address := p.address(t)
	refused := func(what, want string, args ...string) {
		t.Helper()
		status, _, stderr := finish(t, args...)
		if status != exitError || !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: exit status %d, want %q in one line:\n%s", what, status, want, stderr)
		}
	}
	refused("in use", "log is in use by another process", single(dir)...)
	refused("address in use", "address already in use",
		single(t.TempDir(), "--http", strings.TrimPrefix(address, "http://"))...)
	refused("unknown address", "listen for peers", single(t.TempDir(), "--listen", "203.0.113.1:7000")...)
	p.cancel()
	p.wait(t)
	refused("other node", `is of n1 of cluster "lab", this is n2 of cluster "lab"`,
		single(dir, "--id", "2", "--peers", "1=127.0.0.1:1,2=127.0.0.1:2")...)
	refused("other cluster", `is of n1 of cluster "lab", this is n1 of cluster "prod"`,
		single(dir, "--cluster", "prod")...)
	log := filepath.Join(dir, wal.FileName)
	content, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(log, content, 0o600); err != nil {
		t.Fatal(err)
	}
	refused("flipped bit", "data is corrupt: "+log+" at offset", single(dir)...)
	refused("dump of a flipped bit", "data is corrupt: "+log+" at offset", "dump", dir)
	if err := os.Remove(log); err != nil {
		t.Fatal(err)
	}
	refused("log gone", "log is missing", single(dir)...)
	refused("data is a file", "not a directory", single(filepath.Join(dir, "boot"))...)
}

// TestThreePrograms runs a cluster as users do, through the command line and the client only.
func TestThreePrograms(t *testing.T) {
	var peers []string
	for id := range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		peers = append(peers, string(rune('1'+id))+"="+l.Addr().String())
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var clients []*client.Client
	for id := range 3 {
		p := start(t, "--id", string(rune('1'+id)), "--cluster", "lab", "--peers", strings.Join(peers, ","),
			"--http", "127.0.0.1:0", "--data", t.TempDir(), "--reads", "log", "--log-level", "info")
		c := client.New(p.address(t), client.Options{})
		clients = append(clients, c)
		defer func() {
			c.Close()
			p.cancel()
			if status := p.wait(t); status != exitOK {
				t.Errorf("exit status %d:\n%s", status, p.stderr.String())
			}
		}()
	}
	write := client.Request{Op: client.OpWrite, Key: "k", Value: "v", Client: 1, Seq: 1, Timeout: time.Second}
	read := client.Request{Op: client.OpRead, Key: "k", Timeout: time.Second}
	for _, r := range []client.Request{write, read} {
		var got client.Response
		for end := time.Now().Add(patience); time.Now().Before(end) && got.Outcome != client.OK; {
			got = clients[0].Do(t.Context(), r)
		}
		if got.Outcome != client.OK || r.Op == client.OpRead && !slices.Equal(got.Values, []string{"v"}) {
			t.Errorf("%s: %+v", r.Op, got)
		}
	}
}

func TestDriftBoundIsExact(t *testing.T) {
	for text, want := range map[string]int64{
		"0.01": 10_000_000, "1%": 10_000_000, "1": 1_000_000_000, "0.000000001": 1, "0.0000001%": 1, "12.5%": 125_000_000,
		"0": multipaxos.DriftNone, "0%": multipaxos.DriftNone, "0.10": 100_000_000,
	} {
		if got, err := parseDrift(text); err != nil || got != want {
			t.Errorf("parseDrift(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "%", ".", "1.", ".5", "-0.01", "+1", "1e-3", "0.0000000001", "one", "1%%", "1_0",
		"99999999999999999999", "1.000000001", "100.0000001%"} {
		if got, err := parseDrift(text); err == nil {
			t.Errorf("parseDrift(%q) = %d", text, got)
		}
	}
}
