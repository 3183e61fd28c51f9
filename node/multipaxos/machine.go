package multipaxos

import (
	"fmt"
	"math/rand/v2"
	"time"

	"elenchus/node/clock"
	"elenchus/node/protocol"
	"elenchus/node/register"
)

// Machine is one node of the protocol. It is created by [New] and implements [protocol.Machine]. It is not safe for
// concurrent use; a single driver steps it.
type Machine struct {
	opts    Options
	members members
	source  rand.PCG
	rng     rand.Rand // draws from source

	// This step.
	clock clock.Reading
	now   time.Duration // clock.Mono
	fx    protocol.Effects

	// This incarnation.
	started     bool
	virgin      bool // started with an empty disk
	halted      error
	incarnation uint64            // distinguishes this incarnation's forwards from earlier ones
	written     protocol.WriteSeq // the last record handed to the driver
	durable     protocol.WriteSeq // the last record known to be durable
	timers      [timersEnd]timer

	// Acceptor.
	promised    protocol.Ballot
	promisedSeq protocol.WriteSeq // the record that makes promised durable
	log         slotLog

	progress uint64 // 1 + the highest Seq of the Prepares of ballot promised; 0 if there was none
	grant    grant

	// Learner.
	store        *register.Store
	committed    protocol.Slot   // every slot up to this one is chosen and applied
	appliedIn    protocol.Ballot // the ballot of slot committed
	committedRec protocol.Slot   // the slot of the last RecordCommit
	notice       notice
	known        [protocol.NodesMax]protocol.Slot // the committed prefix of each member, as last reported
	catchup      catchup
	retry        retrying
	snapshots    snapshots

	// Leadership.
	role   protocol.Role
	ballot protocol.Ballot // the ballot it leads, campaigns in or follows
	leader protocol.NodeID
	heard  time.Duration // when leader was last heard from

	// Proposer.
	highest     protocol.Ballot // the highest ballot seen; the next campaign uses one above it
	losses      int             // campaigns and leaderships lost since the last success
	poll        poll
	campaigning campaigning
	leading     leading
	proposing   proposing
	reading     reading
	holding     holding

	requests requests
}

var _ protocol.Machine = (*Machine)(nil)

// New returns a node that starts from the state recovered from its log. The node does nothing before its first Step
// with [protocol.InputStart]. New returns an error listing all invalid options, or if the recovered log contradicts
// itself.
func New(opts Options, rec protocol.Recovered) (*Machine, error) {
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("invalid multipaxos options: %w", err)
	}
	opts = opts.withDefaults()
	store, err := register.New(register.Options{SessionsMax: opts.SessionsMax})
	if err != nil {
		return nil, fmt.Errorf("create store: %w", err)
	}
	log, err := newLog(rec)
	if err != nil {
		return nil, err
	}
	m := &Machine{
		opts:         opts,
		members:      newMembers(opts.Members, opts.Self),
		promised:     rec.Promised,
		log:          log,
		store:        store,
		committedRec: rec.Committed,
		highest:      rec.Round,
		virgin:       rec.Virgin(),
	}
	m.Reseed(opts.Seed)
	m.noteBallot(rec.Promised)
	if err := m.restore(rec); err != nil {
		return nil, err
	}
	m.snapshots.bytes = m.log.size(m.snapshots.durable)
	m.catchup.patience = m.opts.RetryInterval
	m.resetRetries()
	m.requests.init()
	m.fx = protocol.Effects{ // enough for most steps
		Records: make([]protocol.Record, 0, 4), Sends: make([]protocol.Send, 0, 2*len(m.members.ids)),
		Observations: make([]protocol.Observation, 0, 8),
	}
	return m, nil
}

// Reseed reseeds the machine's random number generator. Values already drawn are unaffected: the incarnation number and
// the deadlines of running timers. Reseed serves to explore alternative continuations of a run.
func (m *Machine) Reseed(seed uint64) {
	m.source.Seed(seed, uint64(m.opts.Self))
	m.rng = *rand.New(&m.source)
}

// Step implements [protocol.Machine].
func (m *Machine) Step(now clock.Reading, in protocol.Input) protocol.Effects {
	m.reset(now)
	if m.halted == nil && m.started != (in.Kind == protocol.InputStart) {
		m.dispatch(&in)
		m.settle()
	}
	if m.halted != nil {
		return protocol.Effects{Halt: m.halted}
	}
	return m.fx
}

func (m *Machine) reset(now clock.Reading) {
	m.clock, m.now = now, now.Mono
	m.fx.Snapshot, m.fx.Compaction = nil, nil
	m.fx.Records = m.fx.Records[:0]
	m.fx.Sends = m.fx.Sends[:0]
	m.fx.Replies = m.fx.Replies[:0]
	m.fx.Timers = m.fx.Timers[:0]
	m.fx.Observations = m.fx.Observations[:0]
}

func (m *Machine) dispatch(in *protocol.Input) {
	switch in.Kind {
	case protocol.InputStart:
		m.start()
	case protocol.InputMessage:
		m.onMessage(in.Message)
	case protocol.InputRequest:
		m.onRequest(in.Request)
	case protocol.InputTimer:
		m.onTimer(in.Timer)
	case protocol.InputDurable:
		m.onDurable(in.Durable)
	case protocol.InputForsake:
		m.forsake()
	case protocol.InputSnapshotted:
		m.onSnapshotted(in.Snapshotted)
	}
}

// start applies the recovered committed prefix as if it had just been learned.
func (m *Machine) start() {
	m.started = true
	m.incarnation = m.rng.Uint64() ^ uint64(m.clock.Wall)
	m.observe(protocol.Observation{
		Kind: protocol.ObservedRecovered, Ballot: m.promised, Slot: m.committedRec,
	})
	if s := m.snapshots.current; s != nil {
		m.observe(protocol.Observation{Kind: protocol.ObservedSnapshotRestored, Slot: s.Slot, Ballot: s.Ballot})
	}
	m.recallGrant()
	m.advance()
	m.compactRecovered()
	m.after(TimerElection, m.stretched(m.opts.ElectionTimeout))
	m.takeFirstBallot()
}

func (m *Machine) onMessage(msg *protocol.Message) {
	if msg == nil || msg.To != m.opts.Self || msg.From == m.opts.Self {
		return
	}
	from, ok := m.members.index(msg.From)
	if !ok {
		return
	}
	m.known[from] = max(m.known[from], msg.Committed)
	if usesBallot(msg.Kind) {
		m.noteBallot(msg.Ballot)
	}
	switch msg.Kind {
	case protocol.MsgPrepare:
		m.onPrepare(msg)
	case protocol.MsgPromise:
		m.onPromise(msg, from)
	case protocol.MsgNack:
		m.onNack(msg)
	case protocol.MsgAccept:
		m.onAccept(msg)
	case protocol.MsgAccepted:
		m.onAccepted(msg, from)
	case protocol.MsgHeartbeat:
		m.onHeartbeat(msg)
	case protocol.MsgHeartbeatAck:
		m.onHeartbeatAck(msg, from)
	case protocol.MsgCatchup:
		m.onCatchup(msg)
	case protocol.MsgChosen:
		m.onChosen(msg)
	case protocol.MsgForward:
		m.onForward(msg)
	case protocol.MsgForwardReply:
		m.onForwardReply(msg)
	case protocol.MsgLeaderAlive:
		m.onLeaderAlive(msg)
	case protocol.MsgForsake:
		m.onForsake(msg)
	case protocol.MsgPoll:
		m.onPoll(msg)
	case protocol.MsgWilling:
		m.onWilling(msg, from)
	case protocol.MsgUnwilling:
		m.onUnwilling(msg)
	case protocol.MsgSnapshot:
		m.onSnapshot(msg, from)
	case protocol.MsgFetch:
		m.onFetch(msg)
	}
}

// usesBallot reports whether a message of this kind shows that its ballot is in use. A poll and its answers do not.
func usesBallot(kind protocol.MessageKind) bool {
	switch kind {
	case protocol.MsgPoll, protocol.MsgWilling, protocol.MsgUnwilling:
		return false
	}
	return true
}

func (m *Machine) onDurable(seq protocol.WriteSeq) {
	// Ignore a sequence number that was never handed out.
	m.durable = max(m.durable, min(seq, m.written))
	if m.role == protocol.RoleLeader {
		m.countOwnVotes()
	}
}

// settle performs the follow-up work of a step, once, after its input has been handled.
func (m *Machine) settle() {
	m.tryElect()
	m.propose()
	m.noticeLoss()
	m.acknowledgeExecuted()
	m.confirmReads()
	m.forwardQueue()
	m.requestCatchup()
	m.announceCommit()
	m.requestSnapshot()
	if len(m.fx.Records) > 0 {
		m.recordCommit() // piggybacks on a write that happens anyway
	} else if m.committed > m.committedRec {
		m.ensure(TimerCommit, 10*m.opts.HeartbeatInterval)
	}
}

// record asks the driver to make rec durable and returns its sequence number.
func (m *Machine) record(rec protocol.Record) protocol.WriteSeq {
	m.fx.Records = append(m.fx.Records, rec)
	if rec.Kind == protocol.RecordAccept {
		m.snapshots.bytes += rec.Entry.Size()
	}
	m.written++
	return m.written
}

// send sends a message to a peer once the write numbered after is durable; zero means at once.
func (m *Machine) send(msg protocol.Message, after protocol.WriteSeq) {
	msg.From = m.opts.Self
	msg.Committed = m.committed
	m.fx.Sends = append(m.fx.Sends, protocol.Send{Message: msg, After: after})
}

// broadcast sends a message to every peer, as [Machine.send] does.
func (m *Machine) broadcast(msg protocol.Message, after protocol.WriteSeq) {
	for i, id := range m.members.ids {
		if i != m.members.self {
			msg.To = id
			m.send(msg, after)
		}
	}
}

func (m *Machine) observe(o protocol.Observation) { m.fx.Observations = append(m.fx.Observations, o) }

// noteBallot remembers the highest ballot seen, so that the next campaign goes above it.
func (m *Machine) noteBallot(b protocol.Ballot) {
	if m.highest.Less(b) {
		m.highest = b
	}
}

// halt stops the node for good. It has seen something impossible, so continuing could break a promise.
func (m *Machine) halt(format string, args ...any) {
	if m.halted == nil {
		m.halted = fmt.Errorf("%v stops: %s", m.opts.Self, fmt.Sprintf(format, args...))
	}
}
