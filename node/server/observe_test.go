package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/go-hclog"

	"elenchus/node/clock"
	"elenchus/node/protocol"
)

// observed returns the lines of a file, each as "kind", "applied:slot" or "kind:count".
func observed(t *testing.T, dir, file string) (lines []string) {
	t.Helper()
	for _, text := range strings.SplitAfter(readFile(t, dir, file), "\n") {
		if text == "" {
			continue
		}
		var l observation
		if err := json.Unmarshal([]byte(text), &l); err != nil || !strings.HasSuffix(text, "\n") {
			t.Errorf("%s: %v in %q", file, err, text)
		}
		switch {
		case l.Count > 0:
			lines = append(lines, fmt.Sprintf("%s:%d", l.Kind, l.Count))
		case l.Slot > 0:
			lines = append(lines, fmt.Sprintf("%s:%d", l.Kind, l.Slot))
		default:
			lines = append(lines, l.Kind)
		}
	}
	return lines
}

func newTestObserver(t *testing.T, dir string, boot uint64) *observer {
	t.Helper()
	o, err := newObserver(Options{ID: 1, Data: dir, Logger: hclog.NewNullLogger()}, boot)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	return o
}

// applies adds an observation for each slot, flushing each separately.
func applies(t *testing.T, o *observer, first, last protocol.Slot) {
	t.Helper()
	for slot := first; slot <= last; slot++ {
		in := protocol.Observation{Kind: protocol.ObservedApplied, Slot: slot}
		if err := o.add(clock.Reading{Mono: 1, Wall: 1}, &in); err != nil {
			t.Fatal(err)
		}
		o.flush()
	}
}

// TestObservationsAreBounded checks that observations stay within their limit, that the newest are complete, and that
// the segments are numbered, even across restarts.
func TestObservationsAreBounded(t *testing.T) {
	dir := t.TempDir()
	const limit = 1000 // per segment: about ten lines
	last := protocol.Slot(0)
	for boot := uint64(1); boot <= 3; boot++ {
		o := newTestObserver(t, dir, boot)
		o.limit = limit
		applies(t, o, last+1, last+100)
		last += 100
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
	}
	numbers, err := observationSegments(dir)
	if err != nil || len(numbers) != observationSegmentsMax-1 || numbers[0] < 10 {
		t.Fatalf("segments %v, %v", numbers, err)
	}
	var all []string
	total := int64(0)
	for i, number := range append(numbers, numbers[len(numbers)-1]+1) {
		file := segmentName(number)
		if i == len(numbers) {
			file = ObservationsName
		}
		info, err := os.Stat(filepath.Join(dir, file))
		if err != nil || info.Size() > limit+200 { // allow for the segment line
			t.Errorf("%s: %v bytes, %v", file, info.Size(), err)
		}
		total += info.Size()
		lines := observed(t, dir, file)
		if number != numbers[0]+uint64(i) || lines[0] != fmt.Sprintf("segment:%d", number) {
			t.Errorf("%s begins with %s", file, lines[0])
		}
		all = append(all, lines[1:]...)
	}
	for i, line := range all {
		if want := fmt.Sprintf("applied:%d", int(last)-len(all)+i+1); line != want {
			t.Fatalf("line %d of those that are kept is %s, want %s", i, line, want)
		}
	}
	t.Logf("%d lines in %d bytes", len(all), total)
}

// fullFile is a file on a disk with limited room.
type fullFile struct {
	observationsOnDisk
	room    int
	cutting error // error of Truncate, if any
}

func (f *fullFile) Write(p []byte) (int, error) {
	if len(p) <= f.room {
		f.room -= len(p)
		return f.File.Write(p)
	}
	n, err := f.File.Write(p[:f.room])
	f.room = 0
	return n, errors.Join(err, syscall.ENOSPC)
}

func (f *fullFile) Reserve(int64, int64) error { return errors.ErrUnsupported }

func (f *fullFile) Truncate(size int64) error {
	if f.cutting != nil {
		return f.cutting
	}
	return f.File.Truncate(size)
}

// TestObservationsOnAFullDisk checks that no partial line remains, and that the file records how many lines are missing
// once there is room again.
func TestObservationsOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	o := newTestObserver(t, dir, 1)
	disk := &fullFile{observationsOnDisk: o.file.(observationsOnDisk), room: 300}
	o.file = disk
	applies(t, o, 1, 10)
	whole := observed(t, dir, ObservationsName)
	if len(whole) < 2 || len(whole) > 10 {
		t.Fatalf("on a full disk there are %q", whole)
	}
	disk.room = 1 << 20
	applies(t, o, 11, 12)
	want := append(whole, fmt.Sprintf("unwritten:%d", 11-len(whole)), "applied:11", "applied:12")
	if got := observed(t, dir, ObservationsName); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%q, want %q", got, want)
	}
	if text := readFile(t, dir, ObservationsName); !strings.Contains(text, `"reason":"no space left on device"`) {
		t.Errorf("no reason in %s", text)
	}

	// Behind a partial line that cannot be removed nothing is written.
	disk.room, disk.cutting = 10, syscall.EIO
	applies(t, o, 13, 13)
	disk.room = 1 << 20
	applies(t, o, 14, 14)
	if text := readFile(t, dir, ObservationsName); strings.Contains(text, `"slot":14`) || strings.HasSuffix(text, "\n") {
		t.Errorf("behind a piece of a line stands more: %s", text)
	}

	// When it can be removed after all, the file says what is missing, and goes on.
	disk.cutting = nil
	applies(t, o, 15, 15)
	want = append(want, "unwritten:2", "applied:15")
	if got := observed(t, dir, ObservationsName); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%q, want %q", got, want)
	}

	// A partial line that the incarnation could not remove is ended by the next one.
	disk.room, disk.cutting = 10, syscall.EIO
	applies(t, o, 16, 16)
	applies(t, newTestObserver(t, dir, 2), 17, 17)
	if text := readFile(t, dir, ObservationsName); !strings.HasSuffix(text, "\"slot\":17,\"value\":\"cbf29ce484222325\"}\n") {
		t.Errorf("the next incarnation does not go on: %s", text)
	}
}

// TestLastLine finds the end of the last whole line, at various positions relative to the block boundaries.
func TestLastLine(t *testing.T) {
	for _, c := range []struct{ whole, piece int }{{0, 0}, {0, 9000}, {1, 4095}, {1, 4096}, {5000, 1}, {4096, 4097}} {
		f, err := os.Create(filepath.Join(t.TempDir(), "f"))
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Repeat("x", c.piece)
		if c.whole > 0 {
			text = strings.Repeat("y", c.whole-1) + "\n" + text
		}
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if end, err := lastLine(f, int64(len(text))); err != nil || end != int64(c.whole) {
			t.Errorf("%+v: %d, %v", c, end, err)
		}
		_ = f.Close()
	}
}

// What a node's monotonic clock counts from is a reading of the host's, and every segment of the file says it.
func TestOriginOfTheClock(t *testing.T) {
	before := nanotime()
	o := Options{ID: 1, Data: t.TempDir(), Logger: hclog.NewNullLogger()}.withDefaults()
	if now := int64(o.Clock().Mono) + o.origin; now < before || now > nanotime() {
		t.Errorf("the clock counts from %d, and it is %d, not between %d and %d", o.origin, now, before, nanotime())
	}
	obs, err := newObserver(o, 3)
	if err != nil {
		t.Fatal(err)
	}
	write := func() {
		if err := obs.add(clock.Reading{Mono: 5, Wall: 7}, &protocol.Observation{Kind: protocol.ObservedElected}); err != nil {
			t.Fatal(err)
		}
		obs.flush()
	}
	write()
	write()
	if err := obs.rotate(); err != nil {
		t.Fatal(err)
	}
	write()
	if err := obs.Close(); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		segmentName(1): "segment:1 clock elected elected", ObservationsName: "segment:2 clock elected",
	} {
		if got := observed(t, o.Data, file); strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
}
