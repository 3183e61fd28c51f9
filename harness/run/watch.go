package run

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"elenchus/results/history"
)

// watch adds operations to the workload that reveal leases which do not hold, and reads that rely on wrong votes.
// Such a lease is wrong for only some milliseconds, between the end of the lease on one node's clock and on
// another's, and at that time the clients of the workload are often held up by operations that nobody answers. So
// while faults are in effect, the nodes that they are aimed at are read all the time, and some other nodes are asked
// whether there is a leader that no fault is aimed at. As soon as there is one, new values are written there: the
// readers must then see these, or not be answered.
//
// Only reads remain unanswered for long, and these cost the checker nothing.
type watch struct {
	load   *load
	update history.Func // the function of the workload that writes
	value  atomic.Int64 // the value written last

	mu    sync.Mutex
	aimed map[string]map[string]bool // by node: the faults in effect that are aimed at it
}

const (
	// watchEvery is the interval between reads at a node, if it is the only one that faults are aimed at. Several
	// such nodes share the reads.
	watchEvery = 4 * time.Millisecond

	// readPatience is how long a read waits for an answer at a node that a fault is aimed at, and scoutPatience at a
	// node that is asked for a new leader. The latter is short, because a node that waits for the old leader must be
	// asked again soon after there is a new one.
	readPatience  = 150 * time.Millisecond
	scoutPatience = 30 * time.Millisecond

	// scouts is at how many other nodes a new leader is looked for, and scoutEvery is the interval at which this is
	// done and new values are written.
	scouts     = 2
	scoutEvery = 25 * time.Millisecond

	// watchKeys is how many keys are read and written in turn: those that came into use last.
	watchKeys = 3

	// watchIdle is the interval at which a goroutine without a duty looks for one.
	watchIdle = 5 * time.Millisecond

	// watchValues is the first of the values written here, so that they differ from all values of the workload.
	watchValues = 1_000_000_000
)

// newWatch makes a watch for the registers, lists or write-once objects that a workload of these functions uses.
func newWatch(l *load, funcs []history.Func) *watch {
	w := &watch{load: l, update: history.Write, aimed: make(map[string]map[string]bool)}
	switch {
	case slices.Contains(funcs, history.Append):
		w.update = history.Append
	case !slices.Contains(funcs, history.Write):
		w.update = history.CAS // write-once objects are set if they are absent
	}
	w.value.Store(watchValues)
	return w
}

// note updates the aims after a step of a fault.
func (w *watch) note(e history.FaultEvent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, node := range e.Targets {
		switch {
		case e.Step == history.FaultRevert:
			delete(w.aimed[node], e.ID)
		case e.Status == history.FaultInstalled:
			if w.aimed[node] == nil {
				w.aimed[node] = make(map[string]bool)
			}
			w.aimed[node][e.ID] = true
		}
	}
}

// duty is what the goroutine of a node has to do.
type duty int

const (
	idle duty = iota
	read
	scout
)

// duty returns what is to be done at a node now, and how many nodes share that.
func (w *watch) duty(node string) (d duty, share int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	hit, free, place := 0, 0, 0
	for _, n := range w.load.nodes {
		if n == node {
			place = free
		}
		if len(w.aimed[n]) > 0 {
			hit++
		} else {
			free++
		}
	}
	switch {
	case len(w.aimed[node]) > 0:
		return read, hit
	case hit > 0 && place < scouts:
		return scout, scouts
	default:
		return idle, 0
	}
}

// isAimedAt reports whether a fault in effect is aimed at a node.
func (w *watch) isAimedAt(node string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.aimed[node]) > 0
}

// run watches all nodes until ctx ends. An error means that the history could not be written.
func (w *watch) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, node := range w.load.nodes {
		group.Go(func() error { return w.node(ctx, node) })
	}
	return group.Wait()
}

func (w *watch) node(ctx context.Context, node string) error {
	s := w.load.newSession(node)
	defer s.close()
	for turn := 0; ; turn++ {
		pause := watchIdle
		var err error
		switch d, share := w.duty(node); d {
		case read:
			pause, err = w.read(ctx, s, turn)
			pause *= time.Duration(share)
		case scout:
			pause, err = w.scout(ctx, s, turn)
		}
		if err != nil {
			return err
		}
		if !sleep(ctx, pause) {
			return nil
		}
	}
}

// read reads one key, and returns when to read again.
func (w *watch) read(ctx context.Context, s *session, turn int) (time.Duration, error) {
	s.patience = readPatience
	answer, err := s.do(ctx, history.PhaseMain, history.Op{Func: history.Read, Key: w.key(turn)})
	if answer.Type == history.Fail {
		return failPause, err
	}
	return watchEvery, err
}

// scout reads a key at a node. If that has a leader that no fault is aimed at, scout writes a new value. It returns
// when to do this again.
func (w *watch) scout(ctx context.Context, s *session, turn int) (time.Duration, error) {
	key := w.key(turn)
	s.patience = scoutPatience
	answer, err := s.do(ctx, history.PhaseMain, history.Op{Func: history.Read, Key: key})
	switch {
	case err != nil || answer.Type == history.Unknown:
		return watchIdle, err // waiting for the answer has taken time already
	case answer.Type == history.Fail || answer.By.Leader == "" || w.isAimedAt(answer.By.Leader):
		return scoutEvery, nil
	}
	s.patience = w.load.opTimeout
	_, err = s.do(ctx, history.PhaseMain, history.Op{Func: w.update, Key: key, Value: w.value.Add(1)})
	return scoutEvery, err
}

// key returns one of the keys that came into use last.
func (w *watch) key(turn int) string {
	w.load.mu.Lock()
	defer w.load.mu.Unlock()
	keys := w.load.gen.Keys()
	return keys[len(keys)-1-turn%min(watchKeys, len(keys))]
}
