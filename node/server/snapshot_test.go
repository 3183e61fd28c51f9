package server

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"elenchus/node/client"
	"elenchus/node/clock"
	"elenchus/node/multipaxos"
	"elenchus/node/protocol"
	"elenchus/node/wal"
)

// TestLaggardGetsASnapshot stops a node while the others compact away the entries it lacks, and then restarts all
// nodes, so that each starts from its own snapshot.
func TestLaggardGetsASnapshot(t *testing.T) {
	c := newClusterWith(t, 3, func(o *multipaxos.Options) {
		o.SnapshotEntries, o.SnapshotKeep, o.SnapshotChunk = 10, multipaxos.SnapshotOff, 100
	})
	leader := c.leader(0)
	laggard := leader%3 + 1
	list := func(seq uint64) client.Request {
		return client.Request{Op: client.OpAppend, Key: "list", Value: fmt.Sprint("element ", seq), Client: 1, Seq: seq}
	}
	must(t, c.client(leader), list(1))
	c.kill(laggard)
	for seq := uint64(2); seq <= 40; seq++ {
		must(t, c.client(leader), list(seq))
	}
	eventually(t, "the leader has dropped what the laggard lacks", func() bool {
		s, err := c.status(leader)
		return err == nil && s.WAL.Base > 20 && s.FirstSlot == s.Snapshot.Slot+1
	})
	c.start(laggard)
	c.converge()
	if log := readFile(t, c.data[laggard], ObservationsName); !strings.Contains(log, `"kind":"snapshot-installed"`) {
		t.Errorf("%v has caught up without a snapshot:\n%s", laggard, log)
	}
	for _, id := range c.ids() {
		c.kill(id)
	}
	for _, id := range c.ids() {
		c.start(id)
	}
	// A repeat gets its original answer from nodes that know its session only from their snapshots.
	if got := must(t, c.client(laggard), list(40)); len(got.Values) != 40 || got.Values[39] != "element 40" {
		t.Errorf("repeat: %+v", got)
	}
	for _, id := range c.ids() {
		got := must(t, c.client(id), client.Request{Op: client.OpRead, Key: "list"})
		if len(got.Values) != 40 || !slices.Contains(got.Values, "element 17") {
			t.Errorf("%v reads %d elements: %v", id, len(got.Values), got.Values)
		}
		s, err := c.status(id)
		if err != nil || s.Boot < 2 || s.Snapshot.Slot < 10 || s.Snapshot.Bytes < 100 || s.WAL.Records > 100 {
			t.Errorf("%v: %v, %+v", id, err, s)
		}
		if log := readFile(t, c.data[id], ObservationsName); !strings.Contains(log, `"kind":"snapshot-restored"`) {
			t.Errorf("%v has not started from a snapshot", id)
		}
	}
}

// snapshotFS lets the test decide the fate of every snapshot about to be written.
type snapshotFS struct {
	wal.FS
	fate chan error
}

func (f snapshotFS) OpenFile(name string, flag int) (wal.File, error) {
	if filepath.Base(name) == wal.SnapshotName+".new" {
		if err := <-f.fate; err != nil {
			return nil, err
		}
	}
	return f.FS.OpenFile(name, flag)
}

// snapshotter returns a machine that requests a snapshot of slot 1 at its start and one of slot 2 at every request.
func snapshotter(reports chan<- protocol.Slot) func(clock.Reading, protocol.Input) protocol.Effects {
	return func(_ clock.Reading, in protocol.Input) (fx protocol.Effects) {
		switch in.Kind {
		case protocol.InputStart:
			fx.Snapshot = &protocol.Snapshot{Slot: 1, State: []byte("one")}
		case protocol.InputRequest:
			fx.Snapshot = &protocol.Snapshot{Slot: 2, State: []byte("two")}
			fx.Replies = []protocol.Reply{{ID: in.Request.ID}}
		case protocol.InputSnapshotted:
			reports <- in.Snapshotted
		}
		return fx
	}
}

func TestSnapshotIsReportedWhenItIsDurable(t *testing.T) {
	disk, reports := snapshotFS{wal.OS{}, make(chan error)}, make(chan protocol.Slot, 2)
	dir := t.TempDir()
	s := startFake(t, func(o *Options) { o.FS, o.Data = disk, dir }, snapshotter(reports))
	id := wal.Identity{Cluster: "lab", Node: 1}
	for _, want := range []protocol.Slot{1, 2} {
		if n, _, err := wal.ReadSnapshot(wal.OS{}, dir, id); err == nil && n >= uint64(want) {
			t.Errorf("snapshot of slot %d is there", n)
		}
		disk.fate <- nil
		if got := <-reports; got != want {
			t.Fatalf("report of slot %d, want %d", got, want)
		}
		n, _, err := wal.ReadSnapshot(wal.OS{}, dir, id)
		if err != nil || n != uint64(want) {
			t.Errorf("on disk is the snapshot of slot %d, %v; want %d", n, err, want)
		}
		if want == 1 {
			if status, body := call(t, s, "GET", "/v1/registers/k", ""); status != 200 {
				t.Fatal(status, body)
			}
		}
	}
}

func TestSnapshotErrorStopsTheNode(t *testing.T) {
	broken := errors.New("input/output error")
	disk := snapshotFS{wal.OS{}, make(chan error, 1)}
	disk.fate <- broken
	s := startFake(t, func(o *Options) { o.FS = disk }, snapshotter(make(chan protocol.Slot, 2)))
	if err := s.Wait(); !errors.Is(err, broken) {
		t.Errorf("node stops with %v, want %v", err, broken)
	}
}

// A machine that requests a snapshot while another is being written is defective.
func TestSnapshotsAreWrittenOneAtATime(t *testing.T) {
	disk := snapshotFS{wal.OS{}, make(chan error)}
	s := startFake(t, func(o *Options) { o.FS = disk }, snapshotter(make(chan protocol.Slot, 2)))
	call(t, s, "GET", "/v1/registers/k", "")
	<-s.loop.done
	close(disk.fate)
	if err := s.Wait(); !errors.Is(err, ErrHalted) || !strings.Contains(err.Error(), "while another is written") {
		t.Errorf("node stops with %v", err)
	}
}
