package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"elenchus/node/protocol"
	"elenchus/node/register"
	"elenchus/node/wal"
	"elenchus/node/wire"
)

// dumpLine is one record of a log, for people.
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

// dumpEnd is the last line: what the log is as a whole.
type dumpEnd struct {
	Cluster string `json:"cluster"`
	Node    string `json:"node"`
	Frames  uint64 `json:"frames"`
	Records uint64 `json:"records"`
	Bytes   int64  `json:"bytes"`
	Torn    string `json:"torn,omitempty"`
}

// runDump prints the log in a data directory as JSON lines and changes nothing. A corrupt log is printed up to where it
// is damaged; the exit status then is 1.
func runDump(args []string, stdout, stderr io.Writer) int {
	if len(args) != 1 || args[0] == "" || args[0][0] == '-' {
		fmt.Fprintln(stderr, "usage: elenchus-node dump DIR")
		return exitUsage
	}
	w := bufio.NewWriter(stdout)
	encoder := json.NewEncoder(w)
	info, err := wal.Read(wal.OS{}, args[0], func(at wal.Position, payload []byte) error {
		rec, err := wire.DecodeRecord(payload)
		if err != nil {
			return err
		}
		return encoder.Encode(describeRecord(at, &rec))
	})
	if err == nil {
		end := dumpEnd{
			Cluster: info.Identity.Cluster, Node: protocol.NodeID(info.Identity.Node).String(),
			Frames: info.Frames, Records: info.Records, Bytes: info.Bytes,
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
