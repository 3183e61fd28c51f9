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

// watch adds to the workload what makes wrong leases, and wrong rounds of votes for reads, show. A lease goes wrong
// for some milliseconds only, between one node's opinion of when it ended and another's, and the clients of the
// workload are held up just then by operations that nobody answers. So while faults are in effect, the nodes that
// they are aimed at are read at all the time, and elsewhere somebody looks out for a leader that is none of them: as
// soon as there is one, they write there what those readers must then see, or not be answered.
//
// Only readings ever go unanswered for long, and these cost the checker nothing.
type watch struct {
	load   *load
	update history.Func // how something is written
	value  atomic.Int64 // the last one written

	mu    sync.Mutex
	aimed map[string]map[string]bool // by node: the faults in effect that are aimed at it
}

const (
	// watchEvery is how often one node is read at, if it is the only one; more share the readings. Where nobody but
	// the watch would notice, once in a while is enough.
	watchEvery = 4 * time.Millisecond

	// readPatience is how long a node that a fault is aimed at may take to answer, scoutPatience one that is asked
	// whether there is another leader: those who wait for one that is gone must be asked again soon.
	readPatience  = 150 * time.Millisecond
	scoutPatience = 30 * time.Millisecond

	// scouts is on how many other nodes somebody looks out, and scoutEvery how often, and how often they write.
	scouts     = 2
	scoutEvery = 25 * time.Millisecond

	// watchKeys is how many keys are read and written in turn, those that came into use last.
	watchKeys = 3

	// watchIdle is how often it is looked whether there is something to do.
	watchIdle = 5 * time.Millisecond

	// watchValues is where the values begin, so that they are none of the workload's.
	watchValues = 1_000_000_000
)

// newWatch watches the registers, lists or write-once objects that a workload of these functions uses.
func newWatch(l *load, funcs []history.Func) *watch {
	w := &watch{load: l, update: history.Write, aimed: make(map[string]map[string]bool)}
	switch {
	case slices.Contains(funcs, history.Append):
		w.update = history.Append
	case !slices.Contains(funcs, history.Write):
		w.update = history.CAS // from absent
	}
	w.value.Store(watchValues)
	return w
}

// note learns of a step of a fault.
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

// duty is what there is to do at a node.
type duty int

const (
	idle duty = iota
	read
	scout
)

// duty says what there is to do at a node now, and how many share it.
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

// isAimedAt says whether a fault in effect is aimed at a node.
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

// read reads once, and says when to read again.
func (w *watch) read(ctx context.Context, s *session, turn int) (time.Duration, error) {
	s.patience = readPatience
	answer, err := s.do(ctx, history.PhaseMain, history.Op{Func: history.Read, Key: w.key(turn)})
	if answer.Type == history.Fail {
		return failPause, err
	}
	return watchEvery, err
}

// scout writes if there is a leader that no fault is aimed at, and says when to look again.
func (w *watch) scout(ctx context.Context, s *session, turn int) (time.Duration, error) {
	key := w.key(turn)
	s.patience = scoutPatience
	answer, err := s.do(ctx, history.PhaseMain, history.Op{Func: history.Read, Key: key})
	switch {
	case err != nil || answer.Type == history.Unknown:
		return watchIdle, err // it has waited already
	case answer.Type == history.Fail || answer.By.Leader == "" || w.isAimedAt(answer.By.Leader):
		return scoutEvery, nil
	}
	s.patience = w.load.opTimeout
	_, err = s.do(ctx, history.PhaseMain, history.Op{Func: w.update, Key: key, Value: w.value.Add(1)})
	return scoutEvery, err
}

// key is one of those that came into use last.
func (w *watch) key(turn int) string {
	w.load.mu.Lock()
	defer w.load.mu.Unlock()
	keys := w.load.gen.Keys()
	return keys[len(keys)-1-turn%min(watchKeys, len(keys))]
}
