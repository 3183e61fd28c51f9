package server

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"elenchus/node/clock"
	"elenchus/node/protocol"
	"elenchus/node/wal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of the tests. It is long, because a machine may be slow, and reached only by failures.
const patience = 30 * time.Second

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func listen(t testing.TB, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// fakeMachine is a machine scripted by the test. Its fields are set before it is started.
type fakeMachine struct {
	step func(now clock.Reading, in protocol.Input) protocol.Effects
}

func (m *fakeMachine) Step(now clock.Reading, in protocol.Input) protocol.Effects {
	return m.step(now, in)
}

func (m *fakeMachine) Status(clock.Reading) protocol.Status { return protocol.Status{Self: 1, Keys: 7} }

// startFake starts n1 with a machine that executes step.
func startFake(t testing.TB, change func(*Options), step func(clock.Reading, protocol.Input) protocol.Effects) *Server {
	t.Helper()
	l := listen(t, "127.0.0.1:0")
	opts := Options{
		ID: 1, Cluster: "lab", Data: t.TempDir(), Peers: map[protocol.NodeID]string{1: l.Addr().String()},
		PeerListener: l, HTTPListener: listen(t, "127.0.0.1:0"),
		Machine: func(protocol.Recovered, uint64) (protocol.Machine, error) { return &fakeMachine{step}, nil },
	}
	if change != nil {
		change(&opts)
	}
	s, err := Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	return s
}

// call makes an HTTP request and returns status and body; status 0 means that there was no answer.
func call(t testing.TB, s *Server, method, path, body string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+s.HTTPAddr().String()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: patience}).Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(answer))
}

// gateFS lets syncs of the log through one by one once it is shut.
type gateFS struct {
	wal.FS
	mu    sync.Mutex
	gate  chan error // nil while open
	syncs int        // syncs begun
}

func (g *gateFS) shut() chan<- error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gate, g.syncs = make(chan error), 0
	return g.gate
}

func (g *gateFS) begun() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.syncs
}

func (g *gateFS) OpenFile(name string, flag int) (wal.File, error) {
	f, err := g.FS.OpenFile(name, flag)
	if err != nil || strings.TrimSuffix(filepath.Base(name), ".new") != wal.FileName {
		return f, err
	}
	return gateFile{f, g}, nil
}

type gateFile struct {
	wal.File
	gate *gateFS
}

func (f gateFile) Sync() error {
	f.gate.mu.Lock()
	f.gate.syncs++
	gate := f.gate.gate
	f.gate.mu.Unlock()
	if gate != nil {
		if err := <-gate; err != nil {
			return err
		}
	}
	return f.File.Sync()
}

func readFile(t testing.TB, elements ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(elements...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
