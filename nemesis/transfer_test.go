package nemesis

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"elenchus/results/history"
)

// What a node answers is what there is on record: who led has handed over, and who did not was asked in vain.
func TestTransfer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("n1", "n2", "n3")
		w.leader = "n2"
		p := newPlay(t, w, "at 1s for 300ms transfer all", "at 2s transfer n1", "at 3s for 1s kill n3",
			"at 3.5s transfer n3", "at 5s for 500ms transfer n1", "at 6s transfer n3")
		time.AfterFunc(1900*time.Millisecond, func() { w.elect("n1") })
		time.AfterFunc(4900*time.Millisecond, func() { w.elect("n1") })
		if err := p.player.Play(background); err != nil {
			t.Error(err)
		}
		p.want(`
1s..1.001s apply f1 transfer all (n1,n2,n3): installed
  n1: skipped: it does not lead
  n2: gave up leading in ballot 1.n2
  n3: skipped: it does not lead
1.3s..1.3s revert f1 transfer all (n1,n2,n3): reverted
  there is nothing to undo
2s..2.001s apply f2 transfer n1: installed
  n1: gave up leading in ballot 2.n1
2.001s..2.001s revert f2 transfer n1: reverted
  there is nothing to undo
3s..3.003s apply f3 kill n3: installed
  n3: process 3 (start 300) is gone
3.5s..3.502s apply f4 transfer n3: skipped
  n3: skipped: process 3 (start 300) is gone
4s..4.004s revert f3 kill n3: reverted
  before: n3: process 3 (start 300) is gone
  n3: process 4 (start 400) runs
5s..5.001s apply f5 transfer n1: installed
  n1: gave up leading in ballot 3.n1
5.5s..5.5s revert f5 transfer n1: reverted
  there is nothing to undo
6s..6.001s apply f6 transfer n3: skipped
  n3: skipped: it does not lead
`)
		played := string(Played(p.player.options.Schedule, p.events))
		for _, want := range []string{"f1: at 1s for 300ms transfer n1,n2,n3\n", "f2: at 2s transfer n1\n", "# not played"} {
			if !strings.Contains(played, want) {
				t.Errorf("played, without %q:\n%s", want, played)
			}
		}
	})
}

// A stopped leader hands over when it goes on, if that is in time.
func TestTransferOfAStoppedLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("n1", "n2", "n3")
		w.leader = "n1"
		p := newPlay(t, w, "at 1s for 1s pause n1", "at 1.5s for 1s transfer n1", "at 5s for 4s pause n1", "at 5.5s transfer n1")
		if err := p.player.Play(background); err != nil {
			t.Error(err)
		}
		var got []string
		for _, e := range p.events {
			if e.Kind == Transfer {
				got = append(got, string(e.Status)+" "+strings.Join(e.Evidence, " "))
			}
		}
		want := []string{"installed n1: gave up leading in ballot 1.n1", "reverted there is nothing to undo",
			"skipped n1: skipped: process 1 (start 100) is stopped and has not answered; it may hand over when it goes on"}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		p.wantWell()
	})
}

// A node that runs and cannot be asked is the harness's failure, and no news of the cluster.
func TestTransferThatCannotBeAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("n1", "n2", "n3")
		w.leader = "n1"
		w.broken["n1 handOver"] = errors.New("node answers 404")
		p := newPlay(t, w, "at 1s for 1s transfer leader")
		if err := p.player.Play(background); err == nil || !strings.Contains(err.Error(), "node answers 404") {
			t.Errorf("played: %v", err)
		}
		if len(p.events) != 1 || p.events[0].Status != history.FaultFailed {
			t.Errorf("%+v", p.events)
		}
		p.wantWell()
	})
}

// Hunts that have leaders hand over are planned only where that is asked for, with leases or without.
func TestHuntsForTransfers(t *testing.T) {
	own := []string{"resign", "abdicate", "cascade", "coup", "turnover"}
	for _, test := range []struct {
		kinds []string
		lease time.Duration
		none  bool
	}{
		{[]string{Transfer}, 0, false},
		{[]string{Partition, Pause, Transfer}, time.Second, false},
		{[]string{Partition, Kill, Pause, Clock}, time.Second, true},
	} {
		o := PlanOptions{Nodes: five, Length: time.Minute, Kinds: test.kinds, LeaseTerm: test.lease, Hunt: 1, Elections: true,
			Only: own}
		s, err := Plan(o)
		if err != nil {
			t.Fatal(err)
		}
		count := 0
		for _, f := range s.Faults {
			if f.Kind == Transfer && huntOf(f.ID) != "" {
				count++
			}
		}
		if test.none != (count == 0) {
			t.Errorf("%v, leases of %v: %d transfers in hunts", test.kinds, test.lease, count)
		}
	}
}

// A leader that resigns is deaf by then, and stays so for longer than its lease lasts.
func TestResignWhileDeaf(t *testing.T) {
	o := PlanOptions{Nodes: five, Length: time.Minute, Kinds: []string{Partition, Transfer}, LeaseTerm: 400 * time.Millisecond,
		Hunt: 1, Only: []string{"resign"}}
	s, err := Plan(o)
	if err != nil || len(s.Faults) < 20 {
		t.Fatalf("%v, %v", s, err)
	}
	at := map[string]Fault{}
	for _, f := range s.Faults {
		at[f.ID] = f
	}
	for id, quit := range at {
		hunt, isQuit := strings.CutSuffix(id, "-quit")
		deaf := at[hunt+"-deaf"]
		if isQuit && (quit.At < deaf.At || quit.At > deaf.At+o.LeaseTerm/2 || deaf.For < o.LeaseTerm) {
			t.Errorf("%s goes with %s", quit, deaf)
		}
	}
}
