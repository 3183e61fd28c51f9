package sim

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// benchmark plays runs of the options, one after the other, and reports what a campaign is measured by, per second of
// processor time, drawing and judging included.
//
// What counts as an event is said at Stats.Events. With three nodes and the register workload, 47 % of them are
// messages that arrive; syncs, requests, answers and clients that go on are 10 % each; 9 % are timers, 3 % clients
// whose patience may be over, and 1 % the rest. In 71 % a machine makes a step. About 4 % come to nothing: timers that
// have been moved, and clients that have long been answered.
func benchmark(b *testing.B, o DrawOptions, c Checker) {
	defer debug.SetGCPercent(debug.SetGCPercent(campaignGC))
	w := New(Options{Checker: c})
	var total Stats
	var simulated time.Duration
	b.ReportAllocs()
	o = o.withDefaults()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun := processTime()
	for i := 0; b.Loop(); i++ {
		p, err := o.draw(uint64(i + 1))
		if err != nil {
			b.Fatal(err)
		}
		r, err := w.runValid(p)
		if err != nil || r.Violation != nil {
			b.Fatal(i+1, err, r.Violation)
		}
		total.Add(&r.Stats)
		simulated += r.Simulated
	}
	runtime.ReadMemStats(&after)
	seconds := (processTime() - begun).Seconds()
	b.ReportMetric(float64(total.Events)/seconds/1e6, "Mevents/s")
	b.ReportMetric(seconds/float64(total.Events)*1e9, "ns/event")
	b.ReportMetric(float64(total.Steps)/float64(total.Events), "steps/event")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(total.Events), "allocs/event")
	b.ReportMetric(simulated.Seconds()/seconds, "simulated-s/s")
	b.ReportMetric(float64(b.N)/seconds*60, "runs/min")
	b.ReportMetric(float64(total.Events)/float64(b.N), "events/run")
	b.ReportMetric(float64(total.OK)/float64(b.N), "oks/run")
	b.ReportMetric(float64(total.OK+total.Failed+total.Unknown)/float64(b.N), "ops/run")
}

func BenchmarkRun3(b *testing.B) { benchmark(b, DrawOptions{Nodes: []int{3}}, NoChecker{}) }

func BenchmarkRun5(b *testing.B) { benchmark(b, DrawOptions{Nodes: []int{5}}, NoChecker{}) }

func BenchmarkCalm3(b *testing.B) {
	benchmark(b, DrawOptions{Nodes: []int{3}, Style: "calm", Length: 10 * time.Second}, NoChecker{})
}

func BenchmarkChecked3(b *testing.B) {
	benchmark(b, DrawOptions{Nodes: []int{3}, Workloads: []string{"register"}}, NewChecker())
}

func BenchmarkDraw(b *testing.B) {
	o := DrawOptions{}.withDefaults()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := o.draw(uint64(i)); err != nil {
			b.Fatal(err)
		}
	}
}
