package main

import (
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"elenchus/nemesis"
	"elenchus/results"
	"elenchus/results/history"
	"elenchus/results/verdict"
)

// lasting is a schedule in which nothing ends by itself.
func (r *rig) lasting() string {
	return r.schedule(3, "10m", "at 300ms partition one-way n1 -> n2", "at 600ms pause n3")
}

func TestSignalEndsARunInOrder(t *testing.T) {
	for _, tc := range []struct {
		name  string
		sig   syscall.Signal
		group bool
	}{
		{"SIGINT to the program", syscall.SIGINT, false},
		{"Ctrl-C at a terminal", syscall.SIGINT, true},
		{"SIGTERM to the program", syscall.SIGTERM, false},
		{"SIGHUP to all, twice, as by a shell", syscall.SIGHUP, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			p := r.start("test", "--nodes", "3", "--schedule", r.lasting())
			p.until("installed f2 pause")
			r.seesLab(3)
			p.signal(tc.sig, tc.group)
			if tc.sig == syscall.SIGHUP {
				p.until("interrupted: ")
				time.Sleep(sameWish + 50*time.Millisecond)
				_ = syscall.Kill(-p.cmd.Process.Pid, tc.sig) // it may have ended already
			}
			if code := p.wait(); code != verdict.ExitHarness {
				t.Errorf("exit code %d", code)
			}
			p.says("interrupted", "the run was interrupted by a signal")
			r.nothingIsLeft()
			r.interruptedInOrder()
		})
	}
}

// interruptedInOrder checks that the newest run is whole but for its length.
func (r *rig) interruptedInOrder() {
	t := r.t
	t.Helper()
	dir, m, v := r.outcome()
	if !m.Interrupted || len(m.HarnessErrors) > 0 || v.Harness.Status != verdict.Interrupted {
		t.Errorf("interrupted: %v, errors: %v, harness: %+v", m.Interrupted, m.HarnessErrors, v.Harness)
	}
	if v.Safety.Status != verdict.Valid || v.Liveness.Status != verdict.Valid {
		t.Errorf("what there was should be valid: %+v, %+v", v.Safety, v.Liveness)
	}
	h, err := history.ReadFile(dir.History())
	if err != nil || !h.Complete {
		t.Errorf("the history is not whole: %v", err)
	}
	if installed := allReverted(t, dir); installed[nemesis.Partition] != 1 || installed[nemesis.Pause] != 1 {
		t.Errorf("installed: %v", installed)
	}
	filesAreThere(t, dir, m)
	r.checkAgrees(v)
}

// A run in virtual time may be long in ours, too.
func TestSignalEndsASimulatedRunInOrder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := &rig{t: t, dir: dir, results: filepath.Join(dir, "runs")}
	r.env = []string{envAsProgram + "=1", raceOptions, "ELENCHUS_RESULTS=" + r.results}
	p := r.start("test", "--lab", "sim", "--nodes", "5", "--time-limit", "10m", "--rate", "0", "--concurrency", "50")
	p.until("in virtual time")
	p.signal(syscall.SIGINT, false)
	if code := p.wait(); code != verdict.ExitHarness {
		t.Errorf("exit code %d", code)
	}
	p.says("interrupted after", "the run was interrupted by a signal")
	_, m, v := r.outcome()
	if !m.Interrupted || v.Harness.Status != verdict.Interrupted || v.Safety.Status != verdict.Valid ||
		v.Liveness.Status != verdict.Valid {
		t.Errorf("interrupted: %v, verdict: %+v", m.Interrupted, v)
	}
	if m.PlayedUntil == 0 || m.PlayedUntil >= m.Config.TimeLimit || m.PlayedUntil != m.Recovery.HealedAt {
		t.Errorf("played until %v of %v, healed at %v", m.PlayedUntil, m.Config.TimeLimit, m.Recovery.HealedAt)
	}
	r.checkAgrees(v)
}

// Reading a pipe into which nobody writes ends at a signal, and nothing is left of it.
func TestSignalEndsAnImport(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := &rig{t: t, dir: dir, results: filepath.Join(dir, "runs")}
	r.env = []string{envAsProgram + "=1", raceOptions, "ELENCHUS_RESULTS=" + r.results}
	cmd := exec.Command(self(t))
	cmd.Args = []string{"elenchus", "check", "--format", "jepsen", "-"}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stdin.Close() }()
	p := r.startCommand(cmd)
	p.until("reading the standard input")
	p.signal(syscall.SIGINT, false)
	if code := p.wait(); code != verdict.ExitHarness {
		t.Errorf("exit code %d", code)
	}
	p.says("interrupted: nothing was imported")
	if runs, err := results.List(r.results); err != nil || len(runs) != 0 {
		t.Errorf("left behind: %v, %v", runs, err)
	}
}

// A search says how much of it was complete, and that what was found by then is not the answer.
func TestSignalEndsASearchInOrder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := &rig{t: t, dir: dir, results: filepath.Join(dir, "runs")}
	r.env = []string{envAsProgram + "=1", raceOptions, "ELENCHUS_RESULTS=" + r.results}
	failing := failingRun(t, r.results).Name()
	for _, c := range []struct {
		args  []string
		until string
		want  []string
	}{
		{[]string{"replay", "--bisect-time", "--samples", "1000000", failing}, "1000000 futures", []string{"fails: ",
			"interrupted after 0 points: the moment of no return was not found"}},
		{[]string{"replay", "--json", "--bisect-time", "--samples", "1000000", failing}, "1000000 futures",
			[]string{`"interrupted": true`, "interrupted after 0 points"}},
		{[]string{"bench", "checkers", "--workload", "register", "--seeds", "1-1000000"}, "run 1 of 1000000",
			[]string{"interrupted after 0 of 2 tables"}},
	} {
		p := r.start(c.args...)
		p.until(c.until)
		p.signal(syscall.SIGINT, false)
		if code := p.wait(); code != verdict.ExitHarness {
			t.Errorf("%v: exit code %d", c.args, code)
		}
		p.says(c.want...)
	}
}

func TestSignalDuringSetupEndsItInOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := r.start("test", "--nodes", "3", "--time-limit", "10m")
	p.until("connected to 3 hosts")
	r.seesLab(3)
	p.signal(syscall.SIGINT, true)
	if code := p.wait(); code != verdict.ExitHarness {
		t.Errorf("exit code %d", code)
	}
	p.says("interrupted")
	r.nothingIsLeft()
	if _, m, v := r.outcome(); !m.Interrupted || v.Harness.Status != verdict.Interrupted {
		t.Errorf("interrupted: %v, harness: %+v", m.Interrupted, v.Harness)
	}
}

// freeze stops every process of one host, so that it answers nobody and cannot be healed.
func (r *rig) freeze() {
	r.t.Helper()
	host := ""
	for _, p := range r.processes() {
		if len(p.argv) > 0 && p.argv[0] == "elenchus-host" {
			host = p.namespace
			break
		}
	}
	stopped := 0
	for _, p := range r.processes() {
		if host != "" && p.namespace == host && syscall.Kill(p.pid, syscall.SIGSTOP) == nil {
			stopped++
		}
	}
	if stopped < 2 {
		r.t.Fatalf("only %d processes of a host were stopped", stopped)
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	p := r.start("test", "--nodes", "3", "--schedule", r.lasting())
	p.until("installed f2 pause")
	r.seesLab(3)
	r.freeze()
	p.signal(syscall.SIGINT, true)
	p.until("interrupted: ")
	time.Sleep(2 * sameWish)
	begin := time.Now()
	p.signal(syscall.SIGINT, true)
	if code := p.wait(); code != verdict.ExitHarness {
		t.Errorf("exit code %d", code)
	}
	if took := time.Since(begin); took > 30*time.Second { // to heal a host that does not answer takes a minute
		t.Errorf("it took %v to end", took)
	}
	p.says("elenchus check")
	r.nothingIsLeft()
	r.exits(verdict.ExitUnknown, "check").says("UNKNOWN", "breaks off")
}

func TestKilledHarnessLeavesNothingAndIsNeverValid(t *testing.T) {
	for _, tc := range []struct {
		name   string
		moment string
		inner  bool
		want   int // of check
	}{
		{"outer, during setup", "connected to 3 hosts", false, verdict.ExitHarness},
		{"outer, during the run", "installed f2 pause", false, verdict.ExitUnknown},
		{"inner, during the run", "installed f2 pause", true, verdict.ExitUnknown},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			p := r.start("test", "--nodes", "3", "--schedule", r.lasting())
			p.until(tc.moment)
			r.seesLab(3)
			if tc.inner {
				if err := syscall.Kill(r.inner().pid, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
				if code := p.wait(); code != verdict.ExitHarness {
					t.Errorf("exit code %d", code)
				}
				p.says("killed", "elenchus check")
			} else {
				p.signal(syscall.SIGKILL, false)
				p.wait()
			}
			r.nothingIsLeft()
			r.exits(tc.want, "check")
			r.exits(tc.want, "check")
			dir, m, _ := r.outcome()
			if m.Reached(results.StateRunning) {
				if h, err := history.ReadFile(dir.History()); err != nil || h.Complete {
					t.Errorf("the history claims to be whole, or cannot be read: %v", err)
				}
			}
		})
	}
}

func TestKilledHarnessIsHealedByTheNextRun(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	name := r.labUp(3)
	first := r.start("test", "--lab-name", name, "--schedule", r.lasting())
	first.until("installed f2 pause")

	// Meanwhile nobody else may test there, and whoever tries learns why.
	other := r.exits(verdict.ExitHarness, "test", "--lab-name", name, "--nodes", "3", "--time-limit", "2s")
	other.says("lab "+name+" is in use by", "process "+itoa(first.cmd.Process.Pid))
	r.exits(verdict.ExitHarness, "bench", "reads", "--lab-name", name, "--time", "1s").says("is in use by")
	runs, err := results.List(r.results)
	if latest, _ := results.Open(r.results, results.Latest); err != nil || len(runs) != 1 ||
		latest.Name() != runs[0].Run.Name() {
		t.Errorf("whoever was turned away left something: %v, %v; the latest is %s", runs, err, latest.Name())
	}
	r.exits(verdict.ExitHarness, "lab", "heal", "--lab-name", name).says("is in use by")
	down := r.exits(verdict.ExitHarness, "lab", "down", "--lab-name", name)
	down.says("in use by", "--force")
	r.exits(verdict.ExitValid, "lab", "status", "--lab-name", name).says("in use by", "process "+itoa(first.cmd.Process.Pid))

	if err := syscall.Kill(r.inner().pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if code := first.wait(); code != verdict.ExitHarness {
		t.Errorf("exit code %d", code)
	}
	if rules := r.on(name, "n2", "iptables", "-S"); !contains(rules, "ELENCHUS") {
		t.Errorf("the partition should still be there:\n%s", rules)
	}
	r.exits(verdict.ExitValid, "lab", "status", "--lab-name", name).says("free")

	second := r.exits(verdict.ExitValid, "test", "--lab-name", name, "--nodes", "3", "--time-limit", "3s", "--nemesis",
		"none")
	second.says("healed a leftover: n2: ", "healed a leftover: n3: ", "VALID")
	if rules := r.on(name, "n2", "iptables", "-S"); contains(rules, "ELENCHUS") {
		t.Errorf("rules are left:\n%s", rules)
	}
}

func TestKilledHarnessIsHealedByCommand(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	name := r.labUp(3)
	r.exits(verdict.ExitValid, "lab", "heal", "--lab-name", name).says("nothing to heal on the 3 hosts")
	p := r.start("test", "--lab-name", name, "--schedule", r.lasting())
	p.until("installed f2 pause")
	if err := syscall.Kill(r.inner().pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.wait()
	const state = `read -r pid rest </run/elenchus/node.pid; cat /proc/$pid/stat`
	if stat := r.on(name, "n3", "sh", "-c", state); !contains(stat, ") T ") {
		t.Errorf("the node of n3 should be paused: %s", stat)
	}
	r.exits(verdict.ExitValid, "lab", "status", "--lab-name", name).says("free",
		"left behind: fault f1 partition one-way n1 -> n2", "left behind: fault f2 pause n3",
		"left behind: n2: iptables ELENCHUS-f1 is in place", "left behind: n3: process", "is paused",
		"left behind: n1: process", "is running", "elenchus lab heal undoes the faults",
		"the next test stops the nodes that run")
	r.exits(verdict.ExitHarness, "lab", "doctor", "--lab-name", name, "--nemesis", "partition").says("leftovers",
		"ELENCHUS-f1 is in place", "fault f2 pause n3", "elenchus lab heal undoes it")
	r.exits(verdict.ExitValid, "lab", "heal", "--lab-name", name).says("outstanding: f1 partition one-way n1 -> n2",
		"outstanding: f2 pause n3", "n2: removed iptables ELENCHUS-f1", "n3: resumed process", "healed the 3 hosts")
	if rules := r.on(name, "n2", "iptables", "-S"); contains(rules, "ELENCHUS") {
		t.Errorf("rules are left:\n%s", rules)
	}
	if stat := r.on(name, "n3", "sh", "-c", state); contains(stat, ") T ") {
		t.Errorf("the node of n3 is still paused: %s", stat)
	}
	r.exits(verdict.ExitValid, "lab", "heal", "--json", "--lab-name", name).says(`"outstanding": []`, `"done": []`)
	if after := r.exits(verdict.ExitValid, "lab", "status", "--lab-name", name).stdout(); contains(after, "fault") ||
		contains(after, "heal") || !contains(after, "is running") {
		t.Errorf("after a heal the nodes alone are left, and it says:\n%s", after)
	}
	r.exits(verdict.ExitValid, "lab", "leftovers", "--json", "--lab-name", name).says(`"outstanding": []`, `"fault": false`)
}

func TestLabOutlivesAKilledProgram(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	name := r.labUp(3)
	p := r.start("test", "--lab-name", name, "--schedule", r.lasting())
	p.until("installed f2 pause")
	inner := r.inner().pid
	p.signal(syscall.SIGKILL, false)
	p.wait()
	for end := time.Now().Add(deadline); syscall.Kill(inner, 0) == nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the harness in the lab goes on without the program")
		}
	}
	// It was asked to end, and so could bring the run to an end in order.
	r.interruptedInOrder()
	r.exits(verdict.ExitValid, "lab", "status", "--lab-name", name).says("free")
}

// Who pipes a test into head has read enough at some time. The test then ends as it does on Ctrl-C.
func TestOutputThatNobodyReadsAnyMore(t *testing.T) {
	t.Parallel()
	needRoot(t)
	r := newRig(t)
	name := r.labUp(3)
	const script = `code=$1; shift; { "$@" 2>&1; echo ended >"$code"; } | head -n 7; until [ -s "$code" ]; do sleep 0.1; done`
	p := r.startCommand(exec.Command("sh", "-c", script, "sh", filepath.Join(r.dir, "code"), self(t), "test",
		"--lab-name", name, "--time-limit", "5m", "--nemesis", "partition"))
	p.wait()
	p.says("cluster is ready")
	r.exits(verdict.ExitValid, "lab", "leftovers", "--lab-name", name).says("nothing was left behind")
	r.exits(verdict.ExitValid, "list", "runs").says("INTERRUPTED")
}
