package results

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"elenchus/results/history"
	"elenchus/results/verdict"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 512e6, time.FixedZone("CET", 3600))

func newRun(t *testing.T, root, name string) Run {
	t.Helper()
	run, err := Create(root, name, noon)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func sampleManifest() *Manifest {
	return &Manifest{
		Schema: ManifestSchema, Tool: ThisTool(), Argv: []string{"elenchus", "run"}, Repeat: "elenchus run --seed 42",
		Seed: 1<<64 - 1, Lab: "local", Hosts: []Host{{Name: "n1", Address: "10.0.0.1"}},
		Config: Config{Workload: "register", Protocol: "multipaxos", Funcs: history.Funcs, TimeLimit: time.Minute},
		State:  StateCreated, Instants: []Instant{{StateCreated, -time.Second}}, Started: noon.UTC(),
		Recovery: Recovery{Attempted: true, Nodes: []NodeReady{{Node: "n1", Ready: true}}},
	}
}

func TestCreateAndOpen(t *testing.T) {
	root := filepath.Join(t.TempDir(), "runs")
	first := newRun(t, root, "register-seed42")
	if got, want := first.Name(), "20261121T110000.512Z-register-seed42"; got != want {
		t.Errorf("name %q, want %q", got, want)
	}
	if _, err := Open(root, Latest); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open without manifest: %v", err)
	}
	second := newRun(t, root, "register-seed42") // in the same millisecond
	for _, run := range []Run{first, second} {
		if err := run.SaveManifest(sampleManifest()); err != nil {
			t.Fatal(err)
		}
	}
	refs := map[string]Run{
		"": second, Latest: second, first.Name(): first, first.Dir: first, second.Dir + "/": second,
	}
	for ref, want := range refs {
		got, err := Open(root, ref)
		if err != nil || got.Name() != want.Name() {
			t.Errorf("Open(%q) = %v, %v, want %v", ref, got, err, want)
		}
	}
	if _, err := Open(root, "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open of a missing run: %v", err)
	}
	for _, bad := range []string{"", "../x", "a b", ".hidden", strings.Repeat("x", 200)} {
		if run, err := Create(root, bad, noon); err == nil {
			t.Errorf("Create(%q) made %s", bad, run.Dir)
		}
	}
	leftovers, err := filepath.Glob(filepath.Join(root, ".*"))
	if err != nil || len(leftovers) > 0 {
		t.Errorf("left behind: %v, %v", leftovers, err)
	}
}

func TestManifestRoundTrip(t *testing.T) {
	run := newRun(t, t.TempDir(), "x")
	want := sampleManifest()
	if err := run.SaveManifest(want); err != nil {
		t.Fatal(err)
	}
	got, err := run.LoadManifest()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	names, _ := filepath.Glob(run.Path(".*"))
	if len(names) > 0 {
		t.Errorf("temporary files left: %v", names)
	}
}

func TestStatesOnlyGoForward(t *testing.T) {
	var m Manifest
	for i, s := range []State{StateCreated, StateRunning, StateCollected, StateChecked, StateChecked} {
		if err := m.Enter(s, time.Duration(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Enter(StateHealed, 9); err == nil {
		t.Error("went back")
	}
	if err := m.Enter("done", 9); err == nil {
		t.Error("entered a state that does not exist")
	}
	if at, ok := m.At(StateChecked); !ok || at != 4 || len(m.Instants) != 4 {
		t.Errorf("checked at %v, %v; instants %v", at, ok, m.Instants)
	}
	if _, ok := m.At(StateHealed); ok || !m.Reached(StateHealed) {
		t.Error("a state that was skipped was reached, but has no instant")
	}
}

func TestRefusesWhatItCannotRead(t *testing.T) {
	run := newRun(t, t.TempDir(), "x")
	for text, want := range map[string]string{
		`{"schema": 99, "state": {"new": "shape"}}`: "schema 99",
		`{}`:                              "no schema number",
		`{"schema": 1, "state": "lost"}`:  `unknown state "lost"`,
		`{"schema": 1, "state": "create`:  "decode manifest.json",
		`{"schema": 1, "seed": "twelve"}`: "decode manifest.json",
	} {
		if err := os.WriteFile(run.Path(ManifestFile), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := run.LoadManifest()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", text, err, want)
		}
		if newer := strings.Contains(text, "99"); errors.Is(err, ErrNewer) != newer {
			t.Errorf("%s: ErrNewer %v", text, !newer)
		}
	}
}

func TestList(t *testing.T) {
	root := t.TempDir()
	if got, err := List(filepath.Join(root, "none")); err != nil || got != nil {
		t.Errorf("missing root: %v, %v", got, err)
	}
	checked, fresh, broken := newRun(t, root, "c"), newRun(t, root, "a"), newRun(t, root, "b")
	m := sampleManifest()
	if err := fresh.SaveManifest(m); err != nil {
		t.Fatal(err)
	}
	if err := m.Enter(StateChecked, 5); err != nil {
		t.Fatal(err)
	}
	v := verdict.Verdict{
		Schema:   verdict.Schema,
		Safety:   verdict.Safety{Status: verdict.Violated},
		Coverage: verdict.Coverage{Operations: []verdict.OperationCount{{OK: 5, Fail: 1}, {OK: 2, Unknown: 3}}},
	}
	if err := errors.Join(checked.SaveManifest(m), checked.SaveVerdict(v)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(broken.Path(ManifestFile), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := List(root)
	if err != nil || len(got) != 3 {
		t.Fatalf("%d entries, %v", len(got), err)
	}
	if e := got[0]; e.Word != "VIOLATED" || e.OK != 7 || e.Fail != 1 || e.Unknown != 3 || e.Err != nil {
		t.Errorf("checked run: %+v", e)
	}
	if e := got[1]; e.Err == nil || e.Run.Name() != broken.Name() {
		t.Errorf("broken run: %+v", e)
	}
	if e := got[2]; e.Word != "" || e.Workload != "register" || e.State != StateCreated || e.Err != nil {
		t.Errorf("run that was not checked: %+v", e)
	}
}

func TestWriteFileKeepsTheOldOnFailure(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := WriteFile(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(filepath.Join(dir, "d"), []byte("new")); err == nil {
		t.Error("a directory was overwritten")
	}
	if err := WriteFile(path, []byte("new")); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != "new" {
		t.Errorf("%q, %v", got, err)
	}
	if names, _ := filepath.Glob(filepath.Join(dir, ".*")); len(names) > 0 {
		t.Errorf("temporary files left: %v", names)
	}
}

func TestOtherCommit(t *testing.T) {
	for _, c := range []struct {
		t, u  string
		other bool
	}{{"", "", false}, {"a", "", false}, {"", "a", false}, {"a", "a", false}, {"a", "b", true}} {
		if got := (Tool{Revision: c.t}).OtherCommit(Tool{Revision: c.u}); got != c.other {
			t.Errorf("%q and %q: %v", c.t, c.u, got)
		}
	}
}
