package sim

import (
	"errors"
	"time"

	"elenchus/results"
	"elenchus/results/history"
)

// sampleEvery is the interval between readings of the clocks, in a run that leaves a directory.
const sampleEvery = 20 * time.Millisecond

// sample reads all clocks for which that is due. It is not an event, because recording must not change a run.
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

// changeClock changes a node's clocks. They are read right before and right after that, so that interpolation between
// samples is right everywhere.
func (w *World) changeClock(n *node, change func(c *nodeClock)) {
	if !w.opts.Record {
		change(&n.clock)
		return
	}
	w.sampleNode(n, w.now)
	change(&n.clock)
	w.sampleNode(n, w.now+1)
}

// hostMono returns a monotonic clock that, unlike the node's, does not begin anew with each incarnation.
func (c *nodeClock) hostMono(now time.Duration) time.Duration {
	return monoStart + c.ended + c.monoAt(now)
}

// writeClocks writes how far the nodes' clocks were off, for those who convert the times of the nodes' observations.
// The samples are exact, because the simulator knows the true time.
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

// onCalendar converts a reading of a wall clock to one of a run that began at that time.
func onCalendar(wall int64, started time.Time) int64 { return wall - wallEpoch + started.UnixNano() }
