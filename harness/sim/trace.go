package sim

import (
	"time"

	"elenchus/node/clock"
	"elenchus/node/protocol"
	"elenchus/node/register"
	"elenchus/results/history"
)

// Trace records everything that happened in a run, for drawing it. Its methods do nothing on a nil Trace, which
// campaigns have.
type Trace struct {
	Moments []Moment
}

// MomentKind says what happened at a moment.
type MomentKind string

// The kinds of moments.
const (
	MomentSent      MomentKind = "sent"
	MomentDelivered MomentKind = "delivered"
	MomentLost      MomentKind = "lost"
	MomentObserved  MomentKind = "observed"
	MomentStarted   MomentKind = "started"
	MomentCrashed   MomentKind = "crashed"
	MomentPaused    MomentKind = "paused"
	MomentResumed   MomentKind = "resumed"
	MomentAsked     MomentKind = "asked"   // a client's request reached a node's host
	MomentReplied   MomentKind = "replied" // an answer left a node
	MomentWritten   MomentKind = "written" // records were handed to a disk: Seq is the last of them
	MomentDurable   MomentKind = "durable" // a disk has them, up to Seq
	MomentInvoked   MomentKind = "invoked"
	MomentCompleted MomentKind = "completed"
)

// Moment is an event of a trace.
type Moment struct {
	At      time.Duration
	Kind    MomentKind
	Node    int // 1 …; of a message the sender
	Peer    int // of a message the receiver
	Client  int // of an operation
	Process int
	Message protocol.Message     // of a message
	Seen    protocol.Observation // of an observation
	Op      history.Op
	Result  history.Result
	Outcome history.Type
	Life    int           // of a node: which incarnation
	Clock   clock.Reading // of what happens to a node, or is observed: what its clocks showed
	Why     string        // of a loss, a crash, or an outcome

	Seq     protocol.WriteSeq // of records: the last one
	Command register.Command  // of a request
}

func (t *Trace) add(m Moment) { t.Moments = append(t.Moments, m) }

func (t *Trace) message(at time.Duration, kind MomentKind, msg *protocol.Message, why string) {
	if t == nil {
		return
	}
	t.add(Moment{At: at, Kind: kind, Node: int(msg.From), Peer: int(msg.To), Message: *msg, Why: why})
}

func (t *Trace) sent(at time.Duration, n *node, msg *protocol.Message) {
	if t == nil {
		return
	}
	t.add(Moment{At: at, Kind: MomentSent, Node: int(msg.From), Peer: int(msg.To), Message: *msg, Life: int(n.life),
		Clock: n.clock.reading(at)})
}

func (t *Trace) delivered(at time.Duration, msg *protocol.Message) {
	t.message(at, MomentDelivered, msg, "")
}

func (t *Trace) lost(at time.Duration, msg *protocol.Message, why string) {
	t.message(at, MomentLost, msg, why)
}

func (t *Trace) observed(at time.Duration, n *node, o *protocol.Observation) {
	if t == nil {
		return
	}
	t.add(Moment{
		At: at, Kind: MomentObserved, Node: n.index + 1, Seen: *o, Life: int(n.life), Clock: n.clock.reading(at),
	})
}

func (t *Trace) process(at time.Duration, kind MomentKind, n *node, why string) {
	if t == nil {
		return
	}
	t.add(Moment{At: at, Kind: kind, Node: n.index + 1, Life: int(n.life), Clock: n.clock.reading(at), Why: why})
}

func (t *Trace) started(at time.Duration, n *node) { t.process(at, MomentStarted, n, "") }

func (t *Trace) crashed(at time.Duration, n *node, why string) { t.process(at, MomentCrashed, n, why) }

func (t *Trace) paused(at time.Duration, n *node) { t.process(at, MomentPaused, n, "") }

func (t *Trace) resumed(at time.Duration, n *node) { t.process(at, MomentResumed, n, "") }

func (t *Trace) replied(at time.Duration, n *node, asked *request, r *protocol.Reply) {
	if t == nil {
		return
	}
	t.add(Moment{
		At: at, Kind: MomentReplied, Node: n.index + 1, Client: asked.client, Outcome: history.Type(r.Outcome.String()),
		Why: r.Reason,
	})
}

func (t *Trace) asked(at time.Duration, n *node, r *request) {
	if t == nil {
		return
	}
	t.add(Moment{At: at, Kind: MomentAsked, Node: n.index + 1, Client: r.client, Command: r.command})
}

func (t *Trace) records(at time.Duration, kind MomentKind, n *node, last protocol.WriteSeq) {
	if t == nil {
		return
	}
	t.add(Moment{At: at, Kind: kind, Node: n.index + 1, Life: int(n.life), Seq: last})
}

func (t *Trace) invoked(at time.Duration, c *client, op history.Op) {
	if t == nil {
		return
	}
	t.add(Moment{At: at, Kind: MomentInvoked, Node: c.node + 1, Client: c.index, Process: c.process, Op: op})
}

func (t *Trace) completed(at time.Duration, c *client, op *history.Operation) {
	if t == nil {
		return
	}
	t.add(Moment{
		At: at, Kind: MomentCompleted, Node: c.node + 1, Client: c.index, Process: op.Process, Op: op.Op,
		Result: op.Result, Outcome: op.Outcome, Why: op.Reason,
	})
}
