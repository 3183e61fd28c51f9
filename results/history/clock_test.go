package history

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func sampleClocks() []ClockLine {
	return []ClockLine{
		{Node: "n1", Event: ClockOpened, Detail: "elenchus-clock probe"},
		{Node: "n1", Sent: 100, Received: 300, Mono: 7_000, Wall: 1_795_271_503_524_837_688, Raw: 6_999},
		{Node: "n2", Sent: 5, Received: 5, Event: ClockMissing, Detail: "no program for it"},
		{Node: "n1", Sent: 400, Received: 400, Event: ClockLost, Detail: "connection reset"},
	}
}

func writeClocks(t *testing.T, lines []ClockLine) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clocks.jsonl")
	w, err := CreateClocks(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		if err := w.Append(l); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Append(lines[0]); err == nil {
		t.Error("wrote to a closed log")
	}
	return path
}

func TestClocksRoundTrip(t *testing.T) {
	want := sampleClocks()
	path := writeClocks(t, want)
	log, err := ReadClocks(path)
	if err != nil || log.Truncated || !slices.Equal(log.Lines, want) {
		t.Errorf("read back %+v, %v", log, err)
	}
	if _, err := CreateClocks(path); err == nil {
		t.Error("an existing log was opened for writing")
	}
}

func TestDamagedClocksKeepWhatIsBefore(t *testing.T) {
	data, err := os.ReadFile(writeClocks(t, sampleClocks()))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(string(data), "\n"), "\n")
	for name, tt := range map[string]struct {
		text      string
		good      int
		truncated bool
		err       string
	}{
		"torn":          {lines[0] + lines[1][:20], 1, true, ""},
		"empty":         {"", 0, false, ""},
		"garbage":       {lines[0] + "\x00\xff\n" + lines[1], 1, false, "clocks.jsonl:2: "},
		"changed":       {lines[0] + strings.Replace(lines[1], "7000", "7001", 1), 1, false, "checksum"},
		"not a sample":  {checksummed(t, ClockLine{Node: "n1", Sent: 1, Received: 2}), 0, false, "without a monotonic"},
		"backwards":     {checksummed(t, ClockLine{Node: "n1", Sent: 2, Received: 1, Mono: 1, Wall: 1}), 0, false, "before"},
		"unknown event": {checksummed(t, ClockLine{Node: "n1", Event: "odd"}), 0, false, `"odd"`},
		"nobody":        {checksummed(t, ClockLine{Mono: 1, Wall: 1}), 0, false, "node is missing"},
	} {
		path := filepath.Join(t.TempDir(), "clocks.jsonl")
		if err := os.WriteFile(path, []byte(tt.text), 0o644); err != nil {
			t.Fatal(err)
		}
		log, err := ReadClocks(path)
		if len(log.Lines) != tt.good || log.Truncated != tt.truncated {
			t.Errorf("%s: %d lines, truncated %v", name, len(log.Lines), log.Truncated)
		}
		if (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: error %v, want %q", name, err, tt.err)
		}
	}
}

func checksummed(t *testing.T, l ClockLine) string {
	t.Helper()
	line, err := AppendLine(nil, l)
	if err != nil {
		t.Fatal(err)
	}
	return string(line)
}

func TestClocksRefuseWhatTheyCouldNotReadBack(t *testing.T) {
	w, err := CreateClocks(filepath.Join(t.TempDir(), "clocks.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append(ClockLine{Node: "n1"}); err == nil {
		t.Error("wrote a sample without readings")
	}
}

func TestClocksFromManyHosts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clocks.jsonl")
	w, err := CreateClocks(path)
	if err != nil {
		t.Fatal(err)
	}
	var hosts sync.WaitGroup
	for _, node := range []string{"n1", "n2", "n3"} {
		hosts.Go(func() {
			for i := range 200 {
				at := time.Duration(i)
				if err := w.Append(ClockLine{Node: node, Sent: at, Received: at + 1, Mono: 1, Wall: 1}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	hosts.Wait()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	log, err := ReadClocks(path)
	if err != nil || len(log.Lines) != 600 {
		t.Fatalf("%d lines, %v", len(log.Lines), err)
	}
}
