package nemesis

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseCounters(t *testing.T) {
	one, two := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::2")
	chain := func(rows ...string) string {
		return "Chain INPUT (policy ACCEPT 5 packets, 300 bytes)\n" +
			"    pkts      bytes target     prot opt in     out     source               destination         \n" +
			"       9      900            udp  --  *      *       10.0.0.1         0.0.0.0/0        udp dpt:9\n" +
			"       7      700 ELENCHUS   0    --  *      *       0.0.0.0/0            0.0.0.0/0\n\n" +
			"Chain ELENCHUS-f1 (1 references)\n" +
			"    pkts      bytes target     prot opt in     out     source  destination\n" +
			strings.Join(rows, "\n") + "\n\nChain OTHER (0 references)\n  5 5 DROP 0 -- * * 10.0.0.1 0.0.0.0/0\n"
	}
	for _, test := range []struct {
		name, listing string
		want          counters
		err           string
	}{
		{"nftables", chain("       3      180 DROP       0    --  *      *       10.0.0.1             0.0.0.0/0"),
			counters{{"ELENCHUS-f1", rule{one, true}}: 3}, ""},
		{"legacy", chain("18446744073709551615 1 DROP       all  --  *      *       10.0.0.1/32          0.0.0.0/0"),
			counters{{"ELENCHUS-f1", rule{one, true}}: 1<<64 - 1}, ""},
		{"IPv6 without the column of options", chain("  4  180 RETURN     all      *      *       fd00::2    ::/0"),
			counters{{"ELENCHUS-f1", rule{two, false}}: 4}, ""},
		{"a rule twice", chain("1 1 DROP 0 -- * * 10.0.0.1 0.0.0.0/0", "2 2 DROP 0 -- * * 10.0.0.1 0.0.0.0/0"),
			counters{{"ELENCHUS-f1", rule{one, true}}: 3}, ""},
		{"no rules", chain(), counters{}, ""},
		{"a network", chain("1 1 DROP 0 -- * * 10.0.0.0/24 0.0.0.0/0"), nil, "has a rule that is not ours"},
		{"another target", chain("1 1 ACCEPT 0 -- * * 10.0.0.1 0.0.0.0/0"), nil, "has a rule that is not ours"},
		{"more conditions", chain("1 1 DROP 0 -- * * 10.0.0.1 0.0.0.0/0 udp dpt:9"), nil, "that is not ours"},
		{"rounded numbers", chain("1K 1 DROP 0 -- * * 10.0.0.1 0.0.0.0/0"), nil, "invalid syntax"},
		{"cut short", chain("1 1 DROP"), nil, "unexpected"},
		{"nothing", "", nil, "no chains"},
		{"something else", "iptables: Permission denied", nil, "no chains"},
	} {
		got, err := parseCounters(test.listing)
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(counter{}, rule{}),
			cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %v, want %q", test.name, err, test.err)
		}
	}
}

func TestParseSighting(t *testing.T) {
	of := func(pid int, start uint64) Process { return Process{"n1", pid, start} }
	for _, test := range []struct {
		output string
		want   sighting
		dead   string
		err    string
	}{
		{"", sighting{}, "no process is recorded", ""},
		{"12 345\n", sighting{Process: of(12, 345), recorded: true}, "process 12 (start 345) is gone", ""},
		{"12 345 S 345 0 4\n", sighting{of(12, 345), true, true, "S", 4, 0}, "", ""},
		{"12 345 T 345 4 4\n", sighting{of(12, 345), true, true, "T", 4, 4}, "", ""},
		{"12 345 Z 345 0 1\n", sighting{of(12, 345), true, false, "Z", 1, 0}, "process 12 (start 345) is dead", ""},
		{"12 345 S 999 0 4\n", sighting{of(12, 345), true, false, "", 4, 0}, "process 12 (start 345) is gone", ""},
		{"bad\n", sighting{}, "", "invalid syntax"},
		{"12 345 S\n", sighting{}, "", "unexpected"},
		{"12 -3\n", sighting{}, "", "invalid syntax"},
		{"12\n", sighting{}, "", "unexpected"},
	} {
		got, err := parseSighting("n1", test.output)
		if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%q: %v, want %q", test.output, err, test.err)
		}
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(sighting{})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.output, diff)
		}
		if err == nil && !got.alive && got.dead() != test.dead {
			t.Errorf("%q: %s, want %s", test.output, got.dead(), test.dead)
		}
	}
}

func TestParseReach(t *testing.T) {
	a, b, c := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("fd00::3")
	d := netip.MustParseAddr("10.0.0.4")
	got := parseReach([]netip.Addr{a, b, c, d},
		"\n10.0.0.2 timeout\nfd00::3 refused\n10.0.0.1 open \n10.0.0.9 timeout\nx y")
	stranger := netip.MustParseAddr("10.0.0.9")
	want := map[netip.Addr]string{b: "timeout", d: "no answer from the probe", stranger: "timeout"}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestProcessScripts runs the process scripts in all available shells, against a process with a misleading name.
func TestProcessScripts(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	for _, shell := range [][]string{{"sh"}, {"dash"}, {"bash"}, {"bash", "--posix"}, {"busybox", "sh"}} {
		path, err := exec.LookPath(shell[0])
		if err != nil {
			continue
		}
		run := func(script string) string {
			t.Helper()
			out, err := exec.Command(path, append(shell[1:], "-c", script)...).Output()
			if err != nil {
				t.Errorf("%v: %v: %s", shell, err, script)
			}
			return strings.TrimSpace(string(out))
		}
		look := func(script string) sighting {
			t.Helper()
			s, err := parseSighting("n1", run(script))
			if err != nil {
				t.Error(err)
			}
			return s
		}
		dir := t.TempDir()
		program := filepath.Join(dir, "a ) T 1 (b")
		if err := os.Symlink(sleep, program); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(program, "300")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		file := filepath.Join(dir, "the pid")
		pid := cmd.Process.Pid
		if s := look(findScript(file)); s.recorded {
			t.Errorf("%v: without a file: %+v", shell, s)
		}
		p := Process{"n1", pid, startTime(t, pid)}
		record := func(text string) {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for _, text := range []string{p.record() + "\n", p.record()} {
			record(text)
			if s := look(findScript(file)); s.Process != p || !s.alive || s.threads != 1 || s.stopped != 0 {
				t.Errorf("%v: %q: %+v", shell, text, s)
			}
		}
		other := Process{"n1", pid, p.Start + 1}
		record(other.record() + "\n")
		if s := look(findScript(file)); s.alive || !s.recorded {
			t.Errorf("%v: another start time: %+v", shell, s)
		}
		for _, text := range []string{"\n", "$(reboot)\n", "12 ; x\n", "1"} {
			record(text)
			if s, err := parseSighting("n1", run(findScript(file))); err == nil && s.alive {
				t.Errorf("%v: %q was taken for %+v", shell, text, s)
			}
		}
		if out := run(signalScript(other, "KILL")); out != "gone" {
			t.Errorf("%v: a signal for another process: %s", shell, out)
		}
		if out := run(signalScript(p, "STOP")); out != "sent" {
			t.Errorf("%v: STOP: %s", shell, out)
		}
		waitFor(t, func() bool { return look(watchScript(p)).stoppedWhole() })
		run(signalScript(p, "CONT"))
		waitFor(t, func() bool { s := look(watchScript(p)); return s.alive && s.stopped == 0 })
		run(signalScript(p, "KILL"))
		waitFor(t, func() bool { return look(watchScript(p)).state == "Z" })
		if s := look(watchScript(p)); s.alive {
			t.Errorf("%v: a zombie is taken to be alive: %+v", shell, s)
		}
		_ = cmd.Wait()
		if out := run(signalScript(p, "KILL")); out != "gone" {
			t.Errorf("%v: KILL after the end: %s", shell, out)
		}
	}
}

// record returns the contents of the process's PID file.
func (p Process) record() string { return fmt.Sprintf("%d %d", p.PID, p.Start) }

// startTime returns the start time of a process.
func startTime(t *testing.T, pid int) uint64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	start, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return start
}

// waitFor waits until a condition holds.
func waitFor(t *testing.T, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}
