package history

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPrefix: whatever bit is flipped, the line that has it is named, and what stands before it is still to be had.
func TestPrefix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.jsonl")
	w, err := Create(path, WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(6) {
		inv, err := w.Invoke(int(i), "n1", PhaseMain, Op{Func: Write, Key: "x", Value: i})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Complete(inv, OK, Result{}, "", Witness{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	intact, damage, err := ReadPrefix(path)
	if err != nil || damage != nil || !intact.Complete || len(intact.Operations) != 6 {
		t.Fatalf("intact: %d operations, complete %v, %v, %v", len(intact.Operations), intact.Complete, damage, err)
	}
	full, err := ReadFile(path)
	if err != nil || cmp.Diff(full.All(), intact.All()) != "" || full.Last != intact.Last || full.Last == 0 {
		t.Fatalf("events and operations differ: %s, %v", cmp.Diff(full.All(), intact.All()), err)
	}
	for at := range len(whole) - 1 { // without the last newline, the history is only cut
		flipped := bytes.Clone(whole)
		flipped[at] ^= 4
		if err := os.WriteFile(path, flipped, 0o644); err != nil {
			t.Fatal(err)
		}
		line := bytes.Count(whole[:at], []byte("\n")) + 1
		prefix, damage, err := ReadPrefix(path)
		if err != nil || damage == nil || damage.Line != line || prefix.Complete {
			t.Fatalf("byte %d of line %d: damage %v, complete %v, %v", at, line, damage, prefix.Complete, err)
		}
		want := Operations(full.Events[:min(line-1, len(full.Events))])
		if d := cmp.Diff(want, append([]Operation{}, prefix.Operations...)); d != "" {
			t.Fatalf("byte %d: %s", at, d)
		}
		if log, err := ReadFile(path); err == nil || len(log.Events) > 0 {
			t.Fatalf("byte %d: read as if nothing had happened", at)
		}
		if log, err := ReadOperations(path); err == nil || len(log.Operations) > 0 {
			t.Fatalf("byte %d: operations read as if nothing had happened", at)
		}
	}
}
