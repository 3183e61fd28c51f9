package multipaxos

import (
	"slices"
	"time"

	"elenchus/node/clock"
	"elenchus/node/protocol"
)

// host is what a driver is to a machine, without sockets, files or clocks: a disk whose last writes a crash may lose,
// the messages and replies that wait for it, and the instants that timers are set to.
type host struct {
	opts    Options
	machine *Machine // nil while the host is down

	disk     []protocol.Record // on stable storage
	onDisk   protocol.Ballot   // the highest promise among them
	unsynced []protocol.Record
	durable  protocol.WriteSeq // of this incarnation
	clock    hostClock

	heldSends   []protocol.Send
	heldReplies []protocol.Reply
	timers      [timersEnd]time.Duration // on the monotonic clock; zero is not set

	// Of the simulation: what it has already put on its agenda.
	syncing   bool
	scheduled [timersEnd]time.Duration
}

// outcome is what leaves a host: effects whose write is durable.
type outcome struct {
	sends        []protocol.Message
	replies      []protocol.Reply
	observations []protocol.Observation
	halt         error
}

// boot starts an incarnation from what is on disk.
func (h *host) boot(now time.Duration) (outcome, error) {
	var rec protocol.Recovered
	for _, r := range h.disk {
		rec.Apply(r)
	}
	m, err := New(h.opts, rec)
	if err != nil {
		return outcome{}, err
	}
	h.machine, h.durable = m, 0
	h.clock.restart(now)
	h.heldSends, h.heldReplies, h.timers = nil, nil, [timersEnd]time.Duration{}
	h.syncing, h.scheduled = false, [timersEnd]time.Duration{}
	return h.stepAt(h.reading(now), protocol.Input{Kind: protocol.InputStart}), nil
}

func (h *host) up() bool { return h.machine != nil }

func (h *host) reading(now time.Duration) clock.Reading { return h.clock.reading(now) }

// mono is the host's monotonic clock at a true time.
func (h *host) mono(now time.Duration) time.Duration { return h.clock.reading(now).Mono }

// hostClock is a host's two clocks.
type hostClock struct {
	drift  int64         // how much faster than true time the monotonic clock is, in parts per billion
	offset time.Duration // of the wall clock from true time
	since  time.Duration // the true time at which the monotonic clock was set
	mono   time.Duration // to what
}

// wallEpoch keeps wall clocks that are behind above zero.
const wallEpoch = int64(1_000_000 * time.Second)

// restart sets the monotonic clock as a new incarnation finds it.
func (c *hostClock) restart(now time.Duration) { c.since, c.mono = now, time.Second }

func (c *hostClock) reading(now time.Duration) clock.Reading {
	return clock.Reading{
		Mono: c.mono + c.run(now-c.since),
		Wall: wallEpoch + int64(now+c.offset),
	}
}

// setDrift changes the rate of the monotonic clock from now on.
func (c *hostClock) setDrift(now time.Duration, drift int64) {
	c.mono, c.since = c.reading(now).Mono, now
	c.drift = drift
}

// run is by how much the monotonic clock advances in a span of true time.
func (c *hostClock) run(d time.Duration) time.Duration {
	return d + time.Duration(int64(d/1000)*c.drift/1_000_000)
}

// until is the true time that passes before the monotonic clock shows at, at least.
func (c *hostClock) until(now, at time.Duration) time.Duration {
	d := at - c.reading(now).Mono
	if d <= 0 {
		return 0
	}
	d -= time.Duration(float64(d) * float64(c.drift) / float64(DriftUnit+c.drift))
	for c.reading(now+d).Mono < at {
		d += time.Microsecond
	}
	return d
}

func (h *host) step(now time.Duration, in protocol.Input) outcome {
	return h.stepAt(h.reading(now), in)
}

func (h *host) stepAt(at clock.Reading, in protocol.Input) outcome {
	fx := h.machine.Step(at, in)
	h.unsynced = append(h.unsynced, fx.Records...)
	h.heldSends = append(h.heldSends, fx.Sends...)
	h.heldReplies = append(h.heldReplies, fx.Replies...)
	for _, t := range fx.Timers {
		h.timers[t.ID] = t.At
	}
	out := h.release()
	out.observations = slices.Clone(fx.Observations)
	out.halt = fx.Halt
	return out
}

// release takes out what waits for nothing any more.
func (h *host) release() (out outcome) {
	sends := h.heldSends[:0]
	for _, s := range h.heldSends {
		if s.After <= h.durable {
			out.sends = append(out.sends, s.Message)
		} else {
			sends = append(sends, s)
		}
	}
	h.heldSends = sends
	replies := h.heldReplies[:0]
	for _, r := range h.heldReplies {
		if r.After <= h.durable {
			out.replies = append(out.replies, r)
		} else {
			replies = append(replies, r)
		}
	}
	h.heldReplies = replies
	return out
}

// written is the number of the last record handed over in this incarnation.
func (h *host) written() protocol.WriteSeq { return h.durable + protocol.WriteSeq(len(h.unsynced)) }

// sync makes the records up to seq durable and returns what had waited for them. The machine is not told yet.
func (h *host) sync(seq protocol.WriteSeq) outcome {
	if seq > h.durable {
		n := int(seq - h.durable)
		h.persist(h.unsynced[:n])
		h.unsynced = append([]protocol.Record(nil), h.unsynced[n:]...)
		h.durable = seq
	}
	return h.release()
}

// crash stops the host. Of the records that were not synced the first kept happen to be on disk.
func (h *host) crash(kept int) {
	h.persist(h.unsynced[:kept])
	h.unsynced, h.machine = nil, nil
	h.heldSends, h.heldReplies = nil, nil
}

func (h *host) persist(records []protocol.Record) {
	h.disk = append(h.disk, records...)
	for _, r := range records {
		switch {
		case r.Kind == protocol.RecordPromise && h.onDisk.Less(r.Ballot):
			h.onDisk = r.Ballot
		case r.Kind == protocol.RecordAccept && h.onDisk.Less(r.Entry.Ballot):
			h.onDisk = r.Entry.Ballot
		}
	}
}
