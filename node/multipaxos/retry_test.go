package multipaxos

import (
	"container/heap"
	"testing"
	"time"

	"elenchus/node/clock"
	"elenchus/node/protocol"
	"elenchus/node/register"
)

// retryWorld is a cluster with instantaneous disks and message delays set by the test.
type retryWorld struct {
	t        *testing.T
	now      time.Duration
	machines map[protocol.NodeID]*Machine
	delay    func(protocol.Message) (d time.Duration, lost bool)
	events   retryEvents
	number   int
	written  map[protocol.NodeID]protocol.WriteSeq
	sent     map[protocol.MessageKind]int
	answers  int // with outcome ok
}

type retryEvent struct {
	at     time.Duration
	number int // orders events at the same time
	to     protocol.NodeID
	in     protocol.Input
}

type retryEvents []retryEvent

func (e retryEvents) Len() int { return len(e) }
func (e retryEvents) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].number < e[j].number
}
func (e retryEvents) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *retryEvents) Push(x any)   { *e = append(*e, x.(retryEvent)) }
func (e *retryEvents) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func newRetryWorld(t *testing.T, o Options, delay func(protocol.Message) (time.Duration, bool)) *retryWorld {
	t.Helper()
	w := &retryWorld{t: t, now: time.Second, machines: map[protocol.NodeID]*Machine{}, delay: delay,
		sent:    map[protocol.MessageKind]int{},
		written: map[protocol.NodeID]protocol.WriteSeq{}}
	o.Members = []protocol.NodeID{1, 2, 3}
	for _, id := range o.Members {
		o.Self = id
		m, err := New(o, protocol.Recovered{})
		if err != nil {
			t.Fatal(err)
		}
		w.machines[id] = m
		w.at(0, id, protocol.Input{Kind: protocol.InputStart})
	}
	return w
}

func (w *retryWorld) at(after time.Duration, to protocol.NodeID, in protocol.Input) {
	w.number++
	heap.Push(&w.events, retryEvent{w.now + max(after, 0), w.number, to, in})
}

// run processes events until the given time.
func (w *retryWorld) run(until time.Duration) {
	for len(w.events) > 0 && w.events[0].at <= until {
		e := heap.Pop(&w.events).(retryEvent)
		w.now = e.at
		fx := w.machines[e.to].Step(clock.Reading{Mono: w.now, Wall: int64(w.now)}, e.in)
		if fx.Halt != nil {
			w.t.Fatal(fx.Halt)
		}
		if n := len(fx.Records); n > 0 {
			w.written[e.to] += protocol.WriteSeq(n)
			w.at(0, e.to, protocol.Input{Kind: protocol.InputDurable, Durable: w.written[e.to]})
		}
		for _, s := range fx.Sends {
			w.sent[s.Message.Kind]++
			if d, lost := w.delay(s.Message); !lost {
				msg := s.Message
				w.at(d, msg.To, protocol.Input{Kind: protocol.InputMessage, Message: &msg})
			}
		}
		for _, timer := range fx.Timers {
			w.at(timer.At-w.now, e.to, protocol.Input{Kind: protocol.InputTimer, Timer: timer.ID})
		}
		for _, r := range fx.Replies {
			if r.Outcome == protocol.OutcomeOK {
				w.answers++
			}
		}
	}
	w.now = until
}

// write sends n1 a mutation.
func (w *retryWorld) write(seq uint64) {
	w.at(0, 1, protocol.Input{Kind: protocol.InputRequest, Request: protocol.Request{
		ID: protocol.RequestID(seq), Deadline: w.now + time.Minute,
		Command: register.Command{Client: 7, Seq: seq, Op: register.OpWrite, Key: "k", Value: "v"},
	}})
}

// On links with a round trip longer than RetryInterval, every Accept would be sent three times. A leader learns to wait
// long enough, and adapts again when the links become fast.
func TestSlowLinksGetFewCopies(t *testing.T) {
	const writes, hop = 40, 250 * time.Millisecond
	slow, lossy := true, false
	w := newRetryWorld(t, Options{FirstBallotShortcut: true, ElectionTimeout: 4 * time.Second},
		func(m protocol.Message) (time.Duration, bool) {
			if !slow {
				return time.Millisecond, lossy && m.Kind == protocol.MsgAccept
			}
			return hop, false
		})
	w.run(w.now + 2*time.Second)
	before := w.sent[protocol.MsgAccept]
	for i := range uint64(writes) {
		w.write(i + 1)
		w.run(w.now + 3*hop)
	}
	if n := w.sent[protocol.MsgAccept] - before; w.answers != writes || n < 2*writes || n > 2*writes+8 {
		t.Errorf("%d Accepts were sent for %d writes, of which %d were answered", n, writes, w.answers)
	}
	slow = false
	w.write(writes + 1)
	w.run(w.now + time.Second)
	lossy = true
	before = w.sent[protocol.MsgAccept]
	w.write(writes + 2)
	w.run(w.now + 250*time.Millisecond)
	if n := w.sent[protocol.MsgAccept] - before; n != 4 {
		t.Errorf("of a write on a fast link whose Accepts were lost there were %d after 250ms, want two and two again", n)
	}
	lossy = false
	w.run(w.now + 5*time.Second)
	if w.answers != writes+2 {
		t.Errorf("%d of %d writes were answered", w.answers, writes+2)
	}
}

// A candidate that hears nothing neither gives up nor fills the link.
func TestUnansweredPreparesBecomeRare(t *testing.T) {
	const silence = time.Minute
	w := newRetryWorld(t, Options{NoPreVote: true}, func(protocol.Message) (time.Duration, bool) { return 0, true })
	w.run(w.now + 10*time.Second)
	before := w.sent[protocol.MsgPrepare]
	w.run(w.now + silence)
	// Three candidates each resend to two others, after one to two times the longest patience.
	most := 3 * 2 * int(silence/(retryMax*200*time.Millisecond))
	if n := w.sent[protocol.MsgPrepare] - before; n > most+6 || n < most/2-6 {
		t.Errorf("%d Prepares in %v, want %d to %d", n, silence, most/2, most)
	}
}
