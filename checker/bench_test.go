package checker

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"elenchus/checker/register/synthetic"
	"elenchus/results/history"
	"elenchus/results/verdict"
)

// cpu is the processor time that this process has used, which a busy machine does not distort.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peak runs f and returns its processor time and by how much the heap grew at most while it ran.
func peak(f func()) (spent time.Duration, bytes uint64) {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	before, most := m.HeapAlloc, m.HeapAlloc
	done := make(chan struct{})
	sampled := make(chan uint64)
	go func() {
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				sampled <- most
				return
			case <-ticker.C:
				var now runtime.MemStats
				runtime.ReadMemStats(&now)
				most = max(most, now.HeapAlloc)
			}
		}
	}()
	begin := cpu()
	f()
	spent = cpu() - begin
	runtime.ReadMemStats(&m)
	close(done)
	return spent, max(<-sampled, m.HeapAlloc) - before
}

// histories of the comparison: what clients see of a register that a node keeps correctly, or with one read of a value
// that was replaced long before.
func comparison(ops, clients, keys int, unknown float64, violated bool) []history.Operation {
	o := synthetic.Options{Seed: 1, Ops: ops, Clients: clients, Keys: keys, Unknown: unknown}
	if violated {
		o.Anomaly, o.At, o.Versions = synthetic.StaleRead, 0.9, max(5, 3*clients/keys)
	}
	return synthetic.Operations(synthetic.Make(o))
}

// searchMax is how long Porcupine may take for one history of the comparison.
const searchMax = 15 * time.Second

// BenchmarkSideBySide decides the same histories by order and by search, in one process. A search that takes longer
// than searchMax counts as long as it took, and has no verdict.
func BenchmarkSideBySide(b *testing.B) {
	sizes := []struct{ ops, clients, keys int }{
		{1_000, 5, 1}, {1_000, 10, 1}, {1_000, 15, 1}, {1_000, 20, 1},
		{10_000, 5, 1}, {10_000, 20, 10}, {10_000, 50, 10},
		{100_000, 5, 10}, {100_000, 20, 100}, {100_000, 100, 100},
	}
	for _, s := range sizes {
		for _, unknown := range []float64{0, 0.05} {
			for _, violated := range []bool{false, true} {
				name := fmt.Sprintf("ops=%d/clients=%d/keys=%d/unknown=%v%%/violated=%v",
					s.ops, s.clients, s.keys, unknown*100, violated)
				b.Run(name, func(b *testing.B) {
					ops := comparison(s.ops, s.clients, s.keys, unknown, violated)
					for b.Loop() {
						sideBySide(b, ops, violated)
					}
				})
			}
		}
	}
}

func sideBySide(b *testing.B, ops []history.Operation, violated bool) {
	b.Helper()
	want := verdict.Valid
	if violated {
		want = verdict.Violated
	}
	keys := SplitByKey(ops)
	var byOrder, bySearch verdict.Status
	order, orderBytes := peak(func() { byOrder = decideAll(keys) })
	search, searchBytes := peak(func() { bySearch = searchAll(ops) })
	if byOrder != want || bySearch != want && bySearch != verdict.Unknown {
		b.Fatalf("by order %s, by search %s, want %s", byOrder, bySearch, want)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(order.Seconds()*1e3, "order-ms")
	b.ReportMetric(float64(orderBytes)/(1<<20), "order-MiB")
	b.ReportMetric(search.Seconds()*1e3, "search-ms")
	b.ReportMetric(float64(searchBytes)/(1<<20), "search-MiB")
	b.ReportMetric(search.Seconds()/order.Seconds(), "ratio")
	if bySearch == verdict.Unknown {
		b.ReportMetric(1, "no-verdict")
	}
}

// decideAll decides all keys by order, and replays the proofs.
func decideAll(keys []KeyHistory) verdict.Status {
	var o orderer
	worst := verdict.Valid
	for _, k := range keys {
		status, err := o.decide(k.Ops)
		if err != nil || status == verdict.Unknown {
			return verdict.Unknown
		}
		if status == verdict.Violated {
			worst = status
		}
	}
	return worst
}

// searchAll has Porcupine decide operations as they were, all keys at once, as it does by itself.
func searchAll(ops []history.Operation) verdict.Status {
	model := registerModel()
	model.Partition = func(in []porcupine.Operation) [][]porcupine.Operation {
		index := make(map[string]int)
		var parts [][]porcupine.Operation
		for _, op := range in {
			key := op.Input.(history.Op).Key
			i, ok := index[key]
			if !ok {
				i = len(parts)
				index[key] = i
				parts = append(parts, nil)
			}
			parts[i] = append(parts[i], op)
		}
		return parts
	}
	return search(model, asRecorded(ops), searchMax)
}

// BenchmarkMillion goes the whole way with a million operations in memory: decisions with proofs, and for a violation
// the first answer that no order explains, a minimal core, its confirmation and a picture.
func BenchmarkMillion(b *testing.B) {
	for _, keys := range []int{1, 100} {
		for _, violated := range []bool{false, true} {
			b.Run(fmt.Sprintf("keys=%d/violated=%v", keys, violated), func(b *testing.B) {
				ops := comparison(1_000_000, 50, keys, 0.01, violated)
				var lin Linearizability
				for b.Loop() {
					spent, bytes := peak(func() {
						lin = Linearize(context.Background(), registerModel(), ops, nil, Budget{})
					})
					b.ReportMetric(spent.Seconds(), "cpu-s")
					b.ReportMetric(float64(bytes)/(1<<20), "MiB")
				}
				core := 0
				for _, k := range lin.Keys {
					if k.Explanation != nil {
						core = max(core, len(k.Explanation.Core))
					}
				}
				if violated != (core > 0) {
					b.Fatalf("violated %v, but the core has %d operations", violated, core)
				}
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(float64(core), "core-operations")
			})
		}
	}
}

// sink is a history.File in memory.
type sink struct{ bytes.Buffer }

func (*sink) Sync() error  { return nil }
func (*sink) Close() error { return nil }

// BenchmarkReadAndJudge compares what it takes to read a history of a million lines with what it takes to judge it:
// decisions on all keys with proofs, and the other checks.
func BenchmarkReadAndJudge(b *testing.B) {
	file := new(sink)
	w := history.NewWriter(file, history.WriterOptions{})
	ops := comparison(500_000, 20, 100, 0.01, false)
	open := make(map[int]history.Event)
	for _, e := range events(ops) {
		var err error
		if e.Type == history.Invoke {
			open[e.Process], err = w.Invoke(e.Process, e.Node, e.Phase, e.Op)
		} else {
			_, err = w.Complete(open[e.Process], e.Type, e.Result, e.Reason, history.Witness{Slot: 123, Ballot: "7.n1"})
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	var scan, read, judge time.Duration
	n := 0
	for b.Loop() {
		spent, _ := peak(func() {
			_, _, err := history.Scan(bytes.NewReader(file.Bytes()), "h", func(*history.Event) error { return nil })
			if err != nil {
				b.Fatal(err)
			}
		})
		scan += spent
		in := Input{}
		spent, _ = peak(func() { in.History, in.HistoryErr = history.ReadFrom(bytes.NewReader(file.Bytes()), "h") })
		read += spent
		spent, _ = peak(func() {
			ops := history.Operations(in.History.Events)
			in.Linearizability = Linearize(context.Background(), registerModel(), ops, nil, Budget{})
			if v := Check(context.Background(), in); v.Safety.Status != verdict.Valid {
				b.Fatalf("%+v", v.Safety)
			}
		})
		judge += spent
		n++
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(scan.Seconds()/float64(n), "scan-cpu-s")
	b.ReportMetric(read.Seconds()/float64(n), "read-cpu-s")
	b.ReportMetric(judge.Seconds()/float64(n), "judge-cpu-s")
}
