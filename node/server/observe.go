package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/hashicorp/go-hclog"

	"elenchus/node/clock"
	"elenchus/node/protocol"
	"elenchus/node/register"
	"elenchus/node/trace"
)

// ObservationsName is the name of the observations file in the data directory.
const ObservationsName = "observations.jsonl"

// Kinds of lines about the file itself.
const (
	kindSegment   = "segment"   // the first line of a segment; Count is its number, rising from 1
	kindUnwritten = "unwritten" // Count lines are missing here; Reason says why
	kindClock     = "clock"     // this start counts mono_ns from Origin, a reading of the host's monotonic clock
)

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
	IDs    []string      `json:"ids,omitempty"`   // commands of the batch as "client:seq"
	Ops    []operation   `json:"ops,omitempty"`   // the operations of the same commands
	Value  string        `json:"value,omitempty"` // the digest of the same commands
	State  string        `json:"state,omitempty"` // the hash of registers and sessions after them
	Reason string        `json:"reason,omitempty"`
	Count  uint64        `json:"count,omitempty"` // number of the segment, or of missing lines
	Origin int64         `json:"origin_ns,omitempty"`

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

// observer appends observations to a file that is split into segments: a full segment gets a numbered name, and the
// oldest is dropped. The node's promises do not depend on observations, so a disk that accepts none of them does not
// stop the node. Missing observations are recorded in the file, for those who rely on it.
type observer struct {
	dir    string
	file   observationFile
	logger hclog.Logger
	node   string
	boot   uint64
	origin int64 // of the node's monotonic clock, on the host's; zero if unknown
	limit  int64 // bytes per segment; 0 means no limit

	segment uint64 // number of the current file, from 1
	size    int64  // bytes of whole lines in the file
	broken  bool   // the file ends in a partial line, which must be removed before anything is appended
	placed  bool   // this start has written where its clock counts from

	reserved   int64 // up to here in the file there is room, whatever becomes of the disk
	unreserved bool  // the file system reserves nothing

	buffer  []byte
	lines   uint64        // lines in buffer
	now     clock.Reading // clock reading of the last of them
	missing uint64        // lines that could not be written since one could
	lost    uint64        // of them, those of which the file does not say so yet
	marked  bool          // the file says that lines are missing after its last
	reason  string        // why they could not be written
}

// observationFile is a file to which lines are appended.
type observationFile interface {
	io.WriteCloser
	Truncate(size int64) error
	Reserve(from, length int64) error
}

func newObserver(o Options, boot uint64) (*observer, error) {
	if err := os.MkdirAll(o.Data, 0o755); err != nil {
		return nil, fmt.Errorf("open observations: %w", err)
	}
	f, err := openObservations(o.Data)
	if err != nil {
		return nil, fmt.Errorf("open observations: %w", err)
	}
	older, err := observationSegments(o.Data)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open observations: %w", err), f.Close())
	}
	obs := &observer{
		dir: o.Data, file: observationsOnDisk{f}, logger: o.Logger, node: o.ID.String(), boot: boot,
		origin: o.origin, limit: max(o.ObservationBytes, 0) / observationSegmentsMax, segment: 1,
	}
	if len(older) > 0 {
		obs.segment = older[len(older)-1] + 1
	}
	if obs.size, err = endLine(f); err != nil {
		return nil, errors.Join(fmt.Errorf("open observations: %w", err), f.Close())
	}
	return obs, nil
}

func openObservations(dir string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, ObservationsName), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
}

// endLine terminates a line that a crash cut short, and returns the resulting file size. If the disk is full, it
// removes the partial line instead.
func endLine(f *os.File) (size int64, err error) {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return 0, err
	}
	size = info.Size()
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, size-1); err != nil {
		return 0, err
	}
	if last[0] == '\n' {
		return size, nil
	}
	if _, err = f.WriteString("\n"); errors.Is(err, syscall.ENOSPC) {
		size, err = lastLine(f, size)
		return size, errors.Join(err, f.Truncate(size))
	}
	return size + 1, err
}

// lastLine returns the offset at which the last whole line of a file of the given size ends.
func lastLine(f *os.File, size int64) (int64, error) {
	block := make([]byte, 4096)
	for size > 0 {
		from := max(size-int64(len(block)), 0)
		n, err := f.ReadAt(block[:size-from], from)
		if err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(block[:n], '\n'); i >= 0 {
			return from + int64(i) + 1, nil
		}
		size = from
	}
	return 0, nil
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
	if in.Kind == protocol.ObservedApplied {
		line.Value = string(trace.AppendDigest(nil, in.Batch))
		if in.Hash != 0 { // something is in the state
			line.State = strconv.FormatUint(in.Hash, 16)
		}
	}
	encoded, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("encode observation: %w", err)
	}
	o.buffer = append(append(o.buffer, encoded...), '\n')
	o.lines, o.now = o.lines+1, now
	return nil
}

// tracedLine says that from here on the messages that leave this incarnation are among the observations.
var tracedLine = []byte(`"kind":"traced"`)

// stoppedLine says that this incarnation ended in good order, so that no line of it is missing.
var stoppedLine = []byte(`"kind":"stopped"`)

// sent buffers the line of a message that leaves now, which is given from its kind on. See package trace.
func (o *observer) sent(now clock.Reading, line []byte) {
	b := strconv.AppendInt(append(o.buffer, `{"mono_ns":`...), int64(now.Mono), 10)
	b = strconv.AppendInt(append(b, `,"wall_ns":`...), now.Wall, 10)
	b = strconv.AppendUint(append(b, `,"boot":`...), o.boot, 10)
	b = append(append(append(b, `,"node":"`...), o.node...), `",`...)
	o.buffer = append(append(b, line...), "}\n"...)
	o.lines, o.now = o.lines+1, now
}

func describe(c *register.Command) operation {
	op := operation{Op: c.Op.String(), Key: c.Key, Value: c.Value}
	if c.Op == register.OpCAS && !c.ExpectAbsent {
		op.Expect = &c.Expect
	}
	return op
}

// flush writes the buffer with a single write. Lines that cannot be written are dropped and counted.
func (o *observer) flush() {
	if len(o.buffer) == 0 {
		return
	}
	if err := o.write(); err != nil {
		if o.missing == 0 {
			o.logger.Warn("observations cannot be written: the node goes on without", "error", err)
		}
		o.missing, o.lost, o.reason = o.missing+o.lines, o.lost+o.lines, reasonOf(err)
		o.mark()
	}
	o.buffer, o.lines = o.buffer[:0], 0
}

// errPiece means that a partial line could not be removed.
var errPiece = errors.New("the file ends in a piece of a line")

// write writes either all buffered lines or, with an error, none. A partial line that an earlier failure left, and that
// could not be removed then, is removed first: until that works nothing is written, and the missing lines are counted.
func (o *observer) write() error {
	if o.broken {
		if err := o.file.Truncate(o.size); err != nil {
			return fmt.Errorf("%w: %w", errPiece, err)
		}
		o.broken = false
	}
	if o.limit > 0 && o.size > 0 && o.size+int64(len(o.buffer)) > o.limit {
		if err := o.rotate(); err != nil {
			return err
		}
	}
	data, err := o.headed(o.buffer)
	if err != nil {
		return err
	}
	if err := o.reserve(int64(len(data))); err != nil {
		return err
	}
	if err := o.append(data); err != nil {
		return err
	}
	if o.missing > 0 {
		o.logger.Info("observations are written again", "lost", o.missing)
		o.missing, o.lost, o.marked = 0, 0, false
	}
	return nil
}

// append writes lines with their head, or none of them.
func (o *observer) append(data []byte) error {
	if _, err := o.file.Write(data); err != nil {
		if cutErr := o.file.Truncate(o.size); cutErr != nil { // the next write tries again
			o.broken = true
			err = errors.Join(err, cutErr)
		}
		o.reserved = 0 // it went with the piece
		return fmt.Errorf("write observations: %w", err)
	}
	o.size += int64(len(data))
	o.placed = true
	return nil
}

// headed returns the data to write: lines, preceded by any about the file itself.
func (o *observer) headed(lines []byte) (data []byte, err error) {
	if o.size == 0 {
		data, err = o.about(data, observation{Kind: kindSegment, Count: o.segment})
	}
	if err == nil && o.origin != 0 && (o.size == 0 || !o.placed) {
		data, err = o.about(data, observation{Kind: kindClock, Origin: o.origin})
	}
	if err == nil && o.lost > 0 {
		data, err = o.about(data, observation{Kind: kindUnwritten, Count: o.lost, Reason: o.reason})
	}
	if err != nil || data == nil {
		return lines, err
	}
	return append(data, lines...), nil
}

// about appends a line about the file itself.
func (o *observer) about(data []byte, line observation) ([]byte, error) {
	line.MonoNS, line.WallNS, line.Boot, line.Node = int64(o.now.Mono), o.now.Wall, o.boot, o.node
	encoded, err := json.Marshal(line)
	if err != nil {
		return nil, fmt.Errorf("encode observation: %w", err)
	}
	return append(append(data, encoded...), '\n'), nil
}

// reasonOf returns the system's text for an error, without details such as file names.
func reasonOf(err error) string {
	if number := syscall.Errno(0); errors.As(err, &number) {
		return number.Error()
	}
	return err.Error()
}

func (o *observer) Close() error { return o.file.Close() }
