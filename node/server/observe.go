package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"elenchus/node/clock"
	"elenchus/node/protocol"
	"elenchus/node/register"
)

// ObservationsName is the name of the observations file in the data directory.
const ObservationsName = "observations.jsonl"

// observation is one line of the file. Every line has the readings of both clocks from the step it describes.
type observation struct {
	MonoNS int64         `json:"mono_ns"`
	WallNS int64         `json:"wall_ns"`
	Boot   uint64        `json:"boot"`
	Node   string        `json:"node"`
	Kind   string        `json:"kind"`
	Ballot string        `json:"ballot,omitempty"`
	First  protocol.Slot `json:"first,omitempty"`
	Slot   protocol.Slot `json:"slot,omitempty"`
	Peer   string        `json:"peer,omitempty"`
	IDs    []string      `json:"ids,omitempty"` // commands of the batch as "client:seq"
	Ops    []operation   `json:"ops,omitempty"` // the operations of the same commands
	Reason string        `json:"reason,omitempty"`

	// Lease fields. The clock of since_ns and until_ns is that of mono_ns if lease is "rate", of wall_ns if it is "wall".
	Lease string `json:"lease,omitempty"`
	Since int64  `json:"since_ns,omitempty"`
	Until int64  `json:"until_ns,omitempty"`
}

// operation describes a command's effect.
type operation struct {
	Op     string  `json:"op"`
	Key    string  `json:"key"`
	Value  string  `json:"value,omitempty"`
	Expect *string `json:"expect,omitempty"` // CAS only; omitted if it expects an absent register
}

// observer appends observations to the file.
type observer struct {
	file   *os.File
	node   string
	boot   uint64
	buffer []byte
}

func newObserver(dir string, node protocol.NodeID, boot uint64) (*observer, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("open observations: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, ObservationsName), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open observations: %w", err)
	}
	o := &observer{file: f, node: node.String(), boot: boot}
	if err := o.endLine(); err != nil {
		return nil, errors.Join(fmt.Errorf("open observations: %w", err), f.Close())
	}
	return o, nil
}

// endLine terminates a line that a crash cut short.
func (o *observer) endLine() error {
	info, err := o.file.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	last := make([]byte, 1)
	if _, err := o.file.ReadAt(last, info.Size()-1); err != nil {
		return err
	}
	if last[0] != '\n' {
		_, err = o.file.WriteString("\n")
	}
	return err
}

// add buffers one observation of the step at now.
func (o *observer) add(now clock.Reading, in *protocol.Observation) error {
	line := observation{
		MonoNS: int64(now.Mono), WallNS: now.Wall, Boot: o.boot, Node: o.node, Kind: in.Kind.String(),
		First: in.First, Slot: in.Slot, Reason: in.Reason,
		Lease: in.Lease, Since: in.Since, Until: in.Until,
	}
	if !in.Ballot.IsZero() {
		line.Ballot = in.Ballot.String()
	}
	if in.Peer != 0 {
		line.Peer = in.Peer.String()
	}
	for i := range in.Batch {
		line.IDs = append(line.IDs, in.Batch[i].ID())
		line.Ops = append(line.Ops, describe(&in.Batch[i]))
	}
	encoded, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("encode observation: %w", err)
	}
	o.buffer = append(append(o.buffer, encoded...), '\n')
	return nil
}

func describe(c *register.Command) operation {
	op := operation{Op: c.Op.String(), Key: c.Key, Value: c.Value}
	if c.Op == register.OpCAS && !c.ExpectAbsent {
		op.Expect = &c.Expect
	}
	return op
}

// flush writes the buffer with a single write.
func (o *observer) flush() error {
	if len(o.buffer) == 0 {
		return nil
	}
	_, err := o.file.Write(o.buffer)
	o.buffer = o.buffer[:0]
	if err != nil {
		return fmt.Errorf("write observations: %w", err)
	}
	return nil
}

func (o *observer) Close() error { return o.file.Close() }
