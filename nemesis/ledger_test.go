package nemesis

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func openLedger(t *testing.T, path string) *Ledger {
	t.Helper()
	l, err := OpenLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func entry(id string) Entry {
	return Entry{ID: id, Kind: Pause, Played: "n1", Hosts: []string{"n1"}, Processes: []Process{{"n1", 12, 3456}}}
}

// TestLedgerTornAtEveryByte truncates the file of a long-lived ledger at each byte. What is outstanding must follow
// from the complete lines, and lines written afterwards must be there when the ledger is opened again.
func TestLedgerTornAtEveryByte(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ledger")
	l := openLedger(t, path)
	states := []string{""} // what is outstanding after each line
	note := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
		states = append(states, ids(l))
	}
	enter := func(id string) int {
		number, err := l.Enter(entry(id))
		note(err)
		return number
	}
	f1, f2 := enter("f1"), enter("f2")
	note(l.Settle(f1))
	f3 := enter("f3")
	note(l.Settle(f3))
	enter("f1")
	note(l.Settle(f2))
	if err := l.Settle(f2); err != nil {
		t.Errorf("settled twice: %v", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(text), "\n"); lines != len(states)-1 {
		t.Fatalf("%d lines for %d steps", lines, len(states)-1)
	}
	for cut := range len(text) + 1 {
		torn := filepath.Join(dir, "torn")
		if err := os.WriteFile(torn, text[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		l := openLedger(t, torn)
		want := states[strings.Count(string(text[:cut]), "\n")]
		if got := ids(l); got != want {
			t.Errorf("cut after %d bytes: outstanding %q, want %q", cut, got, want)
		}
		if _, err := l.Enter(entry("new")); err != nil {
			t.Fatal(err)
		}
		l.Close()
		again := openLedger(t, torn)
		if got := ids(again); got != strings.TrimSpace(want+" new") {
			t.Errorf("cut after %d bytes, written and opened: outstanding %q", cut, got)
		}
		again.Close()
	}
}

func ids(l *Ledger) string {
	var names []string
	for _, e := range l.Outstanding() {
		names = append(names, e.ID)
	}
	return strings.Join(names, " ")
}

func TestLedgerStartsAfreshWhenAllIsSettled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	l := openLedger(t, path)
	for i := range 10 {
		number, err := l.Enter(entry(fmt.Sprint("f", i)))
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Settle(number); err != nil {
			t.Fatal(err)
		}
	}
	l.Close()
	openLedger(t, path)
	if info, err := os.Stat(path); err != nil || info.Size() != 0 {
		t.Errorf("%v bytes left: %v", info.Size(), err)
	}
}

func TestLedgerRefusesHoles(t *testing.T) {
	for _, text := range []string{
		"{\"open\":1,\"entry\":{\"id\":\"f1\"}}\nrubbish\n{\"close\":1}\n",
		"{\"close\":1}\n",
		"{\"open\":2,\"entry\":{\"id\":\"f1\"}}\n{\"open\":1,\"entry\":{\"id\":\"f1\"}}\n",
		"{\"open\":1}\n",
		"{\"open\":1,\"entry\":{\"id\":\"f1\"},\"more\":1}\n",
	} {
		path := filepath.Join(t.TempDir(), "ledger")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if l, err := OpenLedger(path); err == nil {
			l.Close()
			t.Errorf("opened %q", text)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != text {
			t.Errorf("%q was changed to %q: %v", text, after, err)
		}
	}
}

func TestLedgerEntryReadsBackTheSame(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	l := openLedger(t, path)
	want := entry("f1")
	if _, err := l.Enter(want); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if diff := cmp.Diff([]Entry{want}, openLedger(t, path).Outstanding()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNilLedgerKeepsNothing(t *testing.T) {
	var l *Ledger
	number, err := l.Enter(entry("f1"))
	if err != nil || l.Settle(number) != nil || l.Outstanding() != nil || l.Close() != nil {
		t.Error("a nil ledger did something")
	}
}
