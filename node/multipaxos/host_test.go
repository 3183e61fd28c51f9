package multipaxos

import (
	"fmt"
	"slices"
	"time"

	"elenchus/node/clock"
	"elenchus/node/protocol"
)

// host is a simulated driver of a machine, without sockets, files or clocks. It has a disk that may lose its last
// writes in a crash, the messages and replies that wait for that disk, and the timers that are set.
type host struct {
	opts    Options
	machine *Machine // nil while the host is down

	disk      []protocol.Record // on stable storage
	onDisk    protocol.Ballot   // the highest promise on disk
	unsynced  []protocol.Record
	rotations []rotation         // log rotations not yet performed, in order
	durable   protocol.WriteSeq  // last durable record of this incarnation
	snapshot  *protocol.Snapshot // on stable storage
	writing   *protocol.Snapshot // being written
	broken    error              // the machine's violation of the driver contract, if any
	clock     hostClock

	heldSends   []protocol.Send
	heldReplies []protocol.Reply
	timers      [timersEnd]time.Duration // on the monotonic clock; zero if not set

	// Bookkeeping of the simulation: what is already scheduled.
	syncing   bool
	saving    bool
	scheduled [timersEnd]time.Duration
}

// outcome is what a host emits: effects whose write is durable.
type outcome struct {
	sends        []protocol.Message
	replies      []protocol.Reply
	observations []protocol.Observation
	halt         error
}

// rotation is a new log that replaces the old one after the given write.
type rotation struct {
	behind protocol.WriteSeq
	to     *protocol.Compaction
}

// boot starts an incarnation from what is on disk.
func (h *host) boot(now time.Duration) (outcome, error) {
	rec := fold(h.snapshot, h.disk)
	m, err := New(h.opts, rec)
	if err != nil {
		return outcome{}, err
	}
	h.machine, h.durable = m, 0
	h.clock.restart(now)
	h.heldSends, h.heldReplies, h.timers = nil, nil, [timersEnd]time.Duration{}
	h.syncing, h.saving, h.scheduled = false, false, [timersEnd]time.Duration{}
	return h.stepAt(h.reading(now), protocol.Input{Kind: protocol.InputStart}), nil
}

func (h *host) up() bool { return h.machine != nil }

func (h *host) reading(now time.Duration) clock.Reading { return h.clock.reading(now) }

// mono returns the host's monotonic clock at a true time.
func (h *host) mono(now time.Duration) time.Duration { return h.clock.reading(now).Mono }

// hostClock models a host's two clocks.
type hostClock struct {
	drift  int64         // rate of the monotonic clock above that of true time, in parts per billion
	offset time.Duration // offset of the wall clock from true time
	since  time.Duration // the true time at which the monotonic clock was set
	mono   time.Duration // the value it was set to
}

// wallEpoch keeps wall clocks positive even if they are behind.
const wallEpoch = int64(1_000_000 * time.Second)

// restart resets the monotonic clock for a new incarnation.
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

// run returns how far the monotonic clock advances in a span of true time.
func (c *hostClock) run(d time.Duration) time.Duration {
	return d + time.Duration(int64(d/1000)*c.drift/1_000_000)
}

// until returns the least true time after which the monotonic clock has reached at.
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
	if fx.Compaction != nil {
		h.rotations = append(h.rotations, rotation{h.written(), fx.Compaction})
	}
	if fx.Snapshot != nil {
		if h.writing != nil || h.snapshot != nil && fx.Snapshot.Slot <= h.snapshot.Slot {
			h.broken = fmt.Errorf("%v asks for a snapshot of slot %d out of turn", h.opts.Self, fx.Snapshot.Slot)
		}
		h.writing = fx.Snapshot
	}
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

// release removes and returns the effects whose write is durable.
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

// written returns the number of the last record requested in this incarnation.
func (h *host) written() protocol.WriteSeq { return h.durable + protocol.WriteSeq(len(h.unsynced)) }

// sync makes the records up to seq durable and returns the effects that waited for them. The machine is not yet
// informed.
func (h *host) sync(seq protocol.WriteSeq) outcome {
	h.persist(int(seq - h.durable))
	h.rotate(h.durable)
	return h.release()
}

// save makes the requested snapshot durable. The machine is not yet informed.
func (h *host) save() protocol.Slot {
	h.snapshot, h.writing = h.writing, nil
	return h.snapshot.Slot
}

// survival is the part of the unsynced data that survives a crash.
type survival struct {
	records  int  // how many of the first unsynced records survive
	rotated  bool // a rotation after the last of them was performed
	snapshot bool // the snapshot being written survives
}

// crash stops the host, keeping the part of its unsynced data given by s.
func (h *host) crash(s survival) {
	h.persist(s.records)
	if s.rotated {
		h.rotate(h.durable)
	}
	if s.snapshot && h.writing != nil {
		h.save()
	}
	h.unsynced, h.rotations, h.writing, h.machine = nil, nil, nil, nil
	h.heldSends, h.heldReplies = nil, nil
}

// persist makes the next n records durable. Records after a rotation go to the new log.
func (h *host) persist(n int) {
	for _, r := range h.unsynced[:n] {
		h.rotate(h.durable)
		h.durable++
		h.disk = append(h.disk, r)
		switch {
		case r.Kind == protocol.RecordPromise && h.onDisk.Less(r.Ballot):
			h.onDisk = r.Ballot
		case r.Kind == protocol.RecordAccept && h.onDisk.Less(r.Entry.Ballot):
			h.onDisk = r.Entry.Ballot
		}
	}
	h.unsynced = slices.Clone(h.unsynced[n:])
}

// rotate performs the rotations after the writes up to seq.
func (h *host) rotate(seq protocol.WriteSeq) {
	for len(h.rotations) > 0 && h.rotations[0].behind <= seq {
		to := h.rotations[0].to
		h.rotations = h.rotations[1:]
		if err := sameState(h.snapshot, to.Slot, h.disk, to.Records); err != nil && h.broken == nil {
			h.broken = fmt.Errorf("%v: %w", h.opts.Self, err)
		}
		h.disk = slices.Clone(to.Records)
	}
}

// fold returns the state recovered from a disk.
func fold(snapshot *protocol.Snapshot, log []protocol.Record) protocol.Recovered {
	rec := protocol.Recovered{Snapshot: snapshot}
	for _, r := range log {
		rec.Apply(r)
	}
	return rec
}

// sameState returns an error if a compacted log, together with the durable snapshot, lacks anything the old one had.
func sameState(snapshot *protocol.Snapshot, slot protocol.Slot, before, after []protocol.Record) error {
	if snapshot == nil || snapshot.Slot < slot {
		return fmt.Errorf("log compacted up to slot %d without a durable snapshot of that", slot)
	}
	was, is := fold(snapshot, before), fold(snapshot, after)
	switch {
	case is.Round.Less(was.Round):
		return fmt.Errorf("compaction up to slot %d forgets round %v", slot, was.Round)
	case is.Promised.Less(was.Promised):
		return fmt.Errorf("compaction up to slot %d forgets the promise of %v", slot, was.Promised)
	case is.Committed < was.Committed:
		return fmt.Errorf("compaction up to slot %d forgets that slot %d is committed", slot, was.Committed)
	}
	for at, e := range was.Entries {
		now, ok := is.Entries[at]
		if at > snapshot.Slot && (!ok || now.Ballot != e.Ballot || !slices.Equal(now.Batch, e.Batch)) {
			return fmt.Errorf("compaction up to slot %d forgets what slot %d has accepted", slot, at)
		}
	}
	return nil
}
