package checker

import (
	"fmt"
	"testing"

	"elenchus/checker/register"
	"elenchus/checker/register/synthetic"
	"elenchus/results/history"
	"elenchus/workloads"
)

// detectionOps is the length of a history in which one anomaly is to be seen, and detectionRuns how many are tried.
const (
	detectionOps  = 2000
	detectionRuns = 200
)

// detected is the percentage of histories, each with one anomaly, that no correct register could have had. The others
// show nothing that any checker could find.
func detected(b *testing.B, o func(seed uint64) synthetic.Options) float64 {
	b.Helper()
	var c register.Checker
	found := 0
	for seed := range uint64(detectionRuns) {
		for _, ops := range synthetic.Make(o(seed)) {
			if c.Decide(ops) == register.Violated {
				found++
				break
			}
		}
	}
	return 100 * float64(found) / detectionRuns
}

// anomalies are what a node can do wrong once.
var anomalies = []struct {
	name string
	set  func(*synthetic.Options)
}{
	{"lost-write", func(o *synthetic.Options) { o.Anomaly = synthetic.LostWrite }},
	{"stale-by-1", func(o *synthetic.Options) { o.Anomaly, o.Versions = synthetic.StaleRead, 1 }},
	{"stale-by-5", func(o *synthetic.Options) { o.Anomaly, o.Versions = synthetic.StaleRead, 5 }},
}

// BenchmarkDetection measures how often one anomaly in 2,000 operations shows at all: how many clients and keys there
// are, and what clients do, decides more than any checker can. Its metrics are percentages.
func BenchmarkDetection(b *testing.B) {
	mixes := []struct {
		name string
		set  func(*synthetic.Options)
	}{
		{"reads=50%", func(o *synthetic.Options) { o.Reads = 50 }},
		{"reads=80%", func(o *synthetic.Options) { o.Reads, o.CAS = 80, 8 }},
		{"reads=80%,own-reads", func(o *synthetic.Options) { o.Reads, o.CAS, o.OwnReads = 80, 8, 100 }},
		{"cas-only", func(o *synthetic.Options) { o.CASOnly = true }},
	}
	for _, s := range []struct{ clients, keys int }{
		{5, 1}, {20, 1}, {50, 1}, {100, 1}, {50, 10}, {100, 10}, {100, 100},
	} {
		for _, m := range mixes {
			b.Run(fmt.Sprintf("clients=%d/keys=%d/%s", s.clients, s.keys, m.name), func(b *testing.B) {
				detect(b, func(seed uint64) synthetic.Options {
					o := synthetic.Options{Seed: seed, Ops: detectionOps, Clients: s.clients, Keys: s.keys, Unknown: 0.01}
					m.set(&o)
					return o
				})
			})
		}
	}
}

// BenchmarkWorkloadDetection is the same for the register workload as runs have it, by clients and nodes, and by how
// busy its clients are: the mean time between operations in mean latencies. Ten clients that send 200 operations a
// second to nodes that answer in two milliseconds pause for about twenty-five.
func BenchmarkWorkloadDetection(b *testing.B) {
	for _, workers := range []int{5, 10, 20, 50} {
		for _, think := range []float64{0.2, 25} {
			b.Run(fmt.Sprintf("clients=%d/think=%v", workers, think), func(b *testing.B) {
				detect(b, func(seed uint64) synthetic.Options {
					return synthetic.Options{
						Seed: seed, Ops: detectionOps, Clients: workers, Keys: 200, Unknown: 0.01, Think: think, FinalReads: 5,
						Source: newWorkloadSource(b, seed, workers),
					}
				})
			})
		}
	}
}

func detect(b *testing.B, o func(seed uint64) synthetic.Options) {
	b.Helper()
	for b.Loop() {
		for _, a := range anomalies {
			b.ReportMetric(detected(b, func(seed uint64) synthetic.Options {
				opts := o(seed)
				a.set(&opts)
				return opts
			}), a.name+"-%")
		}
	}
	b.ReportMetric(0, "ns/op")
}

// workloadSource has the register workload decide what clients do.
type workloadSource struct {
	gen  workloads.Generator
	keys map[string]int
	last []history.Op
}

func newWorkloadSource(b *testing.B, seed uint64, workers int) *workloadSource {
	b.Helper()
	w, err := workloads.Lookup("register")
	if err != nil {
		b.Fatal(err)
	}
	gen, err := w.New(workloads.Options{Seed: seed, Workers: workers, Nodes: 5})
	if err != nil {
		b.Fatal(err)
	}
	return &workloadSource{gen: gen, keys: make(map[string]int), last: make([]history.Op, workers)}
}

func (s *workloadSource) Next(client int) synthetic.Request {
	op := s.gen.Next(client)
	s.last[client] = op
	key, ok := s.keys[op.Key]
	if !ok {
		key = len(s.keys)
		s.keys[op.Key] = key
	}
	r := synthetic.Request{Key: key, Writes: op.Value}
	switch op.Func {
	case history.Write:
		r.Kind = register.Write
	case history.CAS:
		r.Kind, r.Absent = register.CAS, op.Expect == nil
		if !r.Absent {
			r.Expect = *op.Expect
		}
	}
	return r
}

func (s *workloadSource) Observe(client int, r synthetic.Request, a synthetic.Answer) {
	answer := workloads.Answer{Type: history.OK}
	switch {
	case a.Unknown:
		answer.Type = history.Unknown
	case a.Matched:
		answer.Result.Matched = true
	case r.Kind != register.Write && !a.Absent:
		answer.Result.Values = []int64{a.Value}
	}
	s.gen.Observe(client, s.last[client], answer)
}
