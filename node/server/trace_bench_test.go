package server

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"elenchus/node/client"
	"elenchus/node/multipaxos"
)

// BenchmarkTrace measures what it costs to trace messages. A cluster that does and one that does not take turns, so
// that whatever else the machine does weighs on both: the ratios are of the traced one to the other. The benchmark's
// own time is that of both together.
func BenchmarkTrace(b *testing.B) {
	for _, clients := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			traced := newTraceLoad(b, clients, false)
			plain := newTraceLoad(b, clients, true)
			b.ResetTimer()
			for done := 0; done < b.N; done += 50 {
				n := min(50, b.N-done)
				if done/50%2 == 0 {
					traced.run(n)
					plain.run(n)
				} else {
					plain.run(n)
					traced.run(n)
				}
			}
			b.StopTimer()
			b.ReportMetric(traced.rate()/plain.rate(), "ops-ratio")
			b.ReportMetric(float64(traced.quantile(50))/float64(plain.quantile(50)), "p50-ratio")
			b.ReportMetric(float64(traced.quantile(99))/float64(plain.quantile(99)), "p99-ratio")
			b.ReportMetric(traced.bytes()/float64(b.N), "traced-B/op")
			b.ReportMetric(plain.bytes()/float64(b.N), "plain-B/op")
		})
	}
}

// traceLoad is the clients of a cluster.
type traceLoad struct {
	b       *testing.B
	cluster *cluster
	clients []*client.Client
	seqs    []uint64
	took    time.Duration
	each    []time.Duration
}

func newTraceLoad(b *testing.B, clients int, noTrace bool) *traceLoad {
	c := newClusterOf(b, 3, func(*multipaxos.Options) {}, func(o *Options) { o.NoTrace = noTrace })
	l := &traceLoad{b: b, cluster: c, seqs: make([]uint64, clients)}
	leader := c.leader(0)
	for range clients {
		l.clients = append(l.clients, c.client(leader))
	}
	return l
}

// run writes so many times, shared among the clients.
func (l *traceLoad) run(n int) {
	begin := time.Now()
	times := make([][]time.Duration, len(l.clients))
	var group sync.WaitGroup
	for w, cl := range l.clients {
		group.Go(func() {
			for range (n + len(l.clients) - 1 - w) / len(l.clients) {
				at := time.Now()
				l.seqs[w]++
				got := cl.Do(context.Background(), client.Request{Op: client.OpWrite, Key: fmt.Sprint(w), Value: "v",
					Client: uint64(w + 1), Seq: l.seqs[w]})
				if got.Outcome != client.OK {
					l.b.Errorf("%+v", got)
					return
				}
				times[w] = append(times[w], time.Since(at))
			}
		})
	}
	group.Wait()
	l.took += time.Since(begin)
	l.each = append(l.each, slices.Concat(times...)...)
}

func (l *traceLoad) rate() float64 { return float64(len(l.each)) / l.took.Seconds() }

func (l *traceLoad) quantile(percent int) time.Duration {
	slices.Sort(l.each)
	return l.each[(len(l.each)-1)*percent/100]
}

// bytes are those of the observations of all nodes.
func (l *traceLoad) bytes() (sum float64) {
	for _, id := range l.cluster.ids() {
		info, err := os.Stat(filepath.Join(l.cluster.data[id], ObservationsName))
		if err != nil {
			l.b.Fatal(err)
		}
		sum += float64(info.Size())
	}
	return sum
}
