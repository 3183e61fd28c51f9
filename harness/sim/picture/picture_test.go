package picture

import (
	"io"
	"strings"
	"testing"

	"elenchus/harness/sim"
	"elenchus/harness/sim/simtest"
)

// Whatever happens in a run can be drawn, and what is drawn is in the run.
func TestEveryRunCanBeDrawn(t *testing.T) {
	w := sim.New(sim.Options{Record: true, Trace: true})
	failed := uint64(0)
	seeds := simtest.Seeds(40)
	for seed := uint64(1); seed <= seeds; seed++ {
		opts := sim.DrawOptions{}
		if seed%2 == 0 {
			opts.Reads = "local"
		}
		p, err := sim.Draw(seed, opts)
		if err != nil {
			t.Fatal(err)
		}
		r, err := w.Run(p)
		if err != nil {
			t.Fatal(err)
		}
		d := Of(p, &r)
		if err := d.Render(io.Discard); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		sent := 0
		for _, m := range d.Messages {
			if m.Sent > d.End || m.Arrived > d.End || m.Arrived < m.Sent {
				t.Errorf("seed %d: a message from %v to %v of %v", seed, m.Sent, m.Arrived, d.End)
			}
			sent++
		}
		for _, b := range d.Bands {
			if b.To < b.From || b.To > d.End {
				t.Errorf("seed %d: %s from %v to %v of %v", seed, b.Kind, b.From, b.To, d.End)
			}
		}
		if sent < 50 {
			t.Errorf("seed %d: %d messages", seed, sent)
		}
		if v := r.Violation; v != nil {
			failed++
			last := d.Notes[len(d.Notes)-1]
			if !last.Violation || last.At != v.At || !strings.Contains(d.Title, v.Key) {
				t.Errorf("seed %d: %+v, titled %q, for %v", seed, last, d.Title, v)
			}
		}
	}
	if failed < seeds/8 {
		t.Errorf("only %d runs have failed", failed)
	}
}

// A request that is in the log twice is told of where a node is asked again and where the second copy is applied.
func TestTheStoryTellsOfCopies(t *testing.T) {
	w := sim.New(sim.Options{Record: true, Trace: true})
	for seed := uint64(1); seed <= 200; seed++ {
		p, err := sim.Draw(seed, sim.DrawOptions{Workloads: []string{"register"}})
		if err != nil {
			t.Fatal(err)
		}
		if p.Load.RetryPPM == 0 {
			continue
		}
		r, err := w.Run(p)
		if err != nil {
			t.Fatal(err)
		}
		var story strings.Builder
		for _, n := range Of(p, &r).Notes {
			story.WriteString(n.Text)
		}
		if strings.Contains(story.String(), ", whose client has heard nothing") {
			if !strings.Contains(story.String(), ", too") {
				t.Errorf("seed %d: the second copy is not told of", seed)
			}
			return
		}
	}
	t.Error("no client has put a request into the log twice")
}
