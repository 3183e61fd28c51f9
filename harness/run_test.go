package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"elenchus/nemesis"
	"elenchus/results"
	"elenchus/results/clocks"
	"elenchus/results/history"
	"elenchus/results/verdict"
)

func TestCorrectSystemIsValidUnderEveryFault(t *testing.T) {
	for _, mode := range []struct {
		name  string
		flags []string
	}{
		{"as the user is", nil},
		{"rootless", []string{"--rootless"}},
	} {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			args := append([]string{"test", "--nemesis", "partition,kill,pause", "--time-limit", "10s", "--seed", "7"},
				mode.flags...)
			p := r.start(args...)
			p.until("installed")
			r.seesLab(5)
			if code := p.wait(); code != verdict.ExitValid {
				t.Fatalf("exit code %d", code)
			}
			p.says("VALID")
			r.nothingIsLeft()
			dir, m, v := r.outcome()
			if v.Word() != "VALID" || v.Coverage.Status != verdict.Sufficient || v.Coverage.UnderFault == 0 {
				t.Errorf("verdict: %+v", v)
			}
			// What was typed, and what the environment added to it.
			if want := "elenchus " + strings.Join(args, " ") + " --node-binary="; !strings.HasPrefix(m.Repeat, want) ||
				!strings.Contains(m.Repeat, " --results=") {
				t.Errorf("the run is repeated with %q, was typed as %q", m.Repeat, want)
			}
			installed := allReverted(t, dir)
			for _, kind := range []string{nemesis.Partition, nemesis.Kill, nemesis.Pause} {
				if installed[kind] == 0 {
					t.Errorf("no %s was installed: %v", kind, installed)
				}
			}
			filesAreThere(t, dir, m)
			clocksAreMeasured(t, dir, m)
			r.checkAgrees(v)
			r.checkAgrees(v)
			r.playedCanBePlayed(dir)
		})
	}
}

// filesAreThere looks for every file that docs/results.md names.
func filesAreThere(t *testing.T, dir results.Run, m *results.Manifest) {
	t.Helper()
	doc, err := os.ReadFile("../docs/results.md")
	if err != nil {
		t.Fatal(err)
	}
	files := []string{
		results.ReportFile, results.VerdictFile, results.ManifestFile, results.HistoryFile, results.FaultsFile,
		results.ClocksFile,
		results.SchedulePlannedFile, results.SchedulePlayedFile, results.HarnessLogFile,
	}
	for _, file := range files {
		if !strings.Contains(string(doc), "`"+file+"`") {
			t.Errorf("docs/results.md does not name %s", file)
		}
	}
	for _, h := range m.Hosts {
		for _, file := range []string{"node.log", results.ObservationsFile, "data/wal"} {
			files = append(files, filepath.Join(results.NodesDir, h.Name, file))
		}
	}
	for _, file := range files {
		if info, err := os.Stat(dir.Path(file)); err != nil || info.Size() == 0 {
			t.Errorf("%s is missing or empty: %v", file, err)
		}
	}
}

// clocksAreMeasured wants samples of every host's clocks, or to be told why there are none.
func clocksAreMeasured(t *testing.T, dir results.Run, m *results.Manifest) {
	t.Helper()
	log, err := history.ReadClocks(dir.Clocks())
	if err != nil || log.Truncated {
		t.Errorf("clocks: truncated %v, %v", log.Truncated, err)
	}
	if m.Files[results.ClocksFile] == "" {
		t.Error("the measurements of the clocks are no evidence")
	}
	tracks := clocks.Tracks(log.Lines)
	for _, h := range m.Hosts {
		track := clocks.Find(tracks, h.Name)
		if len(track.Points) < 20 && track.Missing == "" {
			t.Errorf("%s: %d samples, gaps %v", h.Name, len(track.Points), track.Gaps)
		}
		if track.Moved() {
			t.Errorf("%s: a clock went astray", h.Name)
		}
	}
}

// playedCanBePlayed gives the schedule back as it was played.
func (r *rig) playedCanBePlayed(dir results.Run) {
	r.t.Helper()
	text, err := os.ReadFile(dir.SchedulePlayed())
	if err != nil {
		r.t.Fatal(err)
	}
	played, err := nemesis.Parse(dir.SchedulePlayed(), text)
	if err != nil {
		r.t.Fatal(err)
	}
	dry := r.exits(verdict.ExitValid, "test", "--dry-run", "--schedule", dir.SchedulePlayed()).stdout()
	if !strings.HasPrefix(dry, string(played.FormatNamed())) {
		r.t.Errorf("the schedule that was played is\n%s, and given back it is\n%s", played.FormatNamed(), dry)
	}
}

// Leaders that hand over are replaced at once, and nothing of it is left. A transfer that is over as soon as it is done
// is not judged by how long it was in effect.
func TestLeadersHandOver(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	schedule := r.schedule(3, "6s", "at 500ms for 1s transfer all", "at 2s transfer all", "at 3s transfer all",
		"at 4s for 1s transfer n1,n2,n3")
	if code := r.start("test", "--nodes", "3", "--schedule", schedule).wait(); code != verdict.ExitValid {
		t.Fatalf("exit code %d", code)
	}
	r.nothingIsLeft()
	dir, _, v := r.outcome()
	installed := allReverted(t, dir)[nemesis.Transfer]
	if installed == 0 || v.Coverage.Leaders <= installed || v.Coverage.UnderFault == 0 {
		t.Errorf("%d transfers, coverage %+v", installed, v.Coverage)
	}
	r.checkAgrees(v)
	r.playedCanBePlayed(dir)
}

func TestLocalReadsAreCondemned(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	// The leader is cut off and goes on answering reads, while the others have another one.
	schedule := r.schedule(5, "6s", "at 500ms for 5s partition isolate leader")
	r.exits(verdict.ExitViolated, "test", "--reads", "local", "--schedule", schedule, "--seed", "7", "--fail-fast").
		says("VIOLATED", "stopping: at ", "→ Reads were answered in the mode \"local\"")
	dir, m, v := r.outcome()
	stoppedInTime(t, dir, m, v)
	if v.Safety.Status != verdict.Violated || len(v.Safety.Findings) == 0 {
		t.Fatalf("safety: %+v", v.Safety)
	}
	finding := v.Safety.Findings[0]
	if !slices.ContainsFunc(m.Hosts, func(h results.Host) bool { return strings.Contains(finding.Summary, h.Name) }) {
		t.Errorf("the finding names no node: %s", finding.Summary)
	}
	if _, err := os.Stat(dir.Path(finding.File)); err != nil || finding.File == "" {
		t.Errorf("the finding's picture %q: %v", finding.File, err)
	}
	if len(finding.Causes) != 1 || finding.Causes[0].Name != "reads without any check" || len(finding.Table) == 0 {
		t.Errorf("causes %+v, table %+v", finding.Causes, finding.Table)
	}
	r.checkAgrees(v)
}

// stoppedInTime wants the workload to have ended with the first answer that had no linearization: whoever was about to
// ask by then may have asked once more, and the two who look out for leaders twice.
func stoppedInTime(t *testing.T, dir results.Run, m *results.Manifest, v verdict.Verdict) {
	t.Helper()
	if m.Stopped == nil || v.Stopped == "" || v.Coverage.Status != verdict.None {
		t.Fatalf("stopped at %+v, verdict %q, coverage %s", m.Stopped, v.Stopped, v.Coverage.Status)
	}
	log, err := history.ReadFile(dir.History())
	if err != nil {
		t.Fatal(err)
	}
	later := 0
	for _, e := range log.Events {
		if e.Seq > m.Stopped.Seq && e.Type == history.Invoke && e.Phase == history.PhaseMain {
			later++
		}
	}
	if most := m.Config.Concurrency + 2*len(m.Hosts); later > most {
		t.Errorf("%d operations were asked for after the violation, at most %d could be under way", later, most)
	}
}

// TestDriftBeyondTheBoundIsBlamed: the leader's clock runs at a fifth of its rate while it is cut off, so that its
// lease outlives everybody's patience. How many stale answers there are depends on the machine, but not what is at
// fault.
func TestDriftBeyondTheBoundIsBlamed(t *testing.T) {
	t.Parallel()
	needClocks(t)
	r := newRig(t)
	schedule := r.schedule(5, "10s", "at 2s for 7s clock rate leader 0.2", "at 2300ms for 6s partition isolate leader")
	r.exits(verdict.ExitViolated, "test", "--schedule", schedule, "--seed", "7").says("VIOLATED", "allow a drift of 1 %")
	_, _, v := r.outcome()
	blamed := slices.ContainsFunc(v.Safety.Findings, func(f verdict.Finding) bool {
		return len(f.Causes) > 0 && f.Causes[0].Name == "clocks drifted apart" && len(f.Causes[0].Evidence) == 2
	})
	if !blamed {
		t.Errorf("no finding blames the drift: %+v", v.Safety.Findings)
	}
	r.checkAgrees(v)
}

func TestAppendsAreValid(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	schedule := r.schedule(3, "6s", "at 500ms for 2s partition isolate leader", "at 3500ms for 1s kill any")
	r.exits(verdict.ExitValid, "test", "--workload", "append", "--nodes", "3", "--schedule", schedule).says("VALID")
	_, _, v := r.outcome()
	r.checkAgrees(v)
}

func TestTwoLabsAtOnceDoNotDisturbEachOther(t *testing.T) {
	t.Parallel()
	var rigs []*rig
	var programs []*program
	for range 2 {
		r := newRig(t)
		rigs = append(rigs, r)
		schedule := r.schedule(3, "5s", "at 500ms for 3s partition isolate leader", "at 1s for 1s kill n1")
		programs = append(programs, r.start("test", "--nodes", "3", "--schedule", schedule))
	}
	for i, p := range programs {
		if code := p.wait(); code != verdict.ExitValid {
			t.Errorf("exit code %d", code)
		}
		dir, _, _ := rigs[i].outcome()
		if installed := allReverted(t, dir); installed[nemesis.Partition] != 1 || installed[nemesis.Kill] != 1 {
			t.Errorf("installed: %v", installed)
		}
	}
}

func TestFaultsThatSomebodyEndsAreNoticed(t *testing.T) {
	t.Parallel()
	needRoot(t)
	r := newRig(t)
	name := r.labUp(3)
	schedule := r.schedule(3, "8s", "at 200ms for 7s partition isolate n1", "at 400ms for 7s pause n3")
	p := r.start("test", "--lab-name", name, "--nodes", "3", "--schedule", schedule)
	p.until("installed f1 partition")
	p.until("installed f2 pause")
	r.on(name, "n2", "iptables", "-w", "-F", "ELENCHUS-f1")
	r.on(name, "n3", "sh", "-c", "read -r pid rest </run/elenchus/node.pid; kill -CONT $pid")
	if code := p.wait(); code != verdict.ExitHarness {
		t.Errorf("exit code %d", code)
	}
	p.says("HARNESS FAILED", "failed    f1 partition isolate n1, revert: did not last: n2 has no rule for packets from n1",
		"failed    f2 pause n3, revert: did not last: n3: ")
	_, _, v := r.outcome()
	if v.Harness.Status != verdict.Failed || len(v.Harness.Reasons) != 2 {
		t.Errorf("harness: %+v", v.Harness)
	}
	r.checkAgrees(v)
}
