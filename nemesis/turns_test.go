package nemesis

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"elenchus/results/history"
)

// begins returns when the faults were begun that took effect, in the order of their names.
func (p *play) begins() map[string]time.Duration {
	at := map[string]time.Duration{}
	for _, e := range p.events {
		if e.Step == history.FaultApply && e.Status == history.FaultInstalled {
			at[e.ID] = e.Begin.Round(50 * time.Millisecond)
		}
	}
	return at
}

// inTurn is three hunts, and a fault that belongs to none.
var inTurn = []string{
	"h1-kill: at 1s for 500ms kill n1", "h1-pause: at 1.2s for 100ms pause n2",
	"h2-kill: at 2s for 500ms kill n1", "h2-pause: at 2.1s for 100ms pause n2",
	"other: at 2.2s for 100ms pause n3",
	"h3-pause: at 4s for 100ms pause n1",
}

func TestHuntsWaitForOneAnother(t *testing.T) {
	for _, test := range []struct {
		name   string
		slow   time.Duration // to start
		inTurn bool
		want   map[string]time.Duration
	}{
		{"quick machine", 0, true, map[string]time.Duration{
			"h1-kill": time.Second, "h1-pause": 1200 * time.Millisecond, "h2-kill": 2 * time.Second,
			"h2-pause": 2100 * time.Millisecond, "other": 2200 * time.Millisecond, "h3-pause": 4 * time.Second,
		}},
		{"busy machine", 700 * time.Millisecond, true, map[string]time.Duration{
			"h1-kill": time.Second, "h1-pause": 1200 * time.Millisecond, "h2-kill": 2700 * time.Millisecond,
			"h2-pause": 2800 * time.Millisecond, "other": 2200 * time.Millisecond, "h3-pause": 5400 * time.Millisecond,
		}},
		{"busy machine, and nobody waits", 700 * time.Millisecond, false, map[string]time.Duration{
			"h1-kill": time.Second, "h1-pause": 1200 * time.Millisecond, // n1 is still down when h2-kill comes
			"h2-pause": 2100 * time.Millisecond, "other": 2200 * time.Millisecond, "h3-pause": 4 * time.Second,
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld("n1", "n2", "n3")
				p := newPlay(t, w, inTurn...)
				w.slow["n1 start"] = test.slow
				if test.inTurn {
					p.player.turns = newTurns(p.player.options.Schedule.Faults)
				}
				if err := p.player.Play(background); err != nil {
					t.Error(err)
				}
				if diff := cmp.Diff(test.want, p.begins()); diff != "" {
					t.Errorf("begins (-want +got):\n%s", diff)
				}
				p.wantWell()
			})
		})
	}
}

// Hunts whose turn has not come when the run ends were due, and are recorded as skipped.
func TestHuntsWhoseTurnNeverComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("n1", "n2", "n3")
		p := newPlay(t, w, inTurn...)
		p.player.turns = newTurns(p.player.options.Schedule.Faults)
		w.slow["n1 start"] = 1500 * time.Millisecond
		ctx, cancel := context.WithTimeout(background, 2150*time.Millisecond)
		defer cancel()
		if err := p.player.Play(ctx); err == nil {
			t.Error("the run was cut off, and nobody says so")
		}
		var skipped []string
		for _, e := range p.events {
			if e.Status == history.FaultSkipped {
				skipped = append(skipped, e.ID)
			}
		}
		slices.Sort(skipped)
		if diff := cmp.Diff([]string{"h2-kill", "h2-pause"}, skipped); diff != "" {
			t.Errorf("skipped (-want +got):\n%s", diff)
		}
		p.wantWell()
	})
}
