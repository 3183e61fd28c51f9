package transport

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

// pair starts n1 and n2; n1 reaches n2 through the proxy.
func pair(t *testing.T, opts Options) (n1, n2 *node, between *proxy) {
	t.Helper()
	l1, l2 := listen(t), listen(t)
	between = newProxy(t, l2.Addr().String())
	one, two := opts, opts
	one.Self, one.Peers = 1, map[uint16]string{1: l1.Addr().String(), 2: between.address()}
	two.Self, two.Peers = 2, map[uint16]string{1: l1.Addr().String(), 2: l2.Addr().String()}
	n1, n2 = start(t, l1, one), start(t, l2, two)
	eventually(t, "both connected", func() bool { return n1.connected(2) && n2.connected(1) })
	return n1, n2, between
}

func TestMessagesArriveInOrder(t *testing.T) {
	n1, n2, _ := pair(t, Options{})
	const messages = 2000
	var group sync.WaitGroup
	for _, way := range []struct {
		from *node
		to   uint16
		dest *node
	}{{n1, 2, n2}, {n2, 1, n1}} {
		group.Go(func() {
			for i := range messages {
				way.from.Send(way.to, fmt.Appendf(nil, "%d %s", i, strings.Repeat("z", i)))
			}
		})
		group.Go(func() {
			for i := range messages {
				want := fmt.Sprintf("%d %s", i, strings.Repeat("z", i))
				if got := way.dest.receive(t); got != want {
					t.Errorf("message %d is %.20q", i, got)
					return
				}
			}
		})
	}
	group.Wait()
	if s := n1.Stats()[2]; s.Sent != messages || s.Received != messages || s.Dropped != 0 || s.Connects != 1 {
		t.Errorf("stats = %+v", s)
	}
	eventually(t, "a heartbeat is measured", func() bool { return n1.Stats()[2].RoundTrip > 0 })
}

func TestEmptyMessageAndUnknownPeer(t *testing.T) {
	n1, n2, _ := pair(t, Options{})
	n1.Send(7, []byte("nobody"))
	n1.Send(1, []byte("myself"))
	n1.Send(2, nil)
	if got := n2.receive(t); got != "" {
		t.Errorf("received %q", got)
	}
}

// TestBlackHole swallows traffic without closing anything, and checks that both sides notice and reconnect afterwards.
func TestBlackHole(t *testing.T) {
	cuts := map[string]func(*proxy, bool){
		"both ways":         (*proxy).cut,
		"dialler's sending": func(p *proxy, on bool) { p.forth.Store(on) },
		"acceptor's answer": func(p *proxy, on bool) { p.back.Store(on) },
	}
	for name, cut := range cuts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n1, n2, between := pair(t, Options{})
			cut(between, true)
			begin := time.Now()
			var dialler, acceptor time.Duration
			eventually(t, "both sides notice", func() bool {
				if dialler == 0 && !n1.connected(2) {
					dialler = time.Since(begin)
				}
				if acceptor == 0 && n2.Stats()[1].Inbound == 0 {
					acceptor = time.Since(begin)
				}
				// If only the answers are swallowed, new attempts keep arriving, so only the dialler's view is settled.
				return dialler != 0 && (acceptor != 0 || !between.forth.Load())
			})
			n1.Send(2, []byte("lost"))
			time.Sleep(1070 * time.Millisecond) // stay cut for a while, so that attempts pile up
			if n1.connected(2) {
				t.Fatal("connected through a black hole")
			}
			cut(between, false)
			back := eventually(t, "back after the heal", func() bool { return n1.connected(2) })
			t.Logf("noticed by the dialler after %v, by the acceptor after %v; back after %v", dialler, acceptor, back)
			n1.Send(2, []byte("news"))
			if got := n2.receive(t); got != "news" {
				t.Errorf("received %q first after the heal", got)
			}
			if s := n1.Stats()[2]; s.Dropped != 1 || s.Connects != 2 {
				t.Errorf("stats = %+v, want 1 dropped and 2 connects", s)
			}
			// Generous bounds: a loaded machine is late, but TCP's own timers would be later still.
			for _, d := range []time.Duration{dialler, acceptor, back} {
				if d > 5*time.Second {
					t.Errorf("took %v", d)
				}
			}
		})
	}
}

// TestSlowLinkIsAlive checks that a message whose transfer takes many times DeadAfter arrives, on the first connection.
func TestSlowLinkIsAlive(t *testing.T) {
	n1, n2, between := pair(t, Options{})
	between.slow.Store(true)
	message := strings.Repeat("slow", 1<<20) // 4 s at 1 MB/s
	n1.Send(2, []byte(message))
	if got := n2.receive(t); got != message {
		t.Error("the message is damaged")
	}
	if s := n1.Stats()[2]; s.Connects != 1 || n2.Stats()[1].Inbound != 1 {
		t.Errorf("the link was given up: %+v", s)
	}
}

func TestPeerRestarts(t *testing.T) {
	n1, n2, between := pair(t, Options{})
	address := n2.Addr().String()
	if err := n2.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "n1 notices", func() bool { return !n1.connected(2) })
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	again := start(t, l, Options{Self: 2, Peers: map[uint16]string{1: n1.Addr().String(), 2: between.address()}})
	eventually(t, "both connected again", func() bool { return n1.connected(2) && again.connected(1) })
	n1.Send(2, []byte("welcome back"))
	if got := again.receive(t); got != "welcome back" {
		t.Errorf("received %q", got)
	}
}

func TestQueueIsBounded(t *testing.T) {
	n1, _, between := pair(t, Options{QueueMessagesMax: 8, QueueBytesMax: 1 << 20, DeadAfter: patience})
	between.cut(true)
	const messages, size = 5000, 64 << 10
	for range messages {
		n1.Send(2, make([]byte, size))
	}
	p := n1.peers[2]
	if queued := p.queueBytes.Load(); queued > 1<<20 || len(p.queue) > 8 {
		t.Errorf("%d messages of %d bytes are queued", len(p.queue), queued)
	}
	if s := n1.Stats()[2]; s.Dropped == 0 || s.Dropped+s.Sent+8+1 < messages {
		t.Errorf("dropped %d and sent %d of %d, 8 can be queued and 1 be under way", s.Dropped, s.Sent, messages)
	}
}

func TestTooLongToSend(t *testing.T) {
	n1, n2, _ := pair(t, Options{FrameBytesMax: 1 << 10})
	n1.Send(2, make([]byte, 1<<10+1))
	n1.Send(2, make([]byte, 1<<10))
	if got := n2.receive(t); len(got) != 1<<10 {
		t.Errorf("received %d bytes", len(got))
	}
	if s := n1.Stats()[2]; s.Dropped != 1 || s.Connects != 1 {
		t.Errorf("stats = %+v", s)
	}
}

// lockedBuffer collects log lines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestWrongPeer checks that each misconfiguration is refused, and that both sides log the same reason once.
func TestWrongPeer(t *testing.T) {
	tests := map[string]struct {
		cluster  string
		self, to uint16
		reason   string
	}{
		"cluster":    {"other", 1, 2, `peer belongs to cluster "other", this node to "lab"`},
		"address":    {"lab", 1, 3, "peer wants node 3, this is node 2"},
		"stranger":   {"lab", 9, 2, `node 9 is not a member of cluster "lab"`},
		"same id":    {"lab", 2, 1, "peer wants node 1, this is node 2"},
		"twice self": {"lab", 2, 2, "peer says it is node 2, which is this node"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var log lockedBuffer
			l2 := listen(t)
			start(t, l2, Options{Self: 2, Peers: map[uint16]string{1: "127.0.0.1:1", 2: l2.Addr().String()},
				Logger: hclog.New(&hclog.LoggerOptions{Output: &log})})
			// The dialler's own checks would prevent one of the cases, so play its part.
			conn, err := net.Dial("tcp", l2.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			speaker := &Transport{opts: Options{Cluster: test.cluster, Self: test.self}}
			err = speaker.greet(conn, bufio.NewWriter(conn), test.to)
			if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), test.reason) {
				t.Errorf("dialler is told %v, want %q", err, test.reason)
			}
			eventually(t, "acceptor logs the reason", func() bool { return strings.Contains(log.String(), "refused") })
			if got := strings.ReplaceAll(log.String(), `\"`, `"`); !strings.Contains(got, test.reason) {
				t.Errorf("acceptor logs %s, want %q", got, test.reason)
			}
		})
	}
}

// TestDiallerRefusesWrongAnswer checks that the dialler refuses a node of another cluster that would accept it, and
// gives the reason in its stats.
func TestDiallerRefusesWrongAnswer(t *testing.T) {
	l2 := listen(t)
	start(t, l2, Options{Self: 2, Cluster: "other", Peers: map[uint16]string{1: "127.0.0.1:1"}})
	n1 := start(t, listen(t), Options{Self: 1, Peers: map[uint16]string{2: l2.Addr().String()}})
	eventually(t, "the reason is known", func() bool {
		return strings.Contains(n1.Stats()[2].Error, `peer belongs to cluster "lab", this node to "other"`)
	})
	if n1.Stats()[2].Connects != 0 {
		t.Error("connected")
	}
}

func frameBytes(kind frameKind, payload []byte) []byte {
	var b bytes.Buffer
	w := bufio.NewWriter(&b)
	if err := errors.Join(writeFrame(w, kind, payload), w.Flush()); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// TestBadBytes checks that on any bad input the connection is closed, nothing wrong is delivered, and the node keeps
// working.
func TestBadBytes(t *testing.T) {
	good := frameBytes(frameMessage, []byte("good"))
	damaged := bytes.Clone(frameBytes(frameMessage, []byte("bad")))
	damaged[len(damaged)-1] ^= 4
	wrongKind := bytes.Clone(frameBytes(frameMessage, []byte("bad")))
	wrongKind[8] = byte(framePing)
	long := binary.LittleEndian.AppendUint32(nil, 1<<31)
	greeting := frameBytes(frameHello, hello{version: helloVersion, from: 1, to: 2, cluster: "lab"}.encode())
	future := hello{version: 2, from: 1, to: 2, cluster: "lab"}.encode()
	tests := map[string]struct {
		bytes []byte
		good  int // messages delivered before the end
	}{
		"http instead of hello":  {[]byte("GET / HTTP/1.1\r\nHost: n2\r\n\r\n"), 0},
		"zeros instead of hello": {make([]byte, 100), 0},
		"message before hello":   {good, 0},
		"empty hello":            {frameBytes(frameHello, nil), 0},
		"version of tomorrow":    {frameBytes(frameHello, future), 0},
		"short hello":            {frameBytes(frameHello, future[:9]), 0},
		"damaged frame":          {bytes.Join([][]byte{greeting, good, damaged, good}, nil), 1},
		"changed kind":           {bytes.Join([][]byte{greeting, good, wrongKind, good}, nil), 1},
		"oversized frame":        {bytes.Join([][]byte{greeting, good, good, long, make([]byte, 64)}, nil), 2},
		"second hello":           {bytes.Join([][]byte{greeting, good, greeting, good}, nil), 1},
		"ping without a clock":   {bytes.Join([][]byte{greeting, good, frameBytes(framePing, nil), good}, nil), 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l1, l2 := listen(t), listen(t)
			n2 := start(t, l2, Options{Self: 2, Peers: map[uint16]string{1: l1.Addr().String()}})
			conn, err := net.Dial("tcp", l2.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.Write(test.bytes); err != nil {
				t.Fatal(err)
			}
			_ = conn.SetReadDeadline(time.Now().Add(patience))
			if _, err := io.Copy(io.Discard, conn); errors.Is(err, io.EOF) || isTimeout(err) {
				t.Fatalf("connection stays open: %v", err)
			}
			eventually(t, "the connection is gone", func() bool { return n2.Stats()[1].Inbound == 0 })
			if len(n2.got) != test.good {
				t.Errorf("%d messages delivered, want %d", len(n2.got), test.good)
			}
			n1 := start(t, l1, Options{Self: 1, Peers: map[uint16]string{2: l2.Addr().String()}})
			eventually(t, "a good peer connects", func() bool { return n1.connected(2) })
		})
	}
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// TestConnectionsAreBounded opens more connections than allowed, and checks that the excess is closed at once.
func TestConnectionsAreBounded(t *testing.T) {
	l2 := listen(t)
	n2 := start(t, l2, Options{Self: 2, Peers: map[uint16]string{1: "127.0.0.1:1"}, DialPatience: patience})
	for range inboundPerPeer {
		conn, err := net.Dial("tcp", l2.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	eventually(t, "all are accepted", func() bool { return len(n2.inbound) == inboundPerPeer })
	conn, err := net.Dial("tcp", l2.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if _, err := conn.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Errorf("one connection too many stays open: %v", err)
	}
}

func TestCloseWhileBusy(t *testing.T) {
	n1, n2, _ := pair(t, Options{})
	stop := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				n1.Send(2, []byte("x"))
				n2.Send(1, []byte("y"))
				select { // keep delivery from blocking
				case <-n1.got:
				case <-n2.got:
				default:
				}
			}
		}
	})
	time.Sleep(50 * time.Millisecond)
	for _, n := range []*node{n1, n2, n1} {
		if err := n.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		for len(n.got) > 0 {
			<-n.got
		}
	}
	close(stop)
	group.Wait()
}

func TestOptionsListAllProblems(t *testing.T) {
	err := Options{Heartbeat: -1, Peers: map[uint16]string{0: ""}, QueueBytesMax: -1, FrameBytesMax: 5}.Validate()
	for _, want := range []string{"cluster", "self", "deliver", "peer", "heartbeat", "queue bytes", "frame bytes"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not mention %s", err, want)
		}
	}
}

func FuzzHello(f *testing.F) {
	f.Add(hello{version: helloVersion, from: 1, to: 2, cluster: "lab", refusal: "no"}.encode())
	f.Add([]byte(helloMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHello(b)
		if err == nil && h.version == helloVersion && len(h.refusal) <= refusalMax && !bytes.Equal(h.encode(), b) {
			t.Errorf("%q decodes to %+v, which encodes to %q", b, h, h.encode())
		}
	})
}

// Messages sent before Drain arrive even if the transport is closed right after it.
func TestDrainLetsMessagesAway(t *testing.T) {
	n1, n2, _ := pair(t, Options{})
	const messages = 50
	for i := range messages {
		n1.Send(2, fmt.Appendf(nil, "%d", i))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := n1.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	if err := n1.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range messages {
		if got := n2.receive(t); got != fmt.Sprint(i) {
			t.Fatalf("message %d is %q", i, got)
		}
	}
}
