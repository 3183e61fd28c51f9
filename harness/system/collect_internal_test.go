package system

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestObservationsAreJoined: what a node has written in several files comes home as one, in the order in which it was
// written, whatever the moment at which the node was killed.
func TestObservationsAreJoined(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"one file", map[string]string{observations: "a\n"}, "a\n"},
		{"several", map[string]string{"observations-00000009.jsonl": "a\n", "observations-00000010.jsonl": "b\nc\n",
			observations: "d\n"}, "a\nb\nc\nd\n"},
		{"killed between two", map[string]string{"observations-00000003.jsonl": "a\n"}, "a\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			data, home := t.TempDir(), filepath.Join(t.TempDir(), observations)
			for name, text := range c.files {
				if err := os.WriteFile(filepath.Join(data, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := joinObservations(data, home); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(home)
			if err != nil || string(got) != c.want {
				t.Errorf("%q, %v", got, err)
			}
			if left, err := os.ReadDir(data); err != nil || len(left) > 0 {
				t.Errorf("%v is left, %v", left, err)
			}
		})
	}
	if err := joinObservations(t.TempDir(), filepath.Join(t.TempDir(), observations)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of nothing: %v", err)
	}
}
