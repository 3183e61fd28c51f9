package register_test

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"elenchus/checker/register"
	"elenchus/checker/register/synthetic"
)

// cpu is the processor time that this process has used, which a busy machine does not distort.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measure runs f b.N times and reports processor time and allocated memory, the garbage collector's work included.
func measure(b *testing.B, ops int, f func()) {
	b.Helper()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begin, n := cpu(), 0
	for b.Loop() {
		f()
		n++
	}
	spent := (cpu() - begin).Seconds() / float64(n)
	runtime.ReadMemStats(&after)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(spent, "cpu-s")
	b.ReportMetric(spent*1e9/float64(ops), "cpu-ns/operation")
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(n)/(1<<20), "MiB")
}

func violate(stale bool) synthetic.Options {
	if stale {
		return synthetic.Options{Anomaly: synthetic.StaleRead, Versions: 200, At: 0.9}
	}
	return synthetic.Options{}
}

// histories makes histories and counts their operations. An anomaly that nobody can see, such as a read of an old value
// whose update had no answer and was not seen before, is tried again with another seed.
func histories(b *testing.B, o synthetic.Options) (synthetic.Histories, int) {
	b.Helper()
	h := synthetic.Make(o)
	for o.Anomaly != synthetic.Nothing && worst(h) != register.Violated {
		o.Seed++
		h = synthetic.Make(o)
	}
	n := 0
	for _, ops := range h {
		n += len(ops)
	}
	return h, n
}

// BenchmarkDecide decides a million operations, with every number of clients and keys, and shares of unknown outcomes,
// valid and violated. The checker is new every time: MiB is all that it allocates.
func BenchmarkDecide(b *testing.B) {
	for _, clients := range []int{5, 20, 100} {
		for _, keys := range []int{1, 10, 100} {
			for _, unknown := range []float64{0, 0.01, 0.05} {
				for _, stale := range []bool{false, true} {
					o := violate(stale)
					o.Ops, o.Clients, o.Keys, o.Unknown = 1_000_000, clients, keys, unknown
					name := fmt.Sprintf("clients=%d/keys=%d/unknown=%v%%/violated=%v", clients, keys, unknown*100, stale)
					b.Run(name, func(b *testing.B) {
						h, n := histories(b, o)
						measure(b, n, func() { decide(b, h, stale) })
					})
				}
			}
		}
	}
}

// BenchmarkGrowth shows that ten times the operations take ten times the time.
func BenchmarkGrowth(b *testing.B) {
	for _, keys := range []int{1, 100} {
		for n := 10_000; n <= 10_000_000; n *= 10 {
			b.Run(fmt.Sprintf("keys=%d/ops=%d", keys, n), func(b *testing.B) {
				h, n := histories(b, synthetic.Options{Ops: n, Clients: 50, Keys: keys, Unknown: 0.01})
				measure(b, n, func() { decide(b, h, false) })
			})
		}
	}
}

func decide(b *testing.B, h synthetic.Histories, violated bool) {
	b.Helper()
	if got := worst(h); violated != (got == register.Violated) {
		b.Fatalf("%v, but violated should be %v", got, violated)
	}
}

// worst decides all keys with one new Checker.
func worst(h synthetic.Histories) register.Decision {
	var c register.Checker
	worst := register.Valid
	for _, ops := range h {
		worst = max(worst, c.Decide(ops))
	}
	return worst
}

// BenchmarkProve decides a million operations and proves it: the order is made and replayed, or the core found.
func BenchmarkProve(b *testing.B) {
	for _, keys := range []int{1, 10, 100} {
		for _, stale := range []bool{false, true} {
			b.Run(fmt.Sprintf("keys=%d/violated=%v", keys, stale), func(b *testing.B) {
				o := violate(stale)
				o.Ops, o.Clients, o.Keys, o.Unknown = 1_000_000, 50, keys, 0.01
				h, n := histories(b, o)
				core := 0
				measure(b, n, func() { core = prove(b, h) })
				b.ReportMetric(float64(core), "core-operations")
			})
		}
	}
}

func prove(b *testing.B, h synthetic.Histories) (core int) {
	b.Helper()
	var c register.Checker
	var order []int32
	for _, ops := range h {
		if c.Decide(ops) == register.Violated {
			core = max(core, len(c.Core(nil)))
			continue
		}
		order = c.Order(order[:0])
		if err := register.Verify(ops, order); err != nil {
			b.Fatal(err)
		}
	}
	return core
}

// BenchmarkSmall decides histories of a few hundred operations with one Checker, as a simulator does.
func BenchmarkSmall(b *testing.B) {
	for _, n := range []int{100, 300} {
		b.Run(fmt.Sprintf("ops=%d", n), func(b *testing.B) {
			ops := synthetic.Make(synthetic.Options{Ops: n, Clients: 5, Unknown: 0.02})[0]
			var c register.Checker
			b.ReportAllocs()
			for b.Loop() {
				if c.Decide(ops) != register.Valid {
					b.Fatal("not valid")
				}
			}
		})
	}
}

// BenchmarkMonitor has one monitor for every key watch a million operations as they happen. MiB is all that the
// monitors allocate.
func BenchmarkMonitor(b *testing.B) {
	for _, clients := range []int{5, 100} {
		for _, keys := range []int{1, 100} {
			for _, unknown := range []float64{0, 0.01, 0.05} {
				b.Run(fmt.Sprintf("clients=%d/keys=%d/unknown=%v%%", clients, keys, unknown*100), func(b *testing.B) {
					h, n := histories(b, synthetic.Options{
						Ops: 1_000_000, Clients: clients, Keys: keys, Unknown: unknown, OwnReads: 10,
					})
					events := inOrder(h)
					tickets := make([][]register.Ticket, keys)
					for k := range h {
						tickets[k] = make([]register.Ticket, len(h[k]))
					}
					measure(b, n, func() {
						if k := monitor(make([]register.Monitor, keys), h, events, tickets); k >= 0 {
							b.Fatalf("objection to key %d", k)
						}
					})
				})
			}
		}
	}
}

// event is a call or a return of one operation on one key.
type event struct {
	at      int64
	key, op int32
	ret     bool
}

func inOrder(h synthetic.Histories) []event {
	var events []event
	for k, ops := range h {
		for i, op := range ops {
			events = append(events, event{op.Call, int32(k), int32(i), false})
			if !op.Unknown {
				events = append(events, event{op.Return, int32(k), int32(i), true})
			}
		}
	}
	slices.SortFunc(events, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	return events
}

// monitor shows events to the monitors of their keys and returns the key that one of them objects to, or -1.
func monitor(m []register.Monitor, h synthetic.Histories, events []event, tickets [][]register.Ticket) int {
	for _, e := range events {
		op, mon, ticket := &h[e.key][e.op], &m[e.key], &tickets[e.key][e.op]
		ok := true
		switch {
		case !e.ret:
			*ticket = mon.Invoke(op)
			if op.Unknown {
				mon.Unknown(*ticket, op.Call)
			}
		case op.Kind != register.Read:
			ok = mon.Done(*ticket, e.at)
		case op.Absent:
			ok = mon.FoundNothing(*ticket, e.at)
		default:
			ok = mon.Found(*ticket, e.at, op.Sees)
		}
		if !ok {
			return int(e.key)
		}
	}
	return -1
}
