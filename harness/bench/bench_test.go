package bench

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"elenchus/results/history"
	"elenchus/workloads"
)

func TestOptionsListAllProblems(t *testing.T) {
	var zero Options
	if err := zero.Validate(); err != nil || zero.Clients != 16 || zero.Lease.Mode != "rate" {
		t.Errorf("zero options: %v, %+v", err, zero)
	}
	bad := Options{Time: time.Second, Rounds: 100, Clients: -1, Keys: -1}
	bad.Lease.Mode = "none"
	err := bad.Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"a round must last 50ms", "clients", "keys", "--reads lease needs a lease"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

func TestQuantiles(t *testing.T) {
	ms := func(from, to int) (out []time.Duration) {
		for i := from; i <= to; i++ {
			out = append(out, time.Duration(i))
		}
		return out
	}
	for _, c := range []struct {
		values   []time.Duration
		p50, p99 time.Duration
	}{
		{nil, 0, 0}, {ms(7, 7), 7, 7}, {ms(1, 2), 1, 2}, {ms(1, 100), 50, 99}, {ms(1, 101), 51, 100}, {ms(1, 1000), 500, 990},
	} {
		if a, b := quantile(c.values, 50), quantile(c.values, 99); a != c.p50 || b != c.p99 {
			t.Errorf("of %d: %d and %d, want %d and %d", len(c.values), a, b, c.p50, c.p99)
		}
	}
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   Spread
	}{
		{nil, Spread{}}, {[]float64{3}, Spread{3, 3, 3}}, {[]float64{4, 1}, Spread{2.5, 1, 4}},
		{[]float64{9, 1, 4}, Spread{4, 1, 9}},
	} {
		if got := spread(c.values); got != c.want {
			t.Errorf("%v: %+v, want %+v", c.values, got, c.want)
		}
	}
}

// round returns a round in which lease reads have the given rate, the others shares of it, with latencies to match.
func round(rate float64, quorum, log float64) map[string]Sample {
	sample := func(share float64) Sample {
		n := int(rate * share)
		s := Sample{Reads: n, Elapsed: time.Second, P50: time.Duration(1e9 / share), P99: time.Duration(2e9 / share)}
		for range n {
			s.latencies = append(s.latencies, s.P50)
		}
		return s
	}
	return map[string]Sample{"lease": sample(1), "quorum": sample(quorum), "log": sample(log)}
}

// Ratios are taken within rounds: a machine twice as slow in one round changes rates, but no ratio.
func TestRatiosAreTakenWithinARound(t *testing.T) {
	r := newReport(Options{Time: 3 * time.Second, Rounds: 3, Clients: 4, Keys: 2})
	for _, rate := range []float64{1000, 500, 2000} {
		r.add(round(rate, 0.5, 0.25))
	}
	want := []Ratio{
		{"lease", "quorum", Spread{2, 2, 2}, Spread{2, 2, 2}, Spread{2, 2, 2}},
		{"lease", "log", Spread{4, 4, 4}, Spread{4, 4, 4}, Spread{4, 4, 4}},
		{"quorum", "log", Spread{2, 2, 2}, Spread{2, 2, 2}, Spread{2, 2, 2}},
	}
	for i, got := range r.Ratios {
		if got != want[i] {
			t.Errorf("%+v, want %+v", got, want[i])
		}
	}
	lease := r.Ways[0]
	if lease.Reads != 3500 || math.Abs(lease.Rate-3500.0/3) > 1e-9 || lease.Rates != (Spread{1000, 500, 2000}) ||
		lease.P50 != time.Second || len(lease.Samples) != 3 {
		t.Errorf("%d reads, %v, %+v, %v", lease.Reads, lease.Rate, lease.Rates, lease.P50)
	}
	var table strings.Builder
	if err := r.Table(&table); err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{"lease against quorum  ×2.00       2.00 … 2.00", "  lease      3500       0   1167"} {
		if !strings.Contains(table.String(), row) {
			t.Errorf("no %q in\n%s", row, &table)
		}
	}
	if data, err := json.Marshal(r); err != nil || !strings.Contains(string(data), `"schema":1,"clients":4`) {
		t.Errorf("%v: %s", err, data)
	}
}

// A round without answers must not divide by zero: JSON cannot encode the result.
func TestARoundWithoutAnswersHasNoRatio(t *testing.T) {
	r := newReport(Options{Time: time.Second, Rounds: 2, Clients: 1})
	r.add(map[string]Sample{"lease": {Elapsed: time.Second}, "quorum": {Elapsed: time.Second}, "log": {}})
	r.add(round(100, 0.5, 0.5))
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
	if r.Ratios[0].Rate != (Spread{2, 2, 2}) {
		t.Errorf("%+v", r.Ratios[0])
	}
}

// reader answers every read except each third one.
type reader struct{ asked, wrong atomic.Int64 }

func (r *reader) Do(_ context.Context, _ uint64, op history.Op) workloads.Answer {
	if op.Func != history.Read || op.Key != "a" && op.Key != "b" {
		r.wrong.Add(1)
	}
	if r.asked.Add(1)%3 == 0 {
		return workloads.Answer{Type: history.Unknown}
	}
	return workloads.Answer{Type: history.OK}
}

func (*reader) Close() error { return errors.New("is not closed here") }

func TestLoadCountsEveryAnswer(t *testing.T) {
	node := &reader{}
	clients := []workloads.Client{node, node, node}
	s := load(context.Background(), clients, []string{"a", "b"}, []uint64{1, 2, 3}, 20*time.Millisecond)
	asked := int(node.asked.Load())
	if s.Reads+s.Failed != asked || s.Failed != asked/3 || len(s.latencies) != s.Reads || node.wrong.Load() > 0 {
		t.Errorf("of %d asked, %d wrong: %d answered, %d failed, %d latencies", asked, node.wrong.Load(), s.Reads, s.Failed,
			len(s.latencies))
	}
	if s.Elapsed < 20*time.Millisecond || s.P50 <= 0 || s.P99 < s.P50 {
		t.Errorf("%v, p50 %v, p99 %v", s.Elapsed, s.P50, s.P99)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if s := load(ctx, clients, []string{"a"}, []uint64{1, 2, 3}, time.Hour); s.Reads+s.Failed != 0 {
		t.Errorf("after the end: %+v", s)
	}
}
