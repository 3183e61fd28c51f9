package wal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testDir = "data"

var (
	testID   = Identity{Cluster: "lab", Node: 2}
	testName = filepath.Join(testDir, FileName)
)

// load opens the log and returns its records.
func load(fsys FS, dir string, opts Options) (*Log, Info, []string, error) {
	var records []string
	l, info, err := Open(fsys, dir, testID, opts, func(_ Position, payload []byte) error {
		records = append(records, string(payload))
		return nil
	})
	return l, info, records, err
}

// write appends each group and syncs it.
func write(t *testing.T, l *Log, groups ...[]string) {
	t.Helper()
	for _, group := range groups {
		for _, record := range group {
			if _, err := l.Append([]byte(record)); err != nil {
				t.Fatalf("append: %v", err)
			}
		}
		if _, err := l.Sync(); err != nil {
			t.Fatalf("sync: %v", err)
		}
	}
}

// sample makes a log with the given groups and returns its bytes and the end offsets of its header and frames.
func sample(t *testing.T, groups ...[]string) (log []byte, ends []int) {
	t.Helper()
	fsys := NewMemFS(1)
	l, info, _, err := load(fsys, testDir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ends = []int{int(info.Bytes)}
	for _, group := range groups {
		write(t, l, group)
		ends = append(ends, int(l.Stats().Bytes))
	}
	return fsys.Bytes(testName), ends
}

// reopen opens a log with the given bytes.
func reopen(log []byte) (Info, []string, error) {
	fsys := NewMemFS(1)
	fsys.SetBytes(testName, log)
	l, info, records, err := load(fsys, testDir, Options{})
	if err == nil {
		err = l.Close()
	}
	return info, records, err
}

func TestRecordsSurviveOnARealDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	l, _, records, err := load(OS{}, dir, Options{})
	if err != nil || len(records) != 0 {
		t.Fatalf("virgin log: %v, %v", records, err)
	}
	write(t, l, []string{"one", ""}, []string{"three"})
	if n, err := l.Sync(); n != 3 || err != nil {
		t.Fatalf("sync with nothing to do = %d, %v; want 3", n, err)
	}
	if _, err := l.Append([]byte("never synced")); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(nil); !errors.Is(err, os.ErrClosed) {
		t.Fatalf("append to a closed log: %v", err)
	}

	l, info, records, err := load(OS{}, dir, Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"one", "", "three"}; !slices.Equal(records, want) || info.Frames != 2 || info.Torn != nil {
		t.Fatalf("replayed %q, %+v; want %q in 2 frames", records, info, want)
	}
	write(t, l, []string{"four"})
	if got := l.Stats(); got.Records != 4 || got.Syncs != 1 {
		t.Errorf("stats = %+v, want 4 records and 1 sync", got)
	}
	var positions []string
	_, err = Read(OS{}, dir, func(Info) error { return nil }, func(at Position, payload []byte) error {
		positions = append(positions, fmt.Sprintf("%d/%d %s", at.Frame, at.Record, payload))
		return nil
	})
	if want := []string{"1/0 one", "1/1 ", "2/0 three", "3/0 four"}; err != nil || !slices.Equal(positions, want) {
		t.Errorf("read while open = %q, %v; want %q", positions, err, want)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	for name, fsys := range map[string]FS{"os": OS{}, "memory": NewMemFS(1)} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			first, _, _, err := load(fsys, dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if _, _, _, err := load(fsys, dir, Options{}); !errors.Is(err, ErrLocked) {
				t.Fatalf("second open: %v, want ErrLocked", err)
			}
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			second, _, _, err := load(fsys, dir, Options{})
			if err != nil {
				t.Fatalf("open after close: %v", err)
			}
			if err := second.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestRefusesAnotherOwner(t *testing.T) {
	log, _ := sample(t, []string{"x"})
	for _, id := range []Identity{{"lab", 3}, {"other", 2}} {
		fsys := NewMemFS(1)
		fsys.SetBytes(testName, log)
		_, _, err := Open(fsys, testDir, id, Options{}, func(Position, []byte) error {
			t.Error("a record was handed out before the identity was checked")
			return nil
		})
		if !errors.Is(err, ErrIdentity) || !strings.Contains(err.Error(), testID.String()) ||
			!strings.Contains(err.Error(), id.String()) {
			t.Errorf("open as %v: %v; want ErrIdentity naming both", id, err)
		}
	}
}

// TestEndIsMissing checks that a missing end, which the file alone cannot tell from a crash, is detected by a caller
// who knows how many frames there were.
func TestEndIsMissing(t *testing.T) {
	log, ends := sample(t, []string{"1"}, []string{"2"}, []string{"3"})
	for _, cut := range []int{ends[0], ends[2], ends[3] - 1, ends[3]} {
		fsys := NewMemFS(1)
		fsys.SetBytes(testName, log[:cut])
		_, _, _, err := load(fsys, testDir, Options{FramesMin: 3})
		if errors.Is(err, ErrCorrupt) != (cut < ends[3]) || len(fsys.Bytes(testName)) != cut {
			t.Errorf("cut at %d: %v, and %d bytes are left", cut, err, len(fsys.Bytes(testName)))
		}
	}
}

func TestMissingLog(t *testing.T) {
	if _, _, _, err := load(NewMemFS(1), testDir, Options{MustExist: true}); !errors.Is(err, ErrMissing) {
		t.Fatalf("open: %v, want ErrMissing", err)
	}
}

// TestErrorsStick fails every write and every sync once, and checks that nothing is accepted afterwards.
func TestErrorsStick(t *testing.T) {
	broken := errors.New("input/output error")
	for op, name := range []string{1: "write", 2: "sync"} {
		if op == 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			fsys := NewMemFS(1)
			l, _, _, err := load(fsys, testDir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			write(t, l, []string{"good"})
			if _, err := l.Append([]byte("bad")); err != nil {
				t.Fatal(err)
			}
			fsys.FailAt(op, broken)
			before := fsys.Ops() + op
			for range 3 {
				if _, err := l.Sync(); !errors.Is(err, broken) {
					t.Fatalf("sync: %v, want %v", err, broken)
				}
				if _, err := l.Append([]byte("more")); !errors.Is(err, ErrBroken) || !errors.Is(err, broken) {
					t.Fatalf("append: %v, want ErrBroken", err)
				}
			}
			if fsys.Ops() != before {
				t.Errorf("%d operations after the error, want none", fsys.Ops()-before)
			}
		})
	}
}

// TestConcurrentAppendAndSync checks that a Sync covers everything appended before it, under concurrent appends.
func TestConcurrentAppendAndSync(t *testing.T) {
	dir := t.TempDir()
	l, _, _, err := load(OS{}, dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	const writers, each = 4, 100
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range each {
				n, err := l.Append(fmt.Appendf(nil, "%d/%d", w, i))
				if err != nil {
					t.Errorf("append: %v", err)
					return
				}
				if i%10 == 0 {
					if synced, err := l.Sync(); err != nil || synced < n {
						t.Errorf("sync = %d, %v; want at least %d", synced, err, n)
					}
				}
			}
		})
	}
	group.Wait()
	if n, err := l.Sync(); n != writers*each || err != nil {
		t.Fatalf("last sync = %d, %v", n, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l, info, records, err := load(OS{}, dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if info.Records != writers*each {
		t.Fatalf("%d records, want %d", info.Records, writers*each)
	}
	next := make([]int, writers)
	for _, record := range records {
		var w, i int
		if _, err := fmt.Sscanf(record, "%d/%d", &w, &i); err != nil || i != next[w] {
			t.Fatalf("record %q, want %d of its writer", record, next[w])
		}
		next[w]++
	}
}

func TestOversizedRecord(t *testing.T) {
	l, _, _, err := load(NewMemFS(1), testDir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(make([]byte, RecordBytesMax+1)); err == nil {
		t.Fatal("a record above the limit was accepted")
	}
	for range 3 { // needs more than one frame
		if _, err := l.Append(make([]byte, RecordBytesMax/2+1)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Sync(); err != nil || l.Stats().Syncs != 3 {
		t.Fatalf("sync: %v after %d frames, want 3", err, l.Stats().Syncs)
	}
}
