package transport

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of the tests. It is long, because a machine may be slow, and reached only by failures.
const patience = 30 * time.Second

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// eventually waits until ok returns true, and returns how long that took.
func eventually(t testing.TB, what string, ok func() bool) time.Duration {
	t.Helper()
	start := time.Now()
	for !ok() {
		if time.Since(start) > patience {
			t.Fatalf("not within %v: %s", patience, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
	return time.Since(start)
}

// node is a transport and the messages delivered to it.
type node struct {
	*Transport
	got chan string
}

func start(t testing.TB, l net.Listener, opts Options) *node {
	t.Helper()
	n := &node{got: make(chan string, 1<<16)}
	opts.Deliver = func(_ uint16, payload []byte) { n.got <- string(payload) }
	if opts.Cluster == "" {
		opts.Cluster = "lab"
	}
	var err error
	if n.Transport, err = New(l, opts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return n
}

func (n *node) connected(to uint16) bool { return n.Stats()[to].Connected }

func (n *node) receive(t testing.TB) string {
	t.Helper()
	select {
	case m := <-n.got:
		return m
	case <-time.After(patience):
		t.Fatal("no message arrived")
		return ""
	}
}

// proxy forwards TCP connections and, on demand, swallows the traffic in one or both directions without closing
// anything, like a partition made with a packet filter. Swallowed data is lost, including connection attempts.
type proxy struct {
	listener net.Listener
	target   string
	forth    atomic.Bool // swallow what the dialler sends
	back     atomic.Bool // swallow what the acceptor sends
	slow     atomic.Bool // about 1 MB/s
	mu       sync.Mutex
	conns    []net.Conn
	group    sync.WaitGroup
}

func newProxy(t testing.TB, target string) *proxy {
	t.Helper()
	p := &proxy{listener: listen(t), target: target}
	p.group.Go(p.run)
	t.Cleanup(func() {
		_ = p.listener.Close()
		p.mu.Lock()
		for _, c := range p.conns {
			_ = c.Close()
		}
		p.conns = nil
		p.mu.Unlock()
		p.group.Wait()
	})
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) cut(on bool) { p.forth.Store(on); p.back.Store(on) }

func (p *proxy) run() {
	for {
		a, err := p.listener.Accept()
		if err != nil {
			return
		}
		b, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = a.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, a, b)
		p.mu.Unlock()
		p.group.Go(func() { p.copy(b, a, &p.forth) })
		p.group.Go(func() { p.copy(a, b, &p.back) })
	}
}

// copy forwards until an end closes; while cut, the close is swallowed like everything else.
func (p *proxy) copy(to, from net.Conn, swallow *atomic.Bool) {
	buffer := make([]byte, 10<<10)
	lost := false
	for {
		n, err := from.Read(buffer)
		if swallow.Load() {
			lost = true // a stream with a gap cannot continue
		}
		if err != nil {
			for swallow.Load() {
				time.Sleep(10 * time.Millisecond)
				if p.closed() {
					break
				}
			}
			_ = to.Close()
			return
		}
		if lost {
			continue
		}
		if p.slow.Load() {
			time.Sleep(10 * time.Millisecond)
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			_, _ = io.Copy(io.Discard, from)
			return
		}
	}
}

func (p *proxy) closed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conns == nil
}
