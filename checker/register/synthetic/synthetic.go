// Package synthetic makes histories of registers as clients of a real system would have seen them, of any size and with
// at most one thing wrong: what checkers are measured and compared on.
//
// It simulates time. Every client invokes one operation after another; an operation takes effect on its register at an
// instant within its interval; some clients get no answer, and their operation takes effect late or never.
package synthetic

import (
	"cmp"
	"math"
	"math/rand/v2"

	"elenchus/checker/register"
)

// Options describes a history. In each a zero means the default, and a negative number means none.
type Options struct {
	Seed    uint64
	Ops     int // default 1000
	Clients int // default 5
	Keys    int // default 1

	// Reads and CAS are percentages of all operations; the others are writes (default 50 and 20). A CAS expects what
	// its client last saw of the key.
	Reads, CAS int
	// CASOnly makes every update a CAS.
	CASOnly bool
	// OwnReads is the percentage of acknowledged updates after which the client reads the key (default none).
	OwnReads int
	// Unknown is the share of updates that get no answer (default none). Half of them take effect, at any time in the
	// next twenty mean latencies.
	Unknown float64
	// Think is the mean time between operations of a client, in mean latencies (default 0.2: busy clients).
	Think float64

	// FinalReads is how many reads of each key follow one another when everything else is over (default none).
	FinalReads int

	Anomaly Anomaly
	// At is where in the history the anomaly is, as a share of the operations (default 0.5).
	At float64
	// Versions is how old the value of a [StaleRead] is, in values (default 1).
	Versions int

	// Source decides what clients do, instead of Reads, CAS, CASOnly and OwnReads; Keys then is how many there can be.
	Source Source
}

// Anomaly is what is wrong with a history. Whether anybody can see it depends on what happened around.
type Anomaly uint8

// The anomalies.
const (
	Nothing   Anomaly = iota
	LostWrite         // an update is acknowledged, but did not happen
	StaleRead         // a read returns a value that had been replaced
)

// Request is what a client asks for.
type Request struct {
	Kind   register.Kind
	Key    int
	Writes int64
	Expect int64
	Absent bool // CAS: it expects nothing
}

// Answer is what a client learns.
type Answer struct {
	Unknown bool
	Matched bool // CAS
	Absent  bool
	Value   int64 // Read, CAS that did not match
}

// Source decides what clients do.
type Source interface {
	Next(client int) Request
	Observe(client int, r Request, a Answer)
}

// Histories are the operations by key, in order of call. Times are in millionths of a mean latency.
type Histories [][]register.Op

func (o Options) withDefaults() Options {
	o.Ops = cmp.Or(o.Ops, 1000)
	o.Clients = cmp.Or(o.Clients, 5)
	o.Keys = cmp.Or(o.Keys, 1)
	o.Reads = max(0, cmp.Or(o.Reads, 50))
	o.CAS = max(0, cmp.Or(o.CAS, 20))
	o.Think = max(0, cmp.Or(o.Think, 0.2))
	o.At = max(0, cmp.Or(o.At, 0.5))
	o.Versions = cmp.Or(o.Versions, 1)
	return o
}

// latency is the mean time between call and return.
const latency = 1_000_000

// Make makes the histories that opts describe.
func Make(opts Options) Histories {
	opts = opts.withDefaults()
	w := &world{
		Options: opts, rng: rand.New(rand.NewPCG(opts.Seed, 0x5eed)), source: opts.Source,
		registers: make([]state, opts.Keys), histories: make(Histories, opts.Keys), anomaly: opts.Anomaly,
	}
	if w.source == nil {
		w.source = newMix(opts)
	}
	for k := range w.histories {
		w.histories[k] = make([]register.Op, 0, opts.Ops/opts.Keys+opts.Ops/(8*opts.Keys)+16)
	}
	for c := range opts.Clients {
		w.schedule(w.after(opts.Think+0.001), step{kind: call, client: c})
	}
	for len(w.queue.steps) > 0 {
		w.do(w.queue.pop())
	}
	w.finalReads()
	return w.histories
}

// world is the state of the simulation.
type world struct {
	Options
	rng       *rand.Rand
	source    Source
	queue     timeline
	now       int64
	begun     int
	registers []state
	histories Histories
	anomaly   Anomaly // that is still to happen
}

// state is one register: all the values that it had, in order.
type state struct{ values []int64 }

func (s *state) latest() (int64, bool) {
	if n := len(s.values); n > 0 {
		return s.values[n-1], true
	}
	return 0, false
}

// step is something that happens to an operation, or to a client between operations.
type step struct {
	kind   stepKind
	client int
	op     int // in the history of its key
	req    Request
	answer Answer
}

type stepKind uint8

const (
	call stepKind = iota
	effect
	lateEffect // of an operation whose client has given up
	answer
	giveUp
)

func (w *world) after(mean float64) int64 {
	return w.now + 1 + int64(w.rng.ExpFloat64()*mean*latency)
}

func (w *world) do(t timed) {
	w.now = t.at
	s := t.step
	switch s.kind {
	case call:
		w.call(s)
	case effect:
		w.effect(&s)
		s.kind = answer
		w.schedule(w.after(0.5), s)
	case lateEffect:
		w.effect(&s)
	case answer:
		w.answer(s)
	case giveUp:
		w.source.Observe(s.client, s.req, Answer{Unknown: true})
		w.schedule(w.after(w.Think), step{kind: call, client: s.client})
	}
}

// call begins an operation, unless there are enough.
func (w *world) call(s step) {
	if w.begun >= w.Ops {
		return
	}
	w.begun++
	s.req = w.source.Next(s.client)
	h := &w.histories[s.req.Key]
	s.op = len(*h)
	op := register.Op{
		Kind: s.req.Kind, Call: w.now, Writes: s.req.Writes, Sees: s.req.Expect, Absent: s.req.Absent,
	}
	if s.req.Kind != register.Read && w.rng.Float64() < w.Unknown {
		op.Unknown = true
		if w.rng.IntN(2) == 0 {
			late := s
			late.kind = lateEffect
			w.schedule(w.now+1+w.rng.Int64N(20*latency), late)
		}
		s.kind = giveUp
		w.schedule(w.after(1), s)
	} else {
		s.kind = effect
		w.schedule(w.after(0.5), s)
	}
	*h = append(*h, op)
}

// effect lets an operation take effect, or the anomaly happen.
func (w *world) effect(s *step) {
	r := &w.registers[s.req.Key]
	content, present := r.latest()
	a := &s.answer
	a.Absent, a.Value = !present, content
	due := w.anomaly != Nothing && s.kind == effect && float64(w.begun) >= w.At*float64(w.Ops)
	switch s.req.Kind {
	case register.Read:
		if n := len(r.values); due && w.anomaly == StaleRead && n > w.Versions {
			a.Value, w.anomaly = r.values[n-1-w.Versions], Nothing
		}
		return
	case register.CAS:
		a.Matched = present != s.req.Absent && (s.req.Absent || content == s.req.Expect)
		if !a.Matched {
			return
		}
	}
	if due && w.anomaly == LostWrite {
		w.anomaly = Nothing
		return
	}
	if w.Anomaly == StaleRead || len(r.values) == 0 {
		r.values = append(r.values, s.req.Writes)
	} else { // nobody will ask for older ones
		r.values[0] = s.req.Writes
	}
}

// answer completes an operation.
func (w *world) answer(s step) {
	op := &w.histories[s.req.Key][s.op]
	op.Return = w.now
	switch {
	case s.req.Kind == register.Read:
		op.Absent, op.Sees = s.answer.Absent, s.answer.Value
	case s.req.Kind == register.CAS && !s.answer.Matched:
		op.Kind, op.Writes = register.Read, 0
		op.Absent, op.Sees = s.answer.Absent, s.answer.Value
	}
	w.source.Observe(s.client, s.req, s.answer)
	w.schedule(w.after(w.Think), step{kind: call, client: s.client})
}

func (w *world) finalReads() {
	for key := range w.histories {
		value, present := w.registers[key].latest()
		for range w.FinalReads {
			w.now += 2
			w.histories[key] = append(w.histories[key], register.Op{
				Kind: register.Read, Call: w.now - 1, Return: w.now, Sees: value, Absent: !present,
			})
		}
	}
}

func (w *world) schedule(at int64, s step) { w.queue.push(min(at, math.MaxInt64/8), s) }
