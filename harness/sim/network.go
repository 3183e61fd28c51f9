package sim

import (
	"time"

	"elenchus/node/protocol"
)

// link is one direction of the network between two nodes.
type link struct {
	skew time.Duration // added to the delay of every message on this link

	// What faults do to it. Those that can overlap are counted.
	cuts  int16
	holds int16
	harm  harm

	since time.Duration // when it was cut, if it is
	held  []uint32      // messages that arrived while held, by their places in the pool

	// A stream. Every reset begins a new epoch. Of the messages of an earlier epoch only those that arrive before its
	// cutoff get through, so that a suffix is lost.
	epoch     uint32
	cutoffs   [epochsKept]time.Duration
	downUntil time.Duration // there is no connection, and nothing can be sent
	last      time.Duration // when the last message arrives, which later ones must not overtake
	busyUntil time.Duration // until when the bandwidth is used up
}

// epochsKept is the number of resets of a link that are remembered. Messages of earlier epochs are lost anyway.
const epochsKept = 4

// harm is the effect of faults on messages.
type harm struct {
	lossPPM, duplicatePPM, corruptPPM uint32
	delay                             time.Duration
}

func (h *harm) add(o harm, sign int64) {
	h.lossPPM += uint32(sign) * o.lossPPM
	h.duplicatePPM += uint32(sign) * o.duplicatePPM
	h.corruptPPM += uint32(sign) * o.corruptPPM
	h.delay += time.Duration(sign) * o.delay
}

func (l *link) reset() {
	held := l.held[:0]
	*l = link{held: held}
}

// passes reports whether a message of that epoch, which arrives now, was not lost with its connection.
func (l *link) passes(epoch uint32, now time.Duration) bool {
	switch age := l.epoch - epoch; {
	case age == 0:
		return true
	case age > epochsKept:
		return false
	}
	return now <= l.cutoffs[epoch%epochsKept]
}

// breakUp ends the connection. What arrives before cutoff still gets through.
func (l *link) breakUp(cutoff, downUntil time.Duration) {
	l.cutoffs[l.epoch%epochsKept] = cutoff
	l.epoch++
	l.last = 0
	l.downUntil = max(l.downUntil, downUntil)
}

func (w *World) link(from, to int) *link { return &w.links[from*protocol.NodesMax+to] }

// transmit sends a message on its link. The identity is that of the message and of how often it was sent before.
func (w *World) transmit(from int, msg *protocol.Message) {
	to := int(msg.To) - 1
	if to < 0 || to >= w.n || to == from {
		return
	}
	w.stats.Sent++
	id, attempt := w.identify(msg)
	w.hash = mix(w.hash, id)
	w.trace.sent(w.now, &w.nodes[from], msg)
	l, net := w.link(from, to), &w.net
	if !net.Datagram && w.now < l.downUntil {
		w.lose(msg, "no connection")
		return
	}
	if ppm := net.LossPPM + l.harm.lossPPM; ppm != 0 && chance(w.rng.at(forLoss, id, attempt), ppm) {
		w.stats.Lost++
		w.lose(msg, "lost")
		if !net.Datagram {
			w.resetLink(from, to, id, attempt)
		}
		return
	}
	w.post(from, to, msg, id, attempt)
	ppm := net.DuplicatePPM + l.harm.duplicatePPM
	if ppm != 0 && chance(w.rng.at(forDuplicate, id, attempt), ppm) {
		w.stats.Duplicated++
		w.post(from, to, msg, id, ^attempt)
	}
}

// post schedules the arrival of one copy of a message.
func (w *World) post(from, to int, msg *protocol.Message, id, attempt uint64) {
	l, net := w.link(from, to), &w.net
	slot, ok := w.copyMessage(l, msg, id, attempt)
	if !ok {
		w.stats.Corrupted++
		w.lose(msg, "damaged, and thrown away by the receiver")
		if !net.Datagram {
			w.resetLink(from, to, id, attempt)
		}
		return
	}
	delay := net.Delay + l.skew + within(w.rng.at(forDelay, id, attempt), 0, net.Jitter+l.harm.delay)
	if net.TailPPM != 0 && chance(w.rng.at(forTail, id, attempt), net.TailPPM) {
		delay += within(w.rng.at(forTailDelay, id, attempt), 0, net.Tail)
	}
	if w.chains != nil {
		delay += w.chains[chain(from, to, msg.Kind)]
	}
	at := w.now + delay
	if net.Bandwidth > 0 {
		l.busyUntil = max(l.busyUntil, w.now) + time.Duration(int64(messageSize(msg))*int64(time.Second)/net.Bandwidth)
		at += l.busyUntil - w.now
	}
	if !net.Datagram {
		at = max(at, l.last+1)
		l.last = at
	}
	w.events.push(event{at: at, kind: eventMessage, node: uint8(to), sub: uint16(from), gen: l.epoch, arg: uint64(slot)})
}

// messageSize is about how many bytes the message takes when encoded.
func messageSize(msg *protocol.Message) int {
	size := 48 + protocol.CommandSize(msg.Command)
	for i := range msg.Entries {
		size += msg.Entries[i].Size()
	}
	for _, v := range msg.Result.Values {
		size += len(v) + 2
	}
	return size
}

// resetLink breaks a connection. Of what is under way a suffix is lost: what would arrive after a cutoff.
func (w *World) resetLink(from, to int, a, b uint64) {
	w.stats.Resets++
	l, net := w.link(from, to), &w.net
	cutoff := w.now + within(w.rng.at(forCutoff, a, b), 0, net.Delay+net.Jitter)
	l.breakUp(cutoff, w.now+within(w.rng.at(forReconnect, a, b), 0, net.Reconnect))
}

// arrive handles the arrival of a message at the other end of its link.
func (w *World) arrive(e *event) {
	from, to, slot := int(e.sub), int(e.node), uint32(e.arg)
	l, n := w.link(from, to), &w.nodes[to]
	msg := w.messages.at(slot)
	switch {
	case !w.net.Datagram && !l.passes(e.gen, e.at):
		w.lose(msg, "lost with its connection")
	case l.holds > 0 || l.cuts > 0 && !w.net.Datagram:
		l.held = append(l.held, slot)
		return
	case l.cuts > 0:
		w.stats.Cut++
		w.lose(msg, "cut off")
	case !n.up:
		w.lose(msg, "nobody there")
	case n.still():
		n.backlog = append(n.backlog, *e)
		return
	default:
		w.stats.Delivered++
		w.trace.delivered(w.now, msg)
		w.step(n, &protocol.Input{Kind: protocol.InputMessage, Message: msg})
	}
	w.messages.free(slot)
}

func (w *World) lose(msg *protocol.Message, why string) { w.trace.lost(w.now, msg, why) }

// cut and join count the cuts of a directed link.
func (w *World) cut(from, to int) {
	l := w.link(from, to)
	if l.cuts++; l.cuts == 1 {
		l.since = w.now
	}
}

func (w *World) join(from, to int) {
	l := w.link(from, to)
	if l.cuts--; l.cuts > 0 {
		return
	}
	id := uint64(from)<<8 | uint64(to)
	if net := &w.net; w.now-l.since > net.DeadAfter {
		// The connection was given up, and what waited to be retransmitted is lost with it.
		for _, slot := range l.held {
			w.lose(w.messages.at(slot), "lost with its connection")
			w.messages.free(slot)
		}
		l.held = l.held[:0]
		if !net.Datagram {
			w.resetLink(from, to, id, uint64(w.now))
		}
		return
	}
	w.release(from, to)
}

// release delivers the messages that a link has held: those of a stream in their order, datagrams in any order.
func (w *World) release(from, to int) {
	l, net := w.link(from, to), &w.net
	if l.cuts > 0 || l.holds > 0 {
		return
	}
	for i, slot := range l.held {
		w.stats.Released++
		at := w.now + within(w.rng.at(forRelease, uint64(from)<<8|uint64(to), uint64(w.now)+uint64(i)), 0,
			net.Delay+net.Jitter)
		if !net.Datagram {
			at = max(at, l.last+1)
			l.last = at
		}
		w.events.push(event{
			at: at, kind: eventMessage, node: uint8(to), sub: uint16(from), gen: l.epoch, arg: uint64(slot),
		})
	}
	l.held = l.held[:0]
}
