package wal

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

// rotated makes a log that begins with the given records and has one more frame for each group. It returns its bytes
// and the end offsets of its header and frames.
func rotated(t *testing.T, begin []string, groups ...[]string) (log []byte, ends []int) {
	t.Helper()
	fsys := NewMemFS(1)
	l, _, _, err := load(fsys, testDir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	write(t, l, []string{"dropped"}, []string{"dropped too"})
	records := make([][]byte, 0, len(begin))
	for _, record := range begin {
		records = append(records, []byte(record))
	}
	if err := l.Rotate(7, records); err != nil {
		t.Fatal(err)
	}
	write(t, l, nil)
	size := int(l.Stats().Bytes)
	for _, group := range groups {
		write(t, l, group)
		ends = append(ends, int(l.Stats().Bytes))
	}
	log = fsys.Bytes(testName)
	first := size
	for _, record := range slices.Backward(begin) {
		first -= len(appendRecord(nil, []byte(record)))
	}
	return log, append([]int{first - frameHeaderBytes, size}, ends...)
}

// TestRotatedLogIsNotTorn checks that damage to the records a log was created with is corruption, not a torn tail: they
// were durable before the log got its name, and they hold every promise of the node, whatever FramesMin says about
// earlier frames.
func TestRotatedLogIsNotTorn(t *testing.T) {
	log, ends := rotated(t, []string{"promise 3.n2", strings.Repeat("x", 3000)}, []string{"accept 9"})
	t.Run("cut", func(t *testing.T) {
		for cut := range len(log) + 1 {
			info, records, err := reopen(log[:cut])
			switch {
			case cut < ends[1]:
				if !errors.Is(err, ErrCorrupt) {
					t.Fatalf("cut at %d of %v: %d records, torn %+v, %v", cut, ends, len(records), info.Torn, err)
				}
			case err != nil || info.Base != 7 || len(records) != 2 && cut < ends[2]:
				t.Fatalf("cut at %d of %v: %d records, %+v, %v", cut, ends, len(records), info, err)
			}
		}
	})
	t.Run("sectors never written", func(t *testing.T) {
		whole := log[:ends[1]] // the log ends with the records it was created with
		for from := sectorBytes; from+sectorBytes <= len(whole); from += sectorBytes {
			bad := bytes.Clone(whole)
			clear(bad[from : from+sectorBytes])
			if _, records, err := reopen(bad); !errors.Is(err, ErrCorrupt) {
				t.Errorf("sector at %d zeroed: %d records, %v", from, len(records), err)
			}
		}
		bad := bytes.Clone(whole)
		clear(bad[ends[0]:])
		if _, records, err := reopen(bad); !errors.Is(err, ErrCorrupt) {
			t.Errorf("all zeroed: %d records, %v", len(records), err)
		}
	})
}
