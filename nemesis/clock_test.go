package nemesis

import (
	"errors"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"elenchus/nemesis/clockshim"
	"elenchus/nemesis/hostclock"
	"elenchus/results/history"
)

// rates matches measured rates with their error bounds, which vary from run to run.
var rates = regexp.MustCompile(` ± 0\.0000\d\d| of raw( over 100ms)?| \(shim: .*\)`)

// plain is a transcript without measured rates.
func plain(events []history.FaultEvent) string { return rates.ReplaceAllString(transcript(events), "") }

func TestClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("n1", "n2", "n3")
		w.leader = "n2"
		p := newPlay(t, w,
			"at 1s for 4s clock rate leader 0.9",
			"at 2s for 1s clock step n2,n3 +2s",
			"at 2.1s for 2s pause n2", // a clock goes on when a process does not
			"at 3.5s for 500ms clock strobe n3 200ms every 50ms",
			"at 3.6s for 100ms clock strobe n3 300ms every 50ms",
			"at 6s for 500ms kill n1",
			"at 6.1s for 1s clock rate n1 +50%")
		if err := p.player.Play(background); err != nil {
			t.Error(err)
		}
		want := `1s..1.002s apply f1 clock rate leader 0.9 (rate n2 0.9): installed
  n2: mono runs at 0.900000, was 1.000000, wall at 0.900000; process 2 (start 200) has it mapped
2s..2.002s apply f2 clock step n2,n3 +2s: installed
  n2: wall jumped by 2s ± 2µs, mono runs at 0.900000; process 2 (start 200) has it mapped
  n3: wall jumped by 2s ± 2µs, mono runs at 1.000000; process 3 (start 300) has it mapped
2.1s..2.103s apply f3 pause n2: installed
  n2: process 2 (start 200) is stopped, all 4 threads
3s..3.003s revert f2 clock step n2,n3 +2s: reverted
  before: n2: mono runs at 0.900000, wall is 2s off; process 2 (start 200) has it mapped
  before: n3: mono runs at 1.000000, wall is 2s off; process 3 (start 300) has it mapped
  n2: mono runs at 0.900000, was 0.900000; other faults that move these clocks: 1
  n3: mono runs at 1.000000, was 1.000000, wall is 0s off
3.5s..3.502s apply f4 clock strobe n3 200ms every 50ms: installed
  n3: wall flips by 200ms, 4 times seen in 100ms; process 3 (start 300) has it mapped
3.6s..3.602s apply f5 clock strobe n3 300ms every 50ms: skipped
  n3: skipped: another fault strobes these clocks
4s..4.003s revert f4 clock strobe n3 200ms every 50ms: reverted
  before: n3: mono runs at 1.000000, wall is 0s off; process 3 (start 300) has it mapped
  n3: mono runs at 1.000000, was 1.000000, wall is 0s off
4.1s..4.103s revert f3 pause n2: reverted
  before: n2: process 2 (start 200) is stopped, all 4 threads
  n2: process 2 (start 200) runs
5s..5.003s revert f1 clock rate leader 0.9 (rate n2 0.9): reverted
  before: n2: mono runs at 0.900000, wall is 0s off; process 2 (start 200) has it mapped
  n2: mono runs at 1.000000, was 0.900000, wall is 0s off
6s..6.003s apply f6 kill n1: installed
  n1: process 1 (start 100) is gone
6.1s..6.102s apply f7 clock rate n1 1.5: installed
  n1: mono runs at 1.500000, was 1.000000, wall at 1.500000; no process runs that could see it
6.5s..6.504s revert f6 kill n1: reverted
  before: n1: process 1 (start 100) is gone
  n1: process 4 (start 400) runs
7.1s..7.103s revert f7 clock rate n1 1.5: reverted
  before: n1: mono runs at 1.500000, wall is 0s off; process 4 (start 400) has it mapped
  n1: mono runs at 1.000000, was 1.500000, wall is 0s off
`
		if diff := cmp.Diff(want, plain(p.events)); diff != "" {
			t.Errorf("transcript (-want +got):\n%s", diff)
		}
		p.wantWell()
		again, err := Parse("played", Played(p.player.options.Schedule, p.events))
		if err != nil || len(again.Faults) != 6 || again.Faults[0].Move.Rate != 900_000_000 {
			t.Errorf("as played: %+v, %v", again, err)
		}
	})
}

// A clock that did not move makes the fault fail, even if the helper reports success.
func TestClockFailures(t *testing.T) {
	for _, test := range []struct {
		name  string
		world func(*world)
		line  string
		want  []string // "apply f1 failed: why"
	}{
		{"a helper that does not move clocks", func(w *world) { w.lies["n2 clock"] = true }, "clock rate n1,n2 0.9",
			[]string{"apply failed: n2: the clocks did not take rate 0.900000000", "revert reverted"}},
		{"a helper that does not step", func(w *world) { w.lies["n1 clock"] = true }, "clock step n1 -1h",
			[]string{"apply failed: n1: the wall clock did not jump by -1h0m0s: wall jumped by", "revert reverted"}},
		{"a helper that does not strobe", func(w *world) { w.lies["n1 clock"] = true },
			"clock strobe n1 200ms every 30ms",
			[]string{"apply failed: n1: the wall clock does not flip by 200ms", "revert reverted"}},
		{"a control file that nobody maps", func(w *world) { w.lies["n2 attached"] = true }, "clock rate all 1.01",
			[]string{"apply failed: n2: process 2 (start 200): given up after 2s: the process has not mapped",
				"revert reverted"}},
		{"a time daemon", func(w *world) { w.lies["n3 fight"] = true }, "clock step n3 10s",
			[]string{"apply failed: n3: somebody else moves the clocks",
				"revert failed: n3: somebody else moves the clocks"}},
		{"a time daemon that comes later", func(w *world) { w.later = func() { w.lies["n3 fight"] = true } }, "clock step n3 10s",
			[]string{"apply installed: ", "revert failed: did not last: n3: somebody else moves the clocks"}},
		{"clocks that somebody has put right", func(w *world) { w.later = func() { w.state["n1"].clocks = nil } },
			"clock rate n1 0.9", []string{"apply installed: ", "revert failed: did not last: n1: the host knows nothing"}},
		{"a node that somebody has restarted without the shim", func(w *world) {
			w.later = func() { w.lies["n1 attached"] = true }
		}, "clock rate n1 0.9", []string{"apply installed: ", "revert failed: did not last: n1: process 1 (start 100)"}},
		{"a host that cannot be asked", func(w *world) { w.broken["n1 moveClock"] = errors.New("lost") },
			"clock step all 10s", []string{"apply failed: lost", "revert reverted"}},
		{"clocks that stay crooked", func(w *world) { w.broken["n1 restoreClock"] = errors.New("lost") },
			"clock step n1 10s", []string{"apply installed: ", "revert failed: given up after 2s: lost"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld("n1", "n2", "n3")
				p := newPlay(t, w, "at 1s for 10s "+test.line)
				test.world(w)
				if w.later != nil {
					time.AfterFunc(5*time.Second, func() {
						w.mu.Lock()
						defer w.mu.Unlock()
						w.later()
					})
				}
				if err := p.player.Play(background); err == nil {
					t.Error("nothing failed")
				}
				for i, e := range p.events {
					got := string(e.Step) + " " + string(e.Status) + ": " + e.Error
					if i >= len(test.want) || !strings.HasPrefix(got, test.want[i]) {
						t.Errorf("step %d: %s\nwant %v", i, got, test.want)
					}
				}
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

// A process that is just being started maps its clocks a moment later.
func TestClockOfAProcessBeingStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("n1", "n2")
		p := newPlay(t, w, "at 1s for 1s clock rate n1 2")
		w.lies["n1 attached"] = true
		go func() {
			_ = sleep(background, 1500*time.Millisecond)
			w.mu.Lock()
			defer w.mu.Unlock()
			delete(w.lies, "n1 attached")
		}()
		if err := p.player.Play(background); err != nil || len(p.events) != 2 {
			t.Errorf("%v\n%s", err, transcript(p.events))
		}
		p.wantWell()
	})
}

// Clocks left moved by a crashed harness are restored by the next one, which finds them through its ledger or by
// looking.
func TestHealClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, known := range []bool{true, false} {
			w := newWorld("n1", "n2")
			ledger := openLedger(t, filepath.Join(t.TempDir(), "ledger"))
			if known {
				entry := Entry{ID: "f3", Kind: Clock, Played: "rate n2 0.9", Hosts: []string{"n2"}}
				if _, err := ledger.Enter(entry); err != nil {
					t.Fatal(err)
				}
			}
			w.state["n2"].clocks = []fakeMove{{"f3", hostclock.Move{Rate: 900_000_000}}}
			report, err := heal(background, w, w.hosts, HealOptions{Ledger: ledger})
			if diff := cmp.Diff([]string{"n2: put right what f3 moved"}, report.Found); diff != "" || err != nil {
				t.Errorf("(-want +got):\n%s%v", diff, err)
			}
			if len(ledger.Outstanding()) > 0 || w.ill() != "" {
				t.Errorf("left: %v, %s", ledger.Outstanding(), w.ill())
			}
		}
		w := newWorld("n1", "n2")
		ledger := openLedger(t, filepath.Join(t.TempDir(), "ledger"))
		if _, err := ledger.Enter(Entry{ID: "f3", Kind: Clock, Played: "rate n2 0.9", Hosts: []string{"n2"}}); err != nil {
			t.Fatal(err)
		}
		w.hosts[1].Clock = HostClock{}
		if _, err := heal(background, w, w.hosts, HealOptions{Ledger: ledger}); !errors.Is(err, errNoClock) ||
			len(ledger.Outstanding()) != 1 {
			t.Errorf("without a helper: %v, outstanding %v", err, ledger.Outstanding())
		}
	})
}

func TestCheckClocks(t *testing.T) {
	s, err := Parse("x", []byte(`elenchus-schedule 1
nodes n1 n2 n3
length 9s
at 1s clock rate n1 0.5
at 1s clock rate n2 0.5
at 1s clock rate n3 1.1
at 2s clock strobe leader 1s every 10ms
at 2s clock step n3 1s
at 3s kill all
`))
	if err != nil {
		t.Fatal(err)
	}
	ways := map[string]hostclock.Way{"n1": hostclock.Shim, "n2": hostclock.Kernel}
	want := `f2 (clock rate n2 0.5) on host n2: rate 0.500000000 is not between 0.900000000 and 1.100000000 (a kernel's tick can be changed by 10 % at most)
f3 (clock rate n3 1.1) on host n3: its clocks cannot be moved: it has neither a clock of its own (own-clock) nor can its processes be traced (ptrace)
f4 (clock strobe leader 1s every 10ms) on host n1: strobe every 10ms: at least 30ms (the shim changes over at most every 30ms, and runs at most ten times as fast)
f4 (clock strobe leader 1s every 10ms) on host n3: its clocks cannot be moved: it has neither a clock of its own (own-clock) nor can its processes be traced (ptrace)
f5 (clock step n3 +1s) on host n3: its clocks cannot be moved: it has neither a clock of its own (own-clock) nor can its processes be traced (ptrace)`
	if diff := cmp.Diff(want, errorText(s.CheckClocks(func(n string) hostclock.Way { return ways[n] }))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w := newWorld("n1", "n2", "n3")
	w.hosts[2].Clock = HostClock{}
	_, err = NewPlayer(PlayerOptions{Cluster: w, Schedule: s})
	if err == nil || !strings.Contains(err.Error(), "f5 (clock step n3 +1s) on host n3: its clocks cannot be moved") {
		t.Errorf("a player for clocks that cannot be moved: %v", err)
	}
	if err := Refuse([]string{Clock}, "n1", func(c string) bool { return c == "ptrace" }); err != nil {
		t.Error(err)
	}
	err = Refuse([]string{Clock}, "n1", func(c string) bool { return c == "signals" })
	if text := errorText(err); text != `clock needs "ptrace or own-clock", which host n1 does not have` {
		t.Error(text)
	}
}

func TestRates(t *testing.T) {
	for word, want := range map[string]clockshim.Rate{
		"0.9": 900_000_000, "-10%": 900_000_000, "+500ppm": 1_000_500_000, "1.000000001": 1_000_000_001,
		"-0.0000001%": 999_999_999, "9.999999999": clockshim.MaxRate, "+899.9999999%": clockshim.MaxRate, ".5": 500_000_000,
		"-999999ppm": 1000, "1": clockshim.Nominal,
	} {
		got, err := parseRate(word)
		if err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", word, got, err, want)
		}
		if again, err := parseRate(formatRate(got)); err != nil || again != got {
			t.Errorf("%s is written as %s, read as %v, %v", word, formatRate(got), again, err)
		}
	}
}
