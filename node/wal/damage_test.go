package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

var testGroups = [][]string{{"promise 3.n2", "accept 1"}, {"accept 2"}, {"accept 3", "", "commit 2"}, {"commit 3"}}

// TestCutAtEveryByte checks that a log truncated anywhere replays exactly the groups that are complete.
func TestCutAtEveryByte(t *testing.T) {
	log, ends := sample(t, testGroups...)
	for cut := range len(log) + 1 {
		info, records, err := reopen(log[:cut])
		if cut < ends[0] {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("cut at %d, inside the header: %v", cut, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		var want []string
		for i, end := range ends[1:] {
			if end <= cut {
				want = append(want, testGroups[i]...)
			}
		}
		if !slices.Equal(records, want) {
			t.Fatalf("cut at %d: replayed %q, want %q", cut, records, want)
		}
		if atEnd := slices.Contains(ends, cut); atEnd != (info.Torn == nil) {
			t.Fatalf("cut at %d: torn = %+v", cut, info.Torn)
		}
	}
}

// TestFlipEveryBit checks that any single flipped bit is detected and not mistaken for a torn tail, even in the last
// frame.
func TestFlipEveryBit(t *testing.T) {
	log, ends := sample(t, testGroups...)
	for bit := range len(log) * 8 {
		damaged := bytes.Clone(log)
		damaged[bit/8] ^= 1 << (bit % 8)
		_, _, err := reopen(damaged)
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) {
			// A length corrupted to point beyond the file cannot pass for a torn tail either: the header has its own checksum.
			t.Fatalf("bit %d of byte %d (frames end at %v): %v, want ErrCorrupt", bit%8, bit/8, ends, err)
		}
		if corrupt.File != testName || corrupt.Offset > int64(bit/8) || corrupt.Reason == "" {
			t.Fatalf("bit %d of byte %d: %+v does not say where", bit%8, bit/8, corrupt)
		}
	}
}

// big returns a group of one record of n bytes without zeros.
func big(n int) []string { return []string{strings.Repeat("x", n)} }

func TestDamage(t *testing.T) {
	log, ends := sample(t, big(700), big(5000), big(700), big(3000))
	frame := func(i int) []byte { return log[ends[i]:ends[i+1]] }
	zero := func(from, to int) []byte {
		b := bytes.Clone(log)
		clear(b[from:to])
		return b
	}
	up := func(n int) int { return (n + sectorBytes - 1) / sectorBytes * sectorBytes }
	foreign, foreignEnds := sample(t, big(700))
	undecodable := bytes.Clone(log[:ends[3]])
	undecodable = append(undecodable, make([]byte, frameHeaderBytes)...)
	undecodable = append(undecodable, 9, 'x')
	sealFrame(undecodable[ends[3]:], 4, binary.LittleEndian.Uint32(log[12:]))

	tests := map[string]struct {
		log    []byte
		frames int    // good frames, if the log is readable
		reason string // the reason of ErrCorrupt, or "" if there is no error
	}{
		"whole":                             {log, 4, ""},
		"frame repeated at the end":         {slices.Concat(log, frame(3)), 0, "frame 4 stands where frame 5"},
		"stale frame at the end":            {slices.Concat(log, frame(0)), 0, "frame 1 stands where frame 5"},
		"frame missing":                     {slices.Concat(log[:ends[1]], log[ends[2]:]), 0, "frame 3 stands where frame 2"},
		"two frames swapped":                {slices.Concat(log[:ends[0]], frame(2), frame(1)), 0, "frame 3 stands"},
		"frame of another log":              {slices.Concat(log, foreign[foreignEnds[0]:]), 0, "header is damaged"},
		"text at the end":                   {slices.Concat(log, []byte("this is no frame header at all")), 0, "damaged"},
		"sector of a middle body zeroed":    {zero(up(ends[1]), up(ends[1])+sectorBytes), 0, "checksum of frame 2"},
		"middle frame zeroed":               {zero(ends[1], ends[2]), 0, "a good one follows"},
		"all but the last frame zeroed":     {zero(ends[0], ends[3]), 0, "a good one follows"},
		"sector of the last body zeroed":    {zero(up(ends[3]), up(ends[3])+sectorBytes), 3, ""},
		"last frame zeroed":                 {zero(ends[3], ends[4]), 3, ""},
		"last two frames zeroed":            {zero(ends[2], ends[4]), 2, ""}, // whole sectors lost: see the package comment
		"some zeros in the last body":       {zero(up(ends[3])+3, up(ends[3])+300), 0, "checksum of frame 4"},
		"header of the last frame zeroed":   {zero(ends[3], ends[3]+frameHeaderBytes), 0, "frame header is damaged"},
		"zeros behind the last frame":       {slices.Concat(log, make([]byte, 2000)), 4, ""},
		"many zeros behind the last frame":  {slices.Concat(log, make([]byte, frameBytesMax+100)), 0, "more than one"},
		"record longer than its good frame": {undecodable, 0, "record longer than itself"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			info, records, err := reopen(test.log)
			if test.reason == "" {
				if err != nil || len(records) != test.frames {
					t.Fatalf("%d frames, %v; want %d", len(records), err, test.frames)
				}
				if (info.Torn == nil) != (len(test.log) == ends[test.frames]) {
					t.Fatalf("torn = %+v", info.Torn)
				}
				return
			}
			if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), test.reason) {
				t.Fatalf("error %v, want ErrCorrupt because %q", err, test.reason)
			}
		})
	}
}

// TestVisitorsErrorIsCorruption checks that a record with a valid checksum and invalid meaning counts as damage too.
func TestVisitorsErrorIsCorruption(t *testing.T) {
	log, ends := sample(t, testGroups...)
	fsys := NewMemFS(1)
	fsys.SetBytes(testName, log)
	_, _, err := Open(fsys, testDir, testID, Options{}, func(at Position, _ []byte) error {
		if at.Frame == 3 && at.Record == 1 {
			return errors.New("unknown record kind 77")
		}
		return nil
	})
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) || corrupt.Offset != int64(ends[2]) ||
		corrupt.Reason != "record 1 of frame 3: unknown record kind 77" {
		t.Fatalf("error %+v", err)
	}
}

// FuzzOpen checks that any file is either refused, or repaired into a log that opens again with the same records and
// accepts new ones.
func FuzzOpen(f *testing.F) {
	header := header{id: testID, nonce: 7}.append(nil)
	frames := bytes.Clone(header)
	for i, body := range []string{"\x03one", "\x03two\x00"} {
		frame := append(make([]byte, frameHeaderBytes), body...)
		sealFrame(frame, uint64(i+1), 7)
		frames = append(frames, frame...)
	}
	f.Add(frames)
	f.Add(frames[:len(frames)-3])
	f.Add(append(bytes.Clone(frames), make([]byte, 600)...))
	f.Add(header)
	f.Fuzz(func(t *testing.T, log []byte) {
		fsys := NewMemFS(1)
		fsys.SetBytes(testName, log)
		l, info, records, err := load(fsys, testDir, Options{})
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrIdentity) {
				t.Fatalf("open: %v", err)
			}
			return
		}
		if info.Bytes > int64(len(log)) || !bytes.Equal(log[:info.Bytes], fsys.Bytes(testName)) {
			t.Fatalf("repair changed more than the tail: %+v", info)
		}
		write(t, l, []string{"more"})
		fsys.Reboot()
		_, info, again, err := load(fsys, testDir, Options{MustExist: true})
		if want := append(records, "more"); err != nil || info.Torn != nil || !slices.Equal(again, want) {
			t.Fatalf("after repair: %q, %+v, %v; want %q", again, info, err, want)
		}
	})
}

// crashRun is the result of one life of a node: the records replayed, the records then made durable, and the group in
// flight, which may or may not survive.
type crashRun struct {
	replayed, durable, limbo []string
	opened                   bool
	err                      error
}

func live(fsys FS, life int) (run crashRun) {
	l, _, records, err := load(fsys, testDir, Options{})
	if err != nil {
		run.err = err
		return run
	}
	run.opened, run.replayed = true, records
	for group := range 4 {
		run.limbo = nil
		for record := range group%3 + 1 {
			payload := fmt.Sprintf("%d.%d.%d %s", life, group, record, strings.Repeat("y", 1+group*400))
			if _, err := l.Append([]byte(payload)); err != nil {
				run.err = err
				return run
			}
			run.limbo = append(run.limbo, payload)
		}
		if _, err := l.Sync(); err != nil {
			run.err = err
			return run
		}
		run.durable = append(run.durable, run.limbo...)
	}
	run.limbo = nil
	return run
}

// TestCrashAnywhere crashes and recovers at every operation, by power loss or by a disk error and kill -9, and checks
// each recovery: all synced records are there in order, followed by at most one whole group that was in flight.
func TestCrashAnywhere(t *testing.T) {
	disk := errors.New("input/output error")
	ways := map[string]func(*MemFS, int){
		"power loss":                     func(m *MemFS, op int) { m.CrashAt(op) },
		"disk error":                     func(m *MemFS, op int) { m.FailAt(op, disk) },
		"disk error, restart, power off": func(m *MemFS, op int) { m.FailAt(op, disk) },
	}
	for name, arm := range ways {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(40) {
				for op := 1; ; op++ {
					if !crashOnce(t, name, arm, seed, op) {
						break
					}
				}
			}
		})
	}
}

// crashOnce crashes at operation op and reports whether that operation was reached.
func crashOnce(t *testing.T, name string, arm func(*MemFS, int), seed uint64, op int) bool {
	fsys := NewMemFS(seed)
	first := live(fsys, 1) // data that a later crash could lose
	if first.err != nil {
		t.Fatal(first.err)
	}
	fsys.Reboot()
	arm(fsys, op)
	second := live(fsys, 2)
	if second.err == nil {
		return false
	}
	if errors.Is(second.err, ErrCorrupt) {
		t.Fatalf("seed %d op %d: healthy log is called corrupt: %v", seed, op, second.err)
	}
	if name == "power loss" {
		fsys.Reboot()
	} else {
		fsys.Kill()
	}
	synced := slices.Concat(first.durable, second.durable)
	l, _, records, err := load(fsys, testDir, Options{MustExist: true})
	if err != nil {
		t.Fatalf("seed %d op %d: recovery: %v", seed, op, err)
	}
	if !slices.Equal(records, synced) && !slices.Equal(records, slices.Concat(synced, second.limbo)) {
		t.Fatalf("seed %d op %d: recovered %.20q\nsynced %.20q\nlimbo %.20q", seed, op, records, synced, second.limbo)
	}
	if name == "disk error, restart, power off" {
		// The restarted node has acted on what it replayed, so that must survive even though nothing was written since.
		fsys.Reboot()
		_, _, again, err := load(fsys, testDir, Options{MustExist: true})
		if err != nil || !slices.Equal(again, records) {
			t.Fatalf("seed %d op %d: recovered %.20q, after a power failure %.20q, %v", seed, op, records, again, err)
		}
		return true
	}
	write(t, l, []string{"life goes on"})
	return true
}
