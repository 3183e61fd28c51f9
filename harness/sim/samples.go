package sim

import (
	"errors"
	"time"

	"elenchus/results"
	"elenchus/results/history"
)

// sampleEvery is how often clocks are read in a run that leaves a directory.
const sampleEvery = 20 * time.Millisecond

// sample reads all clocks, as often as they are due by now. It is no event: what is recorded must be what is not.
func (w *World) sample(now time.Duration) {
	for ; w.sampled <= now; w.sampled += sampleEvery {
		for i := range w.n {
			w.sampleNode(&w.nodes[i], w.sampled)
		}
	}
}

func (w *World) sampleNode(n *node, at time.Duration) {
	w.samples = append(w.samples, history.ClockLine{
		Node: w.names[n.index], Sent: at, Received: at, Mono: int64(n.clock.hostMono(at)), Wall: n.clock.wallAt(at),
	})
}

// changeClock does something to a node's clocks. They are read right before and right after that, so that whoever
// interpolates between samples is right everywhere.
func (w *World) changeClock(n *node, change func(c *nodeClock)) {
	if !w.opts.Record {
		change(&n.clock)
		return
	}
	w.sampleNode(n, w.now)
	change(&n.clock)
	w.sampleNode(n, w.now+1)
}

// hostMono is what the clock shows that a node's monotonic clock is counted from anew in each incarnation.
func (c *nodeClock) hostMono(now time.Duration) time.Duration {
	return monoStart + c.ended + c.monoAt(now)
}

// writeClocks writes down how far the nodes' clocks were off, for those who place on one axis what nodes have dated.
// Samples are exact: in this world somebody knows the time.
func (w *World) writeClocks(dir results.Run, started time.Time) error {
	out, err := history.CreateClocks(dir.Clocks())
	if err != nil {
		return err
	}
	for _, l := range w.samples {
		l.Wall = onCalendar(l.Wall, started)
		if err = out.Append(l); err != nil {
			break
		}
	}
	return errors.Join(err, out.Close())
}

// onCalendar is a reading of a wall clock as if the run had begun at that time.
func onCalendar(wall int64, started time.Time) int64 { return wall - wallEpoch + started.UnixNano() }
