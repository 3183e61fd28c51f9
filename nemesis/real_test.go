package nemesis

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"elenchus/results/history"
)

var oneWayEvidence = regexp.MustCompile(`^n1: let pass \d+ packets? from n2\nn2: dropped \d+ packets? from n1$`)

var background = context.Background()

// resolved parses a fault and resolves it for the lab's hosts.
func (l *lab) resolved(id, text string) Resolved {
	l.t.Helper()
	f := mustFault(l.t, text)
	f.ID = id
	var names []string
	for _, host := range l.hosts {
		names = append(names, host.Name)
	}
	r, err := f.Resolve(names, 1, Roles{Leader: l.leader})
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

func (l *lab) stage(ledger *Ledger) *stage {
	return newStage(newShell(l), l.hosts, ledger, 30*time.Second)
}

// wantStatus checks the outcome of a step and logs the evidence.
func wantStatus(t *testing.T, what string, o outcome, success, want history.FaultStatus) []string {
	t.Helper()
	status, evidence, err := o.sum(success)
	t.Logf("%s: %s %v\n\t%s", what, status, err, strings.Join(evidence, "\n\t"))
	if status != want {
		t.Errorf("%s: %s, want %s: %v", what, status, want, err)
	}
	return evidence
}

func TestRealPartitions(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	l := newLab(t, 5, "10.88.0.")
	l.leader = "n3"
	l.foreign()
	before := l.rules()
	l.wantHears("before", l.whole())
	s := l.stage(nil)
	for _, shape := range []string{
		"split n1,n2 | n3,n4,n5", "split n1 | n2", "halves leader", "halves", "isolate leader", "isolate n1,n2",
		"ring", "ring n1,n3,n5,n2,n4", "bridge leader", "one-way leader -> rest", "one-way rest -> leader",
		"one-way n1 -> n2", "isolate all",
	} {
		r := l.resolved("f1", "partition "+shape)
		d := s.deed(r)
		began := time.Now()
		evidence := wantStatus(t, shape, d.apply(background), history.FaultInstalled, history.FaultInstalled)
		took := time.Since(began)
		l.wantHears(shape, matrix(five, r.Cuts))
		if shape == "one-way n1 -> n2" {
			// Besides the probe, the reply (port unreachable) to the probe that was let through may be dropped.
			if len(evidence) != 2 || !oneWayEvidence.MatchString(strings.Join(evidence, "\n")) {
				t.Errorf("%s: evidence %q", shape, evidence)
			}
		}
		began = time.Now()
		wantStatus(t, "revert "+shape, d.revert(background), history.FaultReverted, history.FaultReverted)
		t.Logf("%s: applied in %v, reverted in %v", shape, took, time.Since(began))
		l.wantHears("after "+shape, l.whole())
		if diff := cmp.Diff(before, l.rules()); diff != "" {
			t.Fatalf("rules after %s (-before +after):\n%s", shape, diff)
		}
	}
}

// TestRealPartitionsOverlap applies four partitions at the same time, some of which cut the same pairs, and removes
// them one by one.
func TestRealPartitionsOverlap(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	l := newLab(t, 3, "10.88.0.")
	l.foreign()
	before := l.rules()
	s := l.stage(nil)
	var resolved []Resolved
	for i, text := range []string{"isolate n1", "split n1,n2 | n3", "one-way n2 -> n3", "isolate n1"} {
		resolved = append(resolved, l.resolved(fmt.Sprint("f", i+1), "partition "+text))
	}
	deeds := make([]deed, len(resolved))
	var group sync.WaitGroup
	for i, r := range resolved {
		deeds[i] = s.deed(r)
		group.Go(func() {
			wantStatus(t, r.Fault.String(), deeds[i].apply(background), history.FaultInstalled, history.FaultInstalled)
		})
	}
	group.Wait()
	for i := range resolved {
		var cuts []Cut
		for _, r := range resolved[i:] {
			cuts = append(cuts, r.Cuts...)
		}
		l.wantHears(fmt.Sprint("without the first ", i), matrix([]string{"n1", "n2", "n3"}, cuts))
		evidence := wantStatus(t, "revert "+resolved[i].Fault.String(), deeds[i].revert(background),
			history.FaultReverted, history.FaultReverted)
		if i == 0 && !slices.Contains(evidence, "n1: n2 is still cut off by f4; n3 is still cut off by f2") {
			t.Errorf("nothing is said of the faults that still cut: %q", evidence)
		}
	}
	l.wantHears("after all", l.whole())
	if diff := cmp.Diff(before, l.rules()); diff != "" {
		t.Errorf("rules (-before +after):\n%s", diff)
	}
}

func TestRealPartitionIPv6(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	l := newLab(t, 3, "fd88::")
	l.wantHears("before", l.whole())
	r := l.resolved("f1", "partition one-way n1 -> n2,n3")
	d := l.stage(nil).deed(r)
	wantStatus(t, "apply", d.apply(background), history.FaultInstalled, history.FaultInstalled)
	l.wantHears("one-way", matrix([]string{"n1", "n2", "n3"}, r.Cuts))
	wantStatus(t, "revert", d.revert(background), history.FaultReverted, history.FaultReverted)
	l.wantHears("after", l.whole())
}

// TestRealPartitionLegacy uses the other back end of iptables.
func TestRealPartitionLegacy(t *testing.T) {
	if _, err := exec.LookPath("iptables-legacy"); err != nil {
		t.Skip("needs iptables-legacy")
	}
	if !inNamespace(t) {
		return
	}
	dir := t.TempDir()
	for _, name := range []string{"", "-restore", "-save"} {
		for _, tool := range []string{"iptables", "ip6tables"} {
			path, err := exec.LookPath(tool + "-legacy" + name)
			if err != nil {
				t.Skip(err)
			}
			if err := os.Symlink(path, filepath.Join(dir, tool+name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	l := newLab(t, 3, "10.88.0.")
	if out, err := l.Run(background, "n1", "iptables -w -S"); err != nil {
		t.Skipf("the kernel has no legacy tables: %s", out)
	}
	l.foreign()
	before := l.rules()
	r := l.resolved("f1", "partition isolate n2")
	d := l.stage(nil).deed(r)
	wantStatus(t, "apply", d.apply(background), history.FaultInstalled, history.FaultInstalled)
	l.wantHears("isolated", matrix([]string{"n1", "n2", "n3"}, r.Cuts))
	wantStatus(t, "revert", d.revert(background), history.FaultReverted, history.FaultReverted)
	l.wantHears("after", l.whole())
	if diff := cmp.Diff(before, l.rules()); diff != "" {
		t.Errorf("rules (-before +after):\n%s", diff)
	}
}

// TestRealRulesInFront checks that an ACCEPT put in front of our chain later does not defeat the next partition.
func TestRealRulesInFront(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	l := newLab(t, 2, "10.88.0.")
	s := l.stage(nil)
	first := s.deed(l.resolved("f1", "partition one-way n1 -> n2"))
	wantStatus(t, "f1", first.apply(background), history.FaultInstalled, history.FaultInstalled)
	l.must("n1", "iptables -w -I INPUT 1 -j ACCEPT")
	l.must("n2", "iptables -w -I INPUT 1 -j ACCEPT")
	before := l.rules()
	l.wantHears("accepted in front", l.whole())
	second := s.deed(l.resolved("f2", "partition isolate n1"))
	wantStatus(t, "f2", second.apply(background), history.FaultInstalled, history.FaultInstalled)
	l.wantHears("f2", "x.\n.x\n")
	wantStatus(t, "revert f2", second.revert(background), history.FaultReverted, history.FaultReverted)
	wantStatus(t, "revert f1", first.revert(background), history.FaultReverted, history.FaultReverted)
	after := l.rules()
	if strings.Contains(after, "ELENCHUS") || strings.Count(after, "-A INPUT -j ACCEPT") != 2 {
		t.Errorf("rules before f2:\n%s\nand after all:\n%s", before, after)
	}
}

// TestRealHeal leaves everything behind that a harness can, and has another one heal it.
func TestRealHeal(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	l := newLab(t, 3, "10.88.0.")
	l.foreign()
	before := l.rules()
	l.startAll()
	path := filepath.Join(t.TempDir(), "ledger")
	ledger := openLedger(t, path)
	s := l.stage(ledger)
	for i, text := range []string{"partition isolate n1", "partition ring n1,n2,n3", "pause n2", "kill n3"} {
		d := s.deed(l.resolved(fmt.Sprint("f", i+1), text))
		wantStatus(t, text, d.apply(background), history.FaultInstalled, history.FaultInstalled)
	}
	ledger.Close()

	ledger = openLedger(t, path)
	if got := len(ledger.Outstanding()); got != 4 {
		t.Fatalf("%d faults are outstanding, want 4", got)
	}
	left, err := Look(background, l)
	if err != nil {
		t.Error(err)
	}
	for _, want := range []string{"n1: iptables ELENCHUS-f1 is in place", "n3: iptables ELENCHUS-f2 is in place",
		"n2: process", "is paused", "n1: process", "is running"} {
		if !strings.Contains(fmt.Sprint(left), want) {
			t.Errorf("%q is not among what was left: %v", want, left)
		}
	}
	report, err := Heal(background, l, HealOptions{Ledger: ledger, Restart: true})
	t.Logf("found:\n%s", strings.Join(report.Found, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"n1: removed iptables ELENCHUS-f1", "n3: removed iptables ELENCHUS-f2",
		"n2: resumed process", "n3: started process",
	} {
		if !strings.Contains(strings.Join(report.Found, "\n"), want) {
			t.Errorf("nothing like %q was found", want)
		}
	}
	if left := ledger.Outstanding(); left != nil {
		t.Errorf("still outstanding: %v", left)
	}
	l.wantHears("healed", l.whole())
	if diff := cmp.Diff(before, l.rules()); diff != "" {
		t.Errorf("rules (-before +after):\n%s", diff)
	}
	for _, host := range l.hosts {
		if seen, err := s.find(background, host); err != nil || !seen.alive || seen.stopped > 0 {
			t.Errorf("%s: %+v, %v", host.Name, seen, err)
		}
	}
	left, err = Look(background, l)
	if err != nil || slices.ContainsFunc(left, func(l Leftover) bool { return l.Fault }) {
		t.Errorf("left after a heal: %v, %v", left, err)
	}
	again, err := Heal(background, l, HealOptions{Ledger: ledger, Restart: true})
	if err != nil || len(again.Found) > 0 {
		t.Errorf("healed again: %v, %v", again.Found, err)
	}
}

// TestRealPlay plays all kinds at once, against processes and rules that are real.
func TestRealPlay(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	l := newLab(t, 3, "10.88.0.")
	l.foreign()
	before := l.rules()
	l.startAll()
	l.leader = "n1"
	schedule, err := Parse("play", []byte(`elenchus-schedule 1
seed 11
nodes n1 n2 n3
length 5s
at 10ms  for 600ms  partition isolate leader
at 50ms  for 500ms  pause follower
at 100ms for 300ms  kill leader
at 200ms for 400ms  partition ring
at 300ms for 200ms  kill leader
at 700ms for 100ms  pause all
at 710ms for 300ms  pause leader
at 900ms for 100ms  kill all
at 3s               kill n3
`))
	if err != nil {
		t.Fatal(err)
	}
	var events []history.FaultEvent
	player, err := NewPlayer(PlayerOptions{
		Schedule: schedule, Cluster: l, Ledger: openLedger(t, filepath.Join(t.TempDir(), "ledger")), Log: t.Logf,
		Record: func(e history.FaultEvent) { events = append(events, e) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := player.Play(background); err != nil {
		t.Error(err)
	}
	report, err := player.HealAll(background)
	if err != nil || len(report.Found) > 0 {
		t.Errorf("heal: %v, %v", report.Found, err)
	}
	// Where two faults target the same process at the same time, either may come first, and the other has nothing
	// left to do.
	raced := map[string]bool{"f5": true, "f7": true}
	installed := 0
	for _, f := range schedule.Faults {
		apply, revert := steps(f.ID, events)
		switch {
		case apply.Status == history.FaultInstalled:
			installed++
			if revert == nil || revert.Status == history.FaultFailed {
				t.Errorf("%s %s: not reverted: %+v", f.ID, f, revert)
			}
		case apply.Status != history.FaultSkipped || !raced[f.ID]:
			t.Errorf("%s %s: %s %s", f.ID, f, apply.Status, apply.Error)
		}
	}
	l.wantHears("after", l.whole())
	if diff := cmp.Diff(before, l.rules()); diff != "" {
		t.Errorf("rules (-before +after):\n%s", diff)
	}
	played := Played(schedule, events)
	t.Logf("played:\n%s", played)
	again, err := Parse("played", played)
	if err != nil || len(again.Faults) != installed {
		t.Errorf("played again are %d of %d faults: %v", len(again.Faults), installed, err)
	}
}

func TestRealProve(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	l := newLab(t, 5, "10.88.0.")
	l.foreign()
	before := l.rules()
	began := time.Now()
	proofs, err := Prove(background, l, kindNames())
	t.Logf("in %v", time.Since(began))
	if err != nil || len(proofs) != 5*len(kindNames()) {
		t.Errorf("%d proofs, %v", len(proofs), err)
	}
	for _, p := range proofs {
		t.Logf("%+v", p)
		if !p.OK || len(p.Evidence) < 2 && p.Kind != Transfer {
			t.Errorf("%s on %s: %+v", p.Kind, p.Host, p)
		}
	}
	if diff := cmp.Diff(before, l.rules()); diff != "" {
		t.Errorf("rules (-before +after):\n%s", diff)
	}
	for _, pattern := range []string{sleeperPIDFile(l.hosts[0], "*"), sleeperClock(l.hosts[0], "*")} {
		if left, _ := filepath.Glob(pattern); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

// TestRealProofOfAKilledHarness checks that the process on which faults were being tried when a harness was killed is
// found and ended. It was paused just then, so that it does not exit by itself.
func TestRealProofOfAKilledHarness(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	l := newLab(t, 2, "10.88.0.")
	tried := &sleepers{cluster: l, nonce: "ABCDEFGH", shimmed: l.hosts[0].Clock.Control != ""}
	if err := tried.Start(background, "n1"); err != nil {
		t.Fatal(err)
	}
	s := newStage(newShell(tried), tried.Hosts(), nil, 30*time.Second)
	resolved := Resolved{Fault: Fault{ID: "doctor", Kind: Pause}, Targets: []string{"n1"}}
	if o := s.deed(resolved).apply(background); o.err() != nil {
		t.Fatal(o.err())
	}

	found, err := Look(background, l)
	if err != nil || len(found) != 1 || found[0].Host != "n1" || !found[0].Fault {
		t.Errorf("found %v, %v", found, err)
	}
	report, err := Heal(background, l, HealOptions{})
	if err != nil || len(report.Found) != 1 || !strings.HasPrefix(report.Found[0], "n1: ended process ") {
		t.Errorf("healed %v, %v", report.Found, err)
	}
	for _, pattern := range []string{sleeperPIDFile(l.hosts[0], "*"), sleeperClock(l.hosts[0], "*")} {
		if left, _ := filepath.Glob(pattern); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
	if found, err := Look(background, l); err != nil || len(found) > 0 {
		t.Errorf("after that there is %v, %v", found, err)
	}
}

// TestRealProveNamesTheHost checks that the error names the host without iptables.
func TestRealProveNamesTheHost(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	l := newLab(t, 2, "10.88.0.")
	bin := t.TempDir()
	l.do("ln -s $(command -v bash) $(command -v sleep) $(command -v setsid) $(command -v rm) " + bin)
	l.shells["n2"].mu.Lock()
	fmt.Fprintf(l.shells["n2"].stdin, "PATH=%s\n", bin)
	l.shells["n2"].mu.Unlock()
	proofs, err := Prove(background, l, []string{Partition, Pause})
	if err == nil || !strings.Contains(err.Error(), "partition does not work on n2") {
		t.Errorf("got %v", err)
	}
	for _, p := range proofs {
		if p.Kind == Pause && !p.OK || p.Kind == Partition && p.Host == "n2" && p.OK {
			t.Errorf("%+v", p)
		}
	}
	if rules := l.must("n1", "iptables-save"); strings.Contains(rules, "ELENCHUS") {
		t.Errorf("left behind on n1:\n%s", rules)
	}
}

// needClocks skips a test on platforms without a clock shim.
func (l *lab) needClocks() {
	l.t.Helper()
	if l.hosts[0].Clock.Way() == "" {
		l.t.Skip("needs a clock shim")
	}
}

// offsets reads the node's clocks on a host, and returns how far they are ahead of the raw clock. Of several readings
// it takes the one with the smallest error: on a busy machine a process may be held up between one clock and the next.
func (l *lab) offsets(host string) (mono, wall time.Duration) {
	l.t.Helper()
	least := int64(math.MaxInt64)
	for _, h := range l.hosts {
		if h.Name != host {
			continue
		}
		out := l.must(host, fmt.Sprintf("for x in 1 2 3 4 5 6 7 8 9; do echo x; done | '%s' probe -bars -f '%s'",
			h.Clock.Helper, h.Clock.Control))
		for line := range strings.Lines(strings.TrimSpace(out)) {
			var m, w, raw, bar int64
			if _, err := fmt.Sscanf(line, "x %d %d %d %d", &m, &w, &raw, &bar); err != nil {
				l.t.Fatalf("%q: %v", line, err)
			}
			if bar < least {
				least, mono, wall = bar, time.Duration(m-raw), time.Duration(w-raw)
			}
		}
	}
	if least > int64(errorMax) {
		l.t.Fatalf("%s: no reading of the clocks has an error below %v", host, time.Duration(least))
	}
	return mono, wall
}

// errorMax is how wrong a reading may be for the tests' own limits, the smallest of which is twice that.
const errorMax = 10 * time.Millisecond

// TestRealClocks moves clocks of processes that are killed, paused and partitioned meanwhile, and checks that every
// other clock and process is left alone.
func TestRealClocks(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	l := newLab(t, 3, "10.88.0.")
	l.needClocks()
	l.startAll()
	l.leader = "n2"
	schedule, err := Parse("test", []byte(`elenchus-schedule 1
nodes n1 n2 n3
length 10s
at 100ms for 900ms clock rate leader 0.5
at 200ms for 600ms clock step leader,n1 -1h
at 300ms for 200ms pause leader
at 500ms for 300ms kill n1
at 600ms for 300ms clock strobe n1 200ms every 40ms
at 1200ms for 300ms clock rate n1,n3 3
at 1300ms for 100ms partition isolate n3
at 1700ms clock rate n3 0.01
`))
	if err != nil {
		t.Fatal(err)
	}
	own := time.Now()
	mono, wall := l.offsets("n2")
	var events []history.FaultEvent
	player, err := NewPlayer(PlayerOptions{Schedule: schedule, Cluster: l,
		Record: func(e history.FaultEvent) { events = append(events, e) }})
	if err != nil {
		t.Fatal(err)
	}
	if err := player.Play(background); err != nil {
		t.Error(err)
	}
	t.Log(transcript(events))
	if _, err := player.HealAll(background); err != nil {
		t.Error(err)
	}
	for _, e := range events {
		if e.Status != history.FaultInstalled && e.Status != history.FaultReverted {
			t.Errorf("%s %s: %s", e.Step, e.ID, e.Status)
		}
	}
	if len(events) != 16 {
		t.Errorf("%d steps", len(events))
	}
	for _, host := range []string{"n1", "n2", "n3"} {
		if _, now := l.offsets(host); (now - wall).Abs() > 50*time.Millisecond {
			t.Errorf("%s: the wall clock is %v off", host, now-wall)
		}
		if left := l.must(host, "ls "+filepath.Dir(l.hosts[0].PIDFile)+"/*.book 2>/dev/null || :"); strings.TrimSpace(left) != "" {
			t.Errorf("%s: left behind: %s", host, left)
		}
	}
	if now, _ := l.offsets("n2"); mono-now < 200*time.Millisecond {
		t.Errorf("the monotonic clock of n2 has lost %v since it began to be slow: it caught up, and clocks do not", mono-now)
	}
	if d := time.Since(own); d < time.Second || d > 5*time.Minute {
		t.Errorf("the test itself took %v by its own clock", d)
	}
}

// TestRealClocksHealed crashes a harness and checks that the next one restores the clocks.
func TestRealClocksHealed(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	l := newLab(t, 2, "10.88.0.")
	l.needClocks()
	l.startAll()
	s := l.stage(nil)
	for id, text := range map[string]string{"f1": "clock rate n1 0.5", "f2": "clock strobe n1 1s every 30ms",
		"f3": "clock step all 1h"} {
		wantStatus(t, text, s.deed(l.resolved(id, text)).apply(background), history.FaultInstalled, history.FaultInstalled)
	}
	report, err := Heal(background, l, HealOptions{})
	if err != nil || len(report.Found) != 4 || !strings.Contains(strings.Join(report.Found, "\n"), "n2: put right what f3 moved") {
		t.Errorf("healed %q, %v", report.Found, err)
	}
	for _, host := range []string{"n1", "n2"} {
		before, wall := l.offsets(host)
		time.Sleep(100 * time.Millisecond)
		after, again := l.offsets(host)
		if (after-before).Abs() > 20*time.Millisecond || (again-wall).Abs() > 20*time.Millisecond {
			t.Errorf("%s: clocks still run away: mono %v, wall %v", host, after-before, again-wall)
		}
	}
	report, err = Heal(background, l, HealOptions{})
	if err != nil || len(report.Found) > 0 {
		t.Errorf("healed again: %q, %v", report.Found, err)
	}
}

// TestRealClockOfAnUnshimmedNode plants a mistake: the node was started without the shim, so no process has mapped
// the control file. The fault must fail, whatever the file's clocks say.
func TestRealClockOfAnUnshimmedNode(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	l := newLab(t, 2, "10.88.0.")
	l.needClocks()
	control := l.hosts[1].Clock.Control
	l.hosts[1].Clock.Control = ""
	l.startAll()
	l.hosts[1].Clock.Control = control
	s := newStage(newShell(l), l.hosts, nil, 2*time.Second)
	d := s.deed(l.resolved("f1", "clock rate all 0.9"))
	o := d.apply(background)
	wantStatus(t, "apply", o, history.FaultInstalled, history.FaultFailed)
	if err := o.err(); err == nil || !strings.Contains(err.Error(), "n2: process") ||
		!strings.Contains(err.Error(), "has not mapped the control file") || strings.Contains(err.Error(), "n1") {
		t.Errorf("got %v", err)
	}
	wantStatus(t, "revert", d.revert(background), history.FaultReverted, history.FaultReverted)
}

// TestRealHelperThatMovesNothing plants another one: a helper that always reports success.
func TestRealHelperThatMovesNothing(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	l := newLab(t, 1, "10.88.0.")
	l.needClocks()
	l.startAll()
	real := l.hosts[0].Clock.Helper
	fake := filepath.Join(t.TempDir(), "helper")
	script := fmt.Sprintf("#!/bin/sh\ncase $1 in apply) shift; exec %s look -f \"$2\";; esac\nexec %[1]s \"$@\"\n", real)
	if err := os.WriteFile(fake, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	l.hosts[0].Clock.Helper = fake
	for _, text := range []string{"clock rate n1 0.9", "clock step n1 1s", "clock strobe n1 1s every 50ms"} {
		d := l.stage(nil).deed(l.resolved("f1", text))
		wantStatus(t, text, d.apply(background), history.FaultInstalled, history.FaultFailed)
		wantStatus(t, "revert", d.revert(background), history.FaultReverted, history.FaultReverted)
	}
}
