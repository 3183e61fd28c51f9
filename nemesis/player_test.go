package nemesis

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"elenchus/results/history"
)

var rounds = regexp.MustCompile(`with \d+ rounds`)

// play is a run against a world in virtual time.
type play struct {
	t      *testing.T
	world  *world
	ledger *Ledger
	player *Player
	events []history.FaultEvent
}

// newPlay makes a player for these lines of a schedule. It must be called in the synctest bubble.
func newPlay(t *testing.T, w *world, lines ...string) *play {
	t.Helper()
	var names []string
	for _, host := range w.hosts {
		names = append(names, host.Name)
	}
	schedule, err := Parse("test", fmt.Appendf(nil, "elenchus-schedule 1\nseed 5\nnodes %s\nlength 1m\n%s\n",
		strings.Join(names, " "), strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	p := &play{t: t, world: w, ledger: openLedger(t, filepath.Join(t.TempDir(), "ledger"))}
	w.touch = func(host string) {
		if !slices.ContainsFunc(p.ledger.Outstanding(), func(e Entry) bool { return slices.Contains(e.Hosts, host) }) {
			t.Errorf("something is done to %s that the ledger does not know of", host)
		}
	}
	options := PlayerOptions{
		Schedule: schedule, Cluster: w, Ledger: p.ledger, ProofTimeout: 2 * time.Second,
		Record: func(e history.FaultEvent) { p.events = append(p.events, e) },
	}
	p.player = newPlayer(options.withDefaults(), w)
	return p
}

// transcript formats events as text: what happened, when it ended, and what was seen.
func transcript(events []history.FaultEvent) string {
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintf(&b, "%v..%v %s %s %s %s", e.Begin, e.End, e.Step, e.ID, e.Kind, e.Detail)
		if e.Played != e.Detail {
			fmt.Fprintf(&b, " (%s)", e.Played)
		}
		fmt.Fprintf(&b, ": %s\n", e.Status)
		for _, text := range e.Evidence {
			fmt.Fprintf(&b, "  %s\n", text)
		}
		if e.Error != "" {
			fmt.Fprintf(&b, "  ! %s\n", strings.ReplaceAll(e.Error, "\n", "\n  ! "))
		}
	}
	return b.String()
}

// want compares the transcript, and checks that no trace is left in the world or the ledger.
func (p *play) want(want string) {
	p.t.Helper()
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), transcript(p.events)); diff != "" {
		p.t.Errorf("transcript (-want +got):\n%s", diff)
	}
	p.wantWell()
}

func (p *play) wantWell() {
	p.t.Helper()
	if ill := p.world.ill(); ill != "" {
		p.t.Errorf("left behind: %s", ill)
	}
	if left := p.ledger.Outstanding(); left != nil {
		p.t.Errorf("outstanding: %v", left)
	}
}

func TestPlay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("n1", "n2", "n3")
		w.leader = "n2"
		p := newPlay(t, w, "at 1s for 2s partition isolate leader", "at 2s for 500ms pause leader",
			"at 2.1s for 200ms kill n1", "at 5s for 1s partition one-way n1 -> n3")
		if err := p.player.Play(background); err != nil {
			t.Error(err)
		}
		p.want(`
1s..1.004s apply f1 partition isolate leader (isolate n2): installed
  n1: dropped 1 packet from n2
  n2: dropped 1 packet from n1, dropped 1 packet from n3
  n3: dropped 1 packet from n2
2s..2.003s apply f2 pause leader (n2): installed
  n2: process 2 (start 200) is stopped, all 4 threads
2.1s..2.103s apply f3 kill n1: installed
  n1: process 1 (start 100) is gone
2.3s..2.304s revert f3 kill n1: reverted
  before: n1: process 1 (start 100) is gone
  n1: process 4 (start 400) runs
2.5s..2.503s revert f2 pause leader (n2): reverted
  before: n2: process 2 (start 200) is stopped, all 4 threads
  n2: process 2 (start 200) runs
3s..3.006s revert f1 partition isolate leader (isolate n2): reverted
  before: n1: dropped 1 packet from n2
  before: n2: dropped 1 packet from n1, dropped 1 packet from n3
  before: n3: dropped 1 packet from n2
  n1: rules are gone
  n2: rules are gone
  n3: rules are gone
  n1: reaches n2
  n2: reaches n3
5s..5.004s apply f4 partition one-way n1 -> n3: installed
  n1: let pass 1 packet from n3
  n3: dropped 1 packet from n1
6s..6.006s revert f4 partition one-way n1 -> n3: reverted
  before: n1: let pass 1 packet from n3
  before: n3: dropped 1 packet from n1
  n1: rules are gone
  n3: rules are gone
  n1: reaches n3
`)
		if err := p.player.Play(background); !errors.Is(err, errPlayedTwice) {
			t.Errorf("played twice: %v", err)
		}
		if until := p.player.Until(); until != time.Minute {
			t.Errorf("played until %v", until)
		}
		again, err := Parse("played", Played(p.player.options.Schedule, p.events))
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, f := range again.Faults {
			lines = append(lines, f.ID+": "+f.String())
		}
		want := []string{"f1: at 1s for 2s partition isolate n2", "f2: at 2s for 500ms pause n2",
			"f3: at 2.1s for 200ms kill n1", "f4: at 5s for 1s partition one-way n1 -> n3"}
		if diff := cmp.Diff(want, lines); diff != "" {
			t.Errorf("as played (-want +got):\n%s", diff)
		}
	})
}

// TestPlayOverlaps tests faults that interfere with each other: see the package documentation for the rules.
func TestPlayOverlaps(t *testing.T) {
	for _, test := range []struct {
		name  string
		lines []string
		want  string
	}{
		{"kill what is paused", []string{"at 1s for 4s pause n1", "at 2s for 1s kill n1"}, `
1s..1.003s apply f1 pause n1: installed
  n1: process 1 (start 100) is stopped, all 4 threads
2s..2.003s apply f2 kill n1: installed
  n1: process 1 (start 100) is gone
3s..3.004s revert f2 kill n1: reverted
  before: n1: process 1 (start 100) is gone
  n1: process 4 (start 400) runs
5s..5.004s revert f1 pause n1: skipped
  n1: skipped: process 1 (start 100) died, killed by f2, while it was stopped
`},
		{"pause what is dead", []string{"at 1s for 2s kill n1", "at 2s for 2s pause n1,n2",
			"at 2.5s for 1s pause n1"}, `
1s..1.003s apply f1 kill n1: installed
  n1: process 1 (start 100) is gone
2s..2.003s apply f2 pause n1,n2: installed
  n1: skipped: process 1 (start 100) is gone
  n2: process 2 (start 200) is stopped, all 4 threads
2.5s..2.501s apply f3 pause n1: skipped
  n1: skipped: process 1 (start 100) is gone
3s..3.004s revert f1 kill n1: reverted
  before: n1: process 1 (start 100) is gone
  n1: process 4 (start 400) runs
4s..4.003s revert f2 pause n1,n2: reverted
  before: n2: process 2 (start 200) is stopped, all 4 threads
  n2: process 2 (start 200) runs
`},
		{"kill what is dead", []string{"at 1s for 2s kill n1", "at 2s for 3s kill n1", "at 2s for 2s kill all"}, `
1s..1.003s apply f1 kill n1: installed
  n1: process 1 (start 100) is gone
2s..2.001s apply f2 kill n1: skipped
  n1: skipped: process 1 (start 100) is gone
2s..2.003s apply f3 kill all (n1,n2,n3): installed
  n1: skipped: process 1 (start 100) is gone
  n2: process 2 (start 200) is gone
  n3: process 3 (start 300) is gone
3s..3.004s revert f1 kill n1: reverted
  before: n1: process 1 (start 100) is gone
  n1: process 4 (start 400) runs
4s..4.004s revert f3 kill all (n1,n2,n3): reverted
  before: n2: process 2 (start 200) is gone
  before: n3: process 3 (start 300) is gone
  n2: process N (start M) runs
  n3: process N (start M) runs
`},
		{"pause twice", []string{"at 1s for 2s pause n1", "at 2s for 2s pause n1,n2"}, `
1s..1.003s apply f1 pause n1: installed
  n1: process 1 (start 100) is stopped, all 4 threads
2s..2.003s apply f2 pause n1,n2: installed
  n1: process 1 (start 100) is stopped, all 4 threads
  n2: process 2 (start 200) is stopped, all 4 threads
3s..3.001s revert f1 pause n1: reverted
  before: n1: process 1 (start 100) is stopped, all 4 threads
  n1: process 1 (start 100) is left stopped: f2 holds it
4s..4.003s revert f2 pause n1,n2: reverted
  before: n1: process 1 (start 100) is stopped, all 4 threads
  before: n2: process 2 (start 200) is stopped, all 4 threads
  n1: process 1 (start 100) runs
  n2: process 2 (start 200) runs
`},
		{"pause what a kill has restarted", []string{"at 1s for 1s kill n1", "at 1.5s for 3s pause n2",
			"at 3s for 1s pause n1"}, `
1s..1.003s apply f1 kill n1: installed
  n1: process 1 (start 100) is gone
1.5s..1.503s apply f2 pause n2: installed
  n2: process 2 (start 200) is stopped, all 4 threads
2s..2.004s revert f1 kill n1: reverted
  before: n1: process 1 (start 100) is gone
  n1: process 4 (start 400) runs
3s..3.003s apply f3 pause n1: installed
  n1: process 4 (start 400) is stopped, all 4 threads
4s..4.003s revert f3 pause n1: reverted
  before: n1: process 4 (start 400) is stopped, all 4 threads
  n1: process 4 (start 400) runs
4.5s..4.503s revert f2 pause n2: reverted
  before: n2: process 2 (start 200) is stopped, all 4 threads
  n2: process 2 (start 200) runs
`},
		{"cut twice", []string{"at 1s for 2s partition isolate n1", "at 2s for 2s partition split n1 | n2"}, `
1s..1.004s apply f1 partition isolate n1: installed
  n1: dropped 1 packet from n2, dropped 1 packet from n3
  n2: dropped 1 packet from n1
  n3: dropped 1 packet from n1
2s..2.004s apply f2 partition split n1 | n2: installed
  n1: 1 packet from n2 dropped by ELENCHUS-f1
  n2: 1 packet from n1 dropped by ELENCHUS-f1
3s..3.006s revert f1 partition isolate n1: reverted
  before: n1: dropped 1 packet from n2, dropped 1 packet from n3
  before: n2: dropped 1 packet from n1
  before: n3: dropped 1 packet from n1
  n1: rules are gone
  n2: rules are gone
  n3: rules are gone
  n1: reaches n3; n2 is still cut off by f2
4s..4.006s revert f2 partition split n1 | n2: reverted
  before: n1: dropped 1 packet from n2
  before: n2: dropped 1 packet from n1
  n1: rules are gone
  n2: rules are gone
  n1: reaches n2
`},
		{"nobody to aim at", []string{"at 1s for 1s partition split leader | n3"}, `
1s..1s apply f1 partition split leader | n3 (): skipped
  skipped: resolve f1 (split leader | n3): group 1: nobody is left to aim at
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld("n1", "n2", "n3")
				w.leader = "n3"
				p := newPlay(t, w, test.lines...)
				if err := p.player.Play(background); err != nil {
					t.Error(err)
				}
				if test.name == "kill what is dead" {
					// Two processes are started at the same moment, so their numbers may be swapped.
					for i, text := range p.events[len(p.events)-1].Evidence {
						text = strings.NewReplacer("process 5 (start 500)", "process N (start M)",
							"process 6 (start 600)", "process N (start M)").Replace(text)
						p.events[len(p.events)-1].Evidence[i] = text
					}
					slices.SortStableFunc(p.events, func(a, b history.FaultEvent) int { return int(a.End - b.End) })
				}
				p.want(test.want)
			})
		})
	}
}

// TestPlayFailures checks that a fault that cannot be proven fails, whatever the hosts report, and is undone.
func TestPlayFailures(t *testing.T) {
	down := errors.New("connection lost")
	for _, test := range []struct {
		name  string
		world func(*world)
		line  string
		want  string
	}{
		{"a host whose rules do nothing", func(w *world) { w.lies["n2 drop"] = true }, "partition isolate n1", `
apply f1 failed
  n1: dropped 1 packet from n2, dropped 1 packet from n3
  n3: dropped 1 packet from n1
  ! prove the cuts with N rounds of probes: given up after 2s: n2 dropped nothing from n1 (10.0.0.1)
revert f1 reverted
`},
		{"a host that sends no probes", func(w *world) { w.lies["n1 knock"] = true }, "partition one-way n2 -> n1", `
apply f1 failed
  n1: dropped 1 packet from n2
  ! prove the cuts with N rounds of probes: given up after 2s: LINE
revert f1 reverted
`},
		{"a host that cannot be asked", func(w *world) { w.broken["n3 counters"] = down },
			"partition split n1 | n2,n3", `
apply f1 failed
  ! connection lost
revert f1 failed
  ! given up after 2s: connection lost
`},
		{"a host that takes no rules", func(w *world) { w.broken["n2 install"] = down }, "partition split n1 | n2", `
apply f1 failed
  ! connection lost
revert f1 reverted
`},
		{"a process that does not die", func(w *world) { w.lies["n1 KILL"] = true }, "kill n1,n2", `
apply f1 failed
  n2: process 2 (start 200) is gone
  ! given up after 2s: n1: process 1 (start 100) is still there, in state S
revert f1 failed
  ! given up after 2s: n1: process 1 (start 100) is still there
`},
		{"a process that does not stop", func(w *world) { w.lies["n2 STOP"] = true }, "pause n1,n2", `
apply f1 failed
  n1: process 1 (start 100) is stopped, all 4 threads
  ! given up after 2s: n2: process 2 (start 200): 0 of 4 threads are stopped
revert f1 reverted
`},
		{"a process that does not go on", func(w *world) { w.lies["n1 CONT"] = true }, "pause n1", `
apply f1 installed
  n1: process 1 (start 100) is stopped, all 4 threads
revert f1 failed
  ! given up after 2s: n1: process 1 (start 100): 4 of 4 threads are still stopped
`},
		{"a process that cannot be started", func(w *world) { w.broken["n1 start"] = down }, "kill n1", `
apply f1 installed
  n1: process 1 (start 100) is gone
revert f1 failed
  ! given up after 2s: connection lost
`},
		{"rules that stay", func(w *world) { w.lies["n1 remove"] = true }, "partition isolate n1", `
apply f1 installed
  n1: dropped 1 packet from n2, dropped 1 packet from n3
  n2: dropped 1 packet from n1
  n3: dropped 1 packet from n1
revert f1 failed
  ! given up after 2s: n1 still has chain ELENCHUS-f1
`},
		{"a process that cannot be found", func(w *world) { w.broken["n1 find"] = down }, "pause n1,n2", `
apply f1 failed
  ! connection lost
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld("n1", "n2", "n3")
				p := newPlay(t, w, "at 1s for 10s "+test.line)
				test.world(w)
				err := p.player.Play(background)
				if err == nil || !strings.Contains(err.Error(), "f1 ("+test.line[:4]) {
					t.Errorf("play: %v", err)
				}
				var b strings.Builder
				for _, e := range p.events {
					fmt.Fprintf(&b, "%s %s %s\n", e.Step, e.ID, e.Status)
					if e.Step == history.FaultApply {
						for _, text := range e.Evidence {
							fmt.Fprintf(&b, "  %s\n", text)
						}
					}
					if e.Error != "" {
						fmt.Fprintf(&b, "  ! %s\n", rounds.ReplaceAllString(e.Error, "with N rounds"))
					}
				}
				want := strings.Replace(strings.TrimPrefix(test.want, "\n"), "LINE",
					"nothing from n1 (10.0.0.1) got through to n2, which is not cut", 1)
				if diff := cmp.Diff(want, b.String()); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				// Once the world works again, the hosts must be healthy as well.
				clear(w.lies)
				clear(w.broken)
				if _, err := p.player.HealAll(background); err != nil {
					t.Error(err)
				}
				p.wantWell()
			})
		})
	}
}

// TestKillOfWhatIsBeingStarted checks that a process killed by another fault stays dead until that fault is
// reverted, even if it was just being started and its start therefore failed.
func TestKillOfWhatIsBeingStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("n1", "n2", "n3")
		p := newPlay(t, w, "at 1s for 1s kill n1", "at 2100ms for 2s kill n1")
		w.slow["n1 settle"] = 200 * time.Millisecond
		if err := p.player.Play(background); err != nil {
			t.Error(err)
		}
		p.want(`
1s..1.003s apply f1 kill n1: installed
  n1: process 1 (start 100) is gone
2.1s..2.103s apply f2 kill n1: installed
  n1: process 4 (start 400) is gone
2s..2.203s revert f1 kill n1: reverted
  before: n1: process 1 (start 100) is gone
  n1: what was started was killed by f2
4.1s..4.305s revert f2 kill n1: reverted
  before: n1: process 4 (start 400) is gone
  n1: process 5 (start 500) runs
`)
	})
}

// TestSlowFaultDelaysNoOther checks that faults do not wait for each other.
func TestSlowFaultDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("n1", "n2", "n3")
		p := newPlay(t, w, "at 1s for 4s partition isolate n1", "at 1s for 1s kill n2",
			"at 2.1s for 500ms partition split n2 | n3")
		w.slow["n1 knock"] = 1500 * time.Millisecond
		if err := p.player.Play(background); err != nil {
			t.Error(err)
		}
		for _, e := range p.events {
			if e.Begin != e.Planned {
				t.Errorf("%s of %s was planned for %v and began at %v", e.Step, e.ID, e.Planned, e.Begin)
			}
		}
		if len(p.events) != 6 || p.events[0].ID != "f2" {
			t.Errorf("got\n%s", transcript(p.events))
		}
		p.wantWell()
	})
}

// TestSlowFaultIsRevertedAtOnce covers a fault whose time is over before it was proven.
func TestSlowFaultIsRevertedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("n1", "n2")
		p := newPlay(t, w, "at 1s for 100ms kill n1")
		w.slow["n1 KILL"] = time.Second
		if err := p.player.Play(background); err != nil {
			t.Error(err)
		}
		p.want(`
1s..2.003s apply f1 kill n1: installed
  n1: process 1 (start 100) is gone
2.003s..2.007s revert f1 kill n1: reverted
  before: n1: process 1 (start 100) is gone
  n1: process 3 (start 300) runs
`)
	})
}

func TestCancelReverts(t *testing.T) {
	stopped := errors.New("interrupted")
	for _, at := range []time.Duration{0, 500, 1000, 1001, 1002, 1003, 1004, 1500, 2001, 2003, 2500, 3001, 3002, 6000} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld("n1", "n2", "n3")
			p := newPlay(t, w, "at 1s for 2s partition isolate n1", "at 2s for 3s pause n2", "at 2s kill n3",
				"at 59s kill n1")
			ctx, cancel := context.WithCancelCause(background)
			time.AfterFunc(at*time.Millisecond, func() { cancel(stopped) })
			if err := p.player.Play(ctx); !errors.Is(err, stopped) {
				t.Errorf("cancelled at %v: %v", at, err)
			}
			for _, e := range p.events {
				if e.Begin > at*time.Millisecond && e.Step == history.FaultApply {
					t.Errorf("cancelled at %v: %s fired at %v", at, e.ID, e.Begin)
				}
				if e.Step == history.FaultApply && e.Planned > p.player.Until() {
					t.Errorf("cancelled at %v: %s is reported, though Until is %v", at, e.ID, p.player.Until())
				}
				if e.Status == history.FaultFailed { // a fault in progress is seen through
					t.Errorf("cancelled at %v: %s of %s failed: %s", at, e.Step, e.ID, e.Error)
				}
			}
			for _, f := range p.player.options.Schedule.Faults {
				if apply, _ := steps(f.ID, p.events); apply == nil && f.At <= p.player.Until() {
					t.Errorf("cancelled at %v: nothing is said of %s, though Until is %v", at, f.ID, p.player.Until())
				}
			}
			p.wantWell()
		})
	}
}

// TestCancelDoesNotWaitForSlowFaults checks that cancelling waits only as long as slightly slow faults need.
func TestCancelDoesNotWaitForSlowFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("n1", "n2")
		p := newPlay(t, w, "at 1s partition isolate n1")
		w.slow["n2 install"] = time.Hour
		ctx, cancel := context.WithCancel(background)
		time.AfterFunc(2*time.Second, cancel)
		if err := p.player.Play(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if now := p.player.options.Now(); now > 2*time.Second+2*seeThrough {
			t.Errorf("it went on until %v", now)
		}
		if len(p.events) == 0 || p.events[0].Status != history.FaultFailed {
			t.Errorf("got\n%s", transcript(p.events))
		}
		p.wantWell()
	})
}

func TestHealAllStopsPlay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("n1", "n2", "n3")
		p := newPlay(t, w, "at 1s partition isolate n1", "at 2s for 30s pause n2",
			"at 3s for 30s kill n3", "at 20s kill n1")
		ended := make(chan error)
		go func() { ended <- p.player.Play(background) }()
		time.Sleep(10 * time.Second)
		for range 2 {
			report, err := p.player.HealAll(background)
			if err != nil || len(report.Found) > 0 {
				t.Errorf("heal: %v, %v", report, err)
			}
		}
		if err := <-ended; !errors.Is(err, errHealed) {
			t.Errorf("play: %v", err)
		}
		if len(p.events) != 6 || p.player.options.Now() > 11*time.Second {
			t.Errorf("got\n%s", transcript(p.events))
		}
		p.wantWell()
		if err := p.player.Play(background); !errors.Is(err, errPlayedTwice) {
			t.Errorf("played after it was healed: %v", err)
		}
	})
}

// TestNothingIsDoneThatCannotBeWrittenDown checks that a player whose ledger fails touches no host.
func TestNothingIsDoneThatCannotBeWrittenDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("n1", "n2", "n3")
		p := newPlay(t, w, "at 1s for 1s partition isolate n1", "at 1s for 1s pause n2", "at 1s for 1s kill n3")
		p.ledger.Close()
		if err := p.player.Play(background); err == nil {
			t.Error("no error")
		}
		if len(p.events) != 3 {
			t.Errorf("got\n%s", transcript(p.events))
		}
		for _, e := range p.events {
			if e.Status != history.FaultFailed || !strings.Contains(e.Error, "into the ledger") {
				t.Errorf("%+v", e)
			}
		}
		p.wantWell()
	})
}

func TestLeaderUnknown(t *testing.T) {
	for _, test := range []struct {
		name  string
		world func(*world)
		want  string
	}{
		{"nobody leads", func(*world) {}, "no leader is known: N stands in"},
		{"an error", func(w *world) { w.leaderErr = errors.New("no quorum") },
			"asking for the leader: no quorum; no leader is known: N stands in"},
		{"no answer", func(w *world) { w.leaderTake = time.Hour },
			"asking for the leader: ask: context deadline exceeded; no leader is known: N stands in"},
		{"a stranger", func(w *world) { w.leader = "n9" },
			`the leader is said to be "n9", which is no node of the schedule; no leader is known: N stands in`},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld("n1", "n2", "n3")
				p := newPlay(t, w, "at 1s for 5s kill leader")
				test.world(w)
				if err := p.player.Play(background); err != nil {
					t.Error(err)
				}
				e := p.events[0]
				want := strings.Replace(test.want, "N", e.Targets[0], 1)
				got := strings.Join(e.Evidence[:len(e.Evidence)-1], "; ")
				if got != want || e.Status != history.FaultInstalled {
					t.Errorf("%s: %q, want %q", e.Status, got, want)
				}
				p.wantWell()
			})
		})
	}
}

// TestHealLeavesInTheLedgerWhatItCannotHeal checks that such entries stay, and are healed as soon as that is
// possible.
func TestHealLeavesInTheLedgerWhatItCannotHeal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("n1", "n2", "n3")
		p := newPlay(t, w, "at 1s partition isolate n1", "at 1s pause n2", "at 1s kill n3")
		if err := p.player.Play(background); err != nil {
			t.Fatal(err)
		}
		// Another harness, which knows only the ledger and the hosts.
		w.broken["n2 watch"] = errors.New("connection lost")
		options := HealOptions{Ledger: p.ledger, Timeout: time.Second}
		report, err := heal(background, w, w.hosts, options)
		if err == nil || !strings.Contains(err.Error(), "connection lost") {
			t.Errorf("heal: %v", err)
		}
		want := []string{"n1: removed iptables ELENCHUS-f1", "n2: removed iptables ELENCHUS-f1",
			"n3: removed iptables ELENCHUS-f1"}
		if diff := cmp.Diff(want, report.Found); diff != "" {
			t.Errorf("found (-want +got):\n%s", diff)
		}
		if left := ids(p.ledger); left != "f1 f2" && left != "f2 f1" {
			t.Errorf("outstanding: %s", left)
		}
		delete(w.broken, "n2 watch")
		report, err = heal(background, w, w.hosts, options)
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"n2: resumed process 2 (start 200)"}, report.Found); diff != "" {
			t.Errorf("found (-want +got):\n%s", diff)
		}
		if ill := w.ill(); ill != "n3 is dead" {
			t.Errorf("without Restart: %s", ill)
		}
		if left := p.ledger.Outstanding(); left != nil {
			t.Errorf("outstanding: %v", left)
		}
	})
}

func TestNewPlayerListsAllProblems(t *testing.T) {
	_, err := NewPlayer(PlayerOptions{})
	if text := errorText(err); text != "make player: no cluster\nno schedule" {
		t.Error(text)
	}
	w := newWorld("n1", "n2", "n3", "n4")
	w.hosts[1].Peer = w.hosts[0].Peer
	w.hosts[3].PIDFile = "it's"
	_, err = NewPlayer(PlayerOptions{Cluster: w, Schedule: &Schedule{Nodes: []string{"n1", "n5"}}})
	want := `make player: length 0s: it must be more than nothing
hosts n1 and n2 have the same peer address 10.0.0.1
host n4: the name of the PID file "it's" cannot be quoted
the schedule has a node n5, the cluster does not`
	if diff := cmp.Diff(want, errorText(err)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestPlayAfterTheHostsWereLost checks that active faults are left to whoever has taken over the hosts: the very
// process or chain that a revert would touch may belong to them.
func TestPlayAfterTheHostsWereLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("n1", "n2", "n3")
		p := newPlay(t, w, "at 1s for 20s partition isolate n1", "at 1s pause n2", "at 5s kill n3")
		ctx, cancel := context.WithCancelCause(background)
		time.AfterFunc(3*time.Second, func() { cancel(fmt.Errorf("%w: by a test", ErrLost)) })
		if err := p.player.Play(ctx); !errors.Is(err, ErrLost) {
			t.Errorf("play: %v", err)
		}
		for _, e := range p.events {
			if e.Step != history.FaultApply || e.Status != history.FaultInstalled {
				t.Errorf("%s %s: %s", e.Step, e.ID, e.Status)
			}
		}
		if got := len(p.ledger.Outstanding()); len(p.events) != 2 || got != 2 {
			t.Errorf("%d steps, and %d faults outstanding, want 2 and 2", len(p.events), got)
		}
	})
}
