package run

import (
	"context"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"elenchus/results/history"
	"elenchus/workloads"
)

// watched is a cluster that remembers what was asked of which node. Reads are answered by whoever leads.
type watched struct {
	mu     sync.Mutex
	leader string
	ops    map[string][]history.Op // by node
}

func (w *watched) dial(node string, _ int) workloads.Client { return &watchedClient{w, node} }

type watchedClient struct {
	*watched
	node string
}

func (c *watchedClient) Do(_ context.Context, _ uint64, op history.Op) workloads.Answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ops[c.node] = append(c.ops[c.node], op)
	return workloads.Answer{Type: history.OK, By: history.Witness{Leader: c.leader}}
}

func (c *watchedClient) Close() error { return nil }

// count is how often nodes were asked for something since the last time.
func (w *watched) count() (reads, writes map[string]int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	reads, writes = map[string]int{}, map[string]int{}
	for node, ops := range w.ops {
		for _, op := range ops {
			if op.Func == history.Read {
				reads[node]++
			} else {
				writes[node]++
			}
		}
	}
	w.ops = map[string][]history.Op{}
	return reads, writes
}

func (w *watched) lead(node string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leader = node
}

// newWatched starts a watch of five nodes.
func newWatched(t *testing.T) (*watch, *watched) {
	t.Helper()
	cluster := &watched{leader: "n2", ops: map[string][]history.Op{}}
	writer, err := history.Create(filepath.Join(t.TempDir(), "history"), history.WriterOptions{Start: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	kind, err := workloads.Lookup("register")
	if err != nil {
		t.Fatal(err)
	}
	gen, err := kind.New(workloads.Options{Seed: 1, Workers: 10, Nodes: 5})
	if err != nil {
		t.Fatal(err)
	}
	w := newWatch(&load{nodes: NodeNames(5), opTimeout: time.Second, dial: cluster.dial, history: writer, gen: gen},
		kind.Funcs)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- w.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		_ = writer.Close()
	})
	return w, cluster
}

// until waits for something that the watch does.
func until(cluster *watched, so func(reads, writes map[string]int) bool) (reads, writes map[string]int) {
	all, allWrites := map[string]int{}, map[string]int{}
	for {
		reads, writes := cluster.count()
		for node, n := range reads {
			all[node] += n
		}
		for node, n := range writes {
			allWrites[node] += n
		}
		if so(all, allWrites) {
			return all, allWrites
		}
		time.Sleep(time.Millisecond)
	}
}

func fault(id string, step history.FaultStep, status history.FaultStatus, targets ...string) history.FaultEvent {
	return history.FaultEvent{ID: id, Step: step, Status: status, Targets: targets}
}

func TestWatch(t *testing.T) {
	w, cluster := newWatched(t)
	time.Sleep(4 * watchIdle)
	if reads, writes := cluster.count(); len(reads)+len(writes) > 0 {
		t.Errorf("without a fault: reads %v, writes %v", reads, writes)
	}
	// n2 leads and is cut off: it is read at, and nobody writes as long as nobody else leads.
	w.note(fault("f1", history.FaultApply, history.FaultInstalled, "n2"))
	reads, writes := until(cluster, func(reads, _ map[string]int) bool {
		return reads["n2"] > 10 && reads["n1"] > 1 && reads["n3"] > 1
	})
	if len(writes) > 0 || reads["n4"]+reads["n5"] > 0 {
		t.Errorf("n2 cut off: reads %v, writes %v", reads, writes)
	}
	// Somebody else leads: there is something to write, but not at n2.
	cluster.lead("n4")
	_, writes = until(cluster, func(_, writes map[string]int) bool { return writes["n1"] > 2 && writes["n3"] > 2 })
	if writes["n2"]+writes["n4"]+writes["n5"] > 0 {
		t.Errorf("n4 leads: writes %v", writes)
	}
	// Two faults at one node: it is watched until the last of them is over. One that failed does not count.
	w.note(fault("f2", history.FaultApply, history.FaultInstalled, "n2", "n4"))
	w.note(fault("f3", history.FaultApply, history.FaultFailed, "n5"))
	w.note(fault("f1", history.FaultRevert, history.FaultReverted, "n2"))
	cluster.count()
	time.Sleep(2 * scoutEvery)
	cluster.count() // what was under way
	reads, writes = until(cluster, func(reads, _ map[string]int) bool { return reads["n2"] > 5 && reads["n4"] > 5 })
	if len(writes) > 0 || reads["n5"] > 0 {
		t.Errorf("leader aimed at: reads %v, writes %v", reads, writes)
	}
	w.note(fault("f2", history.FaultRevert, history.FaultFailed, "n2", "n4"))
	time.Sleep(2 * scoutEvery)
	cluster.count()
	time.Sleep(4 * watchIdle)
	if reads, writes := cluster.count(); len(reads)+len(writes) > 0 {
		t.Errorf("after the faults: reads %v, writes %v", reads, writes)
	}
}

// What the watch writes is nobody else's value, and comes once.
func TestWatchValues(t *testing.T) {
	w, cluster := newWatched(t)
	cluster.lead("n5")
	w.note(fault("f1", history.FaultApply, history.FaultInstalled, "n1"))
	var values []int64
	keys := map[string]bool{}
	for len(values) < 10 {
		cluster.mu.Lock()
		for _, ops := range cluster.ops {
			for _, op := range ops {
				if op.Func == history.Write {
					values = append(values, op.Value)
				}
				keys[op.Key] = true
			}
		}
		cluster.ops = map[string][]history.Op{}
		cluster.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
	slices.Sort(values)
	if values[0] <= watchValues || len(slices.Compact(slices.Clone(values))) != len(values) {
		t.Errorf("values %v", values)
	}
	if len(keys) != watchKeys {
		t.Errorf("keys %v", keys)
	}
}
