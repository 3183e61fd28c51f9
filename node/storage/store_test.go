package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"elenchus/node/protocol"
	"elenchus/node/register"
	"elenchus/node/wal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const dir = "data"

var (
	id       = wal.Identity{Cluster: "lab", Node: 2}
	snapshot = filepath.Join(dir, wal.SnapshotName)
	log      = filepath.Join(dir, wal.FileName)
)

func ballot(round uint64) protocol.Ballot { return protocol.Ballot{Round: round, Node: 1} }

func accept(slot protocol.Slot, round uint64) protocol.Record {
	return protocol.Record{Kind: protocol.RecordAccept, Entry: protocol.Entry{
		Slot: slot, Ballot: ballot(round),
		Batch: []register.Command{{Client: 7, Seq: uint64(slot), Op: register.OpWrite, Key: "k", Value: fmt.Sprint(slot)}},
	}}
}

func promise(round uint64) protocol.Record {
	return protocol.Record{Kind: protocol.RecordPromise, Ballot: ballot(round)}
}

func commit(slot protocol.Slot) protocol.Record {
	return protocol.Record{Kind: protocol.RecordCommit, Slot: slot}
}

func state(slot protocol.Slot) *protocol.Snapshot {
	return &protocol.Snapshot{Slot: slot, Ballot: ballot(1), State: fmt.Appendf(make([]byte, 3000), "state of %d", slot)}
}

// deed is one action of a driver, with the expected contents of the disk afterwards.
type deed struct {
	name string
	do   func(*Store) error
	then protocol.Recovered
}

// script is the life of a node with two snapshots: one of its own, and one from a peer that covers slots its log never
// had.
func script() []deed {
	var deeds []deed
	var model protocol.Recovered
	copied := func() protocol.Recovered {
		c := model
		c.Entries = make(map[protocol.Slot]protocol.Entry)
		for slot, e := range model.Entries {
			c.Entries[slot] = e
		}
		return c
	}
	records := func(list ...protocol.Record) {
		for _, r := range list {
			model.Apply(r)
		}
		deeds = append(deeds, deed{fmt.Sprintf("%d records", len(list)), func(s *Store) error {
			for i := range list {
				if _, _, err := s.Append(&list[i]); err != nil {
					return err
				}
			}
			_, err := s.Sync()
			return err
		}, copied()})
	}
	save := func(slot protocol.Slot) {
		model.Snapshot = state(slot)
		deeds = append(deeds, deed{fmt.Sprintf("snapshot of %d", slot), func(s *Store) error {
			return s.WriteSnapshot(state(slot))
		}, copied()})
	}
	compact := func(slot protocol.Slot, after protocol.Record, list ...protocol.Record) {
		was := copied()
		model = protocol.Recovered{Snapshot: model.Snapshot, Round: was.Round}
		for _, r := range append(list, after) {
			model.Apply(r)
		}
		deeds = append(deeds, deed{fmt.Sprintf("compaction up to %d", slot), func(s *Store) error {
			err := s.Compact(&protocol.Compaction{Slot: slot, Records: list})
			if err == nil {
				_, _, err = s.Append(&after)
			}
			if err == nil {
				_, err = s.Sync()
			}
			return err
		}, copied()})
	}
	records(promise(1), accept(1, 1), accept(2, 1))
	records(accept(3, 1), commit(2), accept(4, 1))
	save(3)
	compact(3, accept(6, 2), promise(1), accept(3, 1), accept(4, 1), commit(3))
	records(accept(7, 2), commit(4))
	save(20)
	records(accept(22, 2))
	compact(20, accept(23, 2), promise(2), accept(22, 2), commit(20))
	records(accept(24, 2), commit(20))
	return deeds
}

// core returns the part of a recovered state that a compaction must not change.
func core(rec protocol.Recovered) protocol.Recovered {
	base := protocol.Slot(0)
	if rec.Snapshot != nil {
		base = rec.Snapshot.Slot
	}
	entries := make(map[protocol.Slot]protocol.Entry)
	for slot, e := range rec.Entries {
		if slot > base {
			entries[slot] = e
		}
	}
	rec.Entries, rec.Committed, rec.Round = entries, max(rec.Committed, base), protocol.Ballot{}
	return rec
}

// run executes the script until something fails, and returns the number of deeds done.
func run(fsys wal.FS) (done int, err error) {
	s, _, _, err := Open(fsys, dir, id, wal.Options{Nonce: func() uint32 { return 5 }})
	if err != nil {
		return 0, err
	}
	for _, d := range script() {
		if err := d.do(s); err != nil {
			return done, errors.Join(err, s.Close())
		}
		done++
	}
	return done, s.Close()
}

func same(t *testing.T, what string, got, want protocol.Recovered) bool {
	t.Helper()
	if diff := cmp.Diff(core(want), core(got), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s: recovered something else:\n%s", what, diff)
		return false
	}
	return true
}

// TestCrashAtEveryOperation interrupts the script at each file system operation, by a power failure or kill -9, with
// ten random outcomes for unsynced data. The recovered state must be that before or after the interrupted deed, even if
// recovery is itself interrupted at each of its operations. A compaction changes no state, so before and after it
// differ only in the record that follows.
func TestCrashAtEveryOperation(t *testing.T) {
	deeds := script()
	virgin := protocol.Recovered{}
	for op := 1; ; op++ {
		finished := false
		for seed := range uint64(10) {
			fsys := wal.NewMemFS(seed)
			fsys.CrashAt(op)
			done, err := run(fsys)
			if finished = err == nil; finished {
				break
			}
			before, after := virgin, virgin
			if done > 0 {
				before = deeds[done-1].then
			}
			if done < len(deeds) {
				after = deeds[done].then
			}
			if seed%3 == 0 {
				fsys.Kill()
			} else {
				fsys.Reboot()
			}
			what := fmt.Sprintf("operation %d, seed %d, after %d deeds", op, seed, done)
			if !recovers(t, what, fsys, int(seed), before, after) {
				return
			}
		}
		if finished {
			t.Logf("%d operations", op-1)
			return
		}
	}
}

// recovers opens the disk, interrupting the attempt at each operation in turn until it succeeds.
func recovers(t *testing.T, what string, fsys *wal.MemFS, fate int, before, after protocol.Recovered) bool {
	t.Helper()
	for op := 1; ; op++ {
		fsys.CrashAt(op)
		s, rec, _, err := Open(fsys, dir, id, wal.Options{})
		if err != nil {
			if !errors.Is(err, wal.ErrCrashed) {
				t.Errorf("%s: %v", what, err)
				return false
			}
			if fate%2 == 0 {
				fsys.Kill()
			} else {
				fsys.Reboot()
			}
			continue
		}
		for _, name := range []string{log, snapshot} {
			if left := fsys.Bytes(name + ".new"); left != nil {
				t.Errorf("%s: %s.new is left", what, name)
			}
		}
		if err := s.Close(); err != nil && !errors.Is(err, wal.ErrCrashed) {
			t.Error(err)
		}
		return cmp.Equal(core(rec), core(before), cmpopts.EquateEmpty()) || same(t, what, rec, after)
	}
}

func TestScriptRunsToItsEnd(t *testing.T) {
	fsys := wal.NewMemFS(1)
	done, err := run(fsys)
	deeds := script()
	if done != len(deeds) || err != nil {
		t.Fatalf("%d of %d deeds, %v", done, len(deeds), err)
	}
	s, rec, info, err := Open(fsys, dir, id, wal.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	same(t, "at the end", rec, deeds[len(deeds)-1].then)
	if info.Base != 20 || info.Records != 6 || info.Frames != 9 || rec.Committed != 20 {
		t.Errorf("info %+v, committed %d", info, rec.Committed)
	}
	if _, ok := rec.Entries[4]; ok {
		t.Error("slot 4 is still in the log")
	}
}

// TestDamagedSnapshotStopsTheNode flips every bit of a snapshot, truncates it at every byte, and removes it.
func TestDamagedSnapshotStopsTheNode(t *testing.T) {
	fsys := wal.NewMemFS(1)
	if _, err := run(fsys); err != nil {
		t.Fatal(err)
	}
	good, records := fsys.Bytes(snapshot), fsys.Bytes(log)
	open := func(bytes []byte) error {
		fsys := wal.NewMemFS(1)
		fsys.SetBytes(log, records)
		if bytes != nil {
			fsys.SetBytes(snapshot, bytes)
		}
		s, _, _, err := Open(fsys, dir, id, wal.Options{})
		if err == nil {
			err = s.Close()
		}
		return err
	}
	if err := open(good); err != nil {
		t.Fatal(err)
	}
	for bit := range len(good) * 8 {
		if bit > 100*8 && bit < (len(good)-100)*8 && bit%97 != 0 {
			continue // the middle of the state is uniform
		}
		bad := append([]byte(nil), good...)
		bad[bit/8] ^= 1 << (bit % 8)
		var corrupt *wal.CorruptError
		if err := open(bad); !errors.As(err, &corrupt) || corrupt.File != snapshot {
			t.Fatalf("bit %d flipped: %v", bit, err)
		}
	}
	for _, cut := range []int{0, 1, 10, 50, len(good) / 2, len(good) - 1} {
		if err := open(good[:cut]); !errors.Is(err, wal.ErrCorrupt) {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
	if err := open(append(good, 0)); !errors.Is(err, wal.ErrCorrupt) {
		t.Errorf("a byte too many: %v", err)
	}
	if err := open(nil); !errors.Is(err, wal.ErrCorrupt) {
		t.Errorf("no snapshot: %v", err)
	}
}

// TestFilesThatDoNotFit checks an old copy of one of the files, another node's snapshot, and a snapshot without its
// log.
func TestFilesThatDoNotFit(t *testing.T) {
	write := func(fsys wal.FS, id wal.Identity, slot protocol.Slot) {
		s := Store{fsys: fsys, dir: dir, id: id}
		if err := s.WriteSnapshot(state(slot)); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		change func(*wal.MemFS)
		want   error
	}{
		"older snapshot":        {func(f *wal.MemFS) { write(f, id, 19) }, wal.ErrCorrupt},
		"snapshot of n3":        {func(f *wal.MemFS) { write(f, wal.Identity{Cluster: "lab", Node: 3}, 20) }, wal.ErrIdentity},
		"snapshot of cluster x": {func(f *wal.MemFS) { write(f, wal.Identity{Cluster: "x", Node: 2}, 20) }, wal.ErrIdentity},
		"no log":                {func(f *wal.MemFS) { _ = f.Remove(log) }, wal.ErrMissing},
		"newer snapshot":        {func(f *wal.MemFS) { write(f, id, 21) }, nil},
	} {
		fsys := wal.NewMemFS(1)
		if _, err := run(fsys); err != nil {
			t.Fatal(err)
		}
		c.change(fsys)
		s, _, _, err := Open(fsys, dir, id, wal.Options{})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if err == nil {
			_ = s.Close()
		}
	}
}

// TestReadShowsARunningNode reads while the log is open, and checks that nothing changes.
func TestReadShowsARunningNode(t *testing.T) {
	fsys, dir := wal.OS{}, t.TempDir()
	s, _, _, err := Open(fsys, dir, id, wal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, d := range script() {
		if err := d.do(s); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "wal.new"), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		rec := protocol.Recovered{}
		_, err := Read(fsys, dir, func(s *protocol.Snapshot) error {
			rec.Snapshot = s
			return nil
		}, func(_ wal.Position, r *protocol.Record) error {
			rec.Apply(*r)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		same(t, d.name, rec, d.then)
	}
}

// After a failed write, a store must refuse everything.
func TestErrorsStick(t *testing.T) {
	broken := errors.New("input/output error")
	for op := 1; op <= 6; op++ {
		fsys := wal.NewMemFS(1)
		s, _, _, err := Open(fsys, dir, id, wal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.WriteSnapshot(state(3)); err != nil {
			t.Fatal(err)
		}
		fsys.FailAt(op, broken)
		if err := s.Compact(&protocol.Compaction{Slot: 3, Records: []protocol.Record{promise(1)}}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Sync(); !errors.Is(err, broken) {
			t.Errorf("operation %d of a rotation fails: %v", op, err)
		}
		r := promise(2)
		if _, _, err := s.Append(&r); !errors.Is(err, wal.ErrBroken) {
			t.Errorf("append after that: %v", err)
		}
		if err := s.Compact(&protocol.Compaction{Slot: 3}); !errors.Is(err, wal.ErrBroken) {
			t.Errorf("compact after that: %v", err)
		}
	}
}
