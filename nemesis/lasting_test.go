package nemesis

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"elenchus/results/history"
)

// TestFaultsThatDoNotLast checks that a fault ended early by somebody else fails, whatever was seen when it was
// applied, and that its revert cleans up the rest.
func TestFaultsThatDoNotLast(t *testing.T) {
	for _, test := range []struct {
		name   string
		line   string
		meddle func(w *world)
		want   string // of the revert
	}{
		{"rules that were flushed", "partition isolate n1", func(w *world) {
			_, _ = w.sweep(background, w.hosts[1])
		}, "did not last: n2 has no rule for packets from n1 (10.0.0.1) in ELENCHUS-f1"},
		{"rules that drop nothing any more", "partition split n1 | n2", func(w *world) { w.lie("n2 drop") },
			"did not last: prove the cuts with N rounds of probes: given up after 2s: n2 dropped nothing from n1 (10.0.0.1)"},
		{"a process that was started", "kill n1,n2", func(w *world) { _ = w.start(background, w.hosts[0]) },
			"did not last: n1: somebody has started process 4 (start 400)"},
		{"a process that was started and is dead", "kill n1", func(w *world) {
			_ = w.start(background, w.hosts[0])
			_, _ = w.signal(background, w.hosts[0], w.current("n1"), "KILL")
		}, "did not last: n1: somebody has started process 4 (start 400)"},
		{"a process that went on", "pause n1,n2", func(w *world) {
			_, _ = w.signal(background, w.hosts[1], w.current("n2"), "CONT")
		}, "did not last: n2: process 2 (start 200): only 0 of 4 threads are stopped"},
		{"a process that was killed by nobody of ours", "pause n1", func(w *world) {
			_, _ = w.signal(background, w.hosts[0], w.current("n1"), "KILL")
			_ = w.start(background, w.hosts[0])
		}, "did not last: n1: process 1 (start 100) died while it was stopped, and no fault killed it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld("n1", "n2", "n3")
				p := newPlay(t, w, "at 1s for 4s "+test.line)
				ended := make(chan error)
				go func() { ended <- p.player.Play(background) }()
				time.Sleep(3 * time.Second)
				test.meddle(w)
				if err := <-ended; err == nil || !strings.Contains(err.Error(), "did not last") {
					t.Errorf("play: %v", err)
				}
				if len(p.events) != 2 || p.events[0].Status != history.FaultInstalled ||
					p.events[1].Status != history.FaultFailed {
					t.Fatalf("got\n%s", transcript(p.events))
				}
				got := rounds.ReplaceAllString(p.events[1].Error, "with N rounds")
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if p.events[1].Begin != 5*time.Second {
					t.Errorf("it was in effect until %v, they say", p.events[1].Begin)
				}
				p.wantWell() // the revert itself went well, and no heal was needed
			})
		})
	}
}

// TestPausesTakeTurns checks that the end of one pause does not resume a process that another one has just stopped.
func TestPausesTakeTurns(t *testing.T) {
	for _, late := range []time.Duration{0, 1, 2, 3, 20, 50, 51} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld("n1", "n2")
			p := newPlay(t, w, "at 1s for 1s pause n1", "at "+(2*time.Second+late*time.Millisecond).String()+" for 1s pause n1")
			w.slow["n1 CONT"] = 50 * time.Millisecond
			if err := p.player.Play(background); err != nil {
				t.Errorf("%dms late: %v\n%s", late, err, transcript(p.events))
			}
			p.wantWell()
		})
	}
}

// TestHostThatCannotBeAsked checks that an unreachable host is not taken as proof that a fault did not last.
func TestHostThatCannotBeAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("n1", "n2", "n3")
		p := newPlay(t, w, "at 1s for 4s pause n1")
		time.AfterFunc(3*time.Second, func() { w.setSlow("n1 watch", time.Hour) })
		if err := p.player.Play(background); err == nil || !strings.Contains(err.Error(), "is not known to have lasted") {
			t.Errorf("play: %v\n%s", err, transcript(p.events))
		}
		w.setSlow("n1 watch", 0)
		if _, err := p.player.HealAll(background); err != nil {
			t.Error(err)
		}
		p.wantWell()
	})
}
