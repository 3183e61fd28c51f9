package bisect

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"elenchus/harness/sim"
)

// failing is a plan whose run is not linearizable: nodes answer reads from whatever they have applied.
func failing(t *testing.T) *sim.Plan {
	t.Helper()
	w := sim.New(sim.Options{})
	for seed := uint64(1); seed < 100; seed++ {
		p, err := sim.Draw(seed, sim.DrawOptions{Reads: "local", Workloads: []string{"register"}, Nodes: []int{3}})
		if err != nil {
			t.Fatal(err)
		}
		if r, err := w.Run(p); err == nil && r.Violation != nil && r.Violation.Invariant == "linearizability" {
			return p
		}
	}
	t.Fatal("no seed fails")
	return nil
}

func TestMomentOfNoReturn(t *testing.T) {
	plan := failing(t)
	var texts []string
	for _, workers := range []int{1, 2} {
		r, err := Run(context.Background(), plan, Options{Points: 4, Samples: 20, Resolution: 50 * time.Millisecond,
			Workers: workers})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Points) < 5 || r.Points[0].At != 0 || r.Points[len(r.Points)-1].At != r.Violation.At {
			t.Fatalf("points %+v for a failure at %v", r.Points, r.Violation.At)
		}
		if last := r.Points[len(r.Points)-1]; last.P < 0.5 {
			t.Errorf("where it has failed, %d of %d futures fail", last.Failed, last.Samples)
		}
		if r.To-r.From > 50*time.Millisecond || r.To > r.Violation.At || r.From < 0 {
			t.Errorf("from %v to %v", r.From, r.To)
		}
		for _, p := range r.Points {
			if p.At >= r.To && p.P < 0.5 || p.At == r.From && r.To > 0 && p.P >= 0.5 || p.Low > p.P || p.High < p.P {
				t.Errorf("%v to %v, and %+v", r.From, r.To, p)
			}
		}
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	if texts[0] != texts[1] {
		t.Errorf("with one worker %s\nwith two %s", texts[0], texts[1])
	}
}

func TestWhatCannotBeBisected(t *testing.T) {
	calm, err := sim.Draw(3, sim.DrawOptions{Style: "calm"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Run(context.Background(), calm, Options{}); !errors.Is(err, ErrPasses) {
		t.Errorf("a run that passes: %v", err)
	}
	_, err = Run(context.Background(), calm, Options{Points: -1, Samples: -1, Workers: -1, Resolution: -1})
	for _, word := range []string{"points", "samples", "workers", "resolution"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("nothing about %s in %v", word, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r, err := Run(ctx, failing(t), Options{})
	if err != nil || !r.Interrupted || len(r.Points) != 0 {
		t.Errorf("interrupted: %v, %+v", err, r)
	}
}

func TestWilson(t *testing.T) {
	for _, c := range []struct {
		count, n  int
		low, high float64
	}{{0, 10, 0, 0.2775}, {10, 10, 0.7225, 1}, {50, 100, 0.4038, 0.5962}} {
		low, high := wilson(c.count, c.n)
		if low < c.low-0.001 || low > c.low+0.001 || high < c.high-0.001 || high > c.high+0.001 {
			t.Errorf("%d of %d: %.4f to %.4f, want %.4f to %.4f", c.count, c.n, low, high, c.low, c.high)
		}
	}
}
