package server

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// allotted is a file on a disk of which room bytes are free, where room can be reserved.
type allotted struct {
	observationsOnDisk
	room      int64
	size, end int64 // of what is written, and of what is allocated for the file
	asked     int
}

func (f *allotted) Reserve(from, length int64) error {
	f.asked++
	if more := from + length - f.end; more > f.room {
		return syscall.ENOSPC
	} else if more > 0 {
		f.room, f.end = f.room-more, f.end+more
	}
	return nil
}

func (f *allotted) Write(p []byte) (int, error) {
	if err := f.Reserve(f.size, int64(len(p))); err != nil {
		return 0, err
	}
	f.size += int64(len(p))
	return f.observationsOnDisk.Write(p)
}

// A node whose disk is full writes its observations for a while yet, and then, in room that nothing else may use, that
// lines are missing. It does not wait for room to come back: the node may be gone by then.
func TestMissingLinesAreMarkedWhileTheDiskIsFull(t *testing.T) {
	dir := t.TempDir()
	o := newTestObserver(t, dir, 1)
	disk := &allotted{observationsOnDisk: o.file.(observationsOnDisk), room: 8 << 20}
	o.file = disk
	applies(t, o, 1, 1)
	if disk.asked > 2 {
		t.Errorf("asked for room %d times", disk.asked)
	}
	disk.room = 0
	last := 100_000
	for i := 2; i <= last; i++ {
		applies(t, o, 1, 1)
	}
	lines := observed(t, dir, ObservationsName)
	if n := len(lines); lines[n-1] != "unwritten:1" || n >= last {
		t.Errorf("%d lines, and the last is %s", n, lines[n-1])
	}
	if info, err := os.Stat(filepath.Join(dir, ObservationsName)); err != nil || info.Size() < reservedAhead {
		t.Errorf("of %d bytes that were reserved %d were used, %v", reservedAhead, info.Size(), err)
	}

	// Another incarnation goes on behind the mark.
	applies(t, newTestObserver(t, dir, 2), 7, 7)
	if again := observed(t, dir, ObservationsName); strings.Join(again[len(lines):], " ") != "applied:7" {
		t.Errorf("after the mark: %q", again[len(lines):])
	}

	// With room, all that are missing are counted.
	disk.room = 8 << 20
	applies(t, o, 3, 3)
	again := observed(t, dir, ObservationsName)
	rest := fmt.Sprintf("unwritten:%d applied:3", last-(len(lines)-2)-1) // less the segment, the mark, and whom it counts
	if strings.Join(again[len(lines)+1:], " ") != rest {
		t.Errorf("after the disk was full: %q, want %s", again[len(lines)+1:], rest)
	}
}

// On the file system at hand room can be reserved, or that it cannot is known, and no file grows by it.
func TestReserve(t *testing.T) {
	o := newTestObserver(t, t.TempDir(), 1)
	if err := o.reserve(100); err != nil || !o.unreserved && o.reserved < reservedAhead {
		t.Errorf("reserved up to %d, %v", o.reserved, err)
	}
	info, err := o.file.(observationsOnDisk).Stat()
	if err != nil || info.Size() != 0 {
		t.Errorf("%d bytes, %v", info.Size(), err)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && !o.unreserved && stat.Blocks*512 < o.reserved {
		t.Errorf("%d blocks for %d bytes", stat.Blocks, o.reserved)
	}
}

// A segment whose first lines find no room begins with the mark: without it nobody could tell that they are missing.
func TestMissingLinesAreMarkedAtTheBeginningOfASegment(t *testing.T) {
	dir := t.TempDir()
	o := newTestObserver(t, dir, 1)
	o.file = &allotted{observationsOnDisk: o.file.(observationsOnDisk), room: reservedLast}
	applies(t, o, 1, 3)
	if lines := strings.Join(observed(t, dir, ObservationsName), " "); lines != "segment:1 unwritten:1" {
		t.Errorf("the file has %q", lines)
	}
}

// interrupted is a file of which the first attempts to reserve room are interrupted by signals.
type interrupted struct {
	allotted
	times int
}

func (f *interrupted) Reserve(from, length int64) error {
	if f.times--; f.times >= 0 {
		return syscall.EINTR
	}
	return f.allotted.Reserve(from, length)
}

// A signal while room is reserved does not end that room is reserved.
func TestReserveIsAskedAgainAfterASignal(t *testing.T) {
	o := newTestObserver(t, t.TempDir(), 1)
	o.file = &interrupted{allotted{observationsOnDisk: o.file.(observationsOnDisk), room: 8 << 20}, 2}
	applies(t, o, 1, 2)
	if o.unreserved || o.reserved < reservedAhead {
		t.Errorf("reserved up to %d; given up: %v", o.reserved, o.unreserved)
	}
}
