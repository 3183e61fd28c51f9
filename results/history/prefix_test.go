package history

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPrefix flips every bit and checks that the damaged line is named and everything before it is readable.
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
	intact, complete, damage := scanned(t, path)
	full, err := ReadFile(path)
	if err != nil || damage != nil || !complete || len(intact) != 12 || cmp.Diff(full.Events, intact) != "" {
		t.Fatalf("intact: complete %v, %v, %v: %s", complete, damage, err, cmp.Diff(full.Events, intact))
	}
	for at := range len(whole) - 1 { // without the last newline, the history is merely truncated
		flipped := bytes.Clone(whole)
		flipped[at] ^= 4
		if err := os.WriteFile(path, flipped, 0o644); err != nil {
			t.Fatal(err)
		}
		line := bytes.Count(whole[:at], []byte("\n")) + 1
		prefix, complete, damage := scanned(t, path)
		if damage == nil || damage.Line != line || complete && line <= len(full.Events) {
			t.Fatalf("byte %d of line %d: damage %v, complete %v", at, line, damage, complete)
		}
		want := full.Events[:min(line-1, len(full.Events))]
		if d := cmp.Diff(want, append([]Event{}, prefix...)); d != "" {
			t.Fatalf("byte %d: %s", at, d)
		}
		if log, err := ReadFile(path); err == nil || len(log.Events) > 0 {
			t.Fatalf("byte %d: read as if nothing had happened", at)
		}
	}
}

// scanned returns the events of a file up to the first damaged line, if there is one.
func scanned(t *testing.T, path string) (events []Event, complete bool, damage *Damage) {
	t.Helper()
	complete, _, err := ScanFile(path, func(e *Event) error {
		events = append(events, *e)
		return nil
	})
	if err != nil && !errors.As(err, &damage) {
		t.Fatal(err)
	}
	return events, complete, damage
}

// Operations come in order of completion, and those without a completion at the end.
func TestScanOperations(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.jsonl")
	w, err := Create(path, WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var open []Event
	for i := range 4 {
		e, err := w.Invoke(i, "n1", PhaseMain, Op{Func: Write, Key: "x", Value: int64(i)})
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, e)
	}
	for _, i := range []int{2, 0} {
		if _, err := w.Complete(open[i], OK, Result{}, "", Witness{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	log, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := Operations(log.Events)
	var got []Operation
	if err := ScanOperations(path, func(op *Operation) { got = append(got, *op) }); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]Operation{all[2], all[0], all[1], all[3]}, got); d != "" {
		t.Error(d)
	}
}
