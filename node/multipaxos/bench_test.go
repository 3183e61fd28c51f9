package multipaxos

import (
	"testing"
	"time"

	"elenchus/node/clock"
	"elenchus/node/protocol"
	"elenchus/node/register"
	"elenchus/node/server"
)

// ring is three machines with a perfect network and perfect disks, which isolates the cost of the protocol.
type ring struct {
	machines [3]*Machine
	now      clock.Reading
	written  [3]protocol.WriteSeq
	inbox    []protocol.Message
	replies  int
	steps    int
}

func newRing(b *testing.B, opts Options) *ring {
	b.Helper()
	r := &ring{now: clock.Reading{Mono: time.Second}}
	for i := range r.machines {
		opts.Self, opts.Members = protocol.NodeID(i+1), []protocol.NodeID{1, 2, 3}
		m, err := New(opts, protocol.Recovered{})
		if err != nil {
			b.Fatal(err)
		}
		r.machines[i] = m
		r.step(i, protocol.Input{Kind: protocol.InputStart})
	}
	r.now.Mono += 10 * time.Second
	r.step(0, protocol.Input{Kind: protocol.InputTimer, Timer: TimerElection})
	r.drain()
	if r.machines[0].role != protocol.RoleLeader {
		b.Fatal("n1 does not lead")
	}
	return r
}

func (r *ring) step(i int, in protocol.Input) {
	r.steps++
	fx := r.machines[i].Step(r.now, in)
	for _, s := range fx.Sends {
		r.inbox = append(r.inbox, s.Message)
	}
	r.replies += len(fx.Replies)
	if n := len(fx.Records); n > 0 {
		r.written[i] += protocol.WriteSeq(n)
		r.step(i, protocol.Input{Kind: protocol.InputDurable, Durable: r.written[i]})
	}
}

func (r *ring) drain() {
	for head := 0; head < len(r.inbox); head++ {
		msg := r.inbox[head]
		r.step(int(msg.To)-1, protocol.Input{Kind: protocol.InputMessage, Message: &msg})
	}
	r.inbox = r.inbox[:0]
}

// run executes b.N operations, parallel at a time, and reports the cost of one, including all steps of all three nodes.
func (r *ring) run(b *testing.B, at, parallel int, op register.Op) {
	r.replies, r.steps = 0, 0
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		r.step(at, protocol.Input{Kind: protocol.InputRequest, Request: protocol.Request{
			ID: protocol.RequestID(i + 1), Deadline: r.now.Mono + time.Second,
			Command: register.Command{
				Client: register.ClientID(i%1000 + 1), Seq: uint64(i/1000 + 1), Op: op, Key: "key", Value: "some value",
			},
		}})
		if (i+1)%parallel == 0 {
			r.drain()
		}
	}
	r.drain()
	b.StopTimer()
	if r.replies != b.N {
		b.Fatalf("%d answers to %d requests", r.replies, b.N)
	}
	b.ReportMetric(float64(r.steps)/float64(b.N), "steps/op")
}

func BenchmarkWrite(b *testing.B)            { newRing(b, Options{}).run(b, 0, 1, register.OpWrite) }
func BenchmarkWrite256Parallel(b *testing.B) { newRing(b, Options{}).run(b, 0, 256, register.OpWrite) }
func BenchmarkWriteForwarded(b *testing.B)   { newRing(b, Options{}).run(b, 1, 1, register.OpWrite) }
func BenchmarkReadQuorum(b *testing.B)       { newRing(b, Options{}).run(b, 0, 1, register.OpRead) }
func BenchmarkReadQuorum256Parallel(b *testing.B) {
	newRing(b, Options{}).run(b, 0, 256, register.OpRead)
}
func BenchmarkReadLocal(b *testing.B) {
	newRing(b, Options{Reads: ReadsLocal}).run(b, 1, 1, register.OpRead)
}

// leased has a lease term longer than the benchmark.
var leased = Options{Reads: ReadsLease, Lease: LeaseRate, LeaseTerm: time.Hour}

func BenchmarkReadLease(b *testing.B)       { newRing(b, leased).run(b, 0, 1, register.OpRead) }
func BenchmarkWriteUnderLease(b *testing.B) { newRing(b, leased).run(b, 0, 1, register.OpWrite) }

// BenchmarkLeaseCheck measures what a lease read costs beyond receiving and answering a request: the lease check and
// the read itself. In one variant the clock stands still; in the other it is read for every check, as drivers do for
// every step.
func BenchmarkLeaseCheck(b *testing.B) {
	r := newRing(b, leased)
	r.run(b, 0, 1, register.OpWrite)
	b.Run("clock=given", func(b *testing.B) { checkLease(b, r.machines[0], func() clock.Reading { return r.now }) })
	system := server.SystemClock()
	b.Run("clock=read", func(b *testing.B) {
		origin := system()
		checkLease(b, r.machines[0], func() clock.Reading {
			now := system()
			now.Mono += r.now.Mono - origin.Mono // the machines' clock started earlier than ours
			return now
		})
	})
}

func checkLease(b *testing.B, m *Machine, now func() clock.Reading) {
	b.Helper()
	var sink register.Result
	b.ReportAllocs()
	for b.Loop() {
		m.reset(now())
		if !m.holdsLease() {
			b.Fatal("no lease")
		}
		sink = m.store.Read("key")
	}
	if len(sink.Values) != 1 {
		b.Fatalf("read %v", sink)
	}
}

// A lease check and a local read must not allocate.
func TestLeaseCheckAllocatesNothing(t *testing.T) {
	opts := leased
	opts.Self, opts.Members = 1, []protocol.NodeID{1}
	m, err := New(opts, protocol.Recovered{})
	if err != nil {
		t.Fatal(err)
	}
	now := clock.Reading{Mono: time.Second}
	m.Step(now, protocol.Input{Kind: protocol.InputStart})
	now.Mono = 10 * time.Second
	m.Step(now, protocol.Input{Kind: protocol.InputTimer, Timer: TimerElection})
	m.Step(now, protocol.Input{Kind: protocol.InputDurable, Durable: 100})
	m.Step(now, protocol.Input{Kind: protocol.InputDurable, Durable: 100})
	var sink register.Result
	held := 0
	if n := testing.AllocsPerRun(100, func() {
		m.reset(now)
		if m.holdsLease() {
			held++
		}
		sink = m.store.Read("key")
	}); n != 0 || held == 0 {
		t.Errorf("%v allocations, %d leases, %v", n, held, sink)
	}
}
