package history

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFaultLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "faults.jsonl")
	w, err := CreateFaults(path)
	if err != nil {
		t.Fatal(err)
	}
	fault := func(id string, step FaultStep, status FaultStatus, begin, end time.Duration) FaultEvent {
		return FaultEvent{ID: id, Kind: "kill", Detail: "leader", Targets: []string{"n2"}, Played: "n2",
			Step: step, Status: status, Planned: begin, Begin: begin, End: end, Evidence: []string{"n2: gone"}}
	}
	events := []FaultEvent{
		fault("f1", FaultApply, FaultInstalled, 10, 12),
		fault("f2", FaultApply, FaultSkipped, 13, 14),
		fault("f1", FaultRevert, FaultFailed, 20, 25),
		fault("f1", FaultRevert, FaultReverted, 30, 31),
		fault("f3", FaultApply, FaultInstalled, 40, 41),
		fault("f1", FaultApply, FaultInstalled, 50, 51), // the same fault once more
		fault("f1", FaultRevert, FaultReverted, 60, 61),
	}
	for _, e := range events {
		if err := w.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Append(events[0]); err == nil {
		t.Error("append after close")
	}
	log, err := ReadFaults(path)
	if err != nil || log.Truncated || !log.Complete {
		t.Fatal(log.Truncated, log.Complete, err)
	}
	if d := cmp.Diff(events, log.Events); d != "" {
		t.Fatal(d)
	}

	type window struct {
		id       string
		from, to time.Duration
		status   FaultStatus
		revert   FaultStatus
	}
	var got []window
	for _, w := range Windows(log.Events) {
		got = append(got, window{w.ID, w.From, w.To, w.Status, w.RevertStatus})
	}
	want := []window{
		{"f1", 12, 20, FaultInstalled, FaultReverted},
		{"f2", 14, 14, FaultSkipped, ""},
		{"f3", 41, Forever, FaultInstalled, ""},
		{"f1", 51, 60, FaultInstalled, FaultReverted},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(window{})); d != "" {
		t.Error(d)
	}

	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	faultLogDamage(t, b, len(events))
}

// faultLogDamage damages a complete fault log in every way, and checks how it is read.
func faultLogDamage(t *testing.T, whole []byte, events int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "faults.jsonl")
	read := func(b []byte) (FaultLog, error) {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return ReadFaults(path)
	}
	lines := strings.SplitAfter(string(whole), "\n")
	lines = lines[:len(lines)-1]
	if len(lines) != events+1 {
		t.Fatalf("%d lines for %d events", len(lines), events)
	}
	for at := range whole {
		log, err := read(whole[:at])
		count := strings.Count(string(whole[:at]), "\n")
		if err != nil || log.Complete || log.Truncated != (at > 0 && whole[at-1] != '\n') || len(log.Events) != count {
			t.Fatalf("cut at %d: %d events, truncated %v, complete %v, %v", at, len(log.Events), log.Truncated, log.Complete, err)
		}
	}
	for at := 0; at < len(whole); at += 7 {
		flipped := append([]byte{}, whole...)
		flipped[at] ^= 1
		log, err := read(flipped)
		if err == nil && log.Complete {
			t.Errorf("byte %d flipped, and nobody noticed", at)
		}
		prefix, damage, err := ReadFaultsPrefix(path)
		if line := strings.Count(string(whole[:at]), "\n"); err != nil || prefix.Complete ||
			len(prefix.Events) != line || damage != nil && damage.Line != line+1 {
			t.Errorf("byte %d flipped: prefix of %d events for %d lines, damage %v, %v", at, len(prefix.Events), line, damage, err)
		}
	}
	missing := strings.Join(append(append([]string{}, lines[:2]...), lines[3:]...), "")
	if _, err := read([]byte(missing)); err == nil || !strings.Contains(err.Error(), "faults.jsonl:7: end line") {
		t.Errorf("a line is missing: %v", err)
	}
	if _, err := read([]byte(string(whole) + lines[0])); err == nil || !strings.Contains(err.Error(), "after the end") {
		t.Errorf("a line after the end: %v", err)
	}
	if _, err := read([]byte(string(whole) + "{")); err == nil || !strings.Contains(err.Error(), "after the end") {
		t.Errorf("a piece after the end: %v", err)
	}
}

func TestFaultLogRefusesTheImpossible(t *testing.T) {
	ok := FaultEvent{ID: "f1", Kind: "kill", Step: FaultApply, Status: FaultInstalled}
	for want, change := range map[string]func(*FaultEvent){
		"impossible": func(e *FaultEvent) { e.Status = FaultReverted },
		"no id":      func(e *FaultEvent) { e.ID = "" },
		"no kind":    func(e *FaultEvent) { e.Kind = "" },
		"before":     func(e *FaultEvent) { e.Begin = 5; e.End = 4 },
	} {
		e := ok
		change(&e)
		path := filepath.Join(t.TempDir(), "faults.jsonl")
		line, err := AppendLine(nil, e)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, line, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadFaults(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
}

func TestReadObservations(t *testing.T) {
	read := func(text string) (ObservationLog, error) {
		path := filepath.Join(t.TempDir(), "observations.jsonl")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return ReadObservations(path)
	}
	applied := `{"mono_ns":5,"wall_ns":1000000007,"boot":3,"node":"n1","kind":"applied",` +
		`"ballot":"2.n1","slot":4,"ids":["7:1","-"]}`
	elected := `{"mono_ns":6,"wall_ns":8,"boot":"b4","node":"n1","kind":"elected","ballot":"3.n1"}`
	want := Observation{Mono: 5, Wall: time.Unix(1, 7).UTC(), Boot: "3", Node: "n1", Kind: "applied", Ballot: "2.n1",
		Slot: 4, IDs: []string{"7:1", "-"}}

	for _, text := range []string{
		applied + "\n" + elected + "\n" + applied[:20],        // killed while writing
		applied + "\n" + applied[:30] + "\n" + elected + "\n", // killed, and started again behind the piece
		applied + "\n" + elected + "\n" + applied[:30] + "\n", // killed, started again, and killed at once
	} {
		log, err := read(text)
		if err != nil || log.Cuts != 1 || len(log.Observations) != 2 {
			t.Fatalf("%d observations, %d cuts, %v", len(log.Observations), log.Cuts, err)
		}
		if d := cmp.Diff(want, log.Observations[0]); d != "" {
			t.Error(d)
		}
		if o := log.Observations[1]; o.Boot != "b4" || o.Kind != ObservedElected {
			t.Errorf("second observation: %+v", o)
		}
	}
	for text, want := range map[string][2]Moment{
		`"lease":"rate","since_ns":400,"until_ns":1500`: {{400, time.Unix(8, 900)}, {1500, time.Unix(8, 2000)}},
		`"lease":"wall","since_ns":8000000900,"until_ns":8000002000`: {{400, time.Unix(8, 900)},
			{1500, time.Unix(8, 2000)}},
		`"lease":"rate"`: {},
	} {
		log, err := read(`{"mono_ns":500,"wall_ns":8000001000,"boot":1,"node":"n1","kind":"lease-held",` + text + "}\n")
		if err != nil || len(log.Observations) != 1 {
			t.Fatalf("%s: %+v, %v", text, log, err)
		}
		o := log.Observations[0]
		for i, got := range []Moment{o.Since, o.Until} {
			if got.Mono != want[i].Mono || !got.Wall.Equal(want[i].Wall) || got.IsZero() != want[i].Wall.IsZero() {
				t.Errorf("%s: moment %d is %+v, want %+v", text, i, got, want[i])
			}
		}
	}
	segment := func(n int) string { return fmt.Sprintf(`{"boot":3,"node":"n1","kind":"segment","count":%d}`, n) + "\n" }
	const unwritten = `{"boot":3,"node":"n1","kind":"unwritten","count":6,"reason":"full"}` + "\n"
	for text, want := range map[string][]Loss{
		segment(1) + applied + "\n" + segment(2) + applied + "\n": nil,
		applied + "\n" + segment(2) + applied + "\n":              {{Before: 1, Boot: "3", Segments: 1}},
		segment(4) + applied + "\n" + segment(5) + applied + "\n": {{Boot: "3", Segments: 3}},
		segment(1) + applied + "\n" + segment(3) + applied + "\n": {{Before: 1, Boot: "3", Segments: 1}},
		applied + "\n" + unwritten + applied + "\n":               {{Before: 1, Boot: "3", Lines: 6, Reason: "full"}},
	} {
		log, err := read(text)
		if err != nil || len(log.Observations) != strings.Count(text, applied) {
			t.Errorf("%s: %d observations, %v", text, len(log.Observations), err)
		}
		if d := cmp.Diff(want, log.Lost); d != "" {
			t.Errorf("%s: %s", text, d)
		}
	}
	for text, want := range map[string]string{
		applied + "\ngarbage\n" + applied + "\n":               "observations.jsonl:3: the same incarnation goes on",
		applied + "\n" + `{"kind":""}` + "\n" + applied + "\n": "observations.jsonl:2: observation has no kind",
		applied + "\ngarbage\nmore\n" + elected + "\n":         "observations.jsonl:3: decode observation",
		`{"kind":"x","boot":{}}` + "\n\n":                      "observations.jsonl:2: ",
	} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error with %q", text, err, want)
		}
	}
}
