package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"elenchus/results"
	"elenchus/results/verdict"
)

func TestNodeWhoseDiskIsFullStopsAndIsNamed(t *testing.T) {
	t.Parallel()
	needRoot(t)
	r := newRig(t)
	name := r.labUp(3)
	// A disk of its own, not much larger than a test demands, so that filling it takes no memory to speak of.
	r.on(name, "n2", "sh", "-c", "mkdir -p /var/lib/elenchus && mount -t tmpfs -o size=264m tmpfs /var/lib/elenchus")
	p := r.start("test", "--lab-name", name, "--nodes", "3", "--nemesis", "none", "--time-limit", "8s")
	p.until("cluster is ready")
	r.on(name, "n2", "sh", "-c", "dd if=/dev/zero of=/var/lib/elenchus/fill bs=64k 2>/dev/null; test -s /var/lib/elenchus/fill")
	if code := p.wait(); code != verdict.ExitViolated {
		t.Errorf("exit code %d", code)
	}
	const last = "no space left on device"
	p.says("VIOLATED", "the process of n2 is not running", last)
	dir, _, v := r.outcome()
	if v.Liveness.Status != verdict.Violated || v.Safety.Status != verdict.Valid {
		t.Errorf("liveness %+v, safety %+v", v.Liveness, v.Safety)
	}
	if !strings.Contains(strings.Join(v.Liveness.Reasons, "\n"), last) {
		t.Errorf("the verdict does not have the node's last words: %q", v.Liveness.Reasons)
	}
	page, err := os.ReadFile(dir.Report())
	if err != nil || !strings.Contains(string(page), last) {
		t.Errorf("the report does not have the node's last words: %v", err)
	}
	r.checkAgrees(v)
}

func TestHarnessWhoseDiskIsFullIsNeverValid(t *testing.T) {
	needRoot(t)
	for _, tc := range []struct {
		name, size string
		check      []int
	}{
		{"nothing fits", "4k", nil},
		{"history does not fit", "100k", []int{verdict.ExitUnknown}},
		{"something does not fit", "300k", []int{verdict.ExitHarness, verdict.ExitUnknown}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			copied := filepath.Join(r.dir, "copied")
			// In a mount namespace of its own, so that the mount ends with it.
			const script = `mkdir -p "$1" && mount -t tmpfs -o size="$2" tmpfs "$1" || exit 99
results=$1 copied=$3; shift 3
"$@"; code=$?
cp -a "$results" "$copied"
exit $code`
			cmd := exec.Command("unshare", "--mount", "sh", "-c", script, "sh", r.results, tc.size, copied, self(t),
				"test", "--nodes", "3", "--nemesis", "partition", "--time-limit", "6s")
			p := r.startCommand(cmd)
			if code := p.wait(); code != verdict.ExitHarness && code != verdict.ExitUnknown {
				t.Errorf("exit code %d", code)
			}
			p.says("the disk is full that holds "+r.results, "no space left on device", "--results")
			if n := strings.Count(p.stderr(), "no space left"); n > 2 { // when it is found, and as the reason for having no verdict
				t.Errorf("it is told %d times", n)
			}
			t.Logf("%s%s", p.stderr(), p.stdout())
			noHalfVerdict(t, copied, p)
			if tc.check == nil {
				return
			}
			again := r.start("check", "--results", copied)
			if code := again.wait(); code != tc.check[0] && code != tc.check[len(tc.check)-1] {
				t.Errorf("check: exit code %d, want %v", code, tc.check)
			}
		})
	}
}

// noHalfVerdict checks that every run in a copied directory has a whole verdict or none, and that a verdict that was
// printed is on disk; a directory that is no run must not be there.
func noHalfVerdict(t *testing.T, root string, p *program) {
	t.Helper()
	entries, err := results.List(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, err := e.Run.LoadManifest(); err != nil {
			t.Errorf("%s is no run: %v", e.Run.Name(), err)
		}
		v, err := e.Run.LoadVerdict()
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if p.stdout() != "" {
				t.Errorf("a verdict was printed that is not on disk:\n%s", p.stdout())
			}
			if !strings.Contains(p.stderr(), "there is no verdict on run") {
				t.Error("it does not say that there is no verdict")
			}
		case err != nil:
			t.Errorf("half a verdict: %v", err)
		case !strings.Contains(p.stdout(), v.Word()):
			t.Errorf("verdict %s was not printed", v.Word())
		}
	}
}
