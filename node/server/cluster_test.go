package server

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"elenchus/node/client"
	"elenchus/node/multipaxos"
	"elenchus/node/protocol"
)

// cluster is a real cluster in one process, communicating over loopback.
type cluster struct {
	t      testing.TB
	peers  map[protocol.NodeID]string
	http   map[protocol.NodeID]string
	data   map[protocol.NodeID]string
	opts   func(*multipaxos.Options)
	server func(*Options)
	mu     sync.Mutex
	nodes  map[protocol.NodeID]*Server
}

func newCluster(t testing.TB, size int) *cluster {
	t.Helper()
	return newClusterWith(t, size, func(*multipaxos.Options) {})
}

// newClusterWith starts a cluster with modified machine options.
func newClusterWith(t testing.TB, size int, change func(*multipaxos.Options)) *cluster {
	t.Helper()
	return newClusterOf(t, size, change, func(*Options) {})
}

// newClusterOf starts a cluster with modified options of machines and servers.
func newClusterOf(t testing.TB, size int, change func(*multipaxos.Options), server func(*Options)) *cluster {
	t.Helper()
	c := &cluster{
		opts: change, server: server, t: t, peers: map[protocol.NodeID]string{}, http: map[protocol.NodeID]string{},
		data: map[protocol.NodeID]string{}, nodes: map[protocol.NodeID]*Server{},
	}
	listeners := map[protocol.NodeID][2]net.Listener{}
	for id := protocol.NodeID(1); int(id) <= size; id++ {
		listeners[id] = [2]net.Listener{listen(t, "127.0.0.1:0"), listen(t, "127.0.0.1:0")}
		c.peers[id], c.http[id] = listeners[id][0].Addr().String(), listeners[id][1].Addr().String()
		c.data[id] = t.TempDir()
	}
	for _, id := range c.ids() {
		c.startOn(id, listeners[id])
	}
	t.Cleanup(func() {
		for _, id := range c.ids() {
			c.kill(id)
		}
	})
	return c
}

func (c *cluster) ids() []protocol.NodeID {
	var ids []protocol.NodeID
	for id := range c.peers {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (c *cluster) start(id protocol.NodeID) {
	c.startOn(id, [2]net.Listener{listen(c.t, c.peers[id]), listen(c.t, c.http[id])})
}

func (c *cluster) startOn(id protocol.NodeID, listeners [2]net.Listener) {
	c.t.Helper()
	options := Options{
		ID: id, Cluster: "lab", Peers: c.peers, Data: c.data[id],
		PeerListener: listeners[0], HTTPListener: listeners[1],
		Machine: func(recovered protocol.Recovered, boot uint64) (protocol.Machine, error) {
			opts := multipaxos.Options{
				Self: id, Members: c.ids(), Seed: boot*100 + uint64(id),
				// The race detector on a busy machine is slow, so use long timeouts.
				ElectionTimeout: 1500 * time.Millisecond,
			}
			c.opts(&opts)
			return multipaxos.New(opts, recovered)
		},
	}
	c.server(&options)
	s, err := Start(options)
	if err != nil {
		c.t.Fatalf("start %v: %v", id, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes[id] = s
}

// kill stops a node abruptly.
func (c *cluster) kill(id protocol.NodeID) {
	c.mu.Lock()
	s := c.nodes[id]
	delete(c.nodes, id)
	c.mu.Unlock()
	if s != nil {
		s.Kill()
	}
}

func (c *cluster) client(id protocol.NodeID) *client.Client {
	cl := client.New("http://"+c.http[id], client.Options{})
	c.t.Cleanup(cl.Close)
	return cl
}

func (c *cluster) status(id protocol.NodeID) (client.Status, error) {
	return client.New("http://"+c.http[id], client.Options{}).Status(context.Background())
}

// leader waits until a node other than not leads, and returns it.
func (c *cluster) leader(not protocol.NodeID) protocol.NodeID {
	c.t.Helper()
	var leader protocol.NodeID
	eventually(c.t, "a leader", func() bool {
		for _, id := range c.ids() {
			if s, err := c.status(id); id != not && err == nil && s.Role == "leader" {
				leader = id
				return true
			}
		}
		return false
	})
	return leader
}

// converge waits until all nodes have applied the same prefix and have the same state.
func (c *cluster) converge() client.Status {
	c.t.Helper()
	var first client.Status
	eventually(c.t, "all nodes agree", func() bool {
		for i, id := range c.ids() {
			s, err := c.status(id)
			if err != nil {
				return false
			}
			if i == 0 {
				first = s
			} else if s.Applied != first.Applied || s.Hash != first.Hash {
				return false
			}
		}
		return true
	})
	return first
}

// must retries an operation within the same session until it succeeds, as a careful user would.
func must(t testing.TB, cl *client.Client, r client.Request) client.Response {
	t.Helper()
	r.Timeout = 2 * time.Second
	for end := time.Now().Add(patience); ; {
		got := cl.Do(context.Background(), r)
		if got.Outcome == client.OK {
			return got
		}
		if time.Now().After(end) {
			t.Fatalf("%+v: %+v", r, got)
		}
	}
}

func TestClusterServesFromEveryNode(t *testing.T) {
	for _, size := range []int{1, 3, 5} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			c := newCluster(t, size)
			one, two := "1", "2"
			for i, id := range c.ids() {
				cl, other := c.client(id), c.client(c.ids()[(i+1)%size])
				key, session := fmt.Sprintf("k/%d", i), uint64(i+1)
				write := client.Request{Op: client.OpWrite, Key: key, Value: one, Client: session, Seq: 1}
				first := must(t, cl, write)
				if again := must(t, other, write); again.Outcome != client.OK || again.Slot < first.Slot {
					t.Errorf("repeat of %+v: %+v", first, again)
				}
				cas := client.Request{Op: client.OpCAS, Key: key, Value: two, Expect: &one, Client: session, Seq: 2}
				if got := must(t, cl, cas); !got.Matched {
					t.Errorf("cas: %+v", got)
				}
				cas.Seq = 3
				if got := must(t, other, cas); got.Matched || !slices.Equal(got.Values, []string{two}) {
					t.Errorf("second cas: %+v", got)
				}
				if got := must(t, other, client.Request{Op: client.OpRead, Key: key}); !slices.Equal(got.Values, []string{two}) {
					t.Errorf("read at the next node: %+v", got)
				}
				appended := must(t, cl, client.Request{Op: client.OpAppend, Key: "list", Value: key, Client: session, Seq: 4})
				if len(appended.Values) != i+1 || appended.Values[i] != key {
					t.Errorf("append: %+v", appended)
				}
			}
			c.converge()
		})
	}
}

// TestClusterSurvivesKills appends unique elements through every node while nodes are killed and restarted, and checks
// the invariants: an acknowledged element is present exactly once, a failed one is absent, and all nodes agree on the
// order, in their state and in their applied logs.
func TestClusterSurvivesKills(t *testing.T) {
	for _, size := range []int{3, 5} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			c := newCluster(t, size)
			c.leader(0)
			var stop atomic.Bool
			var mu sync.Mutex
			outcomes := map[string]client.Outcome{}
			counts := map[client.Outcome]int{}
			var group sync.WaitGroup
			for w := range 2 * size {
				cl := c.client(c.ids()[w%size])
				group.Go(func() {
					session, seq := uint64(w+1), uint64(0)
					for i := 0; !stop.Load(); i++ {
						element := fmt.Sprintf("%d.%d", w, i)
						seq++
						got := cl.Do(context.Background(), client.Request{Op: client.OpAppend, Key: "list", Value: element,
							Client: session, Seq: seq, Timeout: time.Second})
						mu.Lock()
						outcomes[element] = got.Outcome
						counts[got.Outcome]++
						mu.Unlock()
						if got.Outcome == client.Unknown {
							session, seq = session+1000, 0 // a later mutation must not suppress one still in flight
						}
						if got.Outcome != client.OK {
							time.Sleep(10 * time.Millisecond)
						}
					}
				})
			}
			rng := rand.New(rand.NewPCG(uint64(size), 1))
			for round := range 4 {
				victim := c.ids()[rng.IntN(size)]
				if round%2 == 0 {
					victim = c.leader(0)
				}
				time.Sleep(200 * time.Millisecond)
				c.kill(victim)
				must(t, c.client(c.leader(victim)), client.Request{Op: client.OpWrite, Key: "alive", Value: fmt.Sprint(round)})
				c.start(victim)
			}
			stop.Store(true)
			group.Wait()
			t.Logf("outcomes: %v", counts)
			c.check(outcomes)
		})
	}
}

// check compares what clients were told with the state of every node.
func (c *cluster) check(outcomes map[string]client.Outcome) {
	c.t.Helper()
	// After a last mutation, everything in flight has been decided.
	must(c.t, c.client(c.ids()[0]), client.Request{Op: client.OpWrite, Key: "alive", Value: "last"})
	c.converge()
	var list []string
	for _, id := range c.ids() {
		got := must(c.t, c.client(id), client.Request{Op: client.OpRead, Key: "list"}).Values
		if list == nil {
			list = got
		} else if !slices.Equal(list, got) {
			c.t.Fatalf("%v reads another list", id)
		}
	}
	times := map[string]int{}
	for _, element := range list {
		times[element]++
	}
	for element, outcome := range outcomes {
		n := times[element]
		if n > 1 || outcome == client.OK && n != 1 || outcome == client.Fail && n != 0 {
			c.t.Errorf("element %s, %v, is there %d times", element, outcome, n)
		}
		delete(times, element)
	}
	if len(times) != 0 {
		c.t.Errorf("elements from nowhere: %v", times)
	}
	c.checkApplied()
}

// checkApplied checks in the observations that in every slot all nodes and incarnations applied the same commands.
func (c *cluster) checkApplied() {
	c.t.Helper()
	applied := map[protocol.Slot]string{}
	for _, id := range c.ids() {
		for line := range strings.Lines(readFile(c.t, c.data[id], ObservationsName)) {
			var o observation
			if err := json.Unmarshal([]byte(line), &o); err != nil {
				c.t.Fatalf("observation %q: %v", line, err)
			}
			if o.Kind != protocol.ObservedApplied.String() {
				continue
			}
			batch := fmt.Sprint(o.IDs)
			if known, ok := applied[o.Slot]; ok && known != batch {
				c.t.Errorf("slot %d holds %s and, at %s, %s", o.Slot, known, o.Node, batch)
			}
			applied[o.Slot] = batch
		}
	}
	if len(applied) == 0 {
		c.t.Error("nothing was observed to be applied")
	}
}

// TestLaggingFollowerCatchesUp checks that a node which missed thousands of slots soon catches up after its return.
func TestLaggingFollowerCatchesUp(t *testing.T) {
	c := newCluster(t, 3)
	leader := c.leader(0)
	var lagging protocol.NodeID
	for _, id := range c.ids() {
		if id != leader {
			lagging = id
		}
	}
	c.kill(lagging)
	var group sync.WaitGroup
	const writers, each = 8, 50
	for w := range writers {
		cl := c.client(leader)
		group.Go(func() {
			for i := range each {
				must(t, cl, client.Request{Op: client.OpWrite, Key: fmt.Sprint(w), Value: strings.Repeat("v", i),
					Client: uint64(w + 1), Seq: uint64(i + 1)})
			}
		})
	}
	group.Wait()
	c.start(lagging)
	status := c.converge()
	if status.Keys != writers || status.Sessions != writers {
		t.Errorf("after catching up: %+v", status)
	}
	// The node that lagged is now needed for a majority, together with either of the others.
	c.kill(leader)
	got := must(t, c.client(lagging), client.Request{Op: client.OpRead, Key: "0"})
	if !slices.Equal(got.Values, []string{strings.Repeat("v", each-1)}) {
		t.Errorf("read: %.100v", got)
	}
}

// BenchmarkCluster measures mutations through three nodes over loopback with real fsyncs, from one client and from
// many.
func BenchmarkCluster(b *testing.B) {
	for _, clients := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			c := newCluster(b, 3)
			leader := c.leader(0)
			var next atomic.Int64
			before := c.syncs()
			b.ResetTimer()
			var group sync.WaitGroup
			for w := range clients {
				cl := c.client(leader)
				group.Go(func() {
					for seq := uint64(1); next.Add(1) <= int64(b.N); seq++ {
						got := cl.Do(context.Background(), client.Request{Op: client.OpWrite, Key: fmt.Sprint(w), Value: "v",
							Client: uint64(w + 1), Seq: seq})
						if got.Outcome != client.OK {
							b.Errorf("%+v", got)
							return
						}
					}
				})
			}
			group.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
			b.ReportMetric(float64(c.syncs()-before)/float64(b.N)/3, "fsyncs/op/node")
		})
	}
}

func (c *cluster) syncs() (n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.nodes {
		n += s.store.Stats().Syncs
	}
	return n
}
