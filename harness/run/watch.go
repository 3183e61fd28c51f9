package run

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"elenchus/results/history"
)

// watch reads at the nodes that a fault is aimed at, for as long as it lasts, more often than the workload does by
// itself. A lease goes wrong for some milliseconds only, between one node's opinion of when it ended and another's: a
// client that is held up there by a write that is never answered, or takes its turn later, does not see it.
type watch struct {
	load *load

	mu    sync.Mutex
	aimed map[string]map[string]bool // by node: the faults in effect that are aimed at it
}

const (
	// watchEvery is how often one node is read at, if it is the only one. More share the readings.
	watchEvery = 4 * time.Millisecond

	// watchPatience is for one reading; a node that does not answer in that time is asked anew.
	watchPatience = 150 * time.Millisecond

	// watchKeys is how many keys are read in turn, those that came into use last.
	watchKeys = 6

	// watchIdle is how often a watch looks whether its node has become interesting.
	watchIdle = 5 * time.Millisecond
)

func newWatch(l *load) *watch { return &watch{load: l, aimed: make(map[string]map[string]bool)} }

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

// pause is how long to wait before a node is read at again; zero if no fault is aimed at it.
func (w *watch) pause(node string) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.aimed[node]) == 0 {
		return 0
	}
	others := 0
	for _, faults := range w.aimed {
		if len(faults) > 0 {
			others++
		}
	}
	return time.Duration(others) * watchEvery
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
	var s *session
	defer func() {
		if s != nil {
			s.close()
		}
	}()
	for turn := 0; ; turn++ {
		pause := w.pause(node)
		if pause == 0 {
			if !sleep(ctx, watchIdle) {
				return nil
			}
			continue
		}
		if s == nil {
			s = w.load.newSession(node)
			s.patience = watchPatience
		}
		answer, err := s.do(ctx, history.PhaseMain, history.Op{Func: history.Read, Key: w.key(turn)})
		if err != nil {
			return err
		}
		if answer.Type == history.Fail {
			pause = max(pause, failPause)
		}
		if !sleep(ctx, pause) {
			return nil
		}
	}
}

// key is one of those that came into use last.
func (w *watch) key(turn int) string {
	w.load.mu.Lock()
	defer w.load.mu.Unlock()
	keys := w.load.gen.Keys()
	return keys[len(keys)-1-turn%min(watchKeys, len(keys))]
}
