package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"elenchus/node/protocol"
	"elenchus/node/register"
	"elenchus/node/storage"
	"elenchus/node/wal"
)

// dumpLine is one record of a log in readable form.
type dumpLine struct {
	Frame  uint64        `json:"frame"`
	Offset int64         `json:"offset"`
	Kind   string        `json:"kind"`
	Ballot string        `json:"ballot,omitempty"`
	Slot   protocol.Slot `json:"slot,omitempty"`
	Batch  []dumpCommand `json:"batch,omitempty"`
}

type dumpCommand struct {
	ID     string  `json:"id"`
	Op     string  `json:"op"`
	Key    string  `json:"key"`
	Value  string  `json:"value,omitempty"`
	Expect *string `json:"expect,omitempty"`
}

// dumpSnapshot is the first line, if there is a snapshot.
type dumpSnapshot struct {
	Kind     string        `json:"kind"` // "snapshot"
	Slot     protocol.Slot `json:"slot"` // the last slot covered
	Ballot   string        `json:"ballot,omitempty"`
	Bytes    int           `json:"bytes"`
	Checksum string        `json:"checksum"` // CRC-32C of the state
	Keys     int           `json:"keys"`
	Sessions int           `json:"sessions"`
	Hash     string        `json:"hash"` // state hash as in /status
}

// dumpEnd is the last line, a summary of the log.
type dumpEnd struct {
	Kind    string `json:"kind"` // "log"
	Cluster string `json:"cluster"`
	Node    string `json:"node"`
	Base    uint64 `json:"base"`   // the log needs a snapshot of this or a later slot
	Frames  uint64 `json:"frames"` // including those of earlier logs
	Records uint64 `json:"records"`
	Bytes   int64  `json:"bytes"`
	Torn    string `json:"torn,omitempty"`
}

// runDump prints the snapshot and the log in a data directory as JSON lines, without changing anything. A corrupt log
// is printed up to the damage, and the exit status is then 1. For a snapshot it prints the number of registers and
// sessions, after verifying them against the snapshot's hash.
func runDump(args []string, stdout, stderr io.Writer) int {
	if len(args) != 1 || args[0] == "" || args[0][0] == '-' {
		fmt.Fprintln(stderr, "usage: elenchus-node dump DIR")
		return exitUsage
	}
	w := bufio.NewWriter(stdout)
	encoder := json.NewEncoder(w)
	snapshot := func(s *protocol.Snapshot) error {
		line, err := describeSnapshot(s)
		if err != nil {
			return err
		}
		return encoder.Encode(line)
	}
	record := func(at wal.Position, rec *protocol.Record) error { return encoder.Encode(describeRecord(at, rec)) }
	info, err := storage.Read(wal.OS{}, args[0], snapshot, record)
	if err == nil {
		end := dumpEnd{
			Kind: "log", Cluster: info.Identity.Cluster, Node: protocol.NodeID(info.Identity.Node).String(),
			Base: info.Base, Frames: info.Frames, Records: info.Records, Bytes: info.Bytes,
		}
		if t := info.Torn; t != nil {
			end.Torn = fmt.Sprintf("%d bytes at offset %d: %s", t.Bytes, t.Offset, t.Reason)
		}
		err = encoder.Encode(end)
	}
	if err = errors.Join(err, w.Flush()); err != nil {
		fmt.Fprintln(stderr, "elenchus-node:", oneLine(err))
		return exitError
	}
	return exitOK
}

func describeSnapshot(s *protocol.Snapshot) (dumpSnapshot, error) {
	var store register.Store
	if err := store.Restore(s.State); err != nil {
		return dumpSnapshot{}, fmt.Errorf("read snapshot of slot %d: %w", s.Slot, err)
	}
	line := dumpSnapshot{
		Kind: "snapshot", Slot: s.Slot, Bytes: len(s.State), Checksum: fmt.Sprintf("%08x", s.Checksum()),
		Keys: store.Keys(), Sessions: store.Sessions(), Hash: fmt.Sprintf("%016x", store.Hash()),
	}
	if !s.Ballot.IsZero() {
		line.Ballot = s.Ballot.String()
	}
	return line, nil
}

var recordNames = map[protocol.RecordKind]string{
	protocol.RecordRound: "round", protocol.RecordPromise: "promise", protocol.RecordAccept: "accept",
	protocol.RecordCommit: "commit",
}

func describeRecord(at wal.Position, rec *protocol.Record) dumpLine {
	line := dumpLine{Frame: at.Frame, Offset: at.Offset, Kind: recordNames[rec.Kind], Slot: rec.Slot}
	ballot := rec.Ballot
	if rec.Kind == protocol.RecordAccept {
		ballot, line.Slot = rec.Entry.Ballot, rec.Entry.Slot
	}
	if !ballot.IsZero() {
		line.Ballot = ballot.String()
	}
	for i := range rec.Entry.Batch {
		c := &rec.Entry.Batch[i]
		d := dumpCommand{ID: c.ID(), Op: c.Op.String(), Key: c.Key, Value: c.Value}
		if c.Op == register.OpCAS && !c.ExpectAbsent {
			d.Expect = &c.Expect
		}
		line.Batch = append(line.Batch, d)
	}
	return line
}
