package results

import (
	"os"
	"slices"
	"testing"
	"time"
)

func TestTamperedEvidenceIsNoticed(t *testing.T) {
	run, err := Create(t.TempDir(), "evidence", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(run.Path(name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(HistoryFile, "history")
	write(FaultsFile, "faults")
	if err := os.Mkdir(run.NodeDir("n1"), 0o755); err != nil {
		t.Fatal(err)
	}
	write("nodes/n1/observations.jsonl", "applied")
	write("nodes/n1/node.log", "log")
	files, err := run.Evidence(nil)
	if err != nil || len(files) != 4 {
		t.Fatalf("evidence: %v, %v", files, err)
	}
	m := &Manifest{Files: files}
	if changed := run.Tampered(m); len(changed) != 0 {
		t.Fatalf("nothing was touched, and yet: %v", changed)
	}
	write("nodes/n1/observations.jsonl", "applie")
	write(VerdictFile, "verdicts are made anew")
	if err := os.Remove(run.Path("nodes/n1/node.log")); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"nodes/n1/node.log is gone since it was collected",
		"nodes/n1/observations.jsonl was changed since it was collected",
	}
	if changed := run.Tampered(m); !slices.Equal(changed, want) {
		t.Errorf("changed: %q, want %q", changed, want)
	}
}
